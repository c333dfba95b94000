//! `ai.thox.Thoxd1`: properties and methods. The comments are those of the introspection.

use super::{
    Door,
    call::Call,
    refusal::Refused,
    view::{Fields, Table, View, downloads, health},
};
use crate::{
    reload::{not_reloaded, to_api},
    settings::{Edit, Effect, InvalidKey, Key},
    systemd::{Verb, login1},
    updater::Source,
};
use arc_swap::ArcSwap;
use std::{sync::Arc, time::Duration};
use thox_api::{ApiError, ErrorKind, NamedModel, dbus::Action};
use zbus::{Connection, interface, message::Header, object_server::SignalEmitter};

/// The object.
pub(super) struct Thoxd1 {
    door: Door,
    shown: Arc<ArcSwap<View>>,
}

/// The reply leaves before the restart begins.
const REPLY_FIRST: Duration = Duration::from_millis(100);

impl Thoxd1 {
    pub(super) fn new(door: Door, shown: Arc<ArcSwap<View>>) -> Self {
        Self { door, shown }
    }

    /// Tells of what is not as it was before.
    pub(super) async fn tell(&self, before: &View, to: &SignalEmitter<'_>) -> zbus::Result<()> {
        let now = self.shown.load_full();
        if now.name != before.name {
            self.name_changed(to).await?;
        }
        if now.health != before.health {
            self.health_changed(to).await?;
        }
        if now.notes != before.notes {
            self.notes_changed(to).await?;
        }
        if now.engines != before.engines {
            self.engines_changed(to).await?;
        }
        if now.models != before.models {
            self.models_changed(to).await?;
        }
        if now.update != before.update {
            self.update_changed(to).await?;
        }
        Ok(())
    }

    async fn unit(&self, call: Call<'_>, engine: String, verb: Verb) -> Result<String, Refused> {
        let engines = &self.door.engines;
        let work = async { Ok(engines.carry_out(&engine, verb).await?.unit.state) };
        call.run(Action::Engines, work).await
    }
}

#[interface(name = "ai.thox.Thoxd1")]
impl Thoxd1 {
    /// The version of thoxd.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    /// The name by which the device is found on its network, such as thox.local.
    #[zbus(property)]
    fn name(&self) -> String {
        self.shown.load().name.clone()
    }

    /// healthy, degraded or unhealthy.
    #[zbus(property)]
    fn health(&self) -> &str {
        health(self.shown.load().health)
    }

    /// What is wrong or missing, in words, each with the next step.
    #[zbus(property)]
    fn notes(&self) -> Vec<String> {
        self.shown.load().notes.clone()
    }

    /// The engines by name, each with Kind, Backend, State (up, unknown, resting, down), Models, and where there is one
    /// Reason, Version, Unit, UnitState, UnitSubState, UnitRestarts, UnitResult.
    #[zbus(property)]
    fn engines(&self) -> Table {
        self.shown.load().engines()
    }

    /// The models by name, each with Backend, Loaded, Starter, and where it is known StandsFor, Parameters,
    /// ContextLength, Capabilities.
    #[zbus(property)]
    fn models(&self) -> Table {
        self.shown.load().models()
    }

    /// Updates of the device's system: Available, State (idle, offered, installing, staged, trial), and where there is
    /// one Note, Version, Percent, Step, RunningSlot, RunningVersion, NextSlot, LastOutcome (kept, rolled_back,
    /// not_installed, left), LastVersion.
    #[zbus(property)]
    fn update(&self) -> Fields {
        self.shown.load().update()
    }

    /// The downloads under way and the last ones by their ids, each with Model, Engine, State (queued, running,
    /// succeeded, failed, cancelled), Status, Bytes, Created, and where it is known Total, BytesPerSecond, Finished,
    /// Error. Changes are told twice a second at most, and the last one always.
    #[zbus(property)]
    fn downloads(&self) -> Table {
        downloads(&self.door.models.downloads().list())
    }

