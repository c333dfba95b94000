//! The keys in force. Finding one takes no lock; a change is on the disk before it counts.

use super::{
    code::Code,
    file::{CannotRead, Content, Record},
    key::Key,
    making::{add, check, internal, new_id, seconds},
    secret::{Fingerprint, NoRandomness, Secret},
};
use crate::state::write_private;
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use thox_api::{ApiError, ErrorKind, KeyInfo, MakeKey, Scope};

/// All keys and the claim.
#[derive(Debug)]
pub struct Keys {
    file: PathBuf,
    content: Mutex<Content>,
    in_force: ArcSwap<HashMap<Fingerprint, Arc<Key>>>,
    /// Whether a key was used since the file was written.
    is_stale: AtomicBool,
}

/// Keys that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CannotOpen {
    /// The file is there and makes no sense.
    #[error(transparent)]
    Read(#[from] CannotRead),
    /// No key can be made.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// In the state folder.
pub const FILE: &str = "keys.json";

impl Keys {
    /// The keys of a state folder; a new device gets a claim code. A folder that cannot be written is no reason not to
    /// answer: keys cannot be made then, and the log says why.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn open(state: &Path) -> Result<Arc<Self>, CannotOpen> {
        let file = state.join(FILE);
        let content = match Content::read(&file)? {
            Some(content) => content,
            None => {
                let content = Content::new(&Code::new()?);
                if let Err(error) = write_private(&file, &content.to_bytes()) {
                    tracing::warn!(file = %file.display(), %error, "keys and the claim code cannot be kept: nobody can be given a key");
                }
                content
            }
        };
        let keys = Self {
            file,
            in_force: ArcSwap::from_pointee(HashMap::new()),
            is_stale: AtomicBool::new(false),
            content: Mutex::new(content),
        };
        keys.publish(&keys.content());
        Ok(Arc::new(keys))
    }

    /// The key that a client sent, if it is in force.
    #[must_use]
    pub fn find(&self, sent: &str) -> Option<Arc<Key>> {
        let fingerprint = Secret::parse(sent)?.fingerprint();
        let in_force = self.in_force.load();
        let key = in_force.get(&fingerprint)?;
        let now = seconds();
        if !key.is(&fingerprint) || key.is_over(now) {
            return None;
        }
        if key.use_at(now) {
            self.is_stale.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(key))
    }

    /// All keys that are not revoked, expired ones too, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<KeyInfo> {
        let mut content = self.content();
        self.note_uses(&mut content);
        content.keys.iter().map(Record::info).collect()
    }

    /// How many keys are in force.
    #[must_use]
    pub fn count(&self) -> usize {
        let now = seconds();
        let in_force = self.in_force.load();
        in_force.values().filter(|key| !key.is_over(now)).count()
    }

    /// Makes a key. Waits for the disk.
    ///
    /// # Errors
    /// What is wrong with the request, or why it cannot be kept.
    pub fn make(&self, asked: &MakeKey) -> Result<(Secret, KeyInfo), ApiError> {
        check(asked)?;
        self.change(|content| add(content, asked))
    }

    /// Ends a key at once, for requests under way too. Waits for the disk.
    ///
    /// # Errors
    /// There is none of that id, or the change cannot be kept.
    pub fn revoke(&self, id: &str) -> Result<(), ApiError> {
        self.change(|content| {
            let at = place(content, id)?;
            content.keys.remove(at);
            Ok(())
        })
    }

    /// Puts a new key in the place of one, which ends at once. Waits for the disk.
    ///
    /// # Errors
    /// As [`Keys::revoke`].
    pub fn rotate(&self, id: &str) -> Result<(Secret, KeyInfo), ApiError> {
        self.change(|content| {
            let at = place(content, id)?;
            let secret = Secret::new().map_err(internal)?;
            let new_id = new_id()?;
            let Some(record) = content.keys.get_mut(at) else {
                return Err(unknown(id));
            };
            *record = record.rotated(new_id, &secret, seconds());
            Ok((secret, record.info()))
        })
    }

    /// The claim code, until the device is claimed.
    #[must_use]
    pub fn claim_code(&self) -> Option<Code> {
        self.content().code()
    }

    /// Whether somebody has claimed the device.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.content().claimed
    }

    /// Gives whoever knows the code the first admin key; the code is used up. Waits for the disk.
    ///
    /// # Errors
    /// The code is wrong or used up, or the key cannot be kept.
    pub fn claim(&self, code: &str, name: &str) -> Result<(Secret, KeyInfo), ApiError> {
        let asked = MakeKey {
            name: name.to_owned(),
            scope: Some(Scope::Admin),
            expires_in: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            class: None,
        };
        check(&asked)?;
        self.change(|content| {
            let Some(own) = content.code() else {
                let message = "this device has been claimed. Ask its owner for a key, or make one on the device: `thox auth generate-key --scope admin`.";
                return Err(ApiError::new(ErrorKind::AlreadyClaimed, message));
            };
            if !Code::parse(code).is_some_and(|typed| typed.is(&own)) {
                let message = "the claim code is wrong. The device shows it on its console, and `thox claim-code` on the device prints it.";
                return Err(ApiError::new(ErrorKind::WrongClaimCode, message).param("code"));
            }
            content.claim();
            add(content, &asked)
        })
    }

    /// Makes the device new: every key ends at once, and another code claims it. Gives the number of keys. Waits for the
    /// disk.
    ///
    /// # Errors
    /// The change cannot be kept.
    pub fn forget(&self) -> Result<usize, ApiError> {
        let code = Code::new().map_err(internal)?;
        self.change(|content| {
            let count = content.keys.len();
            *content = Content::new(&code);
            Ok(count)
        })
    }

    /// Writes the last uses, if there are new ones.
    ///
    /// # Errors
    /// The system's reason.
    pub fn keep_uses(&self) -> io::Result<()> {
        if !self.is_stale.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let mut content = self.content();
        self.note_uses(&mut content);
        write_private(&self.file, &content.to_bytes())
    }

    /// Changes the content: first a copy, then the disk, then what is in force.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Content) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut content = self.content();
        let mut changed = content.clone();
        self.note_uses(&mut changed);
        let outcome = change(&mut changed)?;
        write_private(&self.file, &changed.to_bytes()).map_err(|error| {
            let message = format!("the key cannot be kept: {} cannot be written ({error}). Nothing was changed; look at the folder's owner and at the disk.", self.file.display());
            ApiError::new(ErrorKind::Internal, message).cause(error)
        })?;
        *content = changed;
        self.publish(&content);
        Ok(outcome)
    }

    /// Makes what stands in `content` count, and ends the keys that do not stand there any more.
    fn publish(&self, content: &Content) {
        let old = self.in_force.load_full();
        let mut in_force = HashMap::new();
        for record in &content.keys {
            let Some(fingerprint) = record.fingerprint() else {
                continue;
            };
            let key = match old.get(&fingerprint) {
                Some(key) => Arc::clone(key),
                None => Arc::new(Key::new(record, fingerprint)),
            };
            in_force.insert(fingerprint, key);
        }
        let in_force = Arc::new(in_force);
        self.in_force.store(Arc::clone(&in_force));
        for (fingerprint, key) in old.iter() {
            if !in_force.contains_key(fingerprint) {
                key.revoked().cancel();
            }
        }
    }

    fn note_uses(&self, content: &mut Content) {
        let in_force = self.in_force.load();
        for record in &mut content.keys {
            let key = record
                .fingerprint()
                .and_then(|fingerprint| in_force.get(&fingerprint));
            record.last_used = key.and_then(|key| key.last_used());
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(content: &Content, id: &str) -> Result<usize, ApiError> {
    content
        .keys
        .iter()
        .position(|record| record.id == id)
        .ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    let message = format!("there is no key {id:?}. GET /thox/v1/keys lists what there is.");
    ApiError::new(ErrorKind::KeyNotFound, message).param("id")
}

#[cfg(test)]
mod tests;
