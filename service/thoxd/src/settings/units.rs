//! Amounts as people write them: durations, `"30s"`, and sizes, `"32MiB"`.

use std::{fmt, time::Duration};

/// A size in bytes; text form a whole number with `B`, `KB`, `MB`, `GB` (powers of 1000) or `KiB`, `MiB`, `GiB`
/// (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As a length in memory; what does not fit there is as good as no limit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text.trim())?;
        let factor = SIZES.iter().find(|(name, _)| *name == unit)?.1;
        number.checked_mul(factor).map(Self)
    }
}

/// Largest first, so that the first that divides is the shortest to write.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shortest(self.0, &SIZES, "B", f)
    }
}

/// Reads a whole number of `ms`, `s`, `m`, `h` or `d`, or several in a row: `1m30s`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split(rest)?;
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, following) = after.split_at_checked(end)?;
        let factor = TIMES.iter().find(|(name, _)| *name == unit)?.1;
        milliseconds = milliseconds.checked_add(number.checked_mul(factor)?)?;
        rest = following;
    }
    (!text.trim().is_empty()).then(|| Duration::from_millis(milliseconds))
}

/// The inverse of [`parse_duration`], in one unit.
pub(super) struct ShownDuration(pub(super) Duration);

impl fmt::Display for ShownDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        shortest(milliseconds, &TIMES, "s", f)
    }
}

fn shortest(
    amount: u64,
    units: &[(&str, u64)],
    unit_of_nothing: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if amount == 0 {
        return write!(f, "0{unit_of_nothing}");
    }
    for (unit, factor) in units {
        if amount.is_multiple_of(*factor) {
            return write!(f, "{}{unit}", amount / factor);
        }
    }
    write!(f, "{amount}")
}

/// The number that a text begins with, and what follows it without blanks.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1m30s", 90_000),
            (" 2 s ", 2000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            " ",
            "30",
            "s",
            "1.5s",
            "-1s",
            "30 sec",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("32MiB", 32 << 20),
            ("1 GiB", 1 << 30),
            ("64KB", 64_000),
            ("17B", 17),
        ] {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "32", "32M", "32 mib", "-1B", "1.5GiB", "99999999999GiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(amount in 0u64..1 << 40) {
            proptest::prop_assert_eq!(Bytes::parse(&Bytes(amount).to_string()), Some(Bytes(amount)));
            let duration = Duration::from_millis(amount);
            proptest::prop_assert_eq!(parse_duration(&ShownDuration(duration).to_string()), Some(duration));
        }
    }
}
