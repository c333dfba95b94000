//! What routing needs of a request, borrowed from its text; nothing else is looked at, and every field survives.

use crate::engine::request::Fields;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use thox_api::{ApiError, ErrorKind};
use thox_policy::{Capabilities, Capability, Endpoint};

/// A request as far as thoxd reads it.
#[derive(Debug)]
pub struct Peek<'a> {
    /// The public name of the model.
    pub model: Cow<'a, str>,
    /// Whether the reply shall be a stream.
    pub stream: bool,
    /// Whether the stream shall end with a count.
    pub wants_usage: bool,
    /// What the request needs of the model.
    pub needs: Capabilities,
    /// All fields.
    pub fields: Fields<'a>,
}

/// Reads a request.
///
/// # Errors
/// 400 with the field at fault.
pub fn peek(body: &[u8], endpoint: Endpoint) -> Result<Peek<'_>, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        invalid(
            "",
            format!("the body is not UTF-8: {error}. Send JSON as UTF-8."),
        )
    })?;
    let fields = Fields::read(text).map_err(|error| {
        invalid("", format!("the body cannot be read as a JSON object: {error}. Send one such as {{\"model\":\"thox-coder\",…}}."))
    })?;
    let model = match fields.get("model") {
        None | Some("null") => {
            return Err(invalid(
                "model",
                "`model` is missing: name one, such as \"thox-coder\"; GET /v1/models lists them.",
            ));
        }
        Some(json) => {
            string(json).ok_or_else(|| invalid("model", "`model` has to be a string."))?
        }
    };
    let stream = flag(&fields, "stream")?;
    if stream && endpoint == Endpoint::Embeddings {
        return Err(invalid(
            "stream",
            "embeddings cannot be streamed: leave `stream` out.",
        ));
    }
    let input = match endpoint {
        Endpoint::Chat => "messages",
        Endpoint::Completions => "prompt",
        Endpoint::Embeddings => "input",
    };
    if present(&fields, input).is_none() {
        return Err(invalid(input, format!("`{input}` is missing.")));
    }
    let needs = needs(&fields, endpoint)?;
    let wants_usage = match present(&fields, "stream_options") {
        None => false,
        Some(json) => {
            let options: StreamOptions = serde_json::from_str(json).map_err(|_| {
                invalid(
                    "stream_options",
                    "`stream_options` has to be an object such as {\"include_usage\":true}.",
                )
            })?;
            options.include_usage.unwrap_or(false)
        }
    };
    Ok(Peek {
        model,
        stream,
        wants_usage,
        needs,
        fields,
    })
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

fn needs(fields: &Fields<'_>, endpoint: Endpoint) -> Result<Capabilities, ApiError> {
    let mut needs = Capabilities::NONE;
    if endpoint == Endpoint::Embeddings {
        return Ok(needs.with(Capability::Embedding));
    }
    needs = needs.with(Capability::Completion);
    if present(fields, "tools").is_some_and(|json| json != "[]")
        && present(fields, "tool_choice").is_none_or(|json| json != "\"none\"")
    {
        needs = needs.with(Capability::Tools);
    }
    if present(fields, "suffix").is_some_and(|json| json != "\"\"") {
        needs = needs.with(Capability::Insert);
    }
    if present(fields, "n").is_some_and(|json| json != "1") {
        needs = needs.with(Capability::ManyChoices);
    }
    if let Some(json) = present(fields, "response_format") {
        let format: Format<'_> = serde_json::from_str(json).map_err(|_| {
            invalid(
                "response_format",
                "`response_format` has to be an object with a `type`.",
            )
        })?;
        if format.kind != "text" {
            needs = needs.with(Capability::Json);
        }
    }
    if endpoint == Endpoint::Chat
        && let Some(messages) = present(fields, "messages")
    {
        if !messages.starts_with('[') {
            return Err(invalid(
                "messages",
                "`messages` has to be a list of objects with `role` and `content`.",
            ));
        }
        // Parts are rare and long texts are common: look for their mark before parsing.
        if memmem::find(messages.as_bytes(), b"\"image_url\"").is_some() && has_images(messages)? {
            needs = needs.with(Capability::Vision);
        }
    }
    Ok(needs)
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    image_url: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ImageUrl<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
}

