//! RAUC, followed: whether it is there, how far it is, how an installation ended, and what a restart has shown.

use super::{Turn, Updater, locked};
use crate::{
    bus::answer,
    rauc::{Installer, News, Properties},
};
use futures_util::StreamExt as _;
use std::{convert::Infallible, time::Duration};
use thox_policy::update::{Event, Machine, Note, Seen, Slot, State, holding};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use zbus::Connection;

/// After trouble; each further pause is twice as long. A RAUC that cannot start is not started again every second.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// RAUC tells of each step by several signals: one look for all of them.
const SETTLE: Duration = Duration::from_millis(100);

/// thox-commit notes the end of a trial in a file; a look at it costs nothing.
const NOTE_EVERY: Duration = Duration::from_secs(2);

const WHAT: &str = "updates";

const NO_RAUC: &str =
    "RAUC is not installed, so its system is not updated by thoxd but as its owner does it.";
const NO_BUS: &str = "D-Bus, over which RAUC is asked, is not there.";

impl Updater {
    /// Keeps looking, as long as the daemon lives.
    pub async fn follow(self) {
        let mut connections = self.0.bus.connections();
        let mut pause = FIRST_PAUSE;
        loop {
            let connection = connections.borrow_and_update().clone();
            let Some(connection) = connection else {
                self.is_without(NO_BUS);
                // The bus lasts as long as the process.
                if connections.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let trouble = tokio::select! {
                ended = self.watch(&connection, &mut pause) => match ended {
                    Err(error) => error,
                    Ok(never) => match never {},
                },
                _ = connections.changed() => continue,
            };
            let cause = answer(&trouble).map_or_else(|| trouble.to_string(), |(_, text)| text);
            let text = format!(
                "RAUC, which updates this device, does not answer: {}. It is asked again; on the device: systemctl status rauc.",
                cause.trim_end_matches('.')
            );
            self.is_without(&text);
            if self.0.bus.trouble(WHAT, Some(&text)) {
                tracing::warn!(%cause, "RAUC does not answer");
            }
            let _ = timeout(pause, connections.changed()).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn watch(
        &self,
        connection: &Connection,
        pause: &mut Duration,
    ) -> zbus::Result<Infallible> {
        let mut stream = Installer::news(connection).await?;
        let (told, mut news) = watch::channel(0_u64);
        // Read all the time: signals that nobody takes stop the whole connection when their queue is full.
        let listening = async {
            while let Some(News::Changed | News::Owner) = stream.next().await {
                told.send_modify(|count| *count += 1);
            }
            zbus::Error::Failure("its signals have ended".to_owned())
        };
        tokio::select! {
            ended = listening => Err(ended),
            looked = self.attend(connection, &mut news, pause) => looked,
        }
    }

    /// Looks whenever there are news.
    async fn attend(
        &self,
        connection: &Connection,
        news: &mut watch::Receiver<u64>,
        pause: &mut Duration,
    ) -> zbus::Result<Infallible> {
        let gone = |_| zbus::Error::Failure("its signals have ended".to_owned());
        let mut is_first = true;
        loop {
            news.borrow_and_update();
            let Some(rauc) = Installer::find(connection).await? else {
                self.is_without(NO_RAUC);
                self.0.bus.trouble(WHAT, None);
                news.changed().await.map_err(gone)?;
                continue;
            };
            self.look(&rauc, is_first).await?;
            is_first = false;
            *pause = FIRST_PAUSE;
            self.0.bus.trouble(WHAT, None);
            tokio::select! {
                changed = news.changed() => changed.map_err(gone)?,
                () = self.note_changes() => {}
            }
            sleep(SETTLE).await;
        }
    }

    /// Waits until a trial that is under way is noted otherwise than before.
    async fn note_changes(&self) {
        let before = self.0.notes.trial();
        loop {
            sleep(NOTE_EVERY).await;
            let is_tried = matches!(
                locked(&self.0.machine).state,
                State::Staged { .. } | State::Trial { .. }
            );
            if is_tried && self.0.notes.trial() != before {
                return;
            }
        }
    }

    async fn look(&self, rauc: &Installer, is_first: bool) -> zbus::Result<()> {
        // Whoever has begun something has told RAUC of it once the turn is over.
        let turn = self.turn().await.map_err(|error| failure(&error))?;
        let now = rauc.properties().await?;
        *locked(&self.0.rauc) = Some(rauc.clone());
        if now.is_installing {
            // It tells nobody of slots meanwhile.
            self.know(|known| {
                known.is_available = true;
                known.note = None;
                known.progress.clone_from(&now.progress);
            });
            return Ok(());
        }
        let slots = rauc.slots().await?;
        self.know(|known| {
            known.is_available = true;
            known.note = None;
            known.progress = None;
            known.slots.clone_from(&slots);
        });
        let mut event = self.event(&now, &slots);
        if is_first && let State::Offered { offer } = self.machine().state {
            // The stick may have gone while nobody looked.
            let looked = self.inspect(rauc, offer.source.clone()).await;
            event = match looked {
                Ok(found) if found == offer => None,
                Ok(found) => Some(Event::Offer(found)),
                Err(_) => Some(Event::Withdraw),
            };
        }
        match event {
            Some(event) => self.take(&turn, event).await,
            None => Ok(()),
        }
    }

    async fn take(&self, turn: &Turn<'_>, event: Event) -> zbus::Result<()> {
        let before = self.machine().last;
        self.step(turn, event)
            .await
            .map_err(|error| failure(&error))?;
        if let Some(last) = self
            .machine()
            .last
            .filter(|last| before.as_ref() != Some(last))
        {
            tracing::warn!(outcome = ?last.outcome, version = %last.release.version, reason = last.reason.as_deref().unwrap_or("none"), "an update has ended");
        }
        Ok(())
    }

    /// What has become of an update while RAUC is at rest.
    pub(super) fn event(&self, now: &Properties, slots: &[Slot]) -> Option<Event> {
        match self.machine() {
            Machine {
                state: State::Installing { offer, .. },
                ..
            } => Some(match holding(slots, &offer.release) {
                _ if !now.last_error.is_empty() => Event::NotInstalled {
                    reason: now.last_error.clone(),
                },
                Some(slot) => Event::Installed {
                    slot: slot.boot_name.clone(),
                },
                None => Event::NotInstalled {
                    reason: "the installation was interrupted before it was done".to_owned(),
                },
            }),
            Machine {
                state: State::Staged { slot, .. } | State::Trial { slot, .. },
                ..
            } => self.seen(&slot, slots).map(Event::Seen),
            Machine {
                state: State::Idle | State::Offered { .. },
                ..
            } => None,
        }
    }

    fn seen(&self, tried: &str, slots: &[Slot]) -> Option<Seen> {
        let running = slots.iter().find(|slot| slot.is_booted)?;
        let target = slots.iter().find(|slot| slot.boot_name == tried)?;
        let note = self.0.notes.trial();
        let evidence = self.0.notes.evidence();
        let evidence = evidence.filter(|evidence| evidence.slot.as_deref() == Some(tried));
        let reason = match (evidence, &note) {
            (Some(evidence), _) => evidence.reason,
            (None, Note::None) => Some("somebody made the other slot the next one".to_owned()),
            (None, Note::Of(_) | Note::Unreadable) => None,
        };
        Some(Seen {
            running: running.boot_name.clone(),
            note,
            is_given_up: target.is_good == Some(false) || !target.is_primary,
            reason,
        })
    }

    fn is_without(&self, note: &str) {
        *locked(&self.0.rauc) = None;
        self.know(|known| {
            known.is_available = false;
            known.note = Some(note.to_owned());
            known.slots.clear();
            known.progress = None;
        });
    }
}

fn failure(error: &thox_api::ApiError) -> zbus::Error {
    zbus::Error::Failure(error.message.clone().into_owned())
}
