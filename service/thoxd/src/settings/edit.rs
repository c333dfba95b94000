//! Changes one key in a settings file and leaves the rest of it alone, comments included. Nothing is written unless
//! all settings together are valid with the change.

use super::{
    explain::Loaded,
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
    /// The value as it stands there; none where it was taken out.
    pub value: Option<String>,
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
    /// The change would have no effect.
    #[error("{origin} sets {key} too and is read later, so a change would have no effect")]
    Overridden {
        /// The key.
        key: Key,
        /// Who has the last word.
        origin: Origin,
    },
    /// The settings would not be valid.
    #[error("{0}")]
    Invalid(#[from] Problems),
}

/// What is done to a key.
#[derive(Clone, Debug)]
pub enum Edit {
    /// It gets this value.
    Set(toml_edit::Value),
    /// It is taken out of the file: what comes before decides, the default in the end.
    Unset,
}

impl Edit {
    /// A value as it is typed: TOML, or a bare word.
    #[must_use]
    pub fn typed(text: &str) -> Self {
        let value = text.trim().parse();
        Self::Set(value.unwrap_or_else(|_| toml_edit::Value::from(text)))
    }
}

/// Sets `key` in `file`, or takes it out, for a daemon that is not asked.
pub fn edit(sources: &Sources, file: &Path, key: &Key, edit: &Edit) -> Result<Change, EditError> {
    let draft = Draft::of(file, key, edit)?;
    let loaded = load(
        &as_the_daemon_reads(sources, &draft.file),
        Some((&draft.file, &draft.text)),
    )?;
    let overridden_by = match edit {
        Edit::Set(_) => draft.overridden_by(&loaded, key),
        Edit::Unset => None,
    };
    draft.write()?;
    Ok(Change {
        file: draft.file,
        value: match edit {
            Edit::Set(value) => Some(value.to_string().trim().to_owned()),
            Edit::Unset => None,
        },
        overridden_by,
    })
}

/// The same for the daemon that runs with these sources: a change that would have no effect is refused.
pub(super) fn edit_own(sources: &Sources, key: &Key, edit: &Edit) -> Result<Loaded, EditError> {
    let draft = Draft::of(&sources.file_to_edit(), key, edit)?;
    let loaded = load(sources, Some((&draft.file, &draft.text)))?;
    if let (Edit::Set(_), Some(origin)) = (edit, draft.overridden_by(&loaded, key)) {
        let key = key.clone();
        return Err(EditError::Overridden { key, origin });
    }
    draft.write()?;
    Ok(loaded)
}

/// A file as it would be after a change.
struct Draft {
    /// As it is named.
    file: PathBuf,
    /// What a link stands for: replacing the link would cut it off.
    written: PathBuf,
    text: String,
}

impl Draft {
    fn of(file: &Path, key: &Key, edit: &Edit) -> Result<Self, EditError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let written = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        let old = match fs::read_to_string(&written) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(cause) => {
                let action = "read";
                return Err(EditError::Io {
                    file,
                    action,
                    cause,
                });
            }
        };
        let mut document: DocumentMut = old.parse().map_err(|cause| EditError::Syntax {
            file: file.clone(),
            cause: Box::new(cause),
        })?;
        match edit {
            Edit::Set(value) => insert(document.as_table_mut(), key, value.clone())?,
            Edit::Unset => remove(document.as_table_mut(), key.segments()),
        }
        let text = document.to_string();
        Ok(Self {
            file,
            written,
            text,
        })
    }

    /// The later source that has another value.
    fn overridden_by(&self, loaded: &Loaded, key: &Key) -> Option<Origin> {
        let origin = loaded.explain(key).ok()?.origin;
        let is_ours = matches!(&origin, Origin::File { path, .. } if *path == self.file);
        (!is_ours).then_some(origin)
    }

    fn write(&self) -> Result<(), EditError> {
        replace(&self.written, &self.text).map_err(|cause| EditError::Io {
            file: self.file.clone(),
            action: "written",
            cause,
        })
    }
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

fn remove(table: &mut dyn TableLike, path: &[String]) {
    match path {
        [] => {}
        [name] => {
            table.remove(name);
        }
        [name, rest @ ..] => {
            if let Some(inner) = table.get_mut(name).and_then(Item::as_table_like_mut) {
                remove(inner, rest);
            }
        }
    }
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
        edit(&sources, &file, &key.parse().unwrap(), &Edit::typed(value))
            .map_err(|error| error.to_string())
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
            (made.value.as_deref(), made.overridden_by),
            (Some("\"64MiB\""), None)
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
        let made = edit(&sources(root.path()), &file, &key, &Edit::typed("warn")).unwrap();
        assert_eq!(
            (made.file.as_path(), made.overridden_by),
            (file.as_path(), None)
        );
        assert!(edit(&sources(root.path()), &system, &key, &Edit::typed("warn")).is_err());
    }
    #[test]
    fn what_is_taken_out_is_the_default_again_and_leaves_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        change(root, "server.max_body", "64MiB").unwrap();
        change(root, "server.max_connections", "5").unwrap();
        let sources = sources(root);
        let file = sources.file_to_edit();
        let unset = |key: &str| edit(&sources, &file, &key.parse().unwrap(), &Edit::Unset);
        assert_eq!(unset("server.max_body").unwrap().value, None);
        assert_eq!(text(root), "[server]\nmax_connections = 5\n");
        // Again, and what was never there: nothing to do.
        unset("server.max_body").unwrap();
        unset("router.circuit.failures").unwrap();
        assert_eq!(text(root), "[server]\nmax_connections = 5\n");
    }

    #[test]
    fn a_running_daemon_refuses_what_would_have_no_effect() {
        let root = tempfile::tempdir().unwrap();
        let mut sources = sources(root.path());
        sources.set = vec!["log.level=debug".to_owned()];
        let key = "log.level".parse().unwrap();
        let refused = edit_own(&sources, &key, &Edit::typed("warn")).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("--set log.level=debug sets log.level too"),
            "{refused}"
        );
        assert!(!sources.file_to_edit().exists(), "nothing is written");
        let other = "server.max_body".parse().unwrap();
        let loaded = edit_own(&sources, &other, &Edit::typed("1MiB")).unwrap();
        assert_eq!(loaded.settings.server.max_body.0, 1 << 20);
    }
}
