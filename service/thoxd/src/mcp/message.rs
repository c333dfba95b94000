//! The body of a request: read, and looked at as far as the door has to know it.

use crate::guard::body;
use axum::body::Body;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::{borrow::Cow, time::Duration};
use thox_api::{ApiError, ErrorKind};

/// What the door has to know of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Outline<'a> {
    /// None of a response.
    #[serde(borrow, default)]
    pub method: Option<Cow<'a, str>>,
    /// None of a notification.
    #[serde(default)]
    id: Value,
}

impl<'a> Outline<'a> {
    /// Looks at a message.
    ///
    /// # Errors
    /// It is no JSON object.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(Unreadable::Batch);
        }
        serde_json::from_slice(body).map_err(|error| Unreadable::Broken {
            line: error.line(),
            column: error.column(),
        })
    }

    /// The id for an answer; `null` where it is none that a request may have.
    pub(super) fn into_id(self) -> Value {
        match self.id {
            id if id.is_string() || id.is_i64() || id.is_u64() => id,
            _ => Value::Null,
        }
    }
}

/// Why a message cannot be looked at; without what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Only 2025-03-26 had them.
    #[error(
        "the body is a batch of messages, which MCP has no longer had since 2025-06-18. Send each in a request of its own."
    )]
    Batch,
    /// Where it breaks.
    #[error(
        "the body is no JSON object: it breaks at line {line}, column {column}. Send one JSON-RPC message."
    )]
    Broken {
        /// Its line.
        line: usize,
        /// The place in it.
        column: usize,
    },
}

/// The whole body.
///
/// # Errors
/// It is too large, too slow or broken off.
pub(super) async fn read(given: Body, limit: usize, patience: Duration) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(patience, body::collect(given, limit)).await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => {
            let message = format!(
                "the message is larger than {limit} bytes. Send less, or raise mcp.max_message."
            );
            Err(ApiError::new(ErrorKind::BodyTooLarge, message))
        }
        Ok(Err(error)) => Err(body::broken(&error)),
        Err(_) => Err(body::late(patience)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_looked_at_and_nothing_of_it_is_repeated() {
        let call = Outline::read(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#).unwrap();
        assert_eq!(call.method.as_deref(), Some("tools/call"));
        assert_eq!(call.into_id(), 7);
        let odd = Outline::read(br#"{"id":{"a":1},"method":"x"}"#).unwrap();
        assert!(odd.into_id().is_null());
        let response = Outline::read(br#"{"jsonrpc":"2.0","id":"a","result":{}}"#).unwrap();
        assert!(response.method.is_none());
        assert!(matches!(Outline::read(b" [{}]"), Err(Unreadable::Batch)));
        for text in ["", "secret", "{\"method\": secret}", "\"secret\""] {
            let error = Outline::read(text.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
