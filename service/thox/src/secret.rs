//! A key as `thox` holds it: it shows itself only where that is asked for by name.

use serde::Deserialize;
use std::fmt;

/// How much of a key is shown for recognition: `sk-` and six of its letters and digits.
const SHOWN: usize = 9;

/// A key, or a value that may be one. Neither logs nor messages can print it by accident.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The key itself: for the device that it belongs to, the credentials file and the user who asked for it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Without what a copied line has around it; none where nothing is left.
    pub(crate) fn trimmed(&self) -> Option<Self> {
        let text = self.0.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Its first characters, for recognition. Of a text so short that they would tell most of it: nothing.
    pub(crate) fn start(&self) -> String {
        let is_long = self.0.chars().count() > 3 * SHOWN;
        let shown = if is_long { SHOWN } else { 0 };
        let start: String = self.0.chars().take(shown).collect();
        format!("{start}…")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_start_alone_and_nothing_by_accident() {
        let key = Secret::from("sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".to_owned());
        assert_eq!(key.start(), "sk-abcdef…");
        assert_eq!(
            format!("{key:?} {:#?}", Some(&key)),
            "Secret(…) Some(\n    Secret(…),\n)"
        );
        assert_eq!(Secret::from("short".to_owned()).start(), "…");
        assert_eq!(Secret::from(" \n".to_owned()).trimmed(), None);
        assert_eq!(
            Secret::from(" k\n".to_owned()).trimmed().unwrap().expose(),
            "k"
        );
    }
}
