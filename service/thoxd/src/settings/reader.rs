//! Reads typed values out of the merged layers. What is read is the list of the known keys, so it cannot disagree with
//! itself: each read notes key, value, default and origin, and what nobody read is an unknown key.

use super::{
    key::Key,
    layer::{Layer, Origin},
    problem::{Fault, Problem, Problems},
    setting::{Setting, describe},
};
use figment::{
    Figment, Profile, Provider,
    value::{Dict, Value},
};
use std::{cell::RefCell, collections::BTreeMap};
use thox_policy::nearest::nearest;

/// A key that was read.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// The key with a name that users choose replaced by `NAME` or `ENGINE`.
    pub(super) pattern: Key,
    pub(super) value: Option<toml_edit::Value>,
    pub(super) default: Option<toml_edit::Value>,
    pub(super) origin: Origin,
}

/// The layers, merged, and what was found in them.
pub(super) struct Reader<'a> {
    layers: &'a [Layer],
    figment: Figment,
    values: Dict,
    found: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    unknown: Vec<Unknown>,
}

struct Unknown {
    key: Key,
    origin: Origin,
    siblings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Merges the layers, a later one over an earlier one.
    pub(super) fn new(layers: &'a [Layer]) -> Self {
        let figment = layers
            .iter()
            .fold(Figment::new(), |figment, layer| figment.merge(layer));
        let values = figment
            .data()
            .ok()
            .and_then(|mut profiles| profiles.remove(&Profile::Default))
            .unwrap_or_default();
        Self {
            layers,
            figment,
            values,
            found: RefCell::default(),
        }
    }

    /// The names of the tables below `section`.
    pub(super) fn names(&self, section: &str) -> Vec<String> {
        let section = self.values.get(section).and_then(Value::as_dict);
        section
            .map(|dict| dict.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Reads all settings by `read`, which gets the root table.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut Table<'_>) -> T) -> T {
        let values = &self.values;
        let mut root = Table::new(self, Key::default(), Key::default(), Some(values));
        let settings = read(&mut root);
        root.finish();
        settings
    }

    /// Notes a mistake in what was read.
    pub(super) fn note(&self, key: Key, fault: Fault) {
        let origin = self.origin(&key);
        self.found
            .borrow_mut()
            .problems
            .push(Problem { origin, key, fault });
    }

    /// All that was read, or all that is wrong.
    pub(super) fn finish(self) -> Result<Vec<Entry>, Problems> {
        let Found {
            entries,
            mut problems,
            unknown,
        } = self.found.into_inner();
        problems.extend(
            unknown
                .into_iter()
                .map(|unknown| unknown.into_problem(&entries)),
        );
        if problems.is_empty() {
            Ok(entries)
        } else {
            Err(Problems(problems))
        }
    }

    /// Whether a mistake was noted in this key or below it.
    pub(super) fn has_problem_within(&self, table: &Key) -> bool {
        let found = self.found.borrow();
        found
            .problems
            .iter()
            .any(|problem| problem.key.is_within(table))
    }

    /// Where the value of `key` comes from, or that of the innermost table around it that is there.
    fn origin(&self, key: &Key) -> Origin {
        let mut dict = Some(&self.values);
        let mut innermost = None;
        let mut path = Key::default();
        for name in key.segments() {
            let Some(value) = dict.and_then(|dict| dict.get(name)) else {
                break;
            };
            path = path.child(name);
            innermost = Some(value);
            dict = value.as_dict();
        }
        innermost.map_or(Origin::Default, |value| self.origin_of(&path, value))
    }

    fn origin_of(&self, key: &Key, value: &Value) -> Origin {
        let mut leaf = value;
        while let Some(inner) = leaf.as_dict().and_then(|dict| dict.values().next()) {
            leaf = inner;
        }
        self.figment
            .get_metadata(leaf.tag())
            .and_then(|metadata| {
                let mut layers = self.layers.iter().rev();
                layers.find(|layer| layer.metadata().name == metadata.name)
            })
            .map_or(Origin::Default, |layer| layer.origin_of(key))
    }
}

/// One table of the settings, while it is read.
pub(super) struct Table<'r> {
    reader: &'r Reader<'r>,
    key: Key,
    pattern: Key,
    values: Option<&'r Dict>,
    known: Vec<String>,
}

impl<'r> Table<'r> {
    fn new(reader: &'r Reader<'r>, key: Key, pattern: Key, values: Option<&'r Dict>) -> Self {
        Self {
            reader,
            key,
            pattern,
            values,
            known: Vec::new(),
        }
    }

    /// A setting with a default.
    pub(super) fn read<T: Setting>(&mut self, name: &str, default: T) -> T {
        self.read_if(name, default, T::EXPECTED, |_| true)
    }

    /// A setting with a default for which not every value of the type makes sense.
    pub(super) fn read_if<T: Setting>(
        &mut self,
        name: &str,
        default: T,
        expected: &str,
        makes_sense: impl Fn(&T) -> bool,
    ) -> T {
        let shown = default.to_toml();
        match self.value(name, expected, makes_sense) {
            Some(value) => {
                self.enter(name, Some(value.to_toml()), Some(shown));
                value
            }
            None => {
                self.enter(name, Some(shown.clone()), Some(shown));
                default
            }
        }
    }

