//! The merged layers, and what was found in them while they were read. What is read is the list of the known keys, so
//! the two cannot disagree: each read notes key, value, default and origin, and what nobody read is an unknown key.

use super::{
    key::Key,
    layer::{Layer, Origin},
    problem::{Fault, Problem, Problems},
    table::Table,
};
use figment::{
    Figment, Profile, Provider,
    value::{Dict, Value},
};
use std::cell::RefCell;
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

/// A key that nobody read, and those that stand beside it.
pub(super) struct Unknown {
    pub(super) key: Key,
    pub(super) origin: Origin,
    pub(super) siblings: Vec<String>,
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

    pub(super) fn push(&self, entry: Entry) {
        self.found.borrow_mut().entries.push(entry);
    }

    pub(super) fn note_unknown(&self, unknown: Unknown) {
        self.found.borrow_mut().unknown.push(unknown);
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

    pub(super) fn origin_of(&self, key: &Key, value: &Value) -> Origin {
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
