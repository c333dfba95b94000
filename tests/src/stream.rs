//! What a client made of a streamed chat.

use crate::client::Ending;
use crate::http1::Headers;
use crate::sse::Event;
use serde_json::Value;

/// A stream read to its end.
#[derive(Debug, Clone)]
pub struct Streamed {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The chunks, without errors.
    pub chunks: Vec<Value>,
    /// The comments.
    pub comments: Vec<String>,
    /// `error` of the error event, if there was one.
    pub error: Option<Value>,
    /// Whether `[DONE]` came.
    pub is_done: bool,
    /// Whether anything came after `[DONE]` or after the error.
    pub has_afterthought: bool,
    /// How the body ended.
    pub ending: Ending,
}

impl Streamed {
    pub(crate) fn of(status: u16, headers: Headers, events: &[Event], ending: Ending) -> Self {
        let mut streamed = Self {
            status,
            headers,
            chunks: Vec::new(),
            comments: Vec::new(),
            error: None,
            is_done: false,
            has_afterthought: false,
            ending,
        };
        for event in events {
            if streamed.is_done || streamed.error.is_some() {
                streamed.has_afterthought = true;
            }
            match event {
                Event::Comment(comment) => streamed.comments.push(comment.clone()),
                Event::Data(data) if data.trim() == "[DONE]" => streamed.is_done = true,
                Event::Data(data) => {
                    let value: Value =
                        serde_json::from_str(data).unwrap_or_else(|_| panic!("no JSON: {data}"));
                    match value.get("error") {
                        Some(error) => streamed.error = Some(error.clone()),
                        None => streamed.chunks.push(value),
                    }
                }
            }
        }
        streamed
    }

    fn deltas(&self, field: &str) -> String {
        let first = self.chunks.iter().filter(|c| c["choices"][0]["index"] == 0);
        first
            .filter_map(|c| c["choices"][0]["delta"][field].as_str())
            .collect()
    }

    /// The answer.
    pub fn text(&self) -> String {
        self.deltas("content")
    }

    /// The thoughts.
    pub fn reasoning(&self) -> String {
        self.deltas("reasoning_content")
    }

    /// The text of a completion.
    pub fn completion(&self) -> String {
        self.chunks
            .iter()
            .filter_map(|c| c["choices"][0]["text"].as_str())
            .collect()
    }

    /// The finish reasons that were given, in order.
    pub fn finish_reasons(&self) -> Vec<&str> {
        self.chunks
            .iter()
            .filter_map(|c| c["choices"][0]["finish_reason"].as_str())
            .collect()
    }

    /// The usages that were given.
    pub fn usages(&self) -> Vec<&Value> {
        self.chunks
            .iter()
            .map(|c| &c["usage"])
            .filter(|u| u.is_object())
            .collect()
    }

    /// Name and joined arguments of the first tool call.
    pub fn tool_call(&self) -> Option<(String, String, String)> {
        let calls: Vec<&Value> = self
            .chunks
            .iter()
            .filter_map(|c| c["choices"][0]["delta"]["tool_calls"].as_array())
            .flatten()
            .filter(|call| call["index"] == 0)
            .collect();
        let all = |pointer: &str| -> String {
            calls
                .iter()
                .filter_map(|c| c.pointer(pointer)?.as_str())
                .collect()
        };
        (!calls.is_empty()).then(|| {
            (
                all("/id"),
                all("/function/name"),
                all("/function/arguments"),
            )
        })
    }

    /// Whether a client could take this for a finished answer.
    pub fn looks_finished(&self) -> bool {
        self.is_done || !self.finish_reasons().is_empty()
    }
}
