//! An engine that is compiled on this device for one model (TensorRT): the model's unit is started, whose server compiles
//! what is not compiled yet, half an hour and more, and is followed until it serves the model.
//!
//! ```text
//!  prepare ─▶ others of the template are stopped ─▶ started ─▶ compiling ─▶ serves: kept, or as the settings say
//!     │                                                │           │
//!     ▼                                                ▼           ▼
//!  refused: no unit, no model, no room             failed or cancelled: stopped, the others are started again
//! ```
//!
//! - [`instance`]: a model's name as systemd and the disk have it.
//! - `folder`: what is on the disk of it.
//! - `refusal`: why it is not built, in words.

mod folder;
pub mod instance;
mod refusal;

use crate::{
    engine::Engine,
    systemd::{Units, Verb},
    world::{Snapshot, Worlds},
};
use folder::Folder;
use instance::Instance;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use thox_api::{ApiError, ErrorKind, NamedModel, UnitHealth};
use thox_policy::EngineKind;

/// A model that an engine is to be built for.
#[derive(Debug)]
pub(super) struct Build {
    /// The engine's place in the fleet.
    pub(super) index: usize,
    /// The engine that will serve it.
    pub(super) engine: Arc<Engine>,
    /// The model.
    pub(super) instance: Instance,
    folder: Option<Folder>,
    /// Other units of the template that had to make room for it.
    stopped: Mutex<Vec<String>>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// In words.
    pub(super) status: String,
    /// Bytes of what is compiled.
    pub(super) bytes: u64,
}

/// The container's image is loaded first where it is not there yet (TimeoutStartSec= of thox-tensorrt-image.service and of
/// the unit itself, together).
const START: Duration = Duration::from_secs(40 * 60);

/// As long as the unit's TimeoutStopSec= and more.
const STOP: Duration = Duration::from_secs(2 * 60);

/// A minute of compiling is nothing; a second is soon enough to be told of its end.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A look takes milliseconds; one that hangs is no reason for a build never to end.
const LOOK: Duration = Duration::from_secs(5);

/// systemd and the bus are executed anew within seconds.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Large models on small boards take hours; what takes longer hangs.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

impl Build {
    /// A build of the model, if everything is there that it takes.
    ///
    /// # Errors
    /// As the client reads them: no such engine, a name that is none, no unit, no model on the disk, no room.
    pub(super) async fn prepare(worlds: &Worlds, named: &NamedModel) -> Result<Self, ApiError> {
        let instance: Instance = named.model.parse().map_err(|error| {
            ApiError::new(ErrorKind::InvalidRequest, format!("{error}.")).param("model")
        })?;
        let (index, engine) = builder(&worlds.current(), named)?;
        let unit = instance.unit();
        let units = worlds.units();
        if units.look_at(&unit).await?.is_none() {
            return Err(refusal::no_unit(&unit));
        }
        let folders = units.folders(&unit).await?;
        let folder = folders.into_iter().next().map(|source| Folder { source });
        if let Some(folder) = folder.clone() {
            let checked = tokio::task::spawn_blocking(move || check(&folder)).await;
            checked.map_err(|error| refusal::broken(&unit, error))??;
        }
        Ok(Self {
            index,
            engine,
            instance,
            folder,
            stopped: Mutex::default(),
        })
    }

    /// Builds it and ends when the model is served.
    ///
    /// # Errors
    /// As the client reads them. What was started is stopped then.
    pub(super) async fn run(&self, worlds: &Worlds, tell: impl Fn(Told)) -> Result<(), ApiError> {
        let begun = SystemTime::now();
        match self.attempt(worlds, tell).await {
            Ok(()) => {
                self.settle(worlds.units()).await;
                Ok(())
            }
            Err(error) => {
                self.withdraw(worlds.units()).await;
                // Written at the unit's end, which is over only now.
                let folder = self.folder.as_ref();
                let words = folder.map(|folder| folder.last_words(begun));
                Err(refusal::with_last_words(error, &words.unwrap_or_default()))
            }
        }
    }

    /// Stops it, and starts again what made room for it.
    pub(super) async fn withdraw(&self, units: &Units) {
        self.change(units, &self.instance.unit(), Verb::Stop).await;
        // One by one: what is cancelled in between is gone on with.
        while let Some(unit) = self.last_stopped() {
            self.change(units, &unit, Verb::Start).await;
            self.stopped().pop();
        }
    }