    /// A setting that need not be there.
    pub(super) fn read_optional<T: Setting>(&mut self, name: &str) -> Option<T> {
        let value = self.value(name, T::EXPECTED, |_| true);
        self.enter(name, value.as_ref().map(Setting::to_toml), None);
        value
    }

    /// A setting that must be there; `stand_in` takes its place for the rest of a load that has failed.
    pub(super) fn read_required<T: Setting>(&mut self, name: &str, stand_in: T) -> T {
        let there = self.values.is_some_and(|values| values.contains_key(name));
        if !there {
            let expected = T::EXPECTED.to_owned();
            self.reader
                .note(self.key.child(name), Fault::Missing { expected });
        }
        self.read_optional(name).unwrap_or(stand_in)
    }

    /// A table whose keys are fixed.
    pub(super) fn table<T>(&mut self, name: &str, read: impl FnOnce(&mut Table<'_>) -> T) -> T {
        self.inner(name, self.pattern.child(name), read)
    }

    /// A table of tables by names that users choose.
    pub(super) fn named<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&str, &mut Table<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let pattern = self.pattern.child(name).child("NAME");
        self.table(name, |table| {
            let names: Vec<String> = table
                .values
                .into_iter()
                .flat_map(Dict::keys)
                .cloned()
                .collect();
            names
                .into_iter()
                .map(|name| {
                    let value = table.inner(&name, pattern.clone(), |inner| read(&name, inner));
                    (name, value)
                })
                .collect()
        })
    }

    /// All keys that were not read yet, each a text.
    pub(super) fn rest(&mut self, stands_for: &str) -> BTreeMap<String, String> {
        let names: Vec<String> = self
            .values
            .into_iter()
            .flat_map(Dict::keys)
            .cloned()
            .collect();
        let mut rest = BTreeMap::new();
        for name in names {
            if self.known.contains(&name) {
                continue;
            }
            if let Some(value) = self.value(&name, "a model's name in quotes", |name: &String| {
                !name.is_empty()
            }) {
                let key = self.key.child(&name);
                let pattern = self.pattern.child(stands_for);
                self.push(key, pattern, Some(value.to_toml()), None);
                rest.insert(name, value);
            }
        }
        rest
    }

    fn inner<T>(&mut self, name: &str, pattern: Key, read: impl FnOnce(&mut Table<'_>) -> T) -> T {
        self.known.push(name.to_owned());
        let key = self.key.child(name);
        let value = self.values.and_then(|values| values.get(name));
        let dict = value.and_then(Value::as_dict);
        if let (Some(value), None) = (value, dict) {
            let (expected, given) = ("a table".to_owned(), describe(value));
            self.reader
                .note(key.clone(), Fault::Invalid { expected, given });
        }
        let mut table = Table::new(self.reader, key, pattern, dict);
        let read = read(&mut table);
        table.finish();
        read
    }

    /// The value of `name` if it is there and right; if it is wrong, that is noted.
    fn value<T: Setting>(
        &mut self,
        name: &str,
        expected: &str,
        makes_sense: impl Fn(&T) -> bool,
    ) -> Option<T> {
        self.known.push(name.to_owned());
        let value = self.values.and_then(|values| values.get(name))?;
        let mut given = describe(value);
        match T::from_value(value) {
            Ok(read) if makes_sense(&read) => return Some(read),
            Ok(_) | Err(None) => {}
            Err(Some(why)) => given = format!("{given}: {why}"),
        }
        let expected = expected.to_owned();
        self.reader
            .note(self.key.child(name), Fault::Invalid { expected, given });
        None
    }

    fn enter(
        &self,
        name: &str,
        value: Option<toml_edit::Value>,
        default: Option<toml_edit::Value>,
    ) {
        self.push(
            self.key.child(name),
            self.pattern.child(name),
            value,
            default,
        );
    }

    fn push(
        &self,
        key: Key,
        pattern: Key,
        value: Option<toml_edit::Value>,
        default: Option<toml_edit::Value>,
    ) {
        let there = self.values.and_then(|values| values.get(key.name()));
        let origin = there.map_or(Origin::Default, |value| self.reader.origin_of(&key, value));
        let entry = Entry {
            key,
            pattern,
            value,
            default,
            origin,
        };
        self.reader.found.borrow_mut().entries.push(entry);
    }

    /// Notes the keys that nobody asked for.
    fn finish(self) {
        for (name, value) in self.values.into_iter().flatten() {
            if !self.known.contains(name) {
                let key = self.key.child(name);
                let origin = self.reader.origin_of(&key, value);
                let siblings = self.known.clone();
                let unknown = Unknown {
                    key,
                    origin,
                    siblings,
                };
                self.reader.found.borrow_mut().unknown.push(unknown);
            }
        }
    }
}

impl Unknown {
    fn into_problem(self, entries: &[Entry]) -> Problem {
        let Self {
            key,
            origin,
            siblings,
        } = self;
        let name = key.name();
        let mut parent = key.segments().to_vec();
        parent.pop();
        let parent = Key::from(parent);
        let sibling =
            nearest(name, siblings.iter().map(String::as_str)).map(|near| parent.child(near));
        // A key that was put in the wrong table.
        let elsewhere = || {
            entries
                .iter()
                .find(|entry| entry.key.name() == name)
                .map(|entry| entry.key.clone())
        };
        let nearest = sibling.or_else(elsewhere).map(|key| key.to_string());
        Problem {
            origin,
            key,
            fault: Fault::UnknownKey { nearest },
        }
    }
}
