//! What a route answers, before it becomes bytes and before a fault changes it.

use super::model::Model;
use std::time::Duration;

/// One server-sent event, or one line of a stream, and how long to wait before it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) after: Duration,
    pub(crate) bytes: Vec<u8>,
    /// The model that the engine has once this is out: the end of a pull.
    pub(crate) brings: Option<Box<Model>>,
}

impl Event {
    /// `data: …` and an empty line.
    pub(crate) fn data(json: &str, after: Duration) -> Self {
        Self {
            after,
            bytes: format!("data: {json}\n\n").into_bytes(),
            brings: None,
        }
    }

    /// The end of an OpenAI stream.
    pub(crate) fn done() -> Self {
        Self::data("[DONE]", Duration::ZERO)
    }
}

/// JSON text, written in order or from a value.
pub(crate) struct Json(String);

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

/// A reply.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With `Content-Length`, after a while.
    Whole {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
        after: Duration,
    },
    /// Chunked, event by event.
    Stream {
        content_type: &'static str,
        head_after: Duration,
        events: Vec<Event>,
    },
}

impl Reply {
    /// JSON with a status, at once.
    pub(crate) fn json(status: u16, body: impl Into<Json>) -> Self {
        Self::whole(status, "application/json", body.into().0)
    }

    /// Any text with a status, at once.
    pub(crate) fn whole(status: u16, content_type: &str, body: String) -> Self {
        Self::Whole {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body,
            after: Duration::ZERO,
        }
    }

    /// The same reply, later.
    pub(crate) fn delayed(self, by: Duration) -> Self {
        match self {
            Self::Whole {
                status,
                headers,
                body,
                after,
            } => Self::Whole {
                status,
                headers,
                body,
                after: after + by,
            },
            Self::Stream {
                content_type,
                head_after,
                events,
            } => Self::Stream {
                content_type,
                head_after: head_after + by,
                events,
            },
        }
    }

    /// The same reply with one more header; a stream stays as it is.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}
