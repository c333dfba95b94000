//! The units that run the engines, as systemd sees them and does to them, over D-Bus (org.freedesktop.systemd1(5)).
//!
//! - `instances`: units that the settings do not name.

mod instances;

use super::systemd1::{self, Manager1};
use crate::{bus::Bus, settings::Settings};
use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use thox_api::{ApiError, ErrorKind, UnitHealth};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The units that the settings name, by engine, and what is known of them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Units(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    bus: Bus,
    /// Engine and unit.
    named: BTreeMap<String, String>,
    seen: ArcSwap<Seen>,
    changes: watch::Sender<u64>,
}

/// What systemd has told, counted.
#[derive(Debug, Default)]
struct News {
    changes: u64,
    /// Of these, that there is another systemd on the bus.
    owners: u64,
}

/// Units by their names; none that is not installed.
type Seen = BTreeMap<String, UnitHealth>;

/// What is done to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Runs it, if it does not run.
    Start,
    /// Ends it, until it is started.
    Stop,
    /// Ends it and runs it anew; one that does not run is started.
    Restart,
}

/// A model server takes minutes to load, and a stop as long as its unit allows.
const JOB: Duration = Duration::from_secs(15 * 60);

/// systemd answers within milliseconds unless it is busy with something large.
const CALL: Duration = Duration::from_secs(25);

/// Signals tell of every change; a look now and then is for one that was lost.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A unit that changes makes several signals: one look for all of them.
const SETTLE: Duration = Duration::from_millis(20);

/// Before another try, when systemd cannot be asked.
const PAUSE: Duration = Duration::from_secs(5);

const WHAT: &str = "systemd";

impl Units {
    /// Those of the enabled engines; nothing is known yet.
    #[must_use]
    pub fn new(settings: &Settings, bus: Bus) -> Self {
        let engines = settings.engines.iter().filter(|(_, engine)| engine.enabled);
        let named = engines.filter_map(|(name, engine)| {
            let unit = engine.unit.as_ref()?;
            Some((name.clone(), unit.0.clone()))
        });
        Self(Arc::new(Parts {
            bus,
            named: named.collect(),
            seen: ArcSwap::default(),
            changes: watch::Sender::new(0),
        }))
    }

