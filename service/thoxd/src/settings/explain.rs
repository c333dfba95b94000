//! What is in force and where it is from, key by key.

use super::{documentation, key::Key, layer::Origin, reader::Entry, shape::Settings};
use std::{collections::BTreeSet, fmt};
use thox_policy::nearest::nearest;

/// Settings that are valid, and the origin of each.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    entries: Vec<Entry>,
}

/// One key: what it means, its value and where that is from.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The key.
    pub key: Key,
    /// What the default file says about it.
    pub documentation: String,
    /// As it would be written in a file; none where there is none.
    pub default: Option<String>,
    /// As it would be written in a file; none where it is not set and has no default.
    pub value: Option<String>,
    /// Where the value is from.
    pub origin: Origin,
    json: Option<toml_edit::Value>,
}

/// A key that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct UnknownKey {
    /// As it was asked for.
    pub key: Key,
    /// The one that was perhaps meant.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nearest {
            Some(nearest) => write!(f, "there is no key {}; did you mean {nearest}?", self.key),
            None => write!(
                f,
                "there is no key {}; `thox config get` lists the keys",
                self.key
            ),
        }
    }
}

impl Loaded {
    pub(super) fn new(settings: Settings, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Self { settings, entries }
    }

    /// All keys that have a value or could have one.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.iter().map(|entry| &entry.key)
    }

    /// Everything about one key.
    pub fn explain(&self, key: &Key) -> Result<Explanation, UnknownKey> {
        self.entries
            .iter()
            .find(|entry| entry.key == *key)
            .map(Explanation::of)
            .ok_or_else(|| self.unknown(key))
    }

    /// All keys of a table, or the one that `key` names.
    pub fn within(&self, key: &Key) -> Result<Vec<Explanation>, UnknownKey> {
        let entries = self.entries.iter().filter(|entry| entry.key.is_within(key));
        let found: Vec<Explanation> = entries.map(Explanation::of).collect();
        if found.is_empty() {
            return Err(self.unknown(key));
        }
        Ok(found)
    }

    fn unknown(&self, key: &Key) -> UnknownKey {
        let text = key.to_string();
        let tables = self.keys().flat_map(Key::tables);
        let known: BTreeSet<String> = self
            .keys()
            .cloned()
            .chain(tables)
            .map(|key| key.to_string())
            .collect();
        let elsewhere = || {
            self.keys()
                .find(|known| known.name() == key.name())
                .map(Key::to_string)
        };
        let nearest = nearest(&text, known.iter().map(String::as_str)).map(str::to_owned);
        UnknownKey {
            key: key.clone(),
            nearest: nearest.or_else(elsewhere),
        }
    }
}

impl Explanation {
    fn of(entry: &Entry) -> Self {
        let show = |value: &Option<toml_edit::Value>| {
            value
                .as_ref()
                .map(|value| value.to_string().trim().to_owned())
        };
        Self {
            key: entry.key.clone(),
            documentation: documentation::of(&entry.pattern).unwrap_or_default(),
            default: show(&entry.default),
            value: show(&entry.value),
            origin: entry.origin.clone(),
            json: entry.value.clone(),
        }
    }

    /// The same without a value.
    pub(super) fn taken_out(self) -> Self {
        Self {
            value: None,
            json: None,
            origin: Origin::Default,
            ..self
        }
    }

    /// The value without TOML's quotes where it is one text, for scripts; empty where there is none.
    #[must_use]
    pub fn plain(&self) -> String {
        match self.json.as_ref().and_then(toml_edit::Value::as_str) {
            Some(text) => text.to_owned(),
            None => self.value.clone().unwrap_or_default(),
        }
    }

    /// The value for JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        self.json.as_ref().map_or(serde_json::Value::Null, json)
    }

    /// The default for JSON.
    #[must_use]
    pub fn default_json(&self) -> serde_json::Value {
        let default = self.default.as_ref().and_then(|text| text.parse().ok());
        default.as_ref().map_or(serde_json::Value::Null, json)
    }
}

/// A value of a settings file as JSON.
#[must_use]
pub fn json(value: &toml_edit::Value) -> serde_json::Value {
    use toml_edit::Value;
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(truth) => (*truth.value()).into(),
        Value::Array(entries) => entries.iter().map(json).collect(),
        Value::Datetime(_) | Value::InlineTable(_) => value.to_string().trim().into(),
    }
}
