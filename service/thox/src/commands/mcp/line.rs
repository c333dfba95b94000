//! A message as it stands on a line (MCP specification, "stdio"), and errors in its form.

use crate::failure::{Exit, Failure};
use serde_json::{Value, json};

/// JSON-RPC 2.0, 5.1.
const PARSE_ERROR: i64 = -32700;
/// The codes of the device's own errors for the same causes.
const FAILED: i64 = -32000;
const UNAUTHORIZED: i64 = -32001;

/// The first revision without sessions.
const WITHOUT_SESSIONS: &str = "2026-07-28";

/// A message from the client.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    message: Value,
}

impl Line {
    /// Reads one; the error is the answer to it.
    pub(super) fn read(text: String) -> Result<Self, Value> {
        match serde_json::from_str::<Value>(&text) {
            Ok(message) if message.is_object() => Ok(Self { text, message }),
            Ok(_) | Err(_) => Err(error(
                &Value::Null,
                PARSE_ERROR,
                "the line is no JSON-RPC message: send one JSON object on a line",
            )),
        }
    }

    /// The id that its answer has to have; none of a notification or a response.
    pub(super) fn id(&self) -> Option<&Value> {
        self.message.get("method")?;
        self.message.get("id").filter(|id| !id.is_null())
    }

    pub(super) fn method(&self) -> &str {
        self.text_of("/method").unwrap_or_default()
    }

    /// Whether it opens a session.
    pub(super) fn begins(&self) -> bool {
        self.method() == "initialize" && self.id().is_some()
    }

    /// What a tool, a prompt or a resource is called, as the header `Mcp-Name` has it.
    pub(super) fn name(&self) -> Option<&str> {
        self.text_of("/params/name")
            .or_else(|| self.text_of("/params/uri"))
    }

    /// The revision that the message itself names: one that needs no session.
    pub(super) fn own_version(&self) -> Option<&str> {
        self.text_of("/params/_meta/io.modelcontextprotocol~1protocolVersion")
            .filter(|version| *version >= WITHOUT_SESSIONS)
    }

    /// Which request the client cancels by this.
    pub(super) fn cancels(&self) -> Option<&Value> {
        (self.method() == "notifications/cancelled")
            .then(|| self.message.pointer("/params/requestId"))
            .flatten()
    }

    fn text_of(&self, pointer: &str) -> Option<&str> {
        self.message.pointer(pointer)?.as_str()
    }
}

/// An error for the client.
pub(super) fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A failure of this program's as the answer to a request.
pub(super) fn failed(id: &Value, failure: &Failure) -> Value {
    match failure {
        Failure::Told {
            exit,
            message,
            next,
        } => {
            let code = match exit {
                Exit::Authentication => UNAUTHORIZED,
                _ => FAILED,
            };
            let text = match next {
                Some(next) => format!("{message}; {next}"),
                None => message.clone(),
            };
            error(id, code, &text)
        }
        Failure::Silent(_) | Failure::OutputClosed => error(id, FAILED, "the request failed"),
    }
}

/// What the device sent, as an answer to `id`: a JSON-RPC message as it is; an error of the device's HTTP in its form.
pub(super) fn answer(mut message: Value, id: &Value) -> Value {
    if message.get("jsonrpc").is_some() {
        // Where the device could not read the id, the client still waits for an answer to it.
        if message.get("error").is_some()
            && let Some(own) = message.get_mut("id").filter(|own| own.is_null())
        {
            *own = id.clone();
        }
        return message;
    }
    let text = message
        .pointer("/error/message")
        .and_then(Value::as_str)
        .unwrap_or("the device sent something that is no message of MCP's");
    error(id, FAILED, text)
}

/// Whether a message is the answer to `id`.
pub(super) fn answers(message: &Value, id: &Value) -> bool {
    message.get("method").is_none() && message.get("id") == Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_apart() {
        let read = |text: &str| Line::read(text.to_owned());
        let call = read(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#).unwrap();
        assert_eq!(call.id(), Some(&json!(7)));
        assert_eq!(
            (call.name(), call.own_version()),
            (Some("a"), Some("2026-07-28"))
        );
        let response = read(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).unwrap();
        assert!(response.id().is_none());
        let cancel =
            read(r#"{"method":"notifications/cancelled","params":{"requestId":"x"}}"#).unwrap();
        assert_eq!(cancel.cancels(), Some(&json!("x")));
        for text in ["", "hello", "[]", "7"] {
            assert_eq!(read(text).unwrap_err()["error"]["code"], PARSE_ERROR);
        }
    }

    #[test]
    fn whatever_the_device_sends_is_an_answer() {
        let id = json!(3);
        let lost =
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32001, "message": "gone"}});
        assert_eq!(answer(lost, &id)["id"], 3);
        let openai = json!({"error": {"message": "no key", "code": "invalid_api_key"}});
        let told = answer(openai, &id);
        assert_eq!(
            (&told["id"], &told["error"]["message"]),
            (&id, &json!("no key"))
        );
        assert!(answers(&told, &id));
    }
}