    /// The unit of an engine, if it has one that systemd knows.
    #[must_use]
    pub fn of(&self, engine: &str) -> Option<UnitHealth> {
        let unit = self.0.named.get(engine)?;
        self.0.seen.load().get(unit).cloned()
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Keeps looking, as long as the daemon lives.
    pub async fn follow(self) {
        if self.0.named.is_empty() {
            return std::future::pending().await;
        }
        let mut connections = self.0.bus.connections();
        loop {
            let connection = connections.borrow_and_update().clone();
            let Some(connection) = connection else {
                self.see(Seen::new());
                // The bus lasts as long as the process.
                if connections.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let watching = self.watch(&connection);
            let trouble = tokio::select! {
                Err(error) = watching => error,
                _ = connections.changed() => continue,
            };
            self.see(Seen::new());
            let text = format!(
                "systemd cannot be asked for the engines' units: {trouble}. They are not shown and not restarted; it is tried again."
            );
            if self.0.bus.trouble(WHAT, Some(&text)) {
                tracing::info!(%trouble, "systemd cannot be asked for the engines' units");
            }
            let _ = timeout(PAUSE, connections.changed()).await;
        }
    }

    async fn watch(&self, connection: &zbus::Connection) -> zbus::Result<()> {
        let manager = Manager1::new(connection);
        let mut changes = manager.changes().await?;
        let (told, mut news) = watch::channel(News::default());
        // Read all the time: signals that nobody takes stop the whole connection when their queue is full, and a reload
        // of systemd makes hundreds. What is looked at in between would never be answered.
        let listening = async {
            while let Some(change) = changes.next().await {
                let is_new_owner = systemd1::is_new_owner(&change);
                told.send_modify(|news| {
                    news.changes += 1;
                    news.owners += u64::from(is_new_owner);
                });
            }
            zbus::Error::Failure("its signals have ended".to_owned())
        };
        tokio::select! {
            ended = listening => Err(ended),
            looked = self.look(&manager, &mut news) => looked,
        }
    }

    /// Looks whenever there are news.
    async fn look(
        &self,
        manager: &Manager1<'_>,
        news: &mut watch::Receiver<News>,
    ) -> zbus::Result<()> {
        manager.subscribe().await?;
        let mut owners = news.borrow_and_update().owners;
        loop {
            let mut seen = Seen::new();
            for unit in self.0.named.values() {
                if let Some(health) = manager.look(unit).await? {
                    seen.insert(unit.clone(), health);
                }
            }
            self.0.bus.trouble(WHAT, None);
            self.see(seen);
            if timeout(LOOK_EVERY, news.changed()).await.is_ok() {
                sleep(SETTLE).await;
            }
            let known = std::mem::replace(&mut owners, news.borrow_and_update().owners);
            if known != owners {
                // A systemd that has been executed anew knows of no subscription.
                manager.subscribe().await?;
            }
        }
    }

    fn see(&self, seen: Seen) {
        if **self.0.seen.load() == seen {
            return;
        }
        for (name, unit) in &seen {
            let result = unit.result.as_deref().unwrap_or("success");
            tracing::debug!(unit = %name, state = %unit.state, substate = %unit.substate, result, "a unit of an engine");
        }
        self.0.seen.store(Arc::new(seen));
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Does something to an engine's unit and waits until it is done.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn carry_out(&self, engine: &str, verb: Verb) -> Result<UnitHealth, ApiError> {
        let Some(unit) = self.0.named.get(engine) else {
            let message = format!(
                "the engine `{engine}` has no unit: whoever started it has to restart it, or engines.{engine}.unit in the settings names its systemd service."
            );
            return Err(ApiError::new(ErrorKind::CapabilityMissing, message).param("engine"));
        };
        let now = self.change(unit, verb, JOB).await?;
        tracing::info!(engine, %unit, ?verb, state = %now.state, "a unit was changed");
        Ok(now)
    }

    /// Does something to a unit and waits until it is done, so long at most.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn change(
        &self,
        unit: &str,
        verb: Verb,
        patience: Duration,
    ) -> Result<UnitHealth, ApiError> {
        let Some(connection) = self.0.bus.now() else {
            return Err(unreachable(unit, "D-Bus is not there"));
        };
        let manager = Manager1::new(&connection);
        let failed = |error: zbus::Error| systemd1::refusal(unit, &error);
        let ended = timeout(CALL, manager.changes_of_jobs()).await;
        let mut jobs = ended.map_err(|_| unreachable(unit, "it does not answer"))?;
        let jobs = jobs.as_mut().map_err(|error| failed(error.clone()))?;
        let asked = timeout(CALL, async {
            manager.subscribe().await?;
            // Otherwise one that systemd has given up is refused (start-limit-hit).
            manager.reset_failed(unit).await?;
            manager.begin(verb, unit).await
        });
        let job = asked.await;
        let job = job.map_err(|_| unreachable(unit, "it does not answer"))?;
        let job = job.map_err(failed)?;
        let result = timeout(patience, systemd1::result_of(jobs, &job)).await;
        let now = timeout(CALL, manager.look(unit)).await;
        let now = now.ok().and_then(Result::ok).flatten();
        match (result.ok().flatten().as_deref(), now) {
            (Some("done"), Some(now)) => Ok(now),
            (result, now) => Err(not_done(unit, verb, patience, result, now.as_ref())),
        }
    }
}

fn unreachable(unit: &str, cause: &str) -> ApiError {
    let message = format!(
        "systemd, which runs {unit}, cannot be asked: {cause}. On the device: systemctl restart {unit}."
    );
    ApiError::new(ErrorKind::NoServiceManager, message)
}

fn not_done(
    unit: &str,
    verb: Verb,
    patience: Duration,
    result: Option<&str>,
    now: Option<&UnitHealth>,
) -> ApiError {
    let verb = match verb {
        Verb::Start => "started",
        Verb::Stop => "stopped",
        Verb::Restart => "restarted",
    };
    let why = match (result, now) {
        (None, _) => format!("it was not within {} minutes", patience.as_secs() / 60),
        (Some(result), Some(now)) => {
            let how = now.result.as_deref().unwrap_or("no result");
            format!(
                "systemd's job ended with `{result}`, the unit is {} ({how})",
                now.state
            )
        }
        (Some(result), None) => format!("systemd's job ended with `{result}`"),
    };
    let message = format!("{unit} was not {verb}: {why}. On the device: journalctl -u {unit}.");
    ApiError::new(ErrorKind::EngineError, message)
}
