//! A setting's key, `engines.ollama.url`; a name with dots or colons in it is quoted as in TOML.

use std::{fmt, str::FromStr};

/// The path of a setting or of a table of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<String>);

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no key: write it as section.key, such as server.listen, and quote a name that has dots in it, models.\"qwen2.5:7b\".ollama"
)]
pub struct InvalidKey(String);

impl Key {
    /// The names from the root to the setting.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// The key of `name` inside the table of this key.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(name.to_owned());
        Self(segments)
    }

    /// Whether this is `table` itself or a key below it.
    #[must_use]
    pub fn is_within(&self, table: &Self) -> bool {
        self.0.starts_with(&table.0)
    }

    /// The tables around it, the outermost first.
    pub(super) fn tables(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).filter_map(|length| Some(Self(self.0.get(..length)?.to_vec())))
    }

    pub(super) fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

impl From<Vec<String>> for Key {
    fn from(segments: Vec<String>) -> Self {
        Self(segments)
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys = toml_edit::Key::parse(text.trim()).map_err(|_| InvalidKey(text.to_owned()))?;
        Ok(Self(keys.iter().map(|key| key.get().to_owned()).collect()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            write!(
                f,
                "{}",
                toml_edit::Key::new(segment.as_str()).display_repr()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_are_quoted_both_ways() {
        for text in ["state_dir", "server.listen", "models.\"qwen2.5:7b\".ollama"] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        for text in ["", "server.", ".listen", "a b", "a..b", "a=1"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn knows_what_is_below_a_table() {
        let key = |text: &str| text.parse::<Key>().unwrap();
        assert!(key("engines.ollama.url").is_within(&key("engines")));
        assert!(key("engines").is_within(&key("engines")));
        assert!(!key("engines").is_within(&key("engines.ollama")));
        assert!(!key("engines.ollama2.url").is_within(&key("engines.ollama")));
    }
}
