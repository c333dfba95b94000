//! An engine's JSON as the client is promised it: one pass that copies what may stay and replaces what may not.
//!
//! The same for a whole reply and for a stream's chunk: `id`, `backend` and `model` come from thoxd, `choices` are
//! repaired where the engine deviates, `usage` is counted and left out where nobody asked.

pub use super::choices::Seen;
use super::{
    choices,
    json::{Cursor, Malformed},
};
use bytes::{BufMut, BytesMut};
use serde::Deserialize;
use std::borrow::Cow;
use thox_policy::Endpoint;

/// What stands at the front of each object that is sent, `{"id":…,"backend":…,"model":…`.
#[derive(Clone, Debug)]
pub struct Front(Vec<u8>);

/// How replies of one request are edited.
#[derive(Clone, Debug)]
pub struct Edits {
    /// The fields of thoxd's own.
    pub front: Front,
    /// Whether the client asked for the count.
    pub keeps_usage: bool,
    /// Whether each chunk of a stream is edited, or a whole reply.
    pub is_stream: bool,
    /// Whether the engine's tool calls need their index and finish reason repaired.
    pub repairs_tool_calls: bool,
    /// Whether a whole reply without a finish reason is complete all the same, as Jetson's server sends them.
    pub supplies_finish_reason: bool,
}

/// What an object turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A part of the answer.
    Content,
    /// The count alone, with no choices.
    Count,
    /// An error object.
    Error,
}

/// Token counts as an engine gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    #[serde(default)]
    pub completion_tokens: u64,
}

impl Usage {
    /// What an engine's `usage` says; counts that are missing are zero.
    ///
    /// # Errors
    /// Where it is no object, or a count is no number of tokens.
    fn read(text: &str) -> Result<Self, Malformed> {
        let mut usage = Self::default();
        let mut cursor = Cursor::new(text);
        cursor.object(|cursor, name| {
            let value = cursor.value()?;
            let count = match &*name {
                "prompt_tokens" => &mut usage.prompt_tokens,
                "completion_tokens" => &mut usage.completion_tokens,
                _ => return Ok(()),
            };
            *count = value.parse().map_err(|_| Malformed::INSIDE)?;
            Ok(())
        })?;
        cursor.end()?;
        Ok(usage)
    }

    /// The count as a stream's piece of its own.
    #[must_use]
    pub fn as_piece(self, endpoint: Endpoint) -> String {
        let object = match endpoint {
            Endpoint::Chat => "chat.completion.chunk",
            Endpoint::Completions | Endpoint::Embeddings => "text_completion",
        };
        let Self {
            prompt_tokens,
            completion_tokens,
        } = self;
        serde_json::json!({
            "object": object,
            "created": 0,
            "choices": [],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens.saturating_add(completion_tokens),
            },
        })
        .to_string()
    }
}

impl Front {
    /// The front for one request's replies. `first` are further fields before the others, already JSON.
    #[must_use]
    pub fn new(first: &[(&str, &str)], id: Option<&str>, backend: &str, model: &str) -> Self {
        let mut out = Vec::with_capacity(128);
        for (name, json) in first {
            out.push(if out.is_empty() { b'{' } else { b',' });
            put_string(&mut out, name);
            out.push(b':');
            out.extend_from_slice(json.as_bytes());
        }
        let own = [
            ("id", id),
            ("backend", Some(backend)),
            ("model", Some(model)),
        ];
        for (name, value) in own
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
        {
            out.push(if out.is_empty() { b'{' } else { b',' });
            put_string(&mut out, name);
            out.push(b':');
            put_string(&mut out, value);
        }
        Self(out)
    }

    /// The text, an object that is not closed yet.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends the edited form of `json`, one object of an engine's, to `out`, and notes in `seen` what went by.
///
/// # Errors
/// Where `json` is no object or `choices` have a shape that no engine sends; `out` is then as it was.
pub fn edit(
    json: &str,
    edits: &Edits,
    seen: &mut Seen,
    out: &mut BytesMut,
) -> Result<Piece, Malformed> {
    let start = out.len();
    let result = edit_members(json, edits, seen, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn edit_members(
    json: &str,
    edits: &Edits,
    seen: &mut Seen,
    out: &mut BytesMut,
) -> Result<Piece, Malformed> {
    let mut piece = Piece::Content;
    let mut usage = None;
    seen.is_plain = false;
    out.extend_from_slice(edits.front.as_bytes());
    let mut run = Run::new(json);
    let mut cursor = Cursor::new(json);
    cursor.object(|cursor, name| {
        let start = cursor.member();
        if &*name == "choices" {
            let choices = choices::read(cursor, edits, seen)?;
            if choices.count == 0 && piece == Piece::Content {
                piece = Piece::Count;
            }
            match choices.repaired {
                None => run.keep(start, cursor.at()),
                Some(repaired) => {
                    run.copy(out);
                    out.extend_from_slice(br#","choices":"#);
                    serde_json::to_writer(out.writer(), &repaired)
                        .map_err(|_| Malformed::INSIDE)?;
                }
            }
            return Ok(());
        }
        let value = cursor.value()?;
        match &*name {
            "id" | "backend" | "model" => run.copy(out),
            "usage" => {
                run.copy(out);
                usage = Some(value);
            }
            _ => {
                if &*name == "error" && value != "null" {
                    piece = Piece::Error;
                }
                run.keep(start, cursor.at());
            }
        }
        Ok(())
    })?;
    cursor.end()?;
    run.copy(out);
    if let Some(value) = usage.filter(|value| *value != "null") {
        seen.is_plain = false;
        // Ollama's completions carry a zero count in every chunk; the true one comes last, without choices.
        if let Ok(count) = Usage::read(value)
            && count != Usage::default()
        {
            seen.usage = Some(count);
        }
        if edits.keeps_usage && (!edits.is_stream || piece == Piece::Count) {
            out.extend_from_slice(br#","usage":"#);
            out.extend_from_slice(value.as_bytes());
            if edits.is_stream {
                seen.usage_text = Some(value.into());
            }
        }
    } else if piece == Piece::Count {
        // An object without choices and without a count is a keep-alive of some servers.
        piece = Piece::Content;
    }
    out.put_u8(b'}');
    Ok(piece)
}

/// Members that stand one after the other in an engine's text and are copied at once, as they stand.
struct Run<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Run<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            start: 0,
            end: 0,
        }
    }

    /// The member between these bytes shall stay as it is.
    fn keep(&mut self, start: usize, end: usize) {
        if self.start == self.end {
            self.start = start;
        }
        self.end = end;
    }

    /// Appends what has been kept since the last time.
    fn copy(&mut self, out: &mut BytesMut) {
        let kept = self.text.get(self.start..self.end).unwrap_or_default();
        if !kept.is_empty() {
            out.put_u8(b',');
            out.extend_from_slice(kept.as_bytes());
        }
        self.start = self.end;
    }
}

/// Appends a member's name: one that was borrowed stands in its text as it has to be written.
pub(super) fn put_name(out: &mut impl BufMut, name: Cow<'_, str>) {
    match name {
        Cow::Borrowed(name) => {
            out.put_u8(b'"');
            out.put_slice(name.as_bytes());
            out.put_u8(b'"');
        }
        Cow::Owned(name) => put_string(out, &name),
    }
}

/// Appends a JSON string. Names and ids are nearly always plain ASCII, which needs no serialiser.
pub(super) fn put_string(out: &mut impl BufMut, text: &str) {
    let is_plain = text
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
    if is_plain {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else if let Ok(json) = serde_json::to_string(text) {
        out.put_slice(json.as_bytes());
    }
}
