//! What is done to the units that run engines, and what is seen of it: the service manager's word that it is done, and a
//! look at the engine.

use crate::{
    systemd::{Units, Verb},
    world::Worlds,
};
use std::{sync::Arc, time::Duration};
use thox_api::{ApiError, EngineChanged, ErrorKind};

/// Everything that is done to engines.
#[derive(Clone, Debug)]
pub struct Engines {
    worlds: Arc<Worlds>,
    units: Units,
}

/// A look takes milliseconds; one that hangs is no reason not to answer.
const LOOK: Duration = Duration::from_secs(5);

impl Engines {
    /// Of these.
    #[must_use]
    pub fn new(worlds: Arc<Worlds>, units: Units) -> Self {
        Self { worlds, units }
    }

    /// Starts, stops or restarts the unit of an engine, and waits until it is done.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn carry_out(&self, engine: &str, verb: Verb) -> Result<EngineChanged, ApiError> {
        let snapshot = self.worlds.current();
        let mut fleet = snapshot.fleet.iter();
        let Some(index) = fleet.position(|one| *one.name == *engine) else {
            return Err(unknown(engine, snapshot.fleet.iter().map(|one| &*one.name)));
        };
        let done = self.units.carry_out(engine, verb).await;
        // Also where it failed: whether it still answers is no longer sure.
        self.worlds.look_at(index, LOOK).await;
        Ok(EngineChanged {
            object: "engine.changed".to_owned(),
            engine: engine.to_owned(),
            unit: done?,
        })
    }
}

fn unknown<'a>(engine: &str, known: impl Iterator<Item = &'a str>) -> ApiError {
    let names: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    let shown: String = engine.chars().take(80).collect();
    let message = format!(
        "there is no engine {shown:?}. There are: {}.",
        names.join(", ")
    );
    ApiError::new(ErrorKind::EngineNotFound, message).param("engine")
}
