//! A reset while it serves, one that fails, and one that a crash cut short.

use super::*;
use crate::{
    guard::audit::{Audit, Line, files},
    keys::Keys,
    lan::Lan,
    settings::{Account, Settings, Sources, parse_text},
};
use std::{collections::BTreeMap, fs, net::Ipv4Addr, sync::Arc};
use tempfile::TempDir;

/// A device with an admin key, an audit log and settings of thoxd's own.
struct Used {
    root: TempDir,
    sources: Sources,
    guard: Arc<Guard>,
    key: String,
}

const LOCKED: &str = "[auth]\nenabled = true\n";

impl Used {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        fs::create_dir(&state).unwrap();
        let sources = Sources {
            config: None,
            set: Vec::new(),
            environment: BTreeMap::new(),
            account: Account::System,
            root: root.path().to_owned(),
        };
        let drop_in = sources.own_drop_in().unwrap();
        fs::create_dir_all(drop_in.parent().unwrap()).unwrap();
        fs::write(&drop_in, LOCKED).unwrap();
        fs::create_dir(tls::folder(&state)).unwrap();
        fs::write(tls::folder(&state).join("key.pem"), "old").unwrap();
        let keys = Keys::open(&state).unwrap();
        let code = keys.claim_code().unwrap().to_string();
        let (secret, _) = keys.claim(&code, "me").unwrap();
        let audit = Audit::new(true, &state);
        audit.write(&Line {
            route: "/health",
            method: "GET",
            client: Ipv4Addr::LOCALHOST.into(),
            key: None,
            user: None,
            status: 200,
            request_id: "1",
        });
        let settings = parse_text(LOCKED).unwrap();
        Self {
            guard: Guard::new(&settings, keys, Lan::new(&[]), audit),
            key: secret.reveal().to_owned(),
            root,
            sources,
        }
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn reset(&self, models: Models) -> Result<Gone, ApiError> {
        let started_with = Sources {
            root: self.root.path().join("nothing"),
            ..self.sources.clone()
        };
        let loaded = Settings::load(&started_with).unwrap();
        let parts = Parts {
            guard: &self.guard,
            tls: None,
            state: &self.state(),
            settings: &Live::new(self.sources.clone(), loaded),
        };
        reset(parts, models)
    }

    /// Nothing of the former owner is left on the disk.
    fn is_new(&self) {
        let state = self.state();
        assert!(!tls::folder(&state).exists());
        assert!(files(&state).iter().all(|file| !file.exists()));
        assert!(!self.sources.own_drop_in().unwrap().exists());
        assert!(!state.join("factory-reset.begun").exists());
        let keys = Keys::open(&state).unwrap();
        assert!(keys.list().is_empty() && keys.claim_code().is_some());
    }
}

#[test]
fn a_reset_device_is_new_at_once() {
    let used = Used::new();
    let held = used.guard.keys.find(&used.key).unwrap();
    assert!(used.guard.is_locked());
    let gone = used.reset(Models::Delete).unwrap();
    assert_eq!((gone.keys, gone.audit_lines), (1, 1));
    assert_eq!(gone.settings, used.sources.own_drop_in());
    assert!(held.revoked().is_cancelled() && used.guard.keys.find(&used.key).is_none());
    assert!(
        !used.guard.is_locked(),
        "auth.enabled was in the file that went"
    );
    used.is_new();
    let text = fs::read_to_string(gone.marker).unwrap();
    assert!(text.ends_with("\nMODELS=delete\n"), "{text}");
    let again = used.reset(Models::Keep).unwrap();
    assert_eq!((again.keys, again.settings), (0, None));
    let text = fs::read_to_string(again.marker).unwrap();
    assert!(text.ends_with("\nMODELS=keep\n"), "{text}");
}

#[test]
fn a_persons_own_settings_stay() {
    let mut used = Used::new();
    let file = used.root.path().join("mine.toml");
    fs::write(&file, LOCKED).unwrap();
    used.sources.config = Some(file.clone());
    assert_eq!(used.reset(Models::Delete).unwrap().settings, None);
    assert_eq!(fs::read_to_string(file).unwrap(), LOCKED);
    assert!(used.guard.is_locked(), "it is still to be so");
}

#[test]
fn wherever_it_was_cut_short_the_next_start_finishes() {
    // How many of the things had gone when the power was cut.
    for steps in 0..=4 {
        let used = Used::new();
        let state = used.state();
        Note::in_folder(&state).begin(Models::Keep).unwrap();
        fs::write(state.join("keys.json.new"), "half").unwrap();
        let [log, _] = files(&state);
        let doomed = [
            state.join("keys.json"),
            log,
            used.sources.own_drop_in().unwrap(),
        ];
        for file in doomed.iter().take(steps) {
            fs::remove_file(file).unwrap();
        }
        if steps == 4 {
            fs::remove_dir_all(tls::folder(&state)).unwrap();
        }
        assert!(finish(&state, &used.sources).unwrap());
        assert!(!state.join("keys.json.new").exists());
        used.is_new();
        assert!(state.join("factory-reset").exists());
        assert!(!finish(&state, &used.sources).unwrap(), "once");
    }
}

#[test]
fn one_that_was_not_begun_takes_nothing() {
    let used = Used::new();
    assert!(!finish(&used.state(), &used.sources).unwrap());
    assert!(used.guard.keys.find(&used.key).is_some());
    // Nothing can be written over a folder.
    fs::create_dir(used.state().join("factory-reset.begun.new")).unwrap();
    let error = used.reset(Models::Delete).unwrap_err();
    assert!(
        error.message.contains("Nothing was changed"),
        "{}",
        error.message
    );
    assert!(used.guard.keys.find(&used.key).is_some());
}

#[test]
fn what_does_not_go_is_told_and_goes_at_the_next_start() {
    let used = Used::new();
    let drop_in = used.sources.own_drop_in().unwrap();
    fs::remove_file(&drop_in).unwrap();
    fs::create_dir(&drop_in).unwrap();
    let error = used.reset(Models::Delete).unwrap_err();
    let message = &error.message;
    assert!(
        message.contains("90-thox.toml") && message.contains("restart thoxd"),
        "{message}"
    );
    assert!(
        used.guard.keys.find(&used.key).is_none(),
        "the keys went first"
    );
    let state = used.state();
    let error = finish(&state, &used.sources).unwrap_err().to_string();
    assert!(error.contains("90-thox.toml"), "{error}");
    fs::remove_dir(&drop_in).unwrap();
    assert!(finish(&state, &used.sources).unwrap());
    used.is_new();
}
