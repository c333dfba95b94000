//! What the properties show, as of one moment.

use super::Door;
use std::collections::BTreeMap;
use thox_api::{
    BackendHealth, BackendState, Download, ModelObject, OverallStatus, Update, UpdateOutcome,
    UpdateState,
};
use zbus::{OwnedVariant, Variant};

/// Everything that changes.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) health: OverallStatus,
    pub(super) notes: Vec<String>,
    pub(super) engines: Vec<BackendHealth>,
    pub(super) models: Vec<ModelObject>,
    pub(super) update: Update,
}

/// Things by their names, each with what is known of it.
pub(super) type Table = BTreeMap<String, BTreeMap<String, OwnedVariant>>;

impl View {
    pub(super) fn of(door: &Door) -> Self {
        let lan = &door.guard.lan;
        let health = door.worlds.device_health(lan, &door.bus, &door.lifetime);
        Self {
            name: lan.name(),
            health: health.status,
            notes: health.notes,
            engines: health.backends,
            models: door.worlds.models().data,
            update: door.updater.now(),
        }
    }

    pub(super) fn engines(&self) -> Table {
        let row = |engine: &BackendHealth| {
            let mut row = Row::default()
                .with("Kind", engine.kind.as_str())
                .with("Backend", engine.backend.as_str())
                .with("State", state(engine.state))
                .with("Models", u32::try_from(engine.models).unwrap_or(u32::MAX))
                .with_some("Reason", engine.reason.as_deref())
                .with_some("Version", engine.version.as_deref());
            if let Some(unit) = &engine.unit {
                row = row
                    .with("Unit", unit.name.as_str())
                    .with("UnitState", unit.state.as_str())
                    .with("UnitSubState", unit.substate.as_str())
                    .with("UnitRestarts", unit.restarts)
                    .with_some("UnitResult", unit.result.as_deref());
            }
            (engine.name.clone(), row.0)
        };
        self.engines.iter().map(row).collect()
    }

    pub(super) fn update(&self) -> Fields {
        let Update {
            available,
            note,
            state,
            version,
            progress,
            slots,
            last,
            object: _,
        } = &self.update;
        let running = slots.iter().find(|slot| slot.running);
        let next = slots.iter().find(|slot| slot.next);
        let row = Row::default()
            .with("Available", *available)
            .with("State", update_state(*state))
            .with_some("Note", note.as_deref())
            .with_some("Version", version.as_deref())
            .with_some(
                "Percent",
                progress.as_ref().map(|so_far| u32::from(so_far.percent)),
            )
            .with_some("Step", progress.as_ref().map(|so_far| so_far.step.as_str()))
            .with_some("RunningSlot", running.map(|slot| slot.name.as_str()))
            .with_some(
                "RunningVersion",
                running.and_then(|slot| slot.version.as_deref()),
            )
            .with_some("NextSlot", next.map(|slot| slot.name.as_str()))
            .with_some(
                "LastOutcome",
                last.as_ref().map(|last| update_outcome(last.outcome)),
            )
            .with_some(
                "LastVersion",
                last.as_ref().map(|last| last.version.as_str()),
            );
        row.0
    }

    pub(super) fn models(&self) -> Table {
        let row = |model: &ModelObject| {
            let row = Row::default()
                .with("Backend", model.backend.as_str())
                .with("Loaded", model.loaded)
                .with("Starter", model.starter)
                .with_some("StandsFor", model.stands_for.as_deref())
                .with_some("Parameters", model.parameters)
                .with_some("ContextLength", model.context_length)
                .with_some("Capabilities", model.capabilities.clone());
            (model.id.clone(), row.0)
        };
        self.models.iter().map(row).collect()
    }
}

/// One thing, with what is known of it.
pub(super) type Fields = BTreeMap<String, OwnedVariant>;

/// Downloads, as they are now.
pub(super) fn downloads(list: &[Download]) -> Table {
    let row = |download: &Download| {
        let error = download.error.as_ref();
        let row = Row::default()
            .with("Model", download.model.as_str())
            .with("Engine", download.engine.as_str())
            .with("State", download.state.as_str())
            .with("Status", download.status.as_str())
            .with("Bytes", download.bytes)
            .with("Created", download.created)
            .with_some("Total", download.total)
            .with_some("BytesPerSecond", download.bytes_per_second)
            .with_some("Finished", download.finished)
            .with_some("Error", error.map(|error| error.message.as_str()));
        (download.id.clone(), row.0)
    };
    list.iter().map(row).collect()
}

#[derive(Default)]
struct Row(Fields);

impl Row {
    fn with<'v>(mut self, name: &str, value: impl Into<Variant<'v>>) -> Self {
        // Only descriptors of files cannot be had for good, and none is here.
        if let Ok(value) = value.into().try_into() {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn with_some<'v>(self, name: &str, value: Option<impl Into<Variant<'v>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// In the words of `/health`.
pub(super) fn health(status: OverallStatus) -> &'static str {
    match status {
        OverallStatus::Healthy => "healthy",
        OverallStatus::Degraded => "degraded",
        OverallStatus::Unhealthy => "unhealthy",
    }
}

fn state(state: BackendState) -> &'static str {
    match state {
        BackendState::Up => "up",
        BackendState::Unknown => "unknown",
        BackendState::Resting => "resting",
        BackendState::Down => "down",
    }
}

fn update_state(state: UpdateState) -> &'static str {
    match state {
        UpdateState::Idle => "idle",
        UpdateState::Offered => "offered",
        UpdateState::Installing => "installing",
        UpdateState::Staged => "staged",
        UpdateState::Trial => "trial",
    }
}

fn update_outcome(outcome: UpdateOutcome) -> &'static str {
    match outcome {
        UpdateOutcome::Kept => "kept",
        UpdateOutcome::RolledBack => "rolled_back",
        UpdateOutcome::NotInstalled => "not_installed",
        UpdateOutcome::Left => "left",
    }
}
