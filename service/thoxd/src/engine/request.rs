//! A client's request as the engine at hand takes it: spliced from the original text, values never re-serialised.

use super::{
    adapter::Adapter,
    json::{self, Malformed},
    spliced::Spliced,
};
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;
use thox_policy::Endpoint;

/// A request's top-level fields, borrowed from its text.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<Field<'a>>);

/// One field: its name unescaped, its value as it stands.
#[derive(Debug)]
pub struct Field<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value's text.
    pub value: &'a str,
}

/// What is sent otherwise than it came.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// The job.
    pub endpoint: Endpoint,
    /// The engine's own name for the model.
    pub model: &'a str,
    /// Whether the reply is a stream.
    pub stream: bool,
    /// Fields of thoxd's own that no engine knows.
    pub own: &'a [&'a str],
}

/// A request whose fields cannot be told apart.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON object.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A field stands there twice.
    #[error("the field `{0}` stands there twice")]
    Twice(String),
    /// There are too many.
    #[error("there are more than {MOST_FIELDS} fields")]
    TooMany,
}

impl<'a> Fields<'a> {
    /// Reads the fields of `text`.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn read(text: &'a str) -> Result<Self, Unreadable> {
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(16);
        for member in json::members(text) {
            let (name, value) = member?;
            // Two readers of one text must not see two requests: what thoxd checks is what the engine gets.
            if fields.iter().any(|field| field.name == name) {
                return Err(Unreadable::Twice(name.into_owned()));
            }
            // Each new name is compared with all before it, so their number has to have an end.
            if fields.len() >= MOST_FIELDS {
                return Err(Unreadable::TooMany);
            }
            fields.push(Field { name, value });
        }
        Ok(Self(fields))
    }

    /// The field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value)
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter()
    }

    /// The request for an engine. `body` is the text that these fields were read from; where nothing has to change, it
    /// is sent as it is.
    #[must_use]
    pub fn for_engine(&self, body: &Bytes, adapter: &Adapter, changes: &Changes<'_>) -> Spliced {
        let wants_count =
            changes.stream && adapter.counts_streams && changes.endpoint != Endpoint::Embeddings;
        let largest = self.0.iter().max_by_key(|field| field.value.len());
        let kept = largest.filter(|field| field.value.len() >= WORTH_SPLICING);
        let kept_bytes = kept.and_then(|field| part_of(body, field.value));
        let mut kept_at = None;
        let copied = body.len() - kept_bytes.as_ref().map_or(0, Bytes::len);
        let mut out = BytesMut::with_capacity(copied + 128);
        let mut is_changed = false;
        let mut has_stream = false;
        for field in &self.0 {
            let edit = self.edit(field, adapter, changes);
            has_stream |= field.name == "stream";
            let is_kept =
                kept_bytes.is_some() && kept.is_some_and(|kept| std::ptr::eq(kept, field));
            match edit {
                Edit::Keep if is_kept => {
                    put(&mut out, field.name.clone(), "");
                    kept_at = Some(out.len());
                }
                Edit::Keep => put(&mut out, field.name.clone(), field.value),
                Edit::Rename(name) => put(&mut out, name.into(), field.value),
                Edit::Value(ref text) => put(&mut out, field.name.clone(), text),
                Edit::Drop => {}
            }
            is_changed |= !matches!(edit, Edit::Keep);
        }
        if changes.stream && !has_stream {
            put(&mut out, "stream".into(), "true");
            is_changed = true;
        }
        if wants_count {
            put(
                &mut out,
                "stream_options".into(),
                r#"{"include_usage":true}"#,
            );
            is_changed = true;
        }
        if let Some(tokens) = adapter.default_max_tokens
            && !["max_tokens", "max_completion_tokens"]
                .iter()
                .any(|name| self.get(name).is_some_and(|value| value != "null"))
        {
            put(&mut out, "max_tokens".into(), &tokens.to_string());
            is_changed = true;
        }
        if !is_changed {
            return body.clone().into();
        }
        out.extend_from_slice(if out.is_empty() { b"{}" } else { b"}" });
        match (kept_at, kept_bytes) {
            (Some(at), Some(value)) => Spliced::new(out, at, value),
            _ => out.freeze().into(),
        }
    }

    fn edit(&self, field: &Field<'a>, adapter: &Adapter, changes: &Changes<'_>) -> Edit<'a> {
        let name: &str = &field.name;
        if changes.own.contains(&name) || adapter.left_out.contains(&name) {
            return Edit::Drop;
        }
        // A null says what a missing field says, and some engines refuse it.
        if field.value == "null" {
            return Edit::Drop;
        }
        match name {
            "tools"
                if adapter.ignores_tool_choice && self.get("tool_choice") == Some("\"none\"") =>
            {
                return Edit::Drop;
            }
            "model" => {
                let mut model = Vec::with_capacity(changes.model.len() + 2);
                super::chunk::put_string(&mut model, changes.model);
                return match String::from_utf8(model) {
                    Ok(model) if model == field.value => Edit::Keep,
                    Ok(model) => Edit::Value(model.into()),
                    Err(_) => Edit::Keep,
                };
            }
            // Always thoxd's own: usage is counted for every stream, and stripped again where nobody asked.
            "stream_options" => return Edit::Drop,
            "stream" if changes.stream && field.value != "true" => {
                return Edit::Value("true".into());
            }
            // TensorRT-LLM answers 400 to a choice without tools; elsewhere it means nothing.
            "tool_choice" if self.get("tools").is_none() => return Edit::Drop,
            _ => {}
        }
        if let Some((_, own)) = adapter.renamed.iter().find(|(name, _)| *name == field.name) {
            return if self.get(own).is_some() {
                Edit::Drop
            } else {
                Edit::Rename(own)
            };
        }
        match adapter.fields(changes.endpoint) {
            Some(taken) if !taken.contains(&name) => Edit::Drop,
            _ => Edit::Keep,
        }
    }
}

