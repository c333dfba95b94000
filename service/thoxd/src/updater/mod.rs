//! Updates of the device's system: what may happen next is decided by [`thox_policy::update`], what is done is RAUC's;
//! here is the order of both, and what survives a power cut in between.
//!
//! - `commands`: what can be asked for: install, roll back, offer, withdraw; [`Source`]: where a bundle is.
//! - `attend`: RAUC, followed; what a restart has shown.
//! - `record`: the machine on the disk, written before each step.
//! - `notes`: what the image's scripts note of a trial and of one that failed.
//! - `shown`: all of it as it is told; `refusal`: errors.
//!
//! A machine without RAUC is not updated by thoxd: that is a state and no failure.

mod attend;
mod commands;
mod notes;
mod record;
mod refusal;
mod shown;
#[cfg(test)]
mod tests;

pub use commands::Source;

use crate::{bus::Bus, rauc::Installer, settings::Settings};
use notes::Notes;
use record::Record;
use shown::Known;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use thox_api::{ApiError, Update, UpdateEvidence, UpdateOutcome};
use thox_policy::update::{Event, Machine};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// Updates. Clones are the same.
#[derive(Clone, Debug)]
pub struct Updater(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    bus: Bus,
    record: Record,
    notes: Notes,
    /// Whoever has it may change the machine, and asks RAUC for what follows from that.
    turn: Semaphore,
    machine: Mutex<Machine>,
    known: Mutex<Known>,
    rauc: Mutex<Option<Installer>>,
    shown: watch::Sender<Update>,
}

/// The right to change the machine.
type Turn<'a> = SemaphorePermit<'a>;

impl Updater {
    /// As the disk has it; what became of it since is seen once RAUC answers.
    #[must_use]
    pub fn new(settings: &Settings, bus: Bus) -> Self {
        let record = Record::in_folder(&settings.state_dir);
        let machine = record.read();
        let known = Known::default();
        let shown = watch::Sender::new(shown::of(&machine, &known));
        Self(Arc::new(Parts {
            bus,
            record,
            notes: Notes::in_folder(&settings.update.folder),
            turn: Semaphore::new(1),
            machine: Mutex::new(machine),
            known: Mutex::new(known),
            rauc: Mutex::default(),
            shown,
        }))
    }

    /// Where an update is.
    #[must_use]
    pub fn now(&self) -> Update {
        self.0.shown.borrow().clone()
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Update> {
        self.0.shown.subscribe()
    }

    /// How the last update ended, and why. Reads a file.
    #[must_use]
    pub fn why(&self) -> UpdateEvidence {
        let last = self.machine().last;
        let is_back = |last: &UpdateOutcome| *last == UpdateOutcome::RolledBack;
        let shown = last.as_ref().map(shown::last);
        UpdateEvidence {
            object: "update.evidence".to_owned(),
            evidence: shown
                .as_ref()
                .filter(|last| is_back(&last.outcome))
                .and_then(|_| self.0.notes.evidence())
                .map(|evidence| evidence.text),
            reason: last.and_then(|last| last.reason),
            last: shown,
        }
    }

    fn machine(&self) -> Machine {
        locked(&self.0.machine).clone()
    }

    async fn turn(&self) -> Result<Turn<'_>, ApiError> {
        let turn = self.0.turn.acquire().await;
        turn.map_err(|error| refusal::internal(&error))
    }

    /// Takes a step, on the disk first.
    async fn step(&self, _: &Turn<'_>, event: Event) -> Result<(), ApiError> {
        let before = self.machine();
        let next = before
            .step(event, unix_seconds())
            .map_err(|refused| refusal::not_now(refused, &before))?;
        self.put(next).await
    }

    async fn put(&self, next: Machine) -> Result<(), ApiError> {
        if next == self.machine() {
            return Ok(());
        }
        let (record, written) = (self.0.record.clone(), next.clone());
        let writing = tokio::task::spawn_blocking(move || record.write(&written));
        let done = writing.await.map_err(|error| refusal::internal(&error))?;
        done.map_err(|error| refusal::not_written(&self.0.record, &error))?;
        *locked(&self.0.machine) = next;
        self.publish();
        let now = self.now();
        // Never where the bundle is: a URL may have a password in it.
        tracing::info!(state = ?now.state, version = now.version.as_deref().unwrap_or("none"), "an update is a step further");
        Ok(())
    }

    fn know(&self, change: impl FnOnce(&mut Known)) {
        change(&mut locked(&self.0.known));
        self.publish();
    }

    fn publish(&self) {
        let update = shown::of(&locked(&self.0.machine), &locked(&self.0.known));
        self.0.shown.send_if_modified(|shown| {
            let is_news = *shown != update;
            *shown = update;
            is_news
        });
    }

    fn rauc(&self) -> Result<Installer, ApiError> {
        let rauc = locked(&self.0.rauc).clone();
        rauc.ok_or_else(|| refusal::unavailable(locked(&self.0.known).note.as_deref()))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
