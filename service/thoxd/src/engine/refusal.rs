//! An engine's error replies, in whatever form, as ours.

use serde_json::Value;
use thox_api::{ApiError, ErrorKind};

/// What an engine said with a status of 400 or more.
///
/// Engines write `{"error":{"message":…}}`, `{"error":"…"}` (the text sometimes JSON itself), `{"object":"error",
/// "message":…}`, `{"detail":…}` or plain text.
#[must_use]
pub fn read(engine: &str, status: u16, body: &[u8]) -> ApiError {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let (message, param) = match &parsed {
        Some(value) => (message(value, 0), param(value)),
        None => (
            Some(
                String::from_utf8_lossy(body)
                    .trim()
                    .chars()
                    .take(500)
                    .collect(),
            ),
            None,
        ),
    };
    let message = message
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "no reason given".to_owned());
    let (kind, next) = match status {
        404 => (
            ErrorKind::ModelNotFound,
            "GET /v1/models lists what there is",
        ),
        429 => (ErrorKind::EngineBusy, "Try again in a moment"),
        401 | 403 => (
            ErrorKind::EngineError,
            "Its key is a setting, engines.NAME.api_key_file",
        ),
        503 => (ErrorKind::QueueFull, "Try again in a moment"),
        504 => (ErrorKind::EngineTimeout, "Try again in a moment"),
        400..=499 => (ErrorKind::InvalidRequest, ""),
        _ => (
            ErrorKind::EngineError,
            "Repeat the request; the engine's own log says more",
        ),
    };
    let said = message.trim_end_matches('.');
    let text = match next {
        "" => format!("engine `{engine}` refused the request ({status}): {said}."),
        next => format!("engine `{engine}` answered {status}: {said}. {next}."),
    };
    let mut error = ApiError::new(kind, text).cause(format_args!("status {status}"));
    if let Some(param) = param {
        error = error.param(param);
    }
    if matches!(kind, ErrorKind::EngineBusy | ErrorKind::QueueFull) {
        error = error.retry_after(RETRY_AFTER_SECONDS);
    }
    error
}

/// Engines give no `Retry-After`; a short answer of a small model takes about this long.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A runner's error inside Ollama's inside an envelope is five levels deep.
const DEEPEST: u8 = 6;

fn message(value: &Value, depth: u8) -> Option<String> {
    match value {
        // A runner's own JSON may stand as text inside Ollama's error.
        Value::String(text) if depth < DEEPEST && text.trim_start().starts_with('{') => {
            serde_json::from_str(text)
                .ok()
                .and_then(|inner: Value| message(&inner, depth + 1))
                .or_else(|| Some(text.clone()))
        }
        Value::String(text) => Some(validation_error(text).unwrap_or_else(|| text.clone())),
        Value::Object(fields) if depth < DEEPEST => ["error", "message", "detail", "msg"]
            .iter()
            .filter_map(|name| fields.get(*name))
            .find_map(|inner| message(inner, depth + 1)),
        Value::Array(items) if depth < DEEPEST => {
            items.iter().find_map(|item| message(item, depth + 1))
        }
        _ => None,
    }
}

/// What matters of pydantic's list of errors as Python prints it, `[{'loc': ('body', 'x'), 'msg': '…', 'input': {…}}]`:
/// its `input` is the request again, prompt and all.
fn validation_error(text: &str) -> Option<String> {
    let list = text.strip_prefix("[{'")?;
    let between = |mark: &str, end: char| {
        let from = list.find(mark)? + mark.len();
        list.get(from..)?.split(end).next()
    };
    Some(format!(
        "{}: {}",
        between("'loc': (", ')')?.trim_end_matches(','),
        between("'msg': '", '\'')?
    ))
}

fn param(value: &Value) -> Option<String> {
    let error = value
        .get("error")
        .filter(|error| error.is_object())
        .unwrap_or(value);
    Some(error.get("param")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_engines_form() {
        for (body, said) in [
            (
                r#"{"error":{"message":"bad field","type":"x","param":"seed","code":null}}"#,
                "bad field",
            ),
            (
                r#"{"error":"model \"x\" not found"}"#,
                "model \"x\" not found",
            ),
            (
                r#"{"error":"{\"error\":{\"message\":\"inner\"}}"}"#,
                "inner",
            ),
            (
                r#"{"error":{"message":"{\"code\":400,\"message\":\"runner\"}"}}"#,
                "runner",
            ),
            (
                r#"{"object":"error","message":"flat","type":"BadRequestError","param":null,"code":400}"#,
                "flat",
            ),
            (
                r#"{"detail":[{"loc":["body"],"msg":"extra fields"}]}"#,
                "extra fields",
            ),
            (
                r#"{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'x'), 'msg': 'Extra inputs', 'input': {'secret'}}]"}"#,
                "'body', 'x': Extra inputs",
            ),
            ("plain words\n", "plain words"),
            ("", "no reason given"),
            ("{}", "no reason given"),
        ] {
            let error = read("e", 400, body.as_bytes());
            assert_eq!(
                error.message,
                format!("engine `e` refused the request (400): {said}.")
            );
            assert_eq!(error.kind, ErrorKind::InvalidRequest);
        }
        let error = read("e", 400, br#"{"error":{"message":"m","param":"seed"}}"#);
        assert_eq!(error.param.as_deref(), Some("seed"));
    }

    #[test]
    fn a_busy_engine_says_when_to_come_back() {
        assert_eq!(read("e", 503, b"{}").retry_after, Some(2));
        assert_eq!(read("e", 429, b"{}").kind.row().status, 429);
        assert_eq!(read("e", 500, b"{}").kind.row().status, 502);
    }
}