    async fn attempt(&self, worlds: &Worlds, tell: impl Fn(Told)) -> Result<(), ApiError> {
        let (unit, units) = (self.instance.unit(), worlds.units());
        let say = |status: String| tell(Told { status, bytes: 0 });
        for other in units.running(instance::EVERY).await? {
            if other == unit {
                continue;
            }
            say(format!("stopping {other}: one model is served at a time"));
            self.stopped().push(other.clone());
            units.change(&other, Verb::Stop, STOP).await?;
        }
        say(format!("starting {unit}"));
        let started = units.change(&unit, Verb::Start, START).await?;
        if started.state == "inactive" {
            return Err(refusal::not_begun(&unit, self.folder.as_ref()));
        }
        let begun = Instant::now();
        let mut seen = begun;
        loop {
            worlds.look_at(self.index, LOOK).await;
            if self.is_served(&worlds.current()) {
                return Ok(());
            }
            match units.look_at(&unit).await {
                Ok(now) => {
                    seen = Instant::now();
                    if let Some(why) = ending(now.as_ref(), started.restarts) {
                        return Err(refusal::failed(&unit, &why));
                    }
                }
                // The bus comes back; half an hour of compiling does not.
                Err(error) if seen.elapsed() > LONGEST_SILENCE => return Err(error),
                Err(_) => {}
            }
            if begun.elapsed() > LONGEST {
                return Err(refusal::too_long(&unit, LONGEST));
            }
            let folder = self.folder.clone();
            let measured =
                tokio::task::spawn_blocking(move || folder.map_or(0, |folder| folder.compiled()));
            tell(Told {
                status: compiling(begun.elapsed()),
                bytes: measured.await.unwrap_or(0),
            });
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// What the settings say runs; without a word of theirs what was built stays.
    async fn settle(&self, units: &Units) {
        self.stopped().clear();
        let unit = self.instance.unit();
        if let Some(own) = units.named(&self.engine.name)
            && own != unit
        {
            self.change(units, &unit, Verb::Stop).await;
            self.change(units, own, Verb::Start).await;
        }
    }

    /// What goes wrong here changes nothing for who has asked.
    async fn change(&self, units: &Units, unit: &str, verb: Verb) {
        let patience = match verb {
            Verb::Stop => STOP,
            Verb::Start | Verb::Restart => START,
        };
        if let Err(error) = units.change(unit, verb, patience).await {
            tracing::warn!(%unit, ?verb, %error, "a unit could not be changed after a build");
        }
    }

    fn is_served(&self, snapshot: &Snapshot) -> bool {
        snapshot.reports.get(self.index).is_some_and(|seen| {
            let mut models = seen.report.models.iter();
            seen.state.is_usable() && models.any(|found| *found.name == *self.instance.as_str())
        })
    }

    fn last_stopped(&self) -> Option<String> {
        self.stopped().last().cloned()
    }

    fn stopped(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine that is meant, of those that serve what is compiled.
fn builder(snapshot: &Snapshot, named: &NamedModel) -> Result<(usize, Arc<Engine>), ApiError> {
    let wanted = super::target::named_engine(snapshot, named)?;
    let mut fleet = snapshot.fleet.iter().enumerate();
    let is_meant = |index: usize, engine: &Engine| match wanted {
        Some(wanted) => index == wanted,
        None => compiles(engine.kind),
    };
    let found = fleet.find(|(index, engine)| is_meant(*index, engine));
    let (index, engine) = found.ok_or_else(refusal::no_engine)?;
    if !compiles(engine.kind) {
        return Err(refusal::nothing_to_build(engine));
    }
    Ok((index, Arc::clone(engine)))
}

fn compiles(kind: EngineKind) -> bool {
    match kind {
        EngineKind::Trtllm | EngineKind::EdgeLlm => true,
        EngineKind::Ollama | EngineKind::Openai | EngineKind::Starter => false,
    }
}

fn check(folder: &Folder) -> Result<(), ApiError> {
    // One that may not be looked into is left to systemd, which may.
    if matches!(folder.is_there(), Ok(false)) {
        return Err(refusal::no_model(folder));
    }
    match folder.room() {
        Some(room) if room.free < room.wanted => Err(refusal::no_room(folder, room)),
        Some(_) | None => Ok(()),
    }
}

/// Why nothing more will come of a unit that was started; none while it runs.
fn ending(unit: Option<&UnitHealth>, restarts_before: u32) -> Option<String> {
    let Some(unit) = unit else {
        return Some("it is not installed any more".to_owned());
    };
    let how = unit.result.as_deref().unwrap_or("it ended by itself");
    let is_over = matches!(&*unit.state, "failed" | "inactive" | "deactivating");
    // One that is tried again would compile the same once more, and fail the same.
    (is_over || unit.restarts > restarts_before).then(|| how.to_owned())
}

/// The server says nothing of its own progress; what is known is the time.
fn compiling(time: Duration) -> String {
    match time.as_secs() / 60 {
        0 => "compiling".to_owned(),
        minutes => format!("compiling, {minutes} min so far"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_ends_or_is_tried_again_builds_nothing() {
        let unit = |state: &str, result: Option<&str>, restarts| UnitHealth {
            name: "tensorrt-llm@qwen.service".to_owned(),
            state: state.to_owned(),
            substate: String::new(),
            result: result.map(str::to_owned),
            restarts,
        };
        let why = |unit: UnitHealth| ending(Some(&unit), 2);
        assert_eq!(why(unit("active", None, 2)), None);
        assert_eq!(why(unit("activating", None, 2)), None);
        assert_eq!(
            why(unit("activating", Some("exit-code"), 3)).unwrap(),
            "exit-code"
        );
        assert_eq!(
            why(unit("failed", Some("oom-kill"), 2)).unwrap(),
            "oom-kill"
        );
        assert!(why(unit("inactive", None, 0)).is_some());
        assert!(ending(None, 0).is_some());
        assert_eq!(compiling(Duration::from_secs(59)), "compiling");
        assert_eq!(
            compiling(Duration::from_secs(1830)),
            "compiling, 30 min so far"
        );
    }
}
