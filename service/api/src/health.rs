//! The reply of `/health` and `/v1/health`.

use serde::{Deserialize, Serialize};

/// The whole reply; `status` and `version` are the two fields that every client may rely on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict; `unhealthy` is sent with HTTP 503.
    pub status: OverallStatus,
    /// thoxd's version.
    pub version: String,
    /// The name by which the device is found on its network; of an older device none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Seconds since thoxd started.
    pub uptime_seconds: u64,
    /// Each configured engine.
    pub backends: Vec<BackendHealth>,
    /// What is wrong or missing, in words, each with the next step.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The verdict on the whole service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverallStatus {
    /// The default model is answered by a real engine and nothing that was up is down.
    Healthy,
    /// Requests are answered, but not all of them or not as configured.
    Degraded,
    /// No engine answers.
    Unhealthy,
}

/// One engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendHealth {
    /// The engine's name in the settings.
    pub name: String,
    /// Its software: `ollama`, `trtllm`, `edge-llm`, `openai`, `starter`.
    pub kind: String,
    /// The label in replies: `ollama`, `tensorrt`, …
    pub backend: String,
    /// Whether it answers.
    pub state: BackendState,
    /// Why not, where it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Its own version, where it tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// How many models it has.
    pub models: usize,
    /// The service manager's unit that runs it, where one does and the service manager answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<UnitHealth>,
}

/// A unit as the service manager sees it (org.freedesktop.systemd1(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitHealth {
    /// Its name.
    pub name: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, …
    pub state: String,
    /// More precisely: `running`, `auto-restart`, `start-limit-hit`, …
    pub substate: String,
    /// How it ended, where it did not end well: `exit-code`, `signal`, `oom-kill`, `start-limit-hit`, `watchdog`, …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<String>,
    /// How often the service manager has restarted it by itself since it was started.
    pub restarts: u32,
}

/// What was done to an engine's unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineChanged {
    /// Always `engine.changed`.
    pub object: String,
    /// The engine's name in the settings.
    pub engine: String,
    /// The unit as it is now.
    pub unit: UnitHealth,
}

/// Whether an engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// It answered when last asked.
    Up,
    /// It was not asked yet.
    Unknown,
    /// It failed too often and is left alone for a while.
    Resting,
    /// It cannot be reached or is not ready.
    Down,
}
