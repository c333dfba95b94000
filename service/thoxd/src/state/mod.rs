//! Files that have to survive a power cut and that nobody else may read: written aside, synced, renamed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Makes a folder, and those around it, that only its owner may enter. One that is there is left as it is.
///
/// # Errors
/// The system's reason.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Replaces `file` by `bytes`, mode 0600: after a power cut it holds the old bytes or the new ones, never a part.
///
/// # Errors
/// The system's reason; the old file stands then.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    make_folder(folder)?;
    let mut aside_name = name.to_owned();
    aside_name.push(".new");
    let aside = folder.join(aside_name);
    // What a crash left behind may have any mode.
    let _ = fs::remove_file(&aside);
    let write = || {
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&aside, file)?;
        // The new name is in the folder, and that has to reach the disk too.
        File::open(folder)?.sync_all()
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Deletes a file; tells whether there was one. After a power cut it does not come back.
///
/// # Errors
/// The system's reason.
pub fn remove(file: &Path) -> io::Result<bool> {
    gone(file, fs::remove_file(file))
}

/// The same for a folder and all that is in it.
///
/// # Errors
/// The system's reason.
pub fn remove_folder(folder: &Path) -> io::Result<bool> {
    gone(folder, fs::remove_dir_all(folder))
}

/// Renames a file within its folder, for good.
///
/// # Errors
/// The system's reason.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder_of(to)
}

fn gone(path: &Path, removed: io::Result<()>) -> io::Result<bool> {
    match removed {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/keys.json");
        write_private(&file, b"one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        assert_eq!(
            fs::read_dir(file.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left aside"
        );
    }

    #[test]
    fn what_is_removed_is_gone_and_what_is_not_there_is_no_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/keys.json");
        write_private(&file, b"one").unwrap();
        assert!(remove(&file).unwrap() && !remove(&file).unwrap());
        write_private(&file, b"two").unwrap();
        let above = folder.path().join("a");
        assert!(remove(&above).is_err(), "a folder is no file");
        assert!(remove_folder(&above).unwrap() && !remove_folder(&above).unwrap());
        assert!(!above.exists());
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        write_private(&file, b"one").unwrap();
        fs::create_dir(folder.path().join("keys.json.new")).unwrap();
        assert!(write_private(&file, b"two").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"one");
    }
}
