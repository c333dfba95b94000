//! Everything that is wrong with the settings, in words for the person who wrote them.

use super::{key::Key, layer::Origin};
use std::fmt;

/// One mistake: where, in which key, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the mistake stands.
    pub origin: Origin,
    /// The key it is in; empty where it is not in a key.
    pub key: Key,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A file that is there, or was named, cannot be read; with the system's reason.
    Unreadable(String),
    /// A text that is no TOML.
    Syntax(String),
    /// A key that does not exist, and the one that was perhaps meant.
    UnknownKey {
        /// As it would have to be written at the same place.
        nearest: Option<String>,
    },
    /// A value of the wrong type or out of range.
    Invalid {
        /// What is allowed.
        expected: String,
        /// What stands there.
        given: String,
    },
    /// A key that has no default and is not there.
    Missing {
        /// What is allowed.
        expected: String,
    },
    /// Values that contradict each other; says which and what to do.
    Conflict(String),
}

/// All mistakes of one load, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, fault } = self;
        match fault {
            Fault::Unreadable(cause) => write!(f, "{origin}: cannot be read: {cause}"),
            Fault::Syntax(cause) => write!(f, "{origin}: {cause}"),
            Fault::UnknownKey {
                nearest: Some(near),
            } => {
                write!(f, "{origin}: unknown key {key}; did you mean {near}?")
            }
            Fault::UnknownKey { nearest: None } => {
                write!(
                    f,
                    "{origin}: unknown key {key}; `thox config get` lists the keys"
                )
            }
            Fault::Invalid { expected, given } => {
                write!(f, "{origin}: {key}: expected {expected}, given {given}")
            }
            Fault::Missing { expected } => {
                write!(f, "{origin}: {key} is missing: set it to {expected}")
            }
            Fault::Conflict(message) => write!(f, "{origin}: {key}: {message}"),
        }
    }
}
