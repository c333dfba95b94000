//! Finishes a reset that a crash or a power cut has left half done.

use super::note::Note;
use crate::{
    guard::audit,
    keys,
    mdns::identity,
    settings::Sources,
    state::{remove, remove_folder},
    tls,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A reset that was begun and cannot be finished. Starting all the same would let in whoever had a key before.
#[derive(Debug, thiserror::Error)]
#[error("a factory reset was begun and cannot be finished: {} cannot be deleted: {cause}. Look at its owner and at the disk, or delete it by hand, and start thoxd again", what.display())]
pub struct CannotFinish {
    what: PathBuf,
    cause: io::Error,
}

/// Deletes what a reset deletes, if one was begun; tells whether, since the settings may be others then.
///
/// # Errors
/// [`CannotFinish`]
pub fn finish(state: &Path, sources: &Sources) -> Result<bool, CannotFinish> {
    let note = Note::in_folder(state);
    let of = |what: &Path, done: io::Result<bool>| {
        done.map_err(|cause| CannotFinish {
            what: what.to_owned(),
            cause,
        })
    };
    if !of(&note.begun, note.is_begun())? {
        return Ok(false);
    }
    tracing::warn!("a factory reset was begun and not finished: finishing it");
    let keys = state.join(keys::store::FILE);
    // What a crash left behind while it was written has hashes in it too.
    let half = keys.with_extension("json.new");
    let drop_in = sources.own_drop_in();
    for file in [keys, half]
        .into_iter()
        .chain(audit::files(state))
        .chain(drop_in)
    {
        of(&file, remove(&file))?;
    }
    let folder = tls::folder(state);
    of(&folder, remove_folder(&folder))?;
    let id = state.join(identity::FILE);
    of(&id, identity::renew(state).map(|()| true))?;
    of(&note.begun, note.end().map(|()| true))
}
