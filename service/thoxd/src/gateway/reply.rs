//! What a door gets: a whole reply or a stream, and how it was decided.

use super::answer::Answer;
use bytes::Bytes;
use std::sync::Arc;
use thox_policy::Reason;

/// A reply that has begun.
#[derive(Debug)]
pub struct Reply {
    /// The label of the engine that answers.
    pub backend: Arc<str>,
    /// Why this one.
    pub reason: Reason,
    /// The wait for a slot in milliseconds.
    pub queue_ms: u64,
    /// The reply.
    pub content: Content,
}

/// The reply.
#[derive(Debug)]
pub enum Content {
    /// A JSON object.
    Whole(Bytes),
    /// A stream whose first piece is there.
    Stream(Box<Answer>),
}
