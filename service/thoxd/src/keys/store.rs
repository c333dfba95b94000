//! The keys in force. Finding one takes no lock; a change is on the disk before it counts.

use super::{
    code::Code,
    file::{CannotRead, Content, Record},
    secret::{Fingerprint, NoRandomness, Secret, random},
};
use crate::state::write_private;
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use thox_api::{ApiError, Class, ErrorKind, KeyInfo, MakeKey, Scope};
use tokio_util::sync::CancellationToken;

/// All keys and the claim.
#[derive(Debug)]
pub struct Keys {
    file: PathBuf,
    content: Mutex<Content>,
    in_force: ArcSwap<HashMap<Fingerprint, Arc<Key>>>,
    /// Whether a key was used since the file was written.
    is_stale: AtomicBool,
}

/// A key in force.
#[derive(Debug)]
pub struct Key {
    /// Unique while thoxd runs.
    pub number: u64,
    /// Its id.
    pub id: Arc<str>,
    /// Its first characters, for the audit log.
    pub prefix: Arc<str>,
    /// What it may be used for.
    pub scope: Scope,
    /// Whose requests go first.
    pub class: Class,
    /// Limits, a minute.
    pub requests_per_minute: Option<u32>,
    /// Limits, a minute.
    pub tokens_per_minute: Option<u32>,
    expires: Option<u64>,
    last_used: AtomicU64,
    fingerprint: Fingerprint,
    revoked: CancellationToken,
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

/// A key's last use is kept to the minute: it is shown to people, and each use is no reason to write a file.
const MINUTE: u64 = 60;

/// More than any household or team needs; each is some hundred bytes of a file that is written whole.
const MOST_KEYS: usize = 10_000;

const LONGEST_NAME: usize = 64;

impl Keys {
    /// The keys of a state folder; a new device gets a claim code. A folder that cannot be written is no reason not to
    /// answer: keys cannot be made then, and the log says why.
    ///
    /// # Errors
    /// [`CannotOpen`]
    pub fn open(state: &Path) -> Result<Arc<Self>, CannotOpen> {
        let file = state.join("keys.json");
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
        let is_good = key.fingerprint.is(&fingerprint) && key.expires.is_none_or(|end| now < end);
        if !is_good {
            return None;
        }
        if now >= key.last_used.load(Ordering::Relaxed) + MINUTE {
            key.last_used.store(now, Ordering::Relaxed);
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
        in_force
            .values()
            .filter(|key| key.expires.is_none_or(|end| now < end))
            .count()
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
                key.revoked.cancel();
            }
        }
    }

    fn note_uses(&self, content: &mut Content) {
        let in_force = self.in_force.load();
        for record in &mut content.keys {
            let key = record
                .fingerprint()
                .and_then(|fingerprint| in_force.get(&fingerprint));
            let used = key.map_or(0, |key| key.last_used.load(Ordering::Relaxed));
            record.last_used = (used > 0).then_some(used);
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn new(record: &Record, fingerprint: Fingerprint) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            id: record.id.as_str().into(),
            prefix: record.prefix.as_str().into(),
            scope: record.scope,
            class: record.class,
            requests_per_minute: record.requests_per_minute,
            tokens_per_minute: record.tokens_per_minute,
            expires: record.expires,
            last_used: AtomicU64::new(record.last_used.unwrap_or(0)),
            fingerprint,
            revoked: CancellationToken::new(),
        }
    }

    /// Cancelled when the key is revoked.
    #[must_use]
    pub fn revoked(&self) -> &CancellationToken {
        &self.revoked
    }
}

fn add(content: &mut Content, asked: &MakeKey) -> Result<(Secret, KeyInfo), ApiError> {
    if content.keys.len() >= MOST_KEYS {
        let message = format!("there are {MOST_KEYS} keys already: revoke some first.");
        return Err(ApiError::new(ErrorKind::InvalidRequest, message));
    }
    let secret = Secret::new().map_err(internal)?;
    let record = Record::new(new_id()?, &secret, asked, seconds());
    let info = record.info();
    content.keys.push(record);
    Ok((secret, info))
}

fn check(asked: &MakeKey) -> Result<(), ApiError> {
    let invalid = |param: &'static str, message: String| {
        Err(ApiError::new(ErrorKind::InvalidRequest, message).param(param))
    };
    let length = asked.name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || asked.name.chars().any(char::is_control) {
        return invalid(
            "name",
            format!(
                "`name` has to be 1 to {LONGEST_NAME} characters on one line, such as \"my-app\"."
            ),
        );
    }
    for (param, value) in [
        ("expires_in", asked.expires_in),
        (
            "requests_per_minute",
            asked.requests_per_minute.map(u64::from),
        ),
        ("tokens_per_minute", asked.tokens_per_minute.map(u64::from)),
    ] {
        if value == Some(0) {
            return invalid(
                param,
                format!("`{param}` has to be 1 or more; leave it out for no limit."),
            );
        }
    }
    Ok(())
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

fn new_id() -> Result<String, ApiError> {
    let random = random::<8>().map_err(internal)?;
    Ok(format!("key_{:016x}", u64::from_be_bytes(random)))
}

