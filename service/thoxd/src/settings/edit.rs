//! Changes one key in a settings file and leaves the rest of it alone, comments included. Nothing is written unless
//! all settings together are valid with the change.

use super::{
    key::Key,
    layer::Origin,
    problem::Problems,
    sources::{Sources, load},
};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub file: PathBuf,
    /// The value as it stands there.
    pub value: String,
    /// The source that has another value for the key and is read later, where there is one: the change has no effect.
    pub overridden_by: Option<Origin>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read or written.
    #[error("{} cannot be {action}: {cause}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// The system's reason.
        cause: io::Error,
    },
    /// The file is no TOML as it stands.
    #[error("{} is not valid as it stands: {cause}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// What and where.
        cause: Box<toml_edit::TomlError>,
    },
    /// The key lies below something that is no table.
    #[error("{key} cannot be set: {table} is no table")]
    NoTable {
        /// The key.
        key: Key,
        /// What is no table.
        table: Key,
    },
    /// The settings would not be valid.
    #[error("{0}")]
    Invalid(#[from] Problems),
}

/// Sets `key` to `text`, TOML or a bare word, in `file`.
pub fn set(sources: &Sources, file: &Path, key: &Key, text: &str) -> Result<Change, EditError> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file = file.as_path();
    // Replacing a link would cut it off from the file that it stands for.
    let written = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let io_error = |action| {
        move |cause| EditError::Io {
            file: file.to_owned(),
            action,
            cause,
        }
    };
    let old = match fs::read_to_string(&written) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io_error("read")(error)),
    };
    let mut document: DocumentMut = old.parse().map_err(|cause| EditError::Syntax {
        file: file.to_owned(),
        cause: Box::new(cause),
    })?;
    let value = text
        .trim()
        .parse()
        .unwrap_or_else(|_| toml_edit::Value::from(text));
    insert(document.as_table_mut(), key, value.clone())?;
    let new = document.to_string();

    let loaded = load(&as_the_daemon_reads(sources, file), Some((file, &new)))?;
    let origin = loaded.explain(key).map(|explanation| explanation.origin);
    let overridden_by = origin
        .ok()
        .filter(|origin| !matches!(origin, Origin::File { path, .. } if path == file));
    replace(&written, &new).map_err(io_error("written"))?;
    Ok(Change {
        file: file.to_owned(),
        value: value.to_string().trim().to_owned(),
        overridden_by,
    })
}

/// The sources of a daemon that reads `file`: without the environment of the shell in which the change is made, and
/// with `file` as its `--config` where the usual places do not include it.
fn as_the_daemon_reads(sources: &Sources, file: &Path) -> Sources {
    let environment = sources
        .environment
        .iter()
        .filter(|(name, _)| !name.starts_with("THOX_"));
    Sources {
        config: (!sources.reads(file)).then(|| file.to_owned()),
        set: Vec::new(),
        environment: environment
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
        ..sources.clone()
    }
}

fn insert(root: &mut Table, key: &Key, value: toml_edit::Value) -> Result<(), EditError> {
    let mut path = Key::default();
    let mut table: &mut dyn TableLike = root;
    let Some((name, tables)) = key.segments().split_last() else {
        return Ok(());
    };
    for name in tables {
        path = path.child(name);
        let section = Item::Table({
            let mut section = Table::new();
            // `[engines]` alone above `[engines.ollama]` would be noise.
            section.set_implicit(true);
            section
        });
        let item = table.entry(name).or_insert(section);
        table = item.as_table_like_mut().ok_or_else(|| EditError::NoTable {
            key: key.clone(),
            table: path.clone(),
        })?;
    }
    let mut value = value;
    match table.get_mut(name) {
        Some(Item::Value(old)) => {
            // What stands around the old value is a comment at the end of its line.
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(name, Item::Value(value));
        }
    }
    Ok(())
}

