//! What a double saw: each request, and what became of it.

use super::fault::Purpose;
use crate::http1::Headers;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The headers.
    pub headers: Headers,
    /// The body as it came.
    pub body: Vec<u8>,
    /// When it had arrived.
    pub at: Instant,
}

impl Seen {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Whether the request asks for tokens or vectors, and not for the engine's state.
    pub fn is_generation(&self) -> bool {
        is_generation(&self.path)
    }
}

pub(crate) fn is_generation(path: &str) -> bool {
    matches!(
        path,
        "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings"
    )
}

/// What a request is for.
pub(crate) fn purpose(seen: &Seen) -> Purpose {
    match seen.path.as_str() {
        path if is_generation(path) => Purpose::Generation,
        PULL | "/api/generate" | "/api/chat" | "/api/embed" | "/api/delete" => Purpose::Verb,
        _ => Purpose::Probe,
    }
}

const PULL: &str = "/api/pull";

/// How far a request was when its client went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No byte of the reply was sent.
    BeforeHead,
    /// The head was sent, no event.
    BeforeFirstToken,
    /// Events were sent.
    InStream,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole reply was written.
    Finished,
    /// The client closed the connection before that.
    Cancelled,
    /// The double broke it off: a fault, or the engine "died".
    Broken,
}

/// A request whose client went away.
#[derive(Debug, Clone)]
pub struct Cancelled {
    /// Its path.
    pub path: String,
    /// When the double noticed.
    pub at: Instant,
    /// How far it was.
    pub stage: Stage,
}

/// The live counters and the record.
#[derive(Debug, Default)]
pub struct Journal {
    connections: AtomicUsize,
    open: AtomicUsize,
    finished: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    cancelled: Mutex<Vec<Cancelled>>,
    pulls_cancelled: AtomicUsize,
}

impl Journal {
    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Generations that run right now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Generations whose reply was written to its end.
    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The generations so far.
    pub fn generations(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|s| s.is_generation())
            .cloned()
            .collect()
    }

    /// The generations whose client went away.
    pub fn cancelled(&self) -> Vec<Cancelled> {
        self.cancelled.lock().unwrap().clone()
    }

    /// Pulls whose client went away.
    pub fn pulls_cancelled(&self) -> usize {
        self.pulls_cancelled.load(Ordering::SeqCst)
    }

    /// The requests to a path so far.
    pub fn to(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|s| s.path == path).cloned().collect()
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn begin(&self, seen: &Seen) {
        if seen.is_generation() {
            self.open.fetch_add(1, Ordering::SeqCst);
        }
        self.seen.lock().unwrap().push(seen.clone());
    }

    pub(crate) fn end(&self, path: &str, outcome: Outcome, stage: Stage) {
        if path == PULL && outcome == Outcome::Cancelled {
            self.pulls_cancelled.fetch_add(1, Ordering::SeqCst);
        }
        if !is_generation(path) {
            return;
        }
        match outcome {
            Outcome::Finished => {
                self.finished.fetch_add(1, Ordering::SeqCst);
            }
            Outcome::Cancelled => {
                let cancelled = Cancelled {
                    path: path.to_owned(),
                    at: Instant::now(),
                    stage,
                };
                self.cancelled.lock().unwrap().push(cancelled);
            }
            Outcome::Broken => {}
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}
