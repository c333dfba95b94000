//! An update as it is told: never where a bundle lies, and why something failed only to whoever may change the device.

use thox_api::{Update, UpdateLast, UpdateOutcome, UpdateProgress, UpdateSlot, UpdateState};
use thox_policy::update::{Last, Machine, Outcome, Slot, State};

/// What is known of the machine beside the update itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Whether RAUC is there and answers.
    pub(super) is_available: bool,
    /// Why not.
    pub(super) note: Option<String>,
    pub(super) slots: Vec<Slot>,
    pub(super) progress: Option<(u8, String)>,
}

pub(super) fn of(machine: &Machine, known: &Known) -> Update {
    let (state, release) = match &machine.state {
        State::Idle => (UpdateState::Idle, None),
        State::Offered { offer } => (UpdateState::Offered, Some(&offer.release)),
        State::Installing { offer, .. } => (UpdateState::Installing, Some(&offer.release)),
        State::Staged { release, .. } => (UpdateState::Staged, Some(release)),
        State::Trial { release, .. } => (UpdateState::Trial, Some(release)),
    };
    let progress = known.progress.as_ref();
    Update {
        object: "update".to_owned(),
        available: known.is_available,
        note: known.note.clone(),
        state,
        version: release.map(|release| release.version.clone()),
        progress: progress
            .filter(|_| state == UpdateState::Installing)
            .map(|(percent, step)| UpdateProgress {
                percent: *percent,
                step: step.clone(),
            }),
        slots: known.slots.iter().map(slot).collect(),
        last: machine.last.as_ref().map(last),
    }
}

pub(super) fn last(last: &Last) -> UpdateLast {
    UpdateLast {
        outcome: match last.outcome {
            Outcome::Kept => UpdateOutcome::Kept,
            Outcome::RolledBack => UpdateOutcome::RolledBack,
            Outcome::NotInstalled => UpdateOutcome::NotInstalled,
            Outcome::Left => UpdateOutcome::Left,
        },
        version: last.release.version.clone(),
        at: last.at,
    }
}

fn slot(slot: &Slot) -> UpdateSlot {
    UpdateSlot {
        name: slot.boot_name.clone(),
        version: slot.release.as_ref().map(|release| release.version.clone()),
        running: slot.is_booted,
        next: slot.is_primary,
        good: slot.is_good,
    }
}
