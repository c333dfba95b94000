//! The key file as a broken disk or a careless hand leaves it, and what a person types for the claim code.
//!
//! Where the first byte is odd the rest is a code; else it is the file.
#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};
use tempfile::TempDir;
use thoxd::keys::{Keys, code::Code};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&kind, input)) = input.split_first() else { return };
    if kind % 2 == 1 {
        let Ok(typed) = std::str::from_utf8(input) else { return };
        if let Some(code) = Code::parse(typed) {
            let shown = code.to_string();
            assert!(Code::parse(&shown).is_some_and(|again| again.is(&code)), "{shown}");
        }
        return;
    }
    let file = file();
    fs::write(&file, input).expect("the file is written");
    let folder = file.parent().expect("a folder");
    match Keys::open(folder) {
        Ok(keys) => {
            assert_eq!(keys.is_claimed(), keys.claim_code().is_none());
            assert!(keys.count() <= keys.list().len());
        }
        Err(error) => assert!(error.to_string().contains("keys.json")),
    }
    assert_eq!(fs::read(&file).expect("it is there"), input, "reading changes nothing");
});

fn file() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| TempDir::new().expect("a folder")).path().join("keys.json")
}
