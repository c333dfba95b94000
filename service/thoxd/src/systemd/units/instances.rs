//! Units that the settings do not name: instances of a template, whose names are made and checked by whoever asks.

use super::{CALL, Manager1, Units, systemd1, unreachable};
use std::path::PathBuf;
use thox_api::{ApiError, UnitHealth};
use tokio::time::timeout;

impl Units {
    /// The unit that the settings name for an engine, whether it is installed or not.
    #[must_use]
    pub fn named(&self, engine: &str) -> Option<&str> {
        self.0.named.get(engine).map(String::as_str)
    }

    /// A unit as it is now; none where it is not installed.
    ///
    /// # Errors
    /// systemd cannot be asked.
    pub async fn look_at(&self, unit: &str) -> Result<Option<UnitHealth>, ApiError> {
        self.ask(unit, async |manager| manager.look(unit).await)
            .await
    }

    /// The folders without which a unit does not start (`ConditionPathIsDirectory=`).
    ///
    /// # Errors
    /// systemd cannot be asked.
    pub async fn folders(&self, unit: &str) -> Result<Vec<PathBuf>, ApiError> {
        self.ask(unit, async |manager| manager.folders(unit).await)
            .await
    }

    /// The units whose names are of a pattern and that run, or are about to.
    ///
    /// # Errors
    /// systemd cannot be asked.
    pub async fn running(&self, pattern: &str) -> Result<Vec<String>, ApiError> {
        self.ask(pattern, async |manager| manager.running(pattern).await)
            .await
    }

    async fn ask<T>(
        &self,
        unit: &str,
        what: impl AsyncFnOnce(&Manager1<'_>) -> zbus::Result<T>,
    ) -> Result<T, ApiError> {
        let Some(connection) = self.0.bus.now() else {
            return Err(unreachable(unit, "D-Bus is not there"));
        };
        let manager = Manager1::new(&connection);
        match timeout(CALL, what(&manager)).await {
            Ok(answered) => answered.map_err(|error| systemd1::refusal(unit, &error)),
            Err(_) => Err(unreachable(unit, "it does not answer")),
        }
    }
}
