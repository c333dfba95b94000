//! The note that a reset has begun, and the marker of one that is done: one file under two names.

use crate::state::{rename, write_private};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What becomes of models and of what engines keep. Neither is thoxd's: the system deletes them when it boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Models {
    /// They go.
    Delete,
    /// They may stay: for an owner who wants to be rid of the keys and not of hundred gigabytes.
    Keep,
}

/// Where both are.
pub(super) struct Note {
    pub(super) begun: PathBuf,
    pub(super) marker: PathBuf,
}

impl Note {
    pub(super) fn in_folder(state: &Path) -> Self {
        Self {
            begun: state.join("factory-reset.begun"),
            marker: state.join("factory-reset"),
        }
    }

    /// `NAME=value`, as a shell and systemd's `EnvironmentFile=` read it.
    pub(super) fn begin(&self, models: Models) -> io::Result<()> {
        let word = match models {
            Models::Delete => "delete",
            Models::Keep => "keep",
        };
        let text = format!(
            "# A factory reset: what thoxd keeps is gone. Left to the system, which deletes this file then.\nMODELS={word}\n"
        );
        write_private(&self.begun, text.as_bytes())
    }

    pub(super) fn is_begun(&self) -> io::Result<bool> {
        self.begun.try_exists()
    }

    pub(super) fn end(&self) -> io::Result<()> {
        rename(&self.begun, &self.marker)
    }
}
