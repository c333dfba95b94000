//! When an engine is left alone after failures, and when it is asked again.
//!
//! ```text
//! Closed --failed() as often as allowed--> Open --is_probe_due()--> (a probe) --succeeded()--> Closed
//!                                            ^                          |
//!                                            +--------failed()---------+
//! ```

use std::time::{Duration, Instant};

/// How patient a circuit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Failures in a row that open it; at least one.
    pub failures: u32,
    /// How long it stays open before a probe.
    pub open_for: Duration,
}

/// What happened to a request, as far as the engine's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that shows a working engine: 2xx, and 4xx too, which is the client's fault.
    Answered,
    /// No connection, no answer in time, a broken answer, 5xx.
    Failed,
}

impl Outcome {
    /// What an HTTP status says of the engine.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        if status >= 500 {
            Self::Failed
        } else {
            Self::Answered
        }
    }
}

/// The state of one engine's circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Requests pass; so many failed in a row.
    Closed {
        /// Failures since the last answer.
        failures: u32,
    },
    /// No request passes until a probe succeeds.
    Open {
        /// When the next probe may go out.
        probe_at: Instant,
    },
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that others see.
    None,
    /// The circuit opened.
    Opened,
    /// The circuit closed.
    Closed,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Circuit {
    /// Takes a request's outcome in. A request that was under way when the circuit opened does not close it: only a
    /// probe's success, [`Circuit::probed`], does.
    pub fn report(&mut self, outcome: Outcome, patience: Patience, now: Instant) -> Change {
        match (*self, outcome) {
            (Self::Closed { .. }, Outcome::Answered) => {
                *self = Self::Closed { failures: 0 };
                Change::None
            }
            (Self::Closed { failures }, Outcome::Failed) if failures + 1 < patience.failures => {
                *self = Self::Closed {
                    failures: failures + 1,
                };
                Change::None
            }
            (Self::Closed { .. }, Outcome::Failed) => {
                *self = Self::Open {
                    probe_at: now + patience.open_for,
                };
                Change::Opened
            }
            (Self::Open { .. }, _) => Change::None,
        }
    }

    /// Takes a probe's outcome in.
    pub fn probed(&mut self, outcome: Outcome, patience: Patience, now: Instant) -> Change {
        match (*self, outcome) {
            (Self::Open { .. }, Outcome::Answered) => {
                *self = Self::Closed { failures: 0 };
                Change::Closed
            }
            (Self::Open { .. }, Outcome::Failed) => {
                *self = Self::Open {
                    probe_at: now + patience.open_for,
                };
                Change::None
            }
            (Self::Closed { .. }, _) => Change::None,
        }
    }

    /// Whether requests are kept away.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether it is time to ask again.
    #[must_use]
    pub fn is_probe_due(&self, now: Instant) -> bool {
        matches!(self, Self::Open { probe_at } if *probe_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        failures: 3,
        open_for: Duration::from_secs(5),
    };

    #[test]
    fn opens_after_three_failures_in_a_row_and_closes_by_a_probe() {
        let start = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..2 {
            assert_eq!(
                circuit.report(Outcome::Failed, PATIENCE, start),
                Change::None
            );
        }
        assert_eq!(
            circuit.report(Outcome::Answered, PATIENCE, start),
            Change::None
        );
        for _ in 0..2 {
            assert_eq!(
                circuit.report(Outcome::Failed, PATIENCE, start),
                Change::None
            );
        }
        assert_eq!(
            circuit.report(Outcome::Failed, PATIENCE, start),
            Change::Opened
        );
        assert_eq!(
            circuit.report(Outcome::Answered, PATIENCE, start),
            Change::None
        );
        assert!(circuit.is_open() && !circuit.is_probe_due(start + Duration::from_secs(4)));
        let later = start + Duration::from_secs(5);
        assert!(circuit.is_probe_due(later));
        assert_eq!(
            circuit.probed(Outcome::Failed, PATIENCE, later),
            Change::None
        );
        assert!(!circuit.is_probe_due(later + Duration::from_secs(4)));
        assert_eq!(
            circuit.probed(Outcome::Answered, PATIENCE, later),
            Change::Closed
        );
        assert!(!circuit.is_open());
    }

    #[test]
    fn a_clients_fault_is_not_the_engines() {
        for status in [200, 400, 404, 408, 422, 429, 499] {
            assert_eq!(Outcome::of_status(status), Outcome::Answered, "{status}");
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(Outcome::of_status(status), Outcome::Failed, "{status}");
        }
    }
}
