//! Factory reset: everything that says whose the device is goes, at once, and never by half.
//!
//! A note is written before the first thing goes and renamed into the system's marker after the last one. A start that
//! finds the note finishes what it stands for before it reads anything else.
//!
//! ```text
//! (nothing) ── begin ──▶ factory-reset.begun ── erase, finish ──▶ factory-reset ── the image's unit ──▶ (nothing)
//! ```
//!
//! - `note`: the note and the marker.
//! - `finish`: what a start does that finds the note.

mod finish;
mod note;
#[cfg(test)]
mod tests;

pub use finish::{CannotFinish, finish};
pub use note::Models;

use crate::{
    guard::Guard,
    keys,
    mdns::identity,
    settings::Live,
    state::{remove, remove_folder},
    tls::{self, Tls},
};
use note::Note;
use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use thox_api::{ApiError, ErrorKind};

/// What is reset while it serves.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Keys, claim and audit log.
    pub guard: &'a Guard,
    /// The encrypted port's certificate.
    pub tls: Option<&'a Tls>,
    /// Folder of what survives.
    pub state: &'a Path,
    /// The settings.
    pub settings: &'a Live,
}

/// What is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Keys.
    pub keys: usize,
    /// Lines of the audit log.
    pub audit_lines: u64,
    /// The settings file.
    pub settings: Option<PathBuf>,
    /// The file that tells the system what is left to it.
    pub marker: PathBuf,
}

/// Resets the device while it serves: keys are refused from now on, requests that were asked with them end, and the next
/// handshake is another key's. What of it fails is finished by the next start. Waits for the disk.
///
/// # Errors
/// It could not begin, and nothing was changed; or it could not end.
pub fn reset(parts: Parts<'_>, models: Models) -> Result<Gone, ApiError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let note = Note::in_folder(parts.state);
    note.begin(models).map_err(|error| {
        let message = format!("the reset cannot begin: {} cannot be written ({error}). Nothing was changed; look at the folder's owner and at the disk.", note.begun.display());
        ApiError::new(ErrorKind::Internal, message).cause(error)
    })?;
    tracing::warn!(
        "factory reset: keys, claim, TLS key, identity, audit log and thoxd's own settings go"
    );
    let gone = erase(parts).and_then(|gone| {
        note.end().map_err(|error| Left::new(&note.begun, error))?;
        Ok(Gone {
            marker: note.marker.clone(),
            ..gone
        })
    });
    gone.map_err(|left| {
        let message = format!("the reset is not complete: {} cannot be replaced or deleted ({}). The next start of thoxd finishes it: look at the disk, then restart thoxd.", left.what.display(), left.cause);
        ApiError::new(ErrorKind::Internal, message).cause(left.cause)
    })
}

/// Something that did not go, and why.
struct Left {
    what: PathBuf,
    cause: Box<dyn Error + Send + Sync>,
}

impl Left {
    fn new(what: &Path, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            what: what.to_owned(),
            cause: cause.into(),
        }
    }
}

/// Tries all of it, whatever fails; the keys first, since they are what lets somebody in.
fn erase(parts: Parts<'_>) -> Result<Gone, Left> {
    let Parts {
        guard,
        tls,
        state,
        settings,
    } = parts;
    let keys = guard
        .keys
        .forget()
        .map_err(|error| Left::new(&state.join(keys::store::FILE), error));
    let folder = tls::folder(state);
    let key = match tls {
        Some(tls) => tls
            .forget_key(state)
            .map_err(|error| Left::new(&folder, error)),
        None => remove_folder(&folder)
            .map(drop)
            .map_err(|error| Left::new(&folder, error)),
    };
    let audit = guard
        .audit
        .end(state)
        .map_err(|error| Left::new(state, error));
    let identity =
        identity::renew(state).map_err(|error| Left::new(&state.join(identity::FILE), error));
    let settings = forget_settings(guard, settings);
    let (keys, (), audit_lines, ()) = (keys?, key?, audit?, identity?);
    Ok(Gone {
        keys,
        audit_lines,
        settings: settings?,
        marker: PathBuf::new(),
    })
}

/// Deletes the file that thoxd itself writes; a person's own file is that person's. What is left decides whether asking
/// needs a key.
fn forget_settings(guard: &Guard, settings: &Live) -> Result<Option<PathBuf>, Left> {
    let Some(file) = settings.own_drop_in() else {
        return Ok(None);
    };
    let is_gone = settings.alone(|| remove(&file));
    if !is_gone.map_err(|error| Left::new(&file, error))? {
        return Ok(None);
    }
    match settings.load() {
        Ok(loaded) => guard.lock(loaded.settings.auth.enabled),
        Err(error) => {
            tracing::warn!(%error, "what is left of the settings is not valid: those in force stay until thoxd is restarted");
        }
    }
    Ok(Some(file))
}
