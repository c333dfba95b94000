//! Updates of the device's system: what may happen next, what a restart has shown, what is never tried again.
//!
//! ```text
//!            offer               install             installed               seen: runs it
//!   Idle ───────────▶ Offered ───────────▶ Installing ───────────▶ Staged ───────────────▶ Trial
//!    ▲ ▲ ◀───────────    ▲ ▲                │ │                      │                       │
//!    │ │   withdraw      │ └────────────────┘ │                      │                       │
//!    │ │                 │   not installed    │                      │                       │
//!    │ └─────────────────│────────────────────┘                      │                       │
//!    │                                                               │                       │
//!    └───────── seen: rolled back (remembered), or kept ─────────────┴───────────────────────┘
//! ```
//!
//! An installation without an offer (a file, a URL) begins at Idle or Offered. Leaving a system by hand ([`Event::Leave`])
//! is possible in Idle and Offered. How the last update ended stands in [`Machine::last`], whatever is offered since. An
//! event that has no arrow is refused and changes nothing.
//!
//! - `slots`: the slots of the device, and what can be read off them.

mod slots;
#[cfg(test)]
mod tests;

pub use slots::{Slot, holding, other_than_booted};

use serde::{Deserialize, Serialize};

/// Releases that failed here are remembered so far back; a device sees a few in a year.
const REMEMBERED: usize = 64;

/// A release, as its signed manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its version; may be empty, since RAUC demands none.
    pub version: String,
    /// SHA-256 of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Release {
    /// Whether the two are one: by their hashes where both are known, else by their versions.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.hash, &other.hash) {
            (Some(one), Some(two)) => one == two,
            _ => self.version == other.version,
        }
    }
}

/// A bundle that can be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Where it is: a file's path, or a URL.
    pub source: String,
    /// What is in it.
    pub release: Release,
}

/// Where an update is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// There is none.
    #[default]
    Idle,
    /// One waits for somebody's word.
    Offered {
        /// It.
        offer: Offer,
    },
    /// It is being written to the other slot.
    Installing {
        /// It.
        offer: Offer,
        /// Whether it is an offer again if this fails.
        was_offered: bool,
    },
    /// It is written, and starts with the device's next restart.
    Staged {
        /// It.
        release: Release,
        /// The boot name of its slot.
        slot: String,
    },
    /// It runs, and has to show that it works.
    Trial {
        /// It.
        release: Release,
        /// The boot name of its slot.
        slot: String,
    },
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It works and is the device's system.
    Kept,
    /// It did not work, and the system before runs again.
    RolledBack,
    /// It could not be written.
    NotInstalled,
    /// Somebody went back to the other slot.
    Left,
}

/// The last update that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// How.
    pub outcome: Outcome,
    /// Which.
    pub release: Release,
    /// Unix seconds.
    pub at: u64,
    /// Why, where it was no success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Everything that survives a power cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Where the update is.
    #[serde(flatten)]
    pub state: State,
    /// How the last one ended.
    #[serde(default)]
    pub last: Option<Last>,
    /// The releases that were rolled back here, oldest first.
    #[serde(default)]
    pub failed: Vec<Release>,
}

/// Whether a trial is noted for the next or the running system (`update-trial`, which config/rauc/post-install writes and
/// thox-commit removes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// None is.
    None,
    /// One is, for the slot of this boot name.
    Of(String),
    /// It cannot be read.
    Unreadable,
}

/// What there is to see of an update that was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The boot name of the slot that runs.
    pub running: String,
    /// The trial.
    pub note: Note,
    /// Whether the update's slot is one that boots no more, or is not the next one to boot.
    pub is_given_up: bool,
    /// What thox-commit says was missing.
    pub reason: Option<String>,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A bundle can be had.
    Offer(Offer),
    /// It is gone.
    Withdraw,
    /// Somebody wants it.
    Install(Offer),
    /// It is in the slot of this boot name.
    Installed {
        /// The boot name.
        slot: String,
    },
    /// It is not.
    NotInstalled {
        /// Why.
        reason: String,
    },
    /// Somebody has looked.
    Seen(Seen),
    /// Somebody wants the system of the other slot back; this is the one that runs.
    Leave(Release),
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An update is being written.
    Installing,
    /// An update waits for the restart.
    Staged,
    /// An update runs on trial.
    Trial,
    /// This release was rolled back here.
    FailedHere,
    /// Nothing of the kind is under way.
    NotUnderWay,
}

