//! Where settings come from, in which order.

use super::{
    account::Account,
    check::check,
    defaults::Folders,
    explain::Loaded,
    key::Key,
    layer::{Layer, Origin},
    overrides,
    problem::{Fault, Problem, Problems},
    reader::Reader,
    shape::{Settings, SocketFile},
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Everything outside the program that decides on its settings.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `--config`: this file alone instead of the system's and the user's.
    pub config: Option<PathBuf>,
    /// `--set`, each `section.key=VALUE`, in order.
    pub set: Vec<String>,
    /// The environment variables.
    pub environment: BTreeMap<String, String>,
    /// Who runs the program.
    pub account: Account,
    /// Folder that `/usr/lib/thox`, `/etc/thox` and `/run/thox` are looked for in; `/` but in tests.
    pub root: PathBuf,
}

/// What thoxd and `thox config set` write on a device.
const DROP_IN: &str = "etc/thox/config.d/90-thox.toml";

impl Sources {
    /// The environment and the files of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self {
            config: None,
            set: Vec::new(),
            environment: environment.collect(),
            account: Account::of_process(),
            root: PathBuf::from("/"),
        }
    }

    /// The file that `thox config set` changes where none is named: the last of the device's, or the person's own.
    #[must_use]
    pub fn file_to_edit(&self) -> PathBuf {
        match (
            self.config.clone(),
            self.account.config_file(&self.environment),
        ) {
            (Some(file), _) | (None, Some(file)) => file,
            (None, None) => self.root.join(DROP_IN),
        }
    }

    /// The file that is thoxd's own to write and to delete; none where a person's file takes its place.
    #[must_use]
    pub fn own_drop_in(&self) -> Option<PathBuf> {
        let own = self.root.join(DROP_IN);
        (self.file_to_edit() == own).then_some(own)
    }

    /// Whether `file` is one that is read where no `--config` is given.
    pub(super) fn reads(&self, file: &Path) -> bool {
        let folders = [
            "usr/lib/thox/config.d",
            "etc/thox/config.d",
            "run/thox/config.d",
        ];
        let in_folder = folders
            .iter()
            .any(|folder| file.parent() == Some(&self.root.join(folder)));
        let own = self.account.config_file(&self.environment);
        (in_folder && is_drop_in(file))
            || file == self.root.join("etc/thox/config.toml")
            || own.is_some_and(|own| own == file)
    }

    /// The files that there are, and `also` as if it were there, in the order in which they are read.
    fn files(&self, also: Option<&Path>) -> Result<Vec<PathBuf>, Problem> {
        if let Some(file) = &self.config {
            return Ok(vec![file.clone()]);
        }
        let drop_ins = |folder| drop_ins(&self.root.join(folder), also);
        let mut files = drop_ins("usr/lib/thox/config.d")?;
        files.extend(existing(self.root.join("etc/thox/config.toml"), also)?);
        files.extend(drop_ins("etc/thox/config.d")?);
        if let Some(file) = self.account.config_file(&self.environment) {
            files.extend(existing(file, also)?);
        }
        files.extend(drop_ins("run/thox/config.d")?);
        Ok(files)
    }
}

impl Settings {
    /// Reads all sources. There are no settings where anything in them is wrong.
    pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
        load(sources, None)
    }
}

/// Reads one text as a settings file, over the defaults and without anything from outside the program.
pub fn parse_text(text: &str) -> Result<Settings, Problems> {
    let sources = Sources {
        config: None,
        set: Vec::new(),
        environment: BTreeMap::new(),
        account: Account::System,
        root: PathBuf::from("/"),
    };
    let origin = Origin::File {
        path: PathBuf::from("settings"),
        line: None,
    };
    let layers = Layer::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    finish(&sources, vec![layers], Vec::new()).map(|loaded| loaded.settings)
}

/// Reads all sources, with another text in the place of one file: how a change is tried before it is written.
pub(super) fn load(sources: &Sources, instead: Option<(&Path, &str)>) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let also = instead.map(|(path, _)| path);
    let files = sources.files(also).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    let mut layers = Vec::new();
    for path in files {
        let origin = Origin::File {
            path: path.clone(),
            line: None,
        };
        let text = match instead.filter(|(other, _)| *other == path) {
            Some((_, text)) => Ok(text.to_owned()),
            None => fs::read_to_string(&path),
        };
        let layer = match text {
            Ok(text) => Layer::parse(origin, &text),
            Err(error) => Err(unreadable(path, &error)),
        };
        match layer {
            Ok(layer) => layers.push(layer),
            Err(problem) => problems.push(problem),
        }
    }
    finish(sources, layers, problems)
}

fn finish(
    sources: &Sources,
    files: Vec<Layer>,
    mut problems: Vec<Problem>,
) -> Result<Loaded, Problems> {
    let mut layers = vec![
        Layer::parse(Origin::Default, super::DEFAULT_FILE)
            .map_err(|problem| Problems(vec![problem]))?,
    ];
    layers.extend(files);
    let (variables, unknown) = overrides::environment(&sources.environment, &Reader::new(&layers));
    layers.extend(variables);
    problems.extend(unknown);
    for argument in &sources.set {
        match overrides::argument(argument) {
            Ok(layer) => layers.push(layer),
            Err(problem) => problems.push(problem),
        }
    }
    let reader = Reader::new(&layers);
    let folders = Folders {
        state: sources.account.state_dir(&sources.environment),
        control_socket: SocketFile(sources.account.control_socket(&sources.environment)),
        is_on_bus: sources.account.is_on_bus(),
    };
    let settings = reader.read(|table| Settings::read(table, folders));
    check(&settings, &reader);
    match reader.finish() {
        Ok(entries) if problems.is_empty() => Ok(Loaded::new(settings, entries)),
        Ok(_) => Err(Problems(problems)),
        Err(Problems(others)) => {
            problems.extend(others);
            Err(Problems(problems))
        }
    }
}

/// The `*.toml` files of a folder by name; none where there is no folder.
fn drop_ins(folder: &Path, also: Option<&Path>) -> Result<Vec<PathBuf>, Problem> {
    let also = also.filter(|path| path.parent() == Some(folder));
    let mut files: Vec<PathBuf> = also.map(Path::to_owned).into_iter().collect();
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(unreadable(folder.to_owned(), &error)),
    };
    for entry in listing {
        let path = entry
            .map_err(|error| unreadable(folder.to_owned(), &error))?
            .path();
        if is_drop_in(&path) {
            files.push(path);
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn is_drop_in(path: &Path) -> bool {
    let is_hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    path.extension()
        .is_some_and(|extension| extension == "toml")
        && !is_hidden
}

fn existing(path: PathBuf, also: Option<&Path>) -> Result<Option<PathBuf>, Problem> {
    match path.try_exists() {
        Ok(exists) if exists || also == Some(&path) => Ok(Some(path)),
        Ok(_) => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: PathBuf, error: &io::Error) -> Problem {
    Problem {
        origin: Origin::File { path, line: None },
        key: Key::default(),
        fault: Fault::Unreadable(error.to_string()),
    }
}