fn internal(cause: NoRandomness) -> ApiError {
    let message = "no key can be made: the system gives no random numbers.";
    ApiError::new(ErrorKind::Internal, message).cause(cause)
}

fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn asked(name: &str) -> MakeKey {
        serde_json::from_value(serde_json::json!({ "name": name })).unwrap()
    }

    #[test]
    fn a_key_is_found_until_it_is_revoked_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let (secret, info) = keys.make(&asked("my-app")).unwrap();
        let found = keys.find(secret.reveal()).unwrap();
        assert_eq!((&*found.id, found.scope), (&*info.id, Scope::Inference));
        let text = fs::read_to_string(folder.path().join("keys.json")).unwrap();
        assert!(
            !text.contains(secret.reveal()),
            "the key itself is kept nowhere"
        );
        drop(keys);
        let keys = Keys::open(folder.path()).unwrap();
        let found = keys.find(secret.reveal()).unwrap();
        assert!(keys.list()[0].last_used.is_some());
        keys.revoke(&info.id).unwrap();
        assert!(found.revoked().is_cancelled(), "requests under way end");
        assert!(keys.find(secret.reveal()).is_none());
        assert_eq!(
            keys.revoke(&info.id).unwrap_err().kind,
            ErrorKind::KeyNotFound
        );
        assert!(
            Keys::open(folder.path())
                .unwrap()
                .find(secret.reveal())
                .is_none()
        );
    }

    #[test]
    fn rotating_keeps_all_but_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let mut wanted = asked("ci");
        wanted.requests_per_minute = Some(7);
        let (old, info) = keys.make(&wanted).unwrap();
        let held = keys.find(old.reveal()).unwrap();
        let (new, rotated) = keys.rotate(&info.id).unwrap();
        assert!(held.revoked().is_cancelled() && keys.find(old.reveal()).is_none());
        assert_eq!(
            keys.find(new.reveal()).unwrap().requests_per_minute,
            Some(7)
        );
        assert_eq!((&*rotated.name, keys.count()), ("ci", 1));
        assert_ne!(rotated.id, info.id);
    }

    #[test]
    fn an_expired_key_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let mut short = asked("short");
        short.expires_in = Some(1);
        let (secret, _) = keys.make(&short).unwrap();
        assert!(keys.find(secret.reveal()).is_some());
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert!(keys.find(secret.reveal()).is_none());
        assert_eq!((keys.count(), keys.list().len()), (0, 1));
    }

    #[test]
    fn the_code_gives_one_admin_key_and_no_second() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let code = keys.claim_code().unwrap().to_string();
        assert_eq!(
            Keys::open(folder.path())
                .unwrap()
                .claim_code()
                .unwrap()
                .to_string(),
            code,
            "a restart makes no new one"
        );
        for wrong in ["", "0000-0000x", "AAAA-AAAA"] {
            assert_eq!(
                keys.claim(wrong, "me").unwrap_err().kind,
                ErrorKind::WrongClaimCode
            );
        }
        assert!(!keys.is_claimed());
        let (secret, info) = keys.claim(&code.to_lowercase(), "me").unwrap();
        assert_eq!(info.scope, Scope::Admin);
        assert!(keys.find(secret.reveal()).is_some() && keys.is_claimed());
        assert_eq!(
            keys.claim(&code, "thief").unwrap_err().kind,
            ErrorKind::AlreadyClaimed
        );
        let again = Keys::open(folder.path()).unwrap();
        assert!(again.is_claimed() && again.claim_code().is_none());
    }

    #[test]
    fn keys_that_cannot_be_read_are_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        Keys::open(folder.path())
            .unwrap()
            .make(&asked("a"))
            .unwrap();
        let good = fs::read_to_string(&file).unwrap();
        for broken in [
            good[..good.len() / 2].to_owned(),
            good.replace("\"version\": 1", "\"version\": 2"),
            good.replace("\"sha256\": \"", "\"sha256\": \"x"),
            good.replace("\"claim_code\"", "\"code\""),
            String::new(),
        ] {
            fs::write(&file, &broken).unwrap();
            let error = Keys::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains("keys.json"), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), broken, "left as it was");
        }
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let (secret, info) = keys.make(&asked("a")).unwrap();
        fs::create_dir(folder.path().join("keys.json.new")).unwrap();
        assert!(keys.make(&asked("b")).is_err());
        assert!(keys.revoke(&info.id).is_err());
        assert!(keys.find(secret.reveal()).is_some());
        assert_eq!(keys.list().len(), 1);
    }

    #[test]
    fn names_and_limits_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        for name in ["", "a\nb", &"x".repeat(65)] {
            assert_eq!(
                keys.make(&asked(name)).unwrap_err().param.as_deref(),
                Some("name")
            );
        }
        let mut none = asked("a");
        none.tokens_per_minute = Some(0);
        assert_eq!(
            keys.make(&none).unwrap_err().param.as_deref(),
            Some("tokens_per_minute")
        );
    }
}
