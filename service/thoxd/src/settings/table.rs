//! One table of the settings, while it is read: what is read becomes known, and what nobody read is unknown.

use super::{
    key::Key,
    layer::Origin,
    problem::Fault,
    reader::{Entry, Reader, Unknown},
    setting::{Setting, describe},
};
use figment::value::{Dict, Value};
use std::collections::BTreeMap;

/// One table of the settings, while it is read.
pub(super) struct Table<'r> {
    reader: &'r Reader<'r>,
    key: Key,
    pattern: Key,
    values: Option<&'r Dict>,
    known: Vec<String>,
}

impl<'r> Table<'r> {
    pub(super) fn new(
        reader: &'r Reader<'r>,
        key: Key,
        pattern: Key,
        values: Option<&'r Dict>,
    ) -> Self {
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
        self.reader.push(entry);
    }

    /// Notes the keys that nobody asked for.
    pub(super) fn finish(self) {
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
                self.reader.note_unknown(unknown);
            }
        }
    }
}
