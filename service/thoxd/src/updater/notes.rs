//! What the image's scripts note: `update-trial` (config/rauc/post-install), `update-failed` (config/libexec/thox-commit).
//! Both are lines `NAME=value`, the second with a log behind them.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use thox_policy::update::Note;

/// thox-commit writes some hundred lines of the log.
const LONGEST: u64 = 256 << 10;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    trial: PathBuf,
    failed: PathBuf,
}

/// Why a trial did not last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The boot name of its slot.
    pub(super) slot: Option<String>,
    /// What was missing.
    pub(super) reason: Option<String>,
    /// The whole file.
    pub(super) text: String,
}

impl Notes {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            trial: folder.join("update-trial"),
            failed: folder.join("update-failed"),
        }
    }

    pub(super) fn trial(&self) -> Note {
        match fs::read_to_string(&self.trial) {
            Ok(text) => match value(&text, "BOOTNAME") {
                Some(slot) => Note::Of(slot),
                None => Note::Unreadable,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Note::None,
            Err(error) => {
                tracing::debug!(%error, file = %self.trial.display(), "whether a trial is under way cannot be read");
                Note::Unreadable
            }
        }
    }

    pub(super) fn evidence(&self) -> Option<Evidence> {
        let mut bytes = Vec::new();
        let file = File::open(&self.failed).ok()?;
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(Evidence {
            slot: value(&text, "SLOT"),
            reason: value(&text, "REASON"),
            text,
        })
    }
}

/// The first line of that name.
fn value(text: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        Some(
            line.strip_prefix(name)?
                .strip_prefix('=')?
                .trim()
                .to_owned(),
        )
    };
    text.lines()
        .find_map(of_line)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_scripts_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::in_folder(folder.path());
        assert_eq!((notes.trial(), notes.evidence()), (Note::None, None));
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put(
            "update-trial",
            "BOOTNAME=B\nBASELINE=answers\nGAVE_UP=yes\n",
        );
        assert_eq!(notes.trial(), Note::Of("B".to_owned()));
        put(
            "update-failed",
            "SLOT=B\nREASON=no answer\n=== log\nSLOT=x\n",
        );
        let evidence = notes.evidence().unwrap();
        assert_eq!(evidence.slot.as_deref(), Some("B"));
        assert_eq!(evidence.reason.as_deref(), Some("no answer"));
        assert!(evidence.text.contains("=== log"));
        put("update-trial", "");
        assert_eq!(notes.trial(), Note::Unreadable);
        fs::remove_file(folder.path().join("update-trial")).unwrap();
        fs::create_dir(folder.path().join("update-trial")).unwrap();
        assert_eq!(notes.trial(), Note::Unreadable);
    }
}
