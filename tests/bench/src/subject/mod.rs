//! The proxies under test: how each is started, found and ended.

mod config;
mod running;

pub(crate) use running::{Running, upstream};

use std::path::PathBuf;

/// One way from the client to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// No proxy at all: what is subtracted.
    Direct,
    Nginx,
    Haproxy,
    /// `thox-bench passthrough`.
    Hyper,
    Thoxd,
}

impl Subject {
    pub(crate) const ALL: [Self; 5] = [
        Self::Direct,
        Self::Nginx,
        Self::Haproxy,
        Self::Hyper,
        Self::Thoxd,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Hyper => "bare hyper",
            Self::Thoxd => "thoxd",
        }
    }

    /// The model name that the client uses: thoxd is given an alias, so that it has to splice.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Thoxd => config::ALIAS,
            _ => crate::upstream::MODEL,
        }
    }
}

/// Where the programs are and where they run.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) thoxd: PathBuf,
    pub(crate) nginx: PathBuf,
    pub(crate) haproxy: PathBuf,
    /// The core of the proxy under test; everything else runs on another.
    pub(crate) core: usize,
    /// Runs the proxy under this program instead of pinned, for the count of instructions.
    pub(crate) wrapper: Vec<String>,
}
