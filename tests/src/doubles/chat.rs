//! What a chat request says, read the same way for every engine.

use super::script::Script;
use serde_json::Value;

/// The text of a message's content: the string, or the text parts joined.
pub(crate) fn content_text(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|p| p["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// The messages of a request; none where there are none.
pub(crate) fn messages(body: &Value) -> &[Value] {
    body["messages"].as_array().map_or(&[], Vec::as_slice)
}

/// The last text that a user wrote.
pub(crate) fn user_text(body: &Value) -> String {
    messages(body)
        .iter()
        .rev()
        .find(|m| m["role"] == "user")
        .map(content_text)
        .unwrap_or_default()
}

/// The parts of all messages that are no text.
pub(crate) fn media_parts(body: &Value) -> impl Iterator<Item = &Value> {
    let parts = messages(body)
        .iter()
        .filter_map(|m| m["content"].as_array())
        .flatten();
    parts.filter(|part| part["type"] != "text")
}

/// A prompt's length in tokens; a double's token is a word, unless its script says otherwise.
pub(crate) fn prompt_tokens(script: &Script, body: &Value) -> usize {
    let of_text = |text: &str| text.split_whitespace().count() * script.tokens_per_word;
    let of_messages: usize = messages(body)
        .iter()
        .map(|m| of_text(&content_text(m)) + 4)
        .sum();
    let words = |field: &str| body[field].as_str().map_or(0, of_text);
    of_messages + words("prompt") + words("suffix")
}

/// Whether the client asked for a stream.
pub(crate) fn streams(body: &Value) -> bool {
    body["stream"] == true
}

/// Whether the client asked for the usage at the end of the stream.
pub(crate) fn includes_usage(body: &Value) -> bool {
    body["stream_options"]["include_usage"] == true
}

/// The top-level fields of a request.
pub(crate) fn fields(body: &Value) -> impl Iterator<Item = &str> {
    body.as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
}
