//! How far a download is and how fast: bytes of all its pieces, and the rate of the last seconds.

use crate::engine::Step;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};
use thox_policy::Digest;

/// A model has a dozen pieces; whoever sends hundreds has something else in mind.
const MOST_PIECES: usize = 256;

/// Long enough that a rate does not jump, short enough that it follows the network.
const WINDOW: Duration = Duration::from_secs(5);
const BETWEEN_SAMPLES: Duration = Duration::from_millis(250);

/// What is there of each piece.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pieces: BTreeMap<Digest, (u64, u64)>,
    samples: VecDeque<(Instant, u64)>,
}

impl Progress {
    /// Takes in what the engine says at `now`.
    pub(super) fn take_in(&mut self, step: &Step, now: Instant) {
        let Step::Piece {
            digest,
            total,
            completed,
        } = step
        else {
            return;
        };
        if self.pieces.len() < MOST_PIECES || self.pieces.contains_key(digest) {
            self.pieces.insert(digest.clone(), (*total, *completed));
        }
        let is_due = |(at, _): &(Instant, u64)| now.duration_since(*at) >= BETWEEN_SAMPLES;
        if self.samples.back().is_none_or(is_due) {
            self.samples.push_back((now, self.bytes()));
            while self.samples.len() > 2
                && self
                    .samples
                    .front()
                    .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
            {
                self.samples.pop_front();
            }
        }
    }

    /// Bytes that are there.
    pub(super) fn bytes(&self) -> u64 {
        let all = self.pieces.values();
        all.fold(0, |sum: u64, (_, completed)| sum.saturating_add(*completed))
    }

    /// Bytes in all, of the pieces that the engine has told of.
    pub(super) fn total(&self) -> Option<u64> {
        let all = self.pieces.values();
        (!self.pieces.is_empty())
            .then(|| all.fold(0, |sum: u64, (total, _)| sum.saturating_add(*total)))
    }

    /// Bytes a second; none before there are two samples.
    pub(super) fn rate(&self) -> Option<u64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let milliseconds = last.0.duration_since(first.0).as_millis();
        let bytes = u128::from(last.1.saturating_sub(first.1));
        let rate = (bytes * 1000).checked_div(milliseconds)?;
        u64::try_from(rate).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(digit: char, total: u64, completed: u64) -> Step {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        Step::Piece {
            digest: digest.parse().unwrap(),
            total,
            completed,
        }
    }

    #[test]
    fn pieces_add_up_and_the_rate_is_of_the_last_seconds() {
        let mut progress = Progress::default();
        let start = Instant::now();
        assert_eq!(
            (progress.bytes(), progress.total(), progress.rate()),
            (0, None, None)
        );
        progress.take_in(&piece('a', 10_000, 0), start);
        assert_eq!(progress.rate(), None, "one sample is no rate");
        progress.take_in(&piece('b', 500, 500), start);
        for second in 1..=10 {
            let now = start + Duration::from_secs(second);
            progress.take_in(&piece('a', 10_000, second * 100), now);
        }
        assert_eq!((progress.bytes(), progress.total()), (1500, Some(10_500)));
        assert_eq!(progress.rate(), Some(100));
        let stalled = start + Duration::from_secs(30);
        progress.take_in(&piece('a', 10_000, 1000), stalled);
        progress.take_in(&piece('a', 10_000, 1000), stalled + Duration::from_secs(6));
        assert_eq!(progress.rate(), Some(0));
    }
}
