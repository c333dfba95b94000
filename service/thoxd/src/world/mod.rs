//! Snapshots of what is there: engines, their health and their models.
//!
//! - [`Worlds`] publishes a new [`Snapshot`] whenever something changed; a request sees one and takes no lock.
//! - `scout`: the tasks that look at the engines.
//! - [`view`]: a snapshot as `/health`, `/v1/models` and `/router/status` show it.
//! - [`refusal`]: why nobody answers, in words; `unit`: what an engine's unit has to do with it.

pub mod refusal;
mod scout;
mod unit;
pub mod view;

use crate::{
    engine::{Engine, Fleet, survey::Report},
    settings::Settings,
    systemd::Units,
};
use arc_swap::ArcSwap;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use thox_api::UnitHealth;
use thox_policy::{
    World,
    catalog::{Entry, Found, compose},
    world::{EngineState, Rules},
};
use tokio::sync::{Notify, watch};

/// Everything as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// What routing decides on.
    pub routing: World,
    /// The engines; `routing.engines[i]` is the view of `fleet[i]`.
    pub fleet: Fleet,
    /// What each engine last said of itself.
    pub reports: Vec<Sighting>,
}

/// What is known of one engine.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Whether it answered the last time.
    pub state: EngineState,
    /// What it last said; kept while it is down, so that its models are "not available" and not "unknown".
    pub report: Arc<Report>,
    /// Whether it has ever answered.
    pub was_up: bool,
    /// The service manager's unit that runs it, as of the snapshot.
    pub unit: Option<UnitHealth>,
}

/// How often an engine has been looked at: the number of the look that began last, and of the one that ended last.
#[derive(Debug, Default)]
struct Looks {
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

/// What the settings say about models.
#[derive(Debug)]
struct Catalog {
    rules: Rules,
    entries: Vec<Entry>,
    descriptions: HashMap<String, String>,
}

/// Publishes snapshots.
#[derive(Debug)]
pub struct Worlds {
    current: ArcSwap<Snapshot>,
    sightings: Mutex<Vec<Sighting>>,
    catalog: ArcSwap<Catalog>,
    fleet: Fleet,
    units: Units,
    changes: watch::Sender<u64>,
    nudge: Notify,
    looks: Vec<Looks>,
    /// When thoxd started.
    pub started: Instant,
}

impl Catalog {
    fn of(settings: &Settings) -> Self {
        let entries = settings.models.iter().map(|(name, model)| Entry {
            name: Arc::from(name.as_str()),
            parameters: model.parameters,
            on: model
                .on
                .iter()
                .map(|(on, name)| (Arc::from(on.as_str()), Arc::from(name.as_str())))
                .collect(),
        });
        let described = settings
            .models
            .iter()
            .filter_map(|(name, model)| Some((name.clone(), model.description.clone()?)));
        Self {
            rules: Rules {
                large_model: settings.router.large_model_threshold,
                default_model: Arc::from(settings.router.default_model.as_str()),
            },
            entries: entries.collect(),
            descriptions: described.collect(),
        }
    }
}

impl Worlds {
    /// Nothing has been seen yet: every engine is unproven and has no models.
    #[must_use]
    pub fn new(settings: &Settings, fleet: Fleet, units: Units) -> Arc<Self> {
        let unseen = Sighting {
            state: EngineState::Unproven,
            report: Arc::new(Report {
                models: Arc::from([]),
                ..Report::default()
            }),
            was_up: false,
            unit: None,
        };
        let sightings = vec![unseen; fleet.len()];
        let looks = fleet.iter().map(|_| Looks::default()).collect();
        let worlds = Self {
            current: ArcSwap::from_pointee(Snapshot {
                routing: World::default(),
                fleet: Arc::clone(&fleet),
                reports: Vec::new(),
            }),
            sightings: Mutex::new(sightings),
            catalog: ArcSwap::from_pointee(Catalog::of(settings)),
            fleet,
            units,
            changes: watch::Sender::new(0),
            nudge: Notify::new(),
            looks,
            started: Instant::now(),
        };
        worlds.publish();
        Arc::new(worlds)
    }

    /// The newest snapshot.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The units of the engines.
    #[must_use]
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// Tells of every new snapshot.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Asks the scouts to look now: somebody asked for a model that nobody knows.
    pub fn look_again(&self) {
        self.nudge.notify_waiters();
    }

    /// Looks at an engine now, and waits until what is seen is published; `patience` at most.
    pub async fn look_at(&self, engine: usize, patience: Duration) {
        let Some(looks) = self.looks.get(engine) else {
            return;
        };
        let mut ended = looks.ended.subscribe();
        // One that is under way may have seen what was before: only a later one counts.
        let before = looks.begun.load(Ordering::SeqCst);
        self.nudge.notify_waiters();
        let seen = ended.wait_for(|number| *number > before);
        let _ = tokio::time::timeout(patience, seen).await;
    }

    /// Publishes anew what is known, after an engine's circuit has opened or closed.
    pub fn publish(&self) {
        let sightings = self
            .sightings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.publish_with(&sightings);
    }

    /// Changes to what these settings say about models and routing, for all requests that come now.
    pub fn set(&self, settings: &Settings) {
        self.catalog.store(Arc::new(Catalog::of(settings)));
        for engine in self.fleet.iter() {
            engine.set_patience(&settings.router.circuit);
        }
        self.publish();
    }

    fn publish_with(&self, sightings: &[Sighting]) {
        let with_units = self
            .fleet
            .iter()
            .zip(sightings)
            .map(|(engine, seen)| Sighting {
                unit: self.units.of(&engine.name),
                ..seen.clone()
            });
        let sightings: Vec<Sighting> = with_units.collect();
        let engines: Vec<_> = self
            .fleet
            .iter()
            .zip(&sightings)
            .map(|(engine, seen)| view_of(engine, seen))
            .collect();
        let inventories: Vec<Arc<[Found]>> = sightings
            .iter()
            .map(|sighting| Arc::clone(&sighting.report.models))
            .collect();
        let catalog = self.catalog.load();
        let models = compose(&catalog.rules, &catalog.entries, &engines, &inventories);
        self.current.store(Arc::new(Snapshot {
            routing: World {
                rules: catalog.rules.clone(),
                engines,
                models,
            },
            fleet: Arc::clone(&self.fleet),
            reports: sightings,
        }));
        self.changes.send_modify(|count| *count += 1);
    }
}

fn view_of(engine: &Engine, sighting: &Sighting) -> thox_policy::world::Engine {
    let state = if engine.is_resting() && sighting.state.is_usable() {
        let patience = engine.patience();
        let cause = engine.last_failure();
        EngineState::Resting(Arc::from(format!(
            "{} requests in a row failed, the last one because it {}; it is asked again every {:?}",
            patience.failures,
            cause.as_deref().unwrap_or("gave no answer"),
            patience.open_for
        )))
    } else {
        match (
            &sighting.state,
            sighting.unit.as_ref().and_then(unit::words),
        ) {
            (EngineState::Down(why), Some(unit)) => {
                EngineState::Down(Arc::from(format!("{why}; {unit}")))
            }
            (state, _) => state.clone(),
        }
    };
    thox_policy::world::Engine {
        name: Arc::clone(&engine.name),
        kind: engine.kind,
        backend: Arc::clone(&engine.backend),
        state,
    }
}
