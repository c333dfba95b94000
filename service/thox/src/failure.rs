//! What went wrong, with the exit code and the next step.

use std::io;

/// The exit codes, as `--help` and README document them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It failed.
    Error = 1,
    /// It was typed wrongly.
    Usage = 2,
    /// The device cannot be reached.
    Unreachable = 3,
    /// A key is needed, or the given one is not accepted.
    Authentication = 4,
    /// What was asked for is not there.
    NotFound = 5,
    /// Ctrl-C; 128 and the signal's number, as shells have it.
    Interrupted = 130,
}

/// Why a command ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A mistake to be told.
    Told {
        /// The exit code.
        exit: Exit,
        /// What failed and why.
        message: String,
        /// What to do about it.
        next: Option<String>,
    },
    /// All was printed that there is to say.
    Silent(Exit),
    /// Nobody reads the output any more: the work is done.
    OutputClosed,
}

impl Failure {
    /// A mistake without a code of its own.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::with(Exit::Error, message)
    }

    /// A mistake with its exit code.
    pub(crate) fn with(exit: Exit, message: impl Into<String>) -> Self {
        Self::Told {
            exit,
            message: message.into(),
            next: None,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        if let Self::Told { next, .. } = &mut self {
            *next = Some(step.into());
        }
        self
    }
}

/// Writing to the standard output failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::error(format!("cannot write the output: {error}")),
        }
    }
}
