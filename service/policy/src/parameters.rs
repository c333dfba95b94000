//! How large a model is: a count of parameters, written as people write it, `7B`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A number of parameters. Text form: digits with an optional fraction and a unit `K`, `M`, `B` or `T`
/// (`137M`, `1.5B`, `8.0B`), the form that Ollama's `parameter_size` has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParameterCount(pub u64);

/// A text that is no parameter count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no parameter count: write a number and a unit, such as 137M, 7B or 1.5B")]
pub struct InvalidParameterCount(String);

impl ParameterCount {
    /// The size that a model's name tells, `14b` in `qwen2.5-coder-14b-instruct`, for engines that tell nothing else.
    #[must_use]
    pub fn in_name(name: &str) -> Option<Self> {
        name.split(['-', '_', ':', '/', ' '])
            .filter(|part| part.ends_with(['b', 'B', 'm', 'M']))
            .find_map(|part| part.parse().ok())
    }
}

impl FromStr for ParameterCount {
    type Err = InvalidParameterCount;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidParameterCount(text.to_owned());
        let trimmed = text.trim();
        let (number, unit) = match trimmed.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (trimmed.get(..at), 1e3),
            Some((at, 'm' | 'M')) => (trimmed.get(..at), 1e6),
            Some((at, 'b' | 'B')) => (trimmed.get(..at), 1e9),
            Some((at, 't' | 'T')) => (trimmed.get(..at), 1e12),
            _ => (Some(trimmed), 1.0),
        };
        let number = number.unwrap_or_default();
        if !number.starts_with(|c: char| c.is_ascii_digit())
            || !number.chars().all(|c| c.is_ascii_digit() || c == '.')
        {
            return Err(invalid());
        }
        let count = number.parse::<f64>().map_err(|_| invalid())? * unit;
        // Above this an f64 no longer counts one by one, and no model is near it.
        if !(1.0..=1e15).contains(&count) {
            return Err(invalid());
        }
        Ok(Self(count.round() as u64))
    }
}

impl fmt::Display for ParameterCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, letter) = match self.0 {
            n if n >= 1_000_000_000_000 => (1e12, "T"),
            n if n >= 1_000_000_000 => (1e9, "B"),
            n if n >= 1_000_000 => (1e6, "M"),
            n if n >= 1_000 => (1e3, "K"),
            n => return write!(f, "{n}"),
        };
        let number = format!("{:.2}", self.0 as f64 / unit);
        let number = number.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{number}{letter}")
    }
}

impl TryFrom<String> for ParameterCount {
    type Error = InvalidParameterCount;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ParameterCount> for String {
    fn from(count: ParameterCount) -> Self {
        count.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_and_engines_write() {
        for (text, count) in [
            ("7B", 7_000_000_000),
            ("8.0B", 8_000_000_000),
            ("1.5b", 1_500_000_000),
            ("137M", 137_000_000),
            ("999.89M", 999_890_000),
            ("120000", 120_000),
            ("1T", 1_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ParameterCount(count)), "{text}");
        }
    }

    #[test]
    fn a_name_tells_a_size() {
        for (name, size) in [
            ("qwen2.5-coder-14b-instruct", Some("14B")),
            ("llama3.2:1b", Some("1B")),
            ("Qwen/Qwen2.5-1.5B", Some("1.5B")),
            ("smollm-135M", Some("135M")),
            ("phi-4", None),
            ("web-lib", None),
        ] {
            let expected = size.and_then(|size| size.parse().ok());
            assert_eq!(ParameterCount::in_name(name), expected, "{name}");
        }
    }

    #[test]
    fn refuses_what_is_no_count() {
        for text in [
            "", "B", "seven", "-7B", "1e9", "7 GB", "0", "inf", "9999999T", ".5B", "1.2.3B",
        ] {
            assert!(text.parse::<ParameterCount>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back_to_three_digits(count in 1u64..1_000_000_000_000_000) {
            let shown = ParameterCount(count).to_string();
            let back: ParameterCount = shown.parse().unwrap();
            proptest::prop_assert!((back.0 as f64 / count as f64 - 1.0).abs() < 0.006, "{count} {shown}");
        }
    }
}
