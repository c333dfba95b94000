//! One source of settings, parsed: which values it has and where they stand.

use super::{
    key::Key,
    problem::{Fault, Problem},
};
use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};
use std::{collections::BTreeMap, fmt, path::PathBuf};
use toml_edit::{Document, Item, TableLike};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program's own defaults.
    Default,
    /// A settings file, and the line in it where that is known.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: Option<usize>,
    },
    /// An environment variable, by name.
    Environment(String),
    /// The argument of `--set`.
    CommandLine(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the built-in default"),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::CommandLine(argument) => write!(f, "--set {argument}"),
        }
    }
}

/// A source's values, untyped.
#[derive(Debug)]
pub(super) struct Layer {
    origin: Origin,
    values: Dict,
    lines: BTreeMap<Key, usize>,
}

impl Layer {
    /// Parses a file's text.
    pub(super) fn parse(origin: Origin, text: &str) -> Result<Self, Problem> {
        let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let line_of = |offset: usize| starts.partition_point(|start| *start <= offset) + 1;
        let document = Document::parse(text).map_err(|error| Problem {
            origin: at_line(&origin, error.span().map(|span| line_of(span.start))),
            key: Key::default(),
            fault: Fault::Syntax(error.message().to_owned()),
        })?;
        let mut lines = BTreeMap::new();
        let values = table(document.as_table(), &Key::default(), &mut |key, offset| {
            lines.insert(key, line_of(offset));
        });
        Ok(Self {
            origin,
            values,
            lines,
        })
    }

    /// A source that has one value.
    pub(super) fn of(origin: Origin, key: &Key, value: Value) -> Self {
        let mut value = value;
        for name in key.segments().iter().skip(1).rev() {
            value = Value::from(Dict::from([(name.clone(), value)]));
        }
        let first = key.segments().first().cloned().unwrap_or_default();
        Self {
            origin,
            values: Dict::from([(first, value)]),
            lines: BTreeMap::new(),
        }
    }

    /// Where in this source `key` has its value.
    pub(super) fn origin_of(&self, key: &Key) -> Origin {
        at_line(&self.origin, self.lines.get(key).copied())
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// What `text` stands for where one value is given without a file: TOML, or else the text itself.
pub(super) fn value_of(text: &str) -> Value {
    match text.trim().parse::<toml_edit::Value>() {
        Ok(value) => item(&Item::Value(value), &Key::default(), &mut |_, _| {}),
        Err(_) => Value::from(text),
    }
}

fn at_line(origin: &Origin, line: Option<usize>) -> Origin {
    match origin {
        Origin::File { path, .. } => Origin::File {
            path: path.clone(),
            line,
        },
        other => other.clone(),
    }
}

/// Is told the offset at which a key stands.
type Note<'a> = &'a mut dyn FnMut(Key, usize);

fn table(table: &dyn TableLike, at: &Key, note: Note<'_>) -> Dict {
    let mut dict = Dict::new();
    for (name, entry) in table.iter() {
        let key = at.child(name);
        let written = table.key(name).and_then(toml_edit::Key::span);
        if let Some(span) = written.or_else(|| entry.span()) {
            note(key.clone(), span.start);
        }
        dict.insert(name.to_owned(), item(entry, &key, note));
    }
    dict
}

fn item(entry: &Item, at: &Key, note: Note<'_>) -> Value {
    use toml_edit::Value as Toml;
    if let Some(inner) = entry.as_table_like() {
        return Value::from(table(inner, at, note));
    }
    match entry {
        Item::Value(Toml::String(text)) => Value::from(text.value().as_str()),
        Item::Value(Toml::Integer(number)) => Value::from(*number.value()),
        Item::Value(Toml::Float(number)) => Value::from(*number.value()),
        Item::Value(Toml::Boolean(truth)) => Value::from(*truth.value()),
        // No setting is a date; as text it is shown as it was written.
        Item::Value(Toml::Datetime(date)) => Value::from(date.value().to_string()),
        Item::Value(Toml::Array(entries)) => {
            let entries = entries.iter().map(|entry| Item::Value(entry.clone()));
            let values = entries.map(|entry| item(&entry, at, &mut |_, _| {}));
            Value::from(values.collect::<Vec<_>>())
        }
        Item::ArrayOfTables(tables) => {
            let values = tables.iter().map(|entry| table(entry, at, &mut |_, _| {}));
            Value::from(values.map(Value::from).collect::<Vec<_>>())
        }
        Item::Value(Toml::InlineTable(_)) | Item::Table(_) | Item::None => Value::from(Dict::new()),
    }
}