impl Machine {
    /// The machine after an event at `now`, in Unix seconds.
    ///
    /// # Errors
    /// [`Refused`]; the machine stays as it is.
    pub fn step(&self, event: Event, now: u64) -> Result<Self, Refused> {
        let failed_here = |offer: &Offer| self.has_failed(&offer.release);
        let next = match (&self.state, event) {
            (State::Idle | State::Offered { .. }, Event::Offer(offer) | Event::Install(offer))
                if failed_here(&offer) =>
            {
                return Err(Refused::FailedHere);
            }
            (State::Idle | State::Offered { .. }, Event::Offer(offer)) => {
                self.to(State::Offered { offer })
            }
            (State::Offered { .. }, Event::Withdraw) => self.to(State::Idle),
            // The stick was pulled: RAUC will tell.
            (State::Installing { offer, .. }, Event::Withdraw) => self.to(State::Installing {
                offer: offer.clone(),
                was_offered: false,
            }),
            (State::Idle, Event::Install(offer)) => self.to(State::Installing {
                offer,
                was_offered: false,
            }),
            (State::Offered { offer: offered }, Event::Install(offer)) => {
                self.to(State::Installing {
                    was_offered: *offered == offer,
                    offer,
                })
            }
            (State::Installing { offer, .. }, Event::Installed { slot }) => {
                self.to(State::Staged {
                    release: offer.release.clone(),
                    slot,
                })
            }
            (State::Installing { offer, was_offered }, Event::NotInstalled { reason }) => {
                let state = if *was_offered {
                    State::Offered {
                        offer: offer.clone(),
                    }
                } else {
                    State::Idle
                };
                let last = ended(Outcome::NotInstalled, &offer.release, now, Some(reason));
                self.to(state).with_last(last)
            }
            (
                State::Staged { release, slot } | State::Trial { release, slot },
                Event::Seen(seen),
            ) => self.seen(release, slot, seen, now),
            (State::Idle | State::Offered { .. }, Event::Leave(release)) => {
                let last = ended(Outcome::Left, &release, now, None);
                self.to(self.state.clone()).with_last(last)
            }
            (State::Installing { .. }, Event::Offer(_) | Event::Install(_) | Event::Leave(_)) => {
                return Err(Refused::Installing);
            }
            (State::Staged { .. }, Event::Offer(_) | Event::Install(_) | Event::Leave(_)) => {
                return Err(Refused::Staged);
            }
            (State::Trial { .. }, Event::Offer(_) | Event::Install(_) | Event::Leave(_)) => {
                return Err(Refused::Trial);
            }
            (State::Idle | State::Staged { .. } | State::Trial { .. }, Event::Withdraw)
            | (
                State::Idle | State::Offered { .. } | State::Staged { .. } | State::Trial { .. },
                Event::Installed { .. } | Event::NotInstalled { .. },
            )
            | (State::Idle | State::Offered { .. } | State::Installing { .. }, Event::Seen(_)) => {
                return Err(Refused::NotUnderWay);
            }
        };
        Ok(next)
    }

    /// Whether a release was rolled back here.
    #[must_use]
    pub fn has_failed(&self, release: &Release) -> bool {
        self.failed.iter().any(|failed| failed.is_same(release))
    }

    /// The trial's note says that it goes on; without one it is over, and the slot that runs says how it ended.
    fn seen(&self, release: &Release, slot: &str, seen: Seen, now: u64) -> Self {
        let runs_it = seen.running == slot;
        match seen.note {
            Note::Of(noted) if noted == slot && runs_it => self.to(State::Trial {
                release: release.clone(),
                slot: slot.to_owned(),
            }),
            Note::Of(noted) if noted == slot => self.clone(),
            Note::Unreadable => self.clone(),
            Note::None | Note::Of(_) if runs_it => {
                self.to(State::Idle)
                    .with_last(ended(Outcome::Kept, release, now, None))
            }
            Note::None | Note::Of(_) if seen.is_given_up => {
                let mut next = self.to(State::Idle).with_last(ended(
                    Outcome::RolledBack,
                    release,
                    now,
                    seen.reason,
                ));
                next.remember(release);
                next
            }
            Note::None | Note::Of(_) => self.clone(),
        }
    }

    fn remember(&mut self, release: &Release) {
        if self.has_failed(release) {
            return;
        }
        self.failed.push(release.clone());
        let surplus = self.failed.len().saturating_sub(REMEMBERED);
        self.failed.drain(..surplus);
    }

    fn to(&self, state: State) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    fn with_last(self, last: Last) -> Self {
        Self {
            last: Some(last),
            ..self
        }
    }
}

fn ended(outcome: Outcome, release: &Release, at: u64, reason: Option<String>) -> Last {
    Last {
        outcome,
        release: release.clone(),
        at,
        reason,
    }
}
