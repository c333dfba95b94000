//! Paths and handlers.

use super::{device, error, inference};
use crate::{gateway::Gateway, settings::Server};
use axum::{
    Router,
    routing::{get, post},
};
use std::sync::Arc;

/// What every handler works with.
#[derive(Clone, Debug)]
pub struct Door {
    /// The path of a request.
    pub gateway: Gateway,
    /// Limits and times.
    pub server: Arc<Server>,
}

/// All routes of this door, and `others`' beside them under the same answers to what is no route.
pub fn routes(door: Door, others: Router<Door>) -> Router {
    Router::new()
        .merge(others)
        .route("/v1/chat/completions", post(inference::chat))
        .route("/v1/completions", post(inference::completions))
        .route("/v1/embeddings", post(inference::embeddings))
        .route("/v1/models", get(device::models))
        .route("/v1/models/{*id}", get(device::model))
        .route("/v1/health", get(device::health))
        .route("/health", get(device::health))
        .route("/v1/router/status", get(device::router_status))
        .route("/router/status", get(device::router_status))
        .route("/thox/v1/router/explain", get(device::explain))
        .route("/metrics", get(device::metrics))
        .route("/openapi.json", get(device::openapi))
        .fallback(error::unknown_path)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(door)
}
