//! What a client may say: a chat request, or that one shall stop.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use thox_api::{ApiError, ErrorKind};

/// A client's message.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// A chat request; the text is OpenAI's request with an optional `request_id`.
    Chat {
        /// The client's own id, as it wrote it.
        request_id: Option<Box<str>>,
    },
    /// Stop a request.
    Cancel {
        /// Which one; none for the one without an id.
        request_id: Option<Box<str>>,
    },
}

/// Ids are echoed in every message: long ones would cost more than the tokens.
const LONGEST_ID: usize = 128;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<&'a RawValue>,
}

const NO_OBJECT: &str =
    "the message is no JSON object. Send one such as {\"model\":\"thox-coder\",\"messages\":[…]}.";

/// Reads a text message.
///
/// # Errors
/// What is wrong with it, and the request's id where that could be read.
pub fn read(text: &str) -> Result<Message, (ApiError, Option<Box<str>>)> {
    let invalid = |message: String| (ApiError::new(ErrorKind::InvalidRequest, message), None);
    // serde would take a list for a struct's fields in their order.
    if !text.trim_start().starts_with('{') {
        return Err(invalid(NO_OBJECT.to_owned()));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| {
        invalid(format!("the message cannot be read as a JSON object: {error}. Send one such as {{\"model\":\"thox-coder\",\"messages\":[…]}}."))
    })?;
    let request_id: Option<Box<str>> = match envelope.request_id.map(RawValue::get) {
        None => None,
        Some(id) if id.len() > LONGEST_ID || id.starts_with(['{', '[']) => {
            return Err(invalid(format!(
                "`request_id` has to be a string or a number of at most {LONGEST_ID} characters."
            )));
        }
        Some(id) => Some(id.into()),
    };
    match envelope.kind.as_deref() {
        None | Some("chat") => Ok(Message::Chat { request_id }),
        Some("cancel") => Ok(Message::Cancel { request_id }),
        Some(other) => {
            let message = format!(
                "there is no message of type `{other}`: leave `type` out for a chat request, or send {{\"type\":\"cancel\",\"request_id\":…}}."
            );
            Err((
                ApiError::new(ErrorKind::InvalidRequest, message).param("type"),
                request_id,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests_and_cancellations() {
        assert_eq!(
            read(r#"{"model":"m","messages":[]}"#).unwrap(),
            Message::Chat { request_id: None }
        );
        assert_eq!(
            read(r#"{"request_id": "a\"b" ,"type":"chat"}"#).unwrap(),
            Message::Chat {
                request_id: Some(r#""a\"b""#.into())
            }
        );
        assert_eq!(
            read(r#"{"type":"cancel","request_id":7}"#).unwrap(),
            Message::Cancel {
                request_id: Some("7".into())
            }
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for text in [
            "",
            "hello",
            "[]",
            r#"{"type":"dance"}"#,
            r#"{"request_id":{}}"#,
            r#"{"type":3}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let (error, id) = read(r#"{"type":"dance","request_id":1}"#).unwrap_err();
        assert!(error.message.contains("`dance`"));
        assert_eq!(id.as_deref(), Some("1"));
    }
}