fn has_images(messages: &str) -> Result<bool, ApiError> {
    let wrong = |_| {
        invalid(
            "messages",
            "`messages` has to be a list of objects with `role` and `content`.",
        )
    };
    let messages: Vec<Message<'_>> = serde_json::from_str(messages).map_err(wrong)?;
    let mut found = false;
    for content in messages
        .iter()
        .filter_map(|message| message.content)
        .map(RawValue::get)
    {
        if !content.starts_with('[') {
            continue;
        }
        let parts: Vec<Part<'_>> = serde_json::from_str(content).map_err(wrong)?;
        for image in parts.iter().filter_map(|part| part.image_url) {
            let url = serde_json::from_str::<ImageUrl<'_>>(image.get())
                .map(|image| image.url)
                .or_else(|_| serde_json::from_str(image.get()))
                .map_err(|_| {
                    invalid("messages", "`image_url` has to be an object with a `url`.")
                })?;
            // An engine that fetches what a client names reaches whatever this device reaches.
            if !url.starts_with("data:") {
                return Err(invalid(
                    "messages",
                    "images are not fetched from other hosts: send the image itself, \"data:image/png;base64,…\".",
                ));
            }
            found = true;
        }
    }
    Ok(found)
}

/// The field's text, unless it is missing or null.
fn present<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
    fields.get(name).filter(|json| *json != "null")
}

fn flag(fields: &Fields<'_>, name: &'static str) -> Result<bool, ApiError> {
    match present(fields, name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid(name, format!("`{name}` has to be true or false."))),
    }
}

fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn invalid(param: &'static str, message: impl Into<Cow<'static, str>>) -> ApiError {
    let error = ApiError::new(ErrorKind::InvalidRequest, message);
    if param.is_empty() {
        error
    } else {
        error.param(param)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: &str) -> Result<Capabilities, String> {
        peek(body.as_bytes(), Endpoint::Chat)
            .map(|peek| peek.needs)
            .map_err(|error| error.param.map(Cow::into_owned).unwrap_or_default())
    }

    #[test]
    fn reads_what_routing_needs() {
        let body = br#"{"model":"a\/b","messages":[],"stream":true,"stream_options":{"include_usage":true},"x":1}"#;
        let peek = peek(body, Endpoint::Chat).unwrap();
        assert_eq!(
            (&*peek.model, peek.stream, peek.wants_usage),
            ("a/b", true, true)
        );
    }

    #[test]
    fn tells_what_the_model_must_be_able_to_do() {
        let base = Capabilities::NONE.with(Capability::Completion);
        for (fields, needs) in [
            ("", base),
            (
                r#","tools":[],"n":1,"suffix":null,"response_format":{"type":"text"}"#,
                base,
            ),
            (r#","tools":[{}]"#, base.with(Capability::Tools)),
            (r#","tools":[{}],"tool_choice":"none""#, base),
            (r#","n":2"#, base.with(Capability::ManyChoices)),
            (
                r#","response_format":{"type":"json_schema"}"#,
                base.with(Capability::Json),
            ),
        ] {
            let body = format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"\"image_url\""}}]{fields}}}"#
            );
            assert_eq!(chat(&body), Ok(needs), "{fields}");
        }
    }

    #[test]
    fn images_have_to_come_along() {
        let with = |url: &str| {
            format!(
                r#"{{"model":"m","messages":[{{"content":[{{"type":"image_url","image_url":{url}}}]}}]}}"#
            )
        };
        assert!(
            chat(&with(r#"{"url":"data:image/png;base64,AA"}"#))
                .unwrap()
                .has(Capability::Vision)
        );
        assert!(
            chat(&with(r#""data:image/png;base64,AA""#))
                .unwrap()
                .has(Capability::Vision)
        );
        assert_eq!(
            chat(&with(r#"{"url":"http://10.0.0.1/x.png"}"#)),
            Err("messages".to_owned())
        );
        assert_eq!(chat(&with("{}")), Err("messages".to_owned()));
    }

    #[test]
    fn names_the_field_at_fault() {
        for (body, param) in [
            ("{", ""),
            ("[]", ""),
            (r#"{"model":"a","model":"b"}"#, ""),
            ("{}", "model"),
            (r#"{"model":3}"#, "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":"m","messages":"hi"}"#, "messages"),
            (r#"{"model":"m","messages":[],"stream":"yes"}"#, "stream"),
            (
                r#"{"model":"m","messages":[],"stream_options":true}"#,
                "stream_options",
            ),
            (
                r#"{"model":"m","messages":[],"response_format":"json"}"#,
                "response_format",
            ),
        ] {
            assert_eq!(chat(body), Err(param.to_owned()), "{body}");
        }
    }
}
