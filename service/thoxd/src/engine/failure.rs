//! What can go wrong between thoxd and an engine.

use std::{error::Error, fmt};
use thox_api::{ApiError, ErrorKind};
use thox_policy::circuit::Outcome;

/// A request that an engine did not answer, or not to the end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{trouble}: {cause}")]
pub struct Failure {
    /// What happened.
    pub trouble: Trouble,
    /// The system's or the library's word on it; never a prompt or a reply.
    pub cause: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection.
    Unreachable,
    /// A connection, but it broke before the reply began.
    NoReply,
    /// No reply in time.
    Silent,
    /// The reply broke off.
    BrokeOff,
    /// The reply ended in good order, but before the answer was complete: Ollama gives up on a model that repeats itself.
    Incomplete,
    /// The reply stopped coming.
    Stalled,
    /// The reply is not what an engine of this kind sends.
    Garbled,
}

impl Failure {
    pub(crate) fn new(trouble: Trouble, cause: impl fmt::Display) -> Self {
        Self {
            trouble,
            cause: cause.to_string(),
        }
    }

    pub(crate) fn of(trouble: Trouble, error: &dyn Error) -> Self {
        let mut cause = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let text = inner.to_string();
            if !cause.contains(&text) {
                cause = format!("{cause}: {text}");
            }
            source = inner.source();
        }
        Self { trouble, cause }
    }

    /// What it says of the engine's health: an answer that was cut short by a living engine says nothing bad.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.trouble {
            Trouble::Incomplete => Outcome::Answered,
            Trouble::Unreachable
            | Trouble::NoReply
            | Trouble::Silent
            | Trouble::BrokeOff
            | Trouble::Stalled
            | Trouble::Garbled => Outcome::Failed,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn to_api(&self, engine: &str) -> ApiError {
        let kind = match self.trouble {
            Trouble::Silent | Trouble::Stalled => ErrorKind::EngineTimeout,
            Trouble::Unreachable
            | Trouble::NoReply
            | Trouble::BrokeOff
            | Trouble::Incomplete
            | Trouble::Garbled => ErrorKind::EngineError,
        };
        let next = match self.trouble {
            Trouble::Unreachable => {
                "See that it runs (GET /health tells when it is back), then repeat the request"
            }
            Trouble::NoReply | Trouble::BrokeOff | Trouble::Incomplete | Trouble::Garbled => {
                "Repeat the request; if it happens again, the engine's own log says more"
            }
            Trouble::Silent => {
                "A model may be loading: repeat the request, or raise engines.NAME.first_byte_timeout"
            }
            Trouble::Stalled => "Repeat the request, or raise engines.NAME.stall_timeout",
        };
        ApiError::new(kind, format!("engine `{engine}` {self}. {next}."))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "cannot be reached",
            Self::NoReply => "closed the connection without a reply",
            Self::Silent => "did not reply in time",
            Self::BrokeOff => "broke off in the middle of its reply",
            Self::Incomplete => "ended its reply before the answer was complete",
            Self::Stalled => "stalled in the middle of its reply",
            Self::Garbled => "sent a reply that cannot be read",
        })
    }
}
