//! What goes wrong when a test says so.

use std::str::FromStr;

/// One way to fail. `after` counts the events of a stream that still go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection after the request, with no byte of a reply.
    CloseBeforeHead,
    /// The same with a reset.
    ResetBeforeHead,
    /// Never answers.
    HangBeforeHead,
    /// Sends the head and nothing more.
    HangAfterHead,
    /// Goes silent in mid-stream, with the connection open.
    Hang {
        /// Events before the silence.
        after: usize,
    },
    /// Closes in mid-stream, with no end of the body.
    Close {
        /// Events before the end.
        after: usize,
    },
    /// Resets the connection in mid-stream.
    Reset {
        /// Events before the reset.
        after: usize,
    },
    /// Ends the body properly, but too early: no `finish_reason`, no `[DONE]` (Ollama's error after the first chunk).
    Truncate {
        /// Events before the end.
        after: usize,
    },
    /// An event that is no JSON, in mid-stream; the stream goes on.
    BadEvent {
        /// Events before it.
        after: usize,
    },
    /// The engine's own error event in mid-stream; the stream ends with `[DONE]` (Edge-LLM).
    ErrorEvent {
        /// Events before it.
        after: usize,
    },
    /// Bytes that are no HTTP.
    Garbage,
    /// This status with the engine's own error body.
    Status(u16),
    /// A whole, good reply, and then the connection is closed without a word in the headers.
    CloseAfterReply,
    /// A reused connection is closed just when its next request comes (a stale pool). A fresh one works.
    StaleConnection,
}

impl FromStr for Fault {
    type Err = String;

    /// `hang-before-head`, `close:3`, `status:503`, …
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let after: usize = count
            .parse()
            .map_err(|_| format!("{count} in {text} is no number"))?;
        Ok(match name {
            "close-before-head" => Self::CloseBeforeHead,
            "reset-before-head" => Self::ResetBeforeHead,
            "hang-before-head" => Self::HangBeforeHead,
            "hang-after-head" => Self::HangAfterHead,
            "hang" => Self::Hang { after },
            "close" => Self::Close { after },
            "reset" => Self::Reset { after },
            "truncate" => Self::Truncate { after },
            "bad-event" => Self::BadEvent { after },
            "error-event" => Self::ErrorEvent { after },
            "garbage" => Self::Garbage,
            "status" => Self::Status(count.parse().map_err(|_| format!("{count} is no status"))?),
            "close-after-reply" => Self::CloseAfterReply,
            "stale-connection" => Self::StaleConnection,
            _ => return Err(format!("no fault is called {name}")),
        })
    }
}

/// The faults in force, kept apart for generation, for what is done to models, and for everything else.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) generation: Option<Fault>,
    /// For how many more requests `generation` holds; `None` is until it is healed.
    pub(crate) times: Option<usize>,
    pub(crate) probes: Option<Fault>,
    /// The same for `probes`.
    pub(crate) probe_times: Option<usize>,
    /// Ollama's pull, load, unload and delete.
    pub(crate) verbs: Option<Fault>,
}

/// What a request is for, as far as faults go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Tokens or vectors.
    Generation,
    /// A model is fetched, loaded, unloaded or deleted.
    Verb,
    /// Health and lists.
    Probe,
}

impl Faults {
    /// The fault for the request that has come, counted down.
    pub(crate) fn take(&mut self, purpose: Purpose) -> Option<Fault> {
        let (fault, times) = match purpose {
            Purpose::Generation => (self.generation?, &mut self.times),
            Purpose::Verb => return self.verbs,
            Purpose::Probe => (self.probes?, &mut self.probe_times),
        };
        if let Some(times) = times {
            if *times == 0 {
                return None;
            }
            *times -= 1;
        }
        Some(fault)
    }
}