enum Edit<'a> {
    Keep,
    Rename(&'static str),
    Value(Cow<'a, str>),
    Drop,
}

/// Appends `"name":value` with what has to stand before it.
fn put(out: &mut BytesMut, name: Cow<'_, str>, value: &str) {
    out.put_u8(if out.is_empty() { b'{' } else { b',' });
    super::chunk::put_name(out, name);
    out.put_u8(b':');
    out.extend_from_slice(value.as_bytes());
}

/// The bytes of `value`, a part of `body`, without a copy; nothing where it is no part of it.
fn part_of(body: &Bytes, value: &str) -> Option<Bytes> {
    let start = (value.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let end = start.checked_add(value.len())?;
    (end <= body.len()).then(|| body.slice(start..end))
}

/// Below it a copy costs less than three parts instead of one.
const WORTH_SPLICING: usize = 4 << 10;

/// OpenAI's chat request has about forty.
const MOST_FIELDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::adapter::{Variant, adapter};
    use thox_policy::EngineKind;

    fn sent(kind: EngineKind, variant: Variant, stream: bool, body: &'static str) -> String {
        let fields = Fields::read(body).unwrap();
        let changes = Changes {
            endpoint: Endpoint::Chat,
            model: "own:7b",
            stream,
            own: &["request_id"],
        };
        let bytes = fields.for_engine(
            &Bytes::from_static(body.as_bytes()),
            adapter(kind, variant),
            &changes,
        );
        String::from_utf8(bytes.to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_long_value_is_sent_from_where_it_lies() {
        let long = format!("[{}]", "\"é\",".repeat(4_000) + "1");
        let body = Bytes::from(format!(
            r#"{{"model":"thox-coder","messages":{long},"stream":true}}"#
        ));
        let fields = Fields::read(std::str::from_utf8(&body).unwrap()).unwrap();
        let changes = Changes {
            endpoint: Endpoint::Chat,
            model: "own:7b",
            stream: true,
            own: &[],
        };
        let adapter = adapter(EngineKind::Ollama, Variant::Current);
        let sent = fields.for_engine(&body, adapter, &changes);
        let expected = format!(
            r#"{{"model":"own:7b","messages":{long},"stream":true,"stream_options":{{"include_usage":true}}}}"#
        );
        assert_eq!(sent.to_bytes(), expected);
        let value = sent.value().as_ptr() as usize;
        assert_eq!(value, fields.get("messages").unwrap().as_ptr() as usize);
    }

    #[test]
    fn splices_the_name_and_keeps_every_other_byte() {
        let body = r#"{ "model" : "thox-coder", "x":{"deep": [1.0, 1e3 ]}, "messages":[ {"a":"\u00e9"} ],"seed":12345678901234567890}"#;
        assert_eq!(
            sent(EngineKind::Ollama, Variant::Current, false, body),
            r#"{"model":"own:7b","x":{"deep": [1.0, 1e3 ]},"messages":[ {"a":"\u00e9"} ],"seed":12345678901234567890}"#
        );
        let same = r#"{"model":"own:7b", "messages":[]}"#;
        assert_eq!(
            sent(EngineKind::Ollama, Variant::Current, false, same),
            same
        );
    }

    #[test]
    fn asks_for_the_count_of_every_stream() {
        let body = r#"{"model":"own:7b","stream":true,"stream_options":{"include_usage":false}}"#;
        let sent = sent(EngineKind::Ollama, Variant::Current, true, body);
        assert_eq!(
            sent,
            r#"{"model":"own:7b","stream":true,"stream_options":{"include_usage":true}}"#
        );
    }

    #[test]
    fn a_socket_request_becomes_a_stream_without_its_own_fields() {
        let body = r#"{"model":"own:7b","request_id":7,"stream":false}"#;
        assert_eq!(
            sent(EngineKind::Trtllm, Variant::JetsonServer, true, body),
            r#"{"model":"own:7b","stream":true,"max_tokens":2048}"#
        );
        let body = r#"{"model":"own:7b"}"#;
        assert_eq!(
            sent(EngineKind::Trtllm, Variant::JetsonServer, true, body),
            r#"{"model":"own:7b","stream":true,"max_tokens":2048}"#
        );
    }

    #[test]
    fn each_engine_gets_the_fields_that_it_takes() {
        let body = r#"{"model":"own:7b","max_completion_tokens":5,"metadata":{},"tool_choice":"required","presence_penalty":1,"stream_options":{}}"#;
        assert_eq!(
            sent(EngineKind::Ollama, Variant::Current, false, body),
            r#"{"model":"own:7b","max_tokens":5,"metadata":{},"presence_penalty":1}"#
        );
        assert_eq!(
            sent(EngineKind::Trtllm, Variant::Current, false, body),
            r#"{"model":"own:7b","max_completion_tokens":5,"presence_penalty":1}"#
        );
        assert_eq!(
            sent(EngineKind::EdgeLlm, Variant::Current, false, body),
            r#"{"model":"own:7b","max_completion_tokens":5}"#
        );
        let both = r#"{"model":"own:7b","max_completion_tokens":5,"max_tokens":9}"#;
        assert_eq!(
            sent(EngineKind::Ollama, Variant::Current, false, both),
            r#"{"model":"own:7b","max_tokens":9}"#
        );
    }

    #[test]
    fn a_field_that_stands_there_twice_is_refused() {
        let error = Fields::read(r#"{"model":"a","mod\u0065l":"b"}"#).unwrap_err();
        assert!(
            error.to_string().contains("`model` stands there twice"),
            "{error}"
        );
    }
}
