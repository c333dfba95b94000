//! How amounts and states are put for people.

use crate::output::{Cell, Tone};
use std::time::SystemTime;
use thox_api::{BackendState, OverallStatus};
use thox_policy::ParameterCount;
use time::OffsetDateTime;

/// A span of time in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A model's size; a dash where nobody knows it.
pub(super) fn parameters(count: Option<u64>) -> String {
    count.map_or_else(dash, |count| ParameterCount(count).to_string())
}

/// A context's length in tokens; a dash where nobody knows it.
pub(super) fn tokens(count: Option<u64>) -> String {
    match count {
        None => dash(),
        Some(count) if count >= 1024 && count.is_multiple_of(1024) => format!("{}k", count / 1024),
        Some(count) => count.to_string(),
    }
}

/// How long ago a moment of Unix time is. The device's clock and this one need not agree.
pub(super) fn ago(then: u64) -> String {
    format!("{} ago", span(now().saturating_sub(then)))
}

/// How far away a moment of Unix time is; none where it is over.
pub(super) fn ahead(then: u64) -> Option<String> {
    then.checked_sub(now()).filter(|left| *left > 0).map(span)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// What a key is called where nobody said: who uses it, and where.
pub(super) fn this_user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME"));
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = match (user.as_deref().unwrap_or("thox"), machine.trim()) {
        (user, "") => user.to_owned(),
        (user, machine) => format!("{user}@{machine}"),
    };
    // What the device takes for a name.
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Bytes in powers of 1000, as disks and networks count.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1000),
    ];
    for (unit, size) in UNITS {
        if count >= size {
            return format!("{}.{} {unit}", count / size, count % size * 10 / size);
        }
    }
    format!("{count} B")
}

/// A moment as the log has it, in UTC.
pub(super) fn moment(unix_ms: u64) -> String {
    let at = i64::try_from(unix_ms / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = at.to_hms();
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        unix_ms % 1000
    )
}

/// What stands where there is nothing.
pub(super) fn dash() -> String {
    "-".to_owned()
}

/// The verdict on the whole device.
pub(super) fn verdict(status: OverallStatus) -> (Tone, &'static str) {
    match status {
        OverallStatus::Healthy => (Tone::Good, "healthy"),
        OverallStatus::Degraded => (Tone::Warning, "degraded"),
        OverallStatus::Unhealthy => (Tone::Bad, "unhealthy"),
    }
}

/// Whether an engine answers, and why not.
pub(super) fn state(state: BackendState, reason: Option<&str>) -> Cell {
    let (tone, word) = match state {
        BackendState::Up => (Tone::Good, "up"),
        BackendState::Unknown => (Tone::Faint, "not asked yet"),
        BackendState::Resting => (Tone::Warning, "resting"),
        BackendState::Down => (Tone::Bad, "down"),
    };
    match reason {
        Some(reason) => Cell::toned(tone, format!("{word}: {reason}")),
        None => Cell::toned(tone, word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3 * 3600 + 12 * 60 + 5, "3 h 12 min"),
            (2 * 86_400 + 3600, "2 d 1 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn moments_are_told_from_now() {
        assert_eq!(ago(now() - 90), "1 min 30 s ago");
        assert_eq!(ago(now() + 90), "0 s ago", "the clocks differ");
        assert_eq!(ahead(now() - 1), None);
        assert!(ahead(now() + 90_000).unwrap().starts_with("1 d "));
        assert!((1..=64).contains(&this_user().chars().count()));
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(parameters(Some(7_600_000_000)), "7.6B");
        assert_eq!(parameters(None), "-");
        assert_eq!(tokens(Some(32_768)), "32k");
        assert_eq!(tokens(Some(1000)), "1000");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(2_019_377_376), "2.0 GB");
        assert_eq!(bytes(11_534_336), "11.5 MB");
        assert_eq!(moment(1_767_225_600_007), "2026-01-01T00:00:00.007Z");
    }
}
