//! Where the credentials file is, who may read it, and how it is changed without ever being half written.

use super::{Change, Credentials, document};
use crate::failure::Failure;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// `$XDG_CONFIG_HOME/thox/credentials.toml`, else below `~/.config`; none for a user without a home. A relative folder is
/// ignored, as the XDG base directory specification says.
pub(super) fn path() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("thox/credentials.toml"))
}

/// Reads the file if nobody else can.
pub(super) fn read(path: &Path) -> Result<Credentials, Failure> {
    let text = text(path)?.unwrap_or_default();
    document::read(&text).map_err(|fault| malformed(path, &fault))
}

/// Makes sure that the file can be written, before something is asked for that is given only once.
pub(crate) fn prepare() -> Result<(), Failure> {
    let (path, folder) = place()?;
    text(&path)?;
    let probe = temporary(&path, &folder);
    create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| unwritten(&path, &error))
}

/// Makes the changes, and gives the file.
pub(crate) fn change(changes: &[(String, Change)]) -> Result<PathBuf, Failure> {
    let (path, folder) = place()?;
    // Two commands at once change the file in turn. The folder is locked: the file itself is replaced.
    let lock = File::open(&folder)
        .and_then(|folder| folder.lock().map(|()| folder))
        .map_err(|error| unwritten(&path, &error))?;
    let old = text(&path)?.unwrap_or_default();
    let new = document::changed(&old, changes).map_err(|fault| malformed(&path, &fault))?;
    replace(&path, &folder, &new)
        .and_then(|()| lock.sync_all())
        .map_err(|error| unwritten(&path, &error))?;
    Ok(path)
}

/// The file, behind a link if there is one, and its folder, which is made.
fn place() -> Result<(PathBuf, PathBuf), Failure> {
    let path = path().ok_or_else(|| {
        Failure::error(
            "there is no place for credentials: neither HOME nor XDG_CONFIG_HOME names a folder",
        )
        .next("set HOME, or give the key by THOX_API_KEY each time")
    })?;
    let path = fs::canonicalize(&path).unwrap_or(path);
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| unwritten(&path, &error))?;
    Ok((path, folder))
}

fn text(path: &Path) -> Result<Option<String>, Failure> {
    let unread = |error: &io::Error| {
        Failure::error(format!("{} cannot be read: {error}", path.display()))
            .next("thox keeps its keys there; correct its owner and mode, or move it away")
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // HOME names something that is no folder, so there is no file either.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(unread(&error)),
    };
    let mode = file.metadata().map_err(|error| unread(&error))?.mode();
    if mode & 0o077 != 0 {
        let message = format!(
            "{} holds keys and is open to other users (mode {:03o}), so it is not used",
            path.display(),
            mode & 0o777
        );
        return Err(Failure::error(message).next(format!(
            "chmod 600 {}; if somebody else uses this machine, rotate the keys in it: thox auth rotate-key",
            path.display()
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| unread(&error))?;
    Ok(Some(text))
}

/// At no moment, a power cut included, is there less than one whole file.
fn replace(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    let temporary = temporary(path, folder);
    let written = create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary(path: &Path, folder: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder.join(format!(".{name}.{}", std::process::id()))
}

/// Nobody else's from the first byte on, and not through a link that somebody laid there.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        // A run of the same process number was killed here.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        other => other,
    }
}

fn malformed(path: &Path, fault: &str) -> Failure {
    Failure::error(format!("{} is not valid: {fault}", path.display()))
        .next("correct it, or move it away and store the keys again")
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::error(format!("{} cannot be written: {error}", path.display()))
        .next("make its folder yours and writable, or name another by XDG_CONFIG_HOME")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_the_users_alone_or_it_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.toml");
        assert!(read(&path).is_ok(), "none is no mistake");
        replace(&path, folder.path(), "[devices.x]\napi_key = \"k\"\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(read(&path).unwrap().of("x").key.is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let Err(Failure::Told { message, next, .. }) = read(&path) else {
                panic!("{mode:o} is read");
            };
            assert!(message.contains(&format!("(mode {mode:03o})")), "{message}");
            assert!(
                next.unwrap()
                    .starts_with(&format!("chmod 600 {}", path.display()))
            );
        }
    }

    #[test]
    fn what_a_killed_run_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.toml");
        fs::write(temporary(&path, folder.path()), "half").unwrap();
        replace(&path, folder.path(), "").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