/// Puts `text` in the place of a file so that at no moment, a power cut included, there is less than one whole file.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, so that nobody reads it as a drop-in.
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write(&temporary, file, text).and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write(temporary: &Path, like: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(temporary)?;
    if let Ok(old) = fs::metadata(like) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Account;

    fn sources(root: &Path) -> Sources {
        Sources {
            config: None,
            set: Vec::new(),
            environment: BTreeMap::new(),
            account: Account::System,
            root: root.to_owned(),
        }
    }

    fn change(root: &Path, key: &str, value: &str) -> Result<Change, String> {
        let sources = sources(root);
        let file = sources.file_to_edit();
        set(&sources, &file, &key.parse().unwrap(), value).map_err(|error| error.to_string())
    }

    fn text(root: &Path) -> String {
        fs::read_to_string(sources(root).file_to_edit()).unwrap()
    }

    #[test]
    fn makes_the_file_and_keeps_what_stands_in_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let made = change(root, "server.max_body", "64MiB").unwrap();
        assert_eq!(
            (made.value.as_str(), made.overridden_by),
            ("\"64MiB\"", None)
        );
        assert_eq!(text(root), "[server]\nmax_body = \"64MiB\"\n");

        let file = sources(root).file_to_edit();
        fs::write(
            &file,
            "# Ours.\n[server]\nmax_body = \"1MiB\" # small\n\n# Last.\n",
        )
        .unwrap();
        change(root, "server.max_body", "2MiB").unwrap();
        change(root, "server.listen", "[\"127.0.0.1:1\"]").unwrap();
        change(root, "engines.ollama.slots", "4").unwrap();
        assert_eq!(
            text(root),
            "# Ours.\n[server]\nmax_body = \"2MiB\" # small\nlisten = [\"127.0.0.1:1\"]\n\n[engines.ollama]\nslots = 4\n\n# Last.\n"
        );
        let left = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "no temporary file is left");
    }

    #[test]
    fn writes_nothing_that_is_not_valid() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        change(root, "server.max_connections", "5").unwrap();
        for (key, value, expected) in [
            (
                "server.max_body",
                "much",
                "server.max_body: expected a size",
            ),
            (
                "server.max_bdy",
                "1MiB",
                "unknown key server.max_bdy; did you mean server.max_body?",
            ),
            (
                "server.listen.port",
                "1",
                "expected a list of at least one address",
            ),
            (
                "server.max_connections.x",
                "1",
                "server.max_connections is no table",
            ),
            ("server", "1", "server: expected a table"),
        ] {
            let error = change(root, key, value).unwrap_err();
            assert!(error.contains(expected), "{key}: {error}");
            assert_eq!(text(root), "[server]\nmax_connections = 5\n", "{key}");
        }
        fs::write(sources(root).file_to_edit(), "[server\n").unwrap();
        assert!(
            change(root, "log.level", "warn")
                .unwrap_err()
                .contains("not valid as it stands")
        );
    }

    #[test]
    fn says_where_a_later_source_overrides_the_change() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let later = root.join("run/thox/config.d/10.toml");
        fs::create_dir_all(later.parent().unwrap()).unwrap();
        fs::write(&later, "log.level = \"debug\"\n").unwrap();
        let made = change(root, "log.level", "warn").unwrap();
        assert_eq!(
            made.overridden_by,
            Some(Origin::File {
                path: later,
                line: Some(1)
            })
        );
        // The file that was made comes before it in the same chain.
        assert_eq!(
            change(root, "router.default_model", "mine")
                .unwrap()
                .overridden_by,
            None
        );
    }

    #[test]
    fn a_file_outside_the_usual_places_is_tried_as_config() {
        let root = tempfile::tempdir().unwrap();
        let system = root.path().join("etc/thox/config.toml");
        fs::create_dir_all(system.parent().unwrap()).unwrap();
        fs::write(&system, "not valid").unwrap();
        let file = root.path().join("mine.toml");
        let key = "log.level".parse().unwrap();
        let made = set(&sources(root.path()), &file, &key, "warn").unwrap();
        assert_eq!(
            (made.file.as_path(), made.overridden_by),
            (file.as_path(), None)
        );
        assert!(set(&sources(root.path()), &system, &key, "warn").is_err());
    }
}
