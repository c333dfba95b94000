//! Keys made, found, revoked, rotated, claimed; what a broken file or disk does to them.

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

#[test]
fn a_forgotten_device_has_another_code_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::open(folder.path()).unwrap();
    let old = keys.claim_code().unwrap();
    let (secret, _) = keys.claim(&old.to_string(), "me").unwrap();
    let held = keys.find(secret.reveal()).unwrap();
    assert_eq!(keys.forget().unwrap(), 1);
    assert!(held.revoked().is_cancelled() && keys.find(secret.reveal()).is_none());
    let new = keys.claim_code().unwrap();
    assert!(!new.is(&old) && !keys.is_claimed());
    assert!(
        Keys::open(folder.path())
            .unwrap()
            .claim_code()
            .unwrap()
            .is(&new)
    );
    assert_eq!(
        keys.claim(&old.to_string(), "me").unwrap_err().kind,
        ErrorKind::WrongClaimCode
    );
}
