//! The events of the WebSocket `/v1/stream`.
//!
//! A client sends chat requests as for REST, each a text message, with an optional `request_id` of its own; the replies
//! are OpenAI's chunks with `"type":"delta"`, then one `done` or `error`. `{"type":"cancel","request_id":…}` stops one.

use crate::error::ErrorObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The end of a reply. Deltas are the engine's own chunks with three fields more, so they have no type here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum StreamEvent {
    /// The reply is complete.
    Done {
        /// The client's own id for the request.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        request_id: Option<Value>,
        /// The backend that answered.
        backend: String,
        /// The model's public name.
        model: String,
        /// Why it ended: `stop`, `length`, `tool_calls`.
        finish_reason: Option<String>,
        /// Token counts, where the engine gave them.
        usage: Option<Value>,
    },
    /// The request failed, or the reply broke off.
    Error {
        /// The client's own id for the request.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        request_id: Option<Value>,
        /// What went wrong.
        error: ErrorObject,
    },
}
