//! The running daemon and its device: the log, their restarts; `/thox/v1/logs`, `/thox/v1/restart`, `/thox/v1/reboot`.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How much a log line matters, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something has failed.
    Error,
    /// Something may fail.
    Warn,
    /// Something has happened.
    Info,
    /// For whoever looks for a mistake.
    Debug,
    /// For whoever looks for it for long.
    Trace,
}

/// A line of the log, one a line of `GET /thox/v1/logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Counted from the start of thoxd; a gap means lines that are not kept.
    pub number: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// How much it matters.
    pub level: LogLevel,
    /// The part of thoxd that says it.
    pub target: String,
    /// What it says, with its fields.
    pub message: String,
}

/// The reply to `POST /thox/v1/restart`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarting {
    /// Always `restart`.
    pub object: String,
    /// The run of thoxd that ends; `/thox/v1/status` tells another one when it is back.
    pub instance: String,
    /// Seconds that requests under way are given to end.
    pub drain_seconds: u64,
}

/// `POST /thox/v1/reboot`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reboot {
    /// The name of the device that is meant, so that no other is restarted by mistake.
    pub confirm: String,
}

/// The reply: the service manager has taken it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebooting {
    /// Always `reboot`.
    pub object: String,
    /// The device's name.
    pub name: String,
    /// The run of thoxd that ends; `/thox/v1/status` tells another one when the device is back.
    pub instance: String,
}

impl LogLevel {
    /// All of them, the most important first.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| "expected error, warn, info, debug or trace".to_owned())
    }
}
