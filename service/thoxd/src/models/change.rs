//! Load, unload, delete: the engine's word that it is done, and a look that shows it.

use super::{
    Models,
    target::{Several, Target, installed},
};
use crate::engine::{Verb, verbs::carry_out};
use std::time::{Duration, Instant};
use thox_api::{ApiError, ModelAction, ModelChanged, NamedModel};

/// Ollama answers these at once, unless it is busy with its disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// A look takes milliseconds; one that hangs is no reason not to answer.
const LOOK: Duration = Duration::from_secs(5);

/// Ollama gives the memory back after its reply, usually within half a second.
const UNLOADING: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

impl Models {
    /// Takes a model into memory, and waits until it is there.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn load(&self, named: &NamedModel) -> Result<ModelChanged, ApiError> {
        let target = installed(&self.worlds.current(), named, Several::First)?;
        let verb = if target.is_embedding {
            Verb::LoadEmbedding
        } else {
            Verb::Load
        };
        // A model that is loaded for a request has that time too.
        let patience = target.engine.first_byte_timeout;
        self.change(&target, verb, patience, ModelAction::Loaded)
            .await
    }

    /// Drops a model from memory, and waits until it is gone.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn unload(&self, named: &NamedModel) -> Result<ModelChanged, ApiError> {
        let target = installed(&self.worlds.current(), named, Several::Ask)?;
        let changed = self
            .change(&target, Verb::Unload, PATIENCE, ModelAction::Unloaded)
            .await?;
        let until = Instant::now() + UNLOADING;
        while self.is_loaded(&target) && Instant::now() < until {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            self.worlds.look_at(target.index, LOOK).await;
        }
        Ok(changed)
    }

    /// Removes a model from the engine's disk.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn delete(&self, named: &NamedModel) -> Result<ModelChanged, ApiError> {
        let target = installed(&self.worlds.current(), named, Several::Ask)?;
        self.change(&target, Verb::Delete, PATIENCE, ModelAction::Deleted)
            .await
    }

    async fn change(
        &self,
        target: &Target,
        verb: Verb,
        patience: Duration,
        action: ModelAction,
    ) -> Result<ModelChanged, ApiError> {
        let Target {
            index,
            engine,
            model,
            ..
        } = target;
        let done = carry_out(engine, verb, model, patience).await;
        // Also where it failed: what the engine has is no longer sure.
        self.worlds.look_at(*index, LOOK).await;
        done?;
        tracing::info!(engine = %engine.name, %model, ?action, "a model was changed");
        Ok(ModelChanged {
            object: "model.changed".to_owned(),
            model: model.to_string(),
            engine: engine.name.to_string(),
            action,
        })
    }

    fn is_loaded(&self, target: &Target) -> bool {
        let snapshot = self.worlds.current();
        let name = target.model.to_string();
        snapshot.reports.get(target.index).is_some_and(|seen| {
            let mut models = seen.report.models.iter();
            models.any(|found| found.is_loaded && *found.name == *name)
        })
    }
}
