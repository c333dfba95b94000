//! The time, and whether to believe it: a device without a battery starts in 1970, or where it was switched off.

use std::time::{SystemTime, UNIX_EPOCH};

/// 2026-11-01: this software did not exist before, so an earlier clock is wrong. It may be moved on, never back.
pub(super) const RELEASED: u64 = 1_793_491_200;

/// Seconds since 1970 as the system's clock has it.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Whether the clock can be right.
pub(super) fn is_believable(now: u64) -> bool {
    now >= RELEASED
}