    /// Reads the settings again, all or nothing. Gives the keys that count now and those that wait for a restart.
    #[zbus(out_args("changed", "restart_needed"))]
    async fn reload(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(Vec<String>, Vec<String>), Refused> {
        let reload = self.door.reload.clone();
        let work = on_disk(move || {
            let changes = reload.now().map_err(|error| not_reloaded(&error))?;
            Ok((changes.at_once, changes.waiting))
        });
        self.call(header, connection)
            .run(Action::Reload, work)
            .await
    }

    /// Changes log.level, at once and for good: error, warn, info, debug, trace or off, or such a level for each part,
    /// info,thoxd=debug.
    async fn set_log_level(
        &self,
        level: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refused> {
        let (settings, reload) = (Arc::clone(&self.door.settings), self.door.reload.clone());
        let work = on_disk(move || {
            let key: Key = "log.level"
                .parse()
                .map_err(|error: InvalidKey| internal(&error))?;
            let changed = settings.change(&key, &Edit::Set(level.into()));
            let (loaded, now) = changed.map_err(|refused| to_api(&refused))?;
            if now.effect == Effect::AtOnce {
                reload.apply(loaded).map_err(|error| not_reloaded(&error))?;
            }
            Ok(())
        });
        self.call(header, connection).run(Action::Log, work).await
    }

    /// Restarts thoxd: requests under way are finished first.
    async fn restart(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refused> {
        let (settings, lifetime) = (Arc::clone(&self.door.settings), self.door.lifetime.clone());
        let work = async {
            // With settings that are wrong it would end and not start again.
            on_disk(move || settings.check().map_err(|refused| to_api(&refused))).await?;
            tracing::info!("a restart was asked for");
            let ended = lifetime.clone();
            lifetime.spawn(async move {
                tokio::time::sleep(REPLY_FIRST).await;
                ended.restart();
            });
            Ok(())
        };
        self.call(header, connection)
            .run(Action::Restart, work)
            .await
    }

    /// Restarts the device: programs are ended in order.
    async fn reboot(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refused> {
        let work = login1::reboot(&self.door.bus);
        self.call(header, connection)
            .run(Action::Reboot, work)
            .await
    }

    /// Begins to install an update: offered, the http or https URL of a bundle, or the path of one. The property Update
    /// tells how far it is; it starts with the device's next restart.
    async fn install_update(
        &self,
        source: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refused> {
        let updater = &self.door.updater;
        let work = async { updater.install(Source::parse(&source)?).await.map(drop) };
        self.call(header, connection)
            .run(Action::Update, work)
            .await
    }

    /// Makes the other slot's system the next one, where it is good, and restarts the device.
    async fn roll_back_update(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refused> {
        let work = async { self.door.updater.roll_back().await.map(drop) };
        self.call(header, connection)
            .run(Action::Update, work)
            .await
    }

    /// Starts the unit of an engine, and waits until it runs. Gives the unit's state.
    #[zbus(out_args("state"))]
    async fn start_engine(
        &self,
        engine: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refused> {
        self.unit(self.call(header, connection), engine, Verb::Start)
            .await
    }

    /// Stops the unit of an engine, and waits until it has ended. Gives the unit's state.
    #[zbus(out_args("state"))]
    async fn stop_engine(
        &self,
        engine: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refused> {
        self.unit(self.call(header, connection), engine, Verb::Stop)
            .await
    }

    /// Restarts the unit of an engine, also one that systemd has given up, and waits until it runs. Gives the unit's
    /// state.
    #[zbus(out_args("state"))]
    async fn restart_engine(
        &self,
        engine: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refused> {
        self.unit(self.call(header, connection), engine, Verb::Restart)
            .await
    }

    /// Takes a model into memory, and waits until it is there. The engine may be empty: any that has the model. Gives
    /// the engine's own name of the model, and the engine.
    #[zbus(out_args("loaded", "on"))]
    async fn load_model(
        &self,
        model: String,
        engine: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(String, String), Refused> {
        let named = named(model, engine);
        let work = async {
            let done = self.door.models.load(&named).await?;
            Ok((done.model, done.engine))
        };
        self.call(header, connection)
            .run(Action::Models, work)
            .await
    }

    /// Drops a model from memory, and waits until it is gone. The engine may be empty where one alone has the model.
    #[zbus(out_args("unloaded", "on"))]
    async fn unload_model(
        &self,
        model: String,
        engine: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(String, String), Refused> {
        let named = named(model, engine);
        let work = async {
            let done = self.door.models.unload(&named).await?;
            Ok((done.model, done.engine))
        };
        self.call(header, connection)
            .run(Action::Models, work)
            .await
    }

    /// Has an engine fetch a model, and returns at once: Downloads tells how far it is. It goes on without the caller;
    /// one that is under way already is not begun twice. The engine may be empty: one that fetches models. Gives the
    /// download's id.
    #[zbus(out_args("download"))]
    async fn pull_model(
        &self,
        model: String,
        engine: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refused> {
        let named = named(model, engine);
        let work = async { Ok(self.door.models.downloads().begin(&named)?.id) };
        self.call(header, connection)
            .run(Action::Models, work)
            .await
    }

    /// Ends a download, and waits until it is over. The engine goes on from what is there when it is asked again. Gives
    /// its state: one that was over before stays as it was.
    #[zbus(out_args("state"))]
    async fn cancel_download(
        &self,
        download: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refused> {
        let work = async {
            let over = self.door.models.downloads().cancel(&download).await?;
            Ok(over.state.as_str().to_owned())
        };
        self.call(header, connection)
            .run(Action::Models, work)
            .await
    }
}

impl Thoxd1 {
    fn call<'a>(&'a self, header: Header<'a>, connection: &'a Connection) -> Call<'a> {
        Call {
            door: &self.door,
            connection,
            header,
        }
    }
}

fn named(model: String, engine: String) -> NamedModel {
    NamedModel {
        model,
        engine: Some(engine).filter(|engine| !engine.is_empty()),
    }
}

/// Waits for the disk where nobody else waits with it.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(internal(&error)))
}

fn internal(cause: &dyn std::error::Error) -> ApiError {
    let message = "thoxd made a mistake; its log says more.";
    ApiError::new(ErrorKind::Internal, message).cause(cause)
}
