//! What is on the disk of a model that an engine is built from: what was published, what was compiled of it, and what the
//! engine said at its end.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A model's folder, as its unit names it: the model in it, and beside that what the engine makes.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// As it was published (`model/`), or as it was compiled elsewhere (`engine/`): what the unit takes to be there.
    pub(super) source: PathBuf,
}

/// Bytes that there are and bytes that it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) free: u64,
    pub(super) wanted: u64,
}

/// A checkpoint is a folder of files; one with more levels is none.
const DEEPEST: usize = 4;

/// A model has dozens of files, what is compiled of it hundreds.
const MOST_FILES: usize = 10_000;

/// What is kept of the engine's last words, and what of it is told.
const LONGEST_LOG: u64 = 16 << 10;
const MOST_LINES: usize = 12;
const LONGEST_LINE: usize = 300;

impl Folder {
    /// Whether the model is there; an error where that cannot be told.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        match std::fs::metadata(&self.source) {
            Ok(found) => Ok(found.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What is free where it is compiled to, and what that may take; none where something is compiled already, or where
    /// it cannot be told. Weights that the engine does not take from the model's own files are in what is compiled: that
    /// is at most about as much again.
    pub(super) fn room(&self) -> Option<Room> {
        if self.compiled() > 0 {
            return None;
        }
        let found = nix::sys::statvfs::statvfs(self.source.parent()?).ok()?;
        let free = found
            .blocks_available()
            .saturating_mul(found.fragment_size());
        let wanted = bytes_of(&self.source, DEEPEST, &mut MOST_FILES.clone());
        Some(Room { free, wanted })
    }

    /// Bytes of what is compiled, as far as it can be read.
    pub(super) fn compiled(&self) -> u64 {
        let cache = self.source.with_file_name("cache");
        bytes_of(&cache, DEEPEST, &mut MOST_FILES.clone())
    }

    /// What the engine said before it failed (config/libexec/thox-engine-log), if that was after this time; without what
    /// could steer a terminal.
    pub(super) fn last_words(&self, after: SystemTime) -> Vec<String> {
        let text = tail(&self.source.with_file_name("engine.log"), after).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let shown = line.chars().filter(|c| !c.is_control());
            shown.take(LONGEST_LINE).collect::<String>()
        });
        let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
        let skipped = lines.len().saturating_sub(MOST_LINES);
        lines.into_iter().skip(skipped).collect()
    }
}

fn tail(path: &Path, after: SystemTime) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let about = file.metadata()?;
    if about.modified()? < after {
        return Ok(String::new());
    }
    let length = about.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LOG)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What cannot be read counts nothing; a file that is linked counts as what it is, a folder that is linked does not.
fn bytes_of(folder: &Path, levels: usize, left: &mut usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let mut bytes: u64 = 0;
    for entry in entries.flatten() {
        *left = left.saturating_sub(1);
        if *left == 0 {
            break;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && levels > 1 {
            bytes = bytes.saturating_add(bytes_of(&entry.path(), levels - 1, left));
        } else if let Ok(found) = std::fs::metadata(entry.path())
            && found.is_file()
        {
            bytes = bytes.saturating_add(found.len());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_its_last_words_are_plain() {
        let disk = tempfile::tempdir().unwrap();
        let own = disk.path().join("qwen");
        let folder = Folder {
            source: own.join("model"),
        };
        assert!(!folder.is_there().unwrap());
        let long_ago = SystemTime::UNIX_EPOCH;
        assert!(folder.last_words(long_ago).is_empty());
        std::fs::create_dir_all(own.join("model/parts")).unwrap();
        std::fs::write(own.join("model/parts/weights"), vec![0; 4000]).unwrap();
        std::fs::write(own.join("model/config.json"), "{}").unwrap();
        // A loop of links is not followed.
        std::os::unix::fs::symlink(own.join("model"), own.join("model/again")).unwrap();
        assert!(folder.is_there().unwrap());
        let room = folder.room().unwrap();
        assert!(room.wanted == 4002 && room.free > 0, "{room:?}");
        std::fs::create_dir_all(own.join("cache/bundle")).unwrap();
        std::fs::write(own.join("cache/bundle/engine"), vec![0; 7000]).unwrap();
        assert_eq!(folder.compiled(), 7000);
        assert_eq!(folder.room(), None, "it is built already");
        let log: String = (0..30)
            .map(|line| format!("line {line}\u{1b}[2J\n\n"))
            .collect();
        std::fs::write(own.join("engine.log"), log).unwrap();
        let words = folder.last_words(long_ago);
        assert_eq!(words.len(), MOST_LINES);
        assert_eq!(words.last().unwrap(), "line 29[2J");
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert!(folder.last_words(later).is_empty(), "of another time");
    }
}
