//! A span of time, as people write it: `90d`.

use std::time::Duration;

const UNITS: [(char, u64); 6] = [
    ('s', 1),
    ('m', 60),
    ('h', 3600),
    ('d', 86_400),
    ('w', 7 * 86_400),
    // Without the leap day: nobody counts on the hour a year ahead.
    ('y', 365 * 86_400),
];

/// A whole number with `s`, `m`, `h`, `d`, `w` or `y`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no span of time; write 90d, 12h, 30m, 2w or 1y");
    let text = text.trim();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let (_, seconds) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).unwrap_or_default();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(*seconds).ok_or_else(wrong)?;
    if seconds == 0 {
        return Err(format!("`{text}` is no time at all"));
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_number_and_one_unit() {
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("12h", 43_200),
            ("30m", 1800),
            ("2w", 1_209_600),
            ("1y", 31_536_000),
            ("5s", 5),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "d",
            "90",
            "-1d",
            "1.5d",
            "90 days",
            "0d",
            "99999999999999999999d",
            "9999999999999999999y",
            "1ä",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
