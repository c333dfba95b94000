//! The configured engines.

use super::{pool::Pool, slots::Slots, wire::Target};
use crate::{lifetime::Lifetime, settings};
use http::HeaderValue;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use thox_policy::{
    EngineKind,
    circuit::{Change, Circuit, Outcome, Patience},
};

/// One engine: where it is, how it is asked, how it has been doing.
#[derive(Debug)]
pub struct Engine {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// Its software.
    pub kind: EngineKind,
    /// The label that API consumers see.
    pub backend: Arc<str>,
    /// Its connections.
    pub pool: Arc<Pool>,
    /// Its slots and its queue.
    pub slots: Arc<Slots>,
    /// From a request to the first byte of its reply.
    pub first_byte_timeout: Duration,
    /// Silence in a reply that has begun.
    pub stall_timeout: Duration,
    /// Between two surveys.
    pub poll_interval: Duration,
    patience: Mutex<Patience>,
    circuit: Mutex<Circuit>,
    last_failure: Mutex<Option<Arc<str>>>,
}

/// All of them, in the order in which they are preferred, all else being equal: by name.
pub type Fleet = Arc<[Arc<Engine>]>;

/// An engine that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CannotSetUp {
    /// The key file cannot be used.
    #[error("engines.{engine}.api_key_file: {path}: {cause}")]
    Key {
        /// The engine's name.
        engine: String,
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// The embedded engine does not start.
    #[error(
        "the starter engine cannot be set up: {0}. Switch it off with engines.starter.enabled = false"
    )]
    Starter(String),
}

/// Sets the enabled engines up.
///
/// # Errors
/// [`CannotSetUp`], for the first that cannot be.
pub fn fleet(settings: &settings::Settings, lifetime: &Lifetime) -> Result<Fleet, CannotSetUp> {
    let patience = patience(&settings.router.circuit);
    let mut engines = Vec::new();
    for (name, engine) in settings.engines.iter().filter(|(_, engine)| engine.enabled) {
        let Some(target) = target(engine, lifetime)? else {
            continue;
        };
        let authorization = engine
            .api_key_file
            .as_deref()
            .map(|path| key(name, path))
            .transpose()?;
        engines.push(Arc::new(Engine {
            name: Arc::from(name.as_str()),
            kind: engine.kind,
            backend: Arc::from(engine.kind.backend().unwrap_or(name)),
            pool: Arc::new(Pool::new(target, authorization, engine.connect_timeout)),
            slots: Slots::new(engine.slots, engine.queue),
            first_byte_timeout: engine.first_byte_timeout,
            stall_timeout: engine.stall_timeout,
            poll_interval: engine.poll_interval,
            patience: Mutex::new(patience),
            circuit: Mutex::default(),
            last_failure: Mutex::default(),
        }));
    }
    Ok(engines.into())
}

fn patience(circuit: &settings::Circuit) -> Patience {
    Patience {
        failures: circuit.failures,
        open_for: circuit.open_for,
    }
}

fn target(engine: &settings::Engine, lifetime: &Lifetime) -> Result<Option<Target>, CannotSetUp> {
    match (&engine.url, engine.kind) {
        (Some(address), _) => Ok(Some(Target::Address(address.clone()))),
        (None, EngineKind::Starter) => starter(lifetime),
        // The settings demand an address for every other kind.
        (None, _) => Ok(None),
    }
}

#[cfg(feature = "starter")]
fn starter(lifetime: &Lifetime) -> Result<Option<Target>, CannotSetUp> {
    /// As much as a socket's buffer: enough that neither side waits for the other in a short answer.
    const PIPE_BYTES: usize = 64 << 10;
    let starter = thox_starter::Starter::embedded()
        .map_err(|error| CannotSetUp::Starter(error.to_string()))?;
    let (starter, lifetime) = (Arc::new(starter), lifetime.clone());
    Ok(Some(Target::Memory(Arc::new(move || {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        lifetime.spawn_background(Arc::clone(&starter).serve_connection(theirs));
        ours
    }))))
}

/// Built without it, as in the image: the default settings' starter is simply not there.
#[cfg(not(feature = "starter"))]
fn starter(_: &Lifetime) -> Result<Option<Target>, CannotSetUp> {
    Ok(None)
}

fn key(engine: &str, path: &Path) -> Result<HeaderValue, CannotSetUp> {
    let unusable = |cause: String| CannotSetUp::Key {
        engine: engine.to_owned(),
        path: path.display().to_string(),
        cause,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| unusable("the key has characters that no header may have".to_owned()))?;
    // Kept out of every Debug output.
    value.set_sensitive(true);
    Ok(value)
}

impl Engine {
    /// Takes a request's outcome into the circuit.
    pub fn report(&self, outcome: Outcome) -> Change {
        self.circuit_mut()
            .report(outcome, self.patience(), Instant::now())
    }

    /// Notes why a request failed, for whoever asks why the engine rests.
    pub fn failed_because(&self, cause: impl std::fmt::Display) {
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::from(cause.to_string()));
    }

    /// Why the last request that failed did so.
    #[must_use]
    pub fn last_failure(&self) -> Option<Arc<str>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes a survey's outcome into the circuit, once a probe is due.
    pub fn probed(&self, outcome: Outcome) -> Change {
        let (now, patience) = (Instant::now(), self.patience());
        let mut circuit = self.circuit_mut();
        if circuit.is_probe_due(now) {
            circuit.probed(outcome, patience, now)
        } else {
            Change::None
        }
    }

    /// Whether requests are kept away from it.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.circuit_mut().is_open()
    }

    /// How many failures in a row are too many.
    #[must_use]
    pub fn patience(&self) -> Patience {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes that.
    pub fn set_patience(&self, circuit: &settings::Circuit) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience(circuit);
    }

    fn circuit_mut(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
