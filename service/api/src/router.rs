//! The replies of `/router/status` and of `/thox/v1/router/explain`.

use crate::health::BackendHealth;
use serde::{Deserialize, Serialize};

/// What the router does and has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// The rules in force.
    pub rules: RouterRules,
    /// Each engine's health, load and resident models.
    pub backends: Vec<RouterBackend>,
    /// Where each model goes now, and why.
    pub models: Vec<RouterModel>,
    /// The last decisions, newest first.
    pub decisions: Vec<DecisionRecord>,
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterRules {
    /// From this size on models go to TensorRT, such as `10B`.
    pub large_model_threshold: String,
    /// The model that always finds an answer.
    pub default_model: String,
}

/// One engine's load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterBackend {
    /// Its health.
    #[serde(flatten)]
    pub health: BackendHealth,
    /// Its circuit breaker.
    pub circuit: CircuitState,
    /// Requests at the engine now.
    pub in_flight: usize,
    /// Requests that wait for a slot.
    pub queued: usize,
    /// How many may be at the engine at once; 0 for no limit.
    pub slots: usize,
    /// Models in its memory, by its own names.
    pub resident: Vec<String>,
}

/// A circuit breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CircuitState {
    /// Requests pass.
    Closed,
    /// None passes until a probe succeeds.
    Open,
}

/// Where a model goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterModel {
    /// The public name.
    pub id: String,
    /// The road that a chat request would take now; none where it would be refused.
    pub route: Option<RouteChoice>,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<String>,
}

/// One road.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteChoice {
    /// The engine's name.
    pub engine: String,
    /// The label in replies.
    pub backend: String,
    /// The engine's own name for the model.
    pub model: String,
    /// Why this one, or why not.
    pub reason: String,
}

/// `thox router explain MODEL`: the decision and the roads not taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked for.
    pub model: String,
    /// The model's size, where known.
    pub parameters: Option<String>,
    /// Whether the rules count it as large.
    pub is_large: bool,
    /// The road taken.
    pub chosen: Option<RouteChoice>,
    /// The others, in the order in which they would be tried, then those that cannot be.
    pub not_taken: Vec<RouteChoice>,
    /// Why nothing is taken, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<String>,
    /// The rules that decided.
    pub rules: RouterRules,
}

/// A request that was decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Unix time in milliseconds of its end.
    pub at_ms: u64,
    /// `x-request-id`.
    pub request_id: String,
    /// What was asked for.
    pub model: String,
    /// `chat`, `completions`, `embeddings`.
    pub endpoint: String,
    /// The engine that answered, if one did.
    pub engine: Option<String>,
    /// Why this one.
    pub reason: Option<String>,
    /// How it ended: `completed`, `cancelled`, `failed`, `refused`.
    pub outcome: String,
    /// From the request's arrival to its end.
    pub ms: u64,
}
