//! The settings are read again while the daemon runs: what can change at once changes, the rest waits for a restart. All
//! or nothing: settings that are not valid change nothing.

mod refusal;

pub use refusal::{not_reloaded, to_api};

use crate::{
    guard::Guard,
    observe::{InvalidLevel, Log},
    settings::{Changes, Live, Loaded, Refused},
    systemd::Manager,
    world::Worlds,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Whoever asks for it: SIGHUP, the API, D-Bus. Clones are the same.
#[derive(Clone, Debug)]
pub struct Reload(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    live: Arc<Live>,
    worlds: Arc<Worlds>,
    guard: Arc<Guard>,
    log: Log,
    manager: Arc<Manager>,
    /// Two at once would tell the service manager in the wrong order.
    turn: Mutex<()>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CannotReload {
    /// The settings are not valid.
    #[error(transparent)]
    Settings(#[from] Refused),
    /// What is to be logged cannot be read.
    #[error(transparent)]
    Level(#[from] InvalidLevel),
}

impl Reload {
    /// Of these.
    #[must_use]
    pub fn new(
        live: Arc<Live>,
        worlds: Arc<Worlds>,
        guard: Arc<Guard>,
        log: Log,
        manager: Arc<Manager>,
    ) -> Self {
        Self(Arc::new(Parts {
            live,
            worlds,
            guard,
            log,
            manager,
            turn: Mutex::default(),
        }))
    }

    /// Reads the files and does what they say. It waits for the disk.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn now(&self) -> Result<Changes, CannotReload> {
        let parts = &*self.0;
        let _turn = parts.turn.lock().unwrap_or_else(PoisonError::into_inner);
        parts.manager.reloading();
        let done = parts
            .live
            .load()
            .map_err(CannotReload::from)
            .and_then(|loaded| self.apply(loaded));
        match &done {
            Ok(changes) => {
                tracing::info!(
                    changed = %changes.at_once.join(" "),
                    waiting_for_a_restart = %changes.waiting.join(" "),
                    "the settings were read again"
                );
                parts.manager.remark(None);
            }
            Err(error) => {
                tracing::error!(%error, "the settings were read again and are not valid: the old ones stay");
                let remark = format!("the settings are not valid, the old ones stay: {error}");
                parts.manager.remark(Some(remark));
            }
        }
        parts.manager.ready();
        done
    }

    /// Does what these settings say, where it can be done at once.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn apply(&self, loaded: Loaded) -> Result<Changes, CannotReload> {
        let parts = &*self.0;
        let settings = &loaded.settings;
        // First what can fail.
        parts.log.set_level(&settings.log.level)?;
        parts.guard.set(settings);
        parts.worlds.set(settings);
        Ok(parts.live.is_in_force(loaded))
    }
}
