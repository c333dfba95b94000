//! All doors together: which routes there are, and what each is for.

use crate::{gateway::Gateway, http, http::Routes, lifetime::Lifetime, ws};
use axum::routing::MethodFilter;
use std::sync::Arc;
use thox_policy::access::Plane;

/// The routes of every door.
#[must_use]
pub fn doors(door: http::Door, lifetime: &Lifetime) -> Routes<()> {
    let guard = Arc::clone(&door.guard);
    let sockets = ws::Door {
        gateway: Gateway::clone(&door.gateway),
        server: Arc::clone(&door.server),
        lifetime: lifetime.clone(),
    };
    http::routes(door).merge(
        Routes::new(guard)
            .route(Plane::Inference, MethodFilter::GET, "/v1/stream", ws::open)
            .with_state(sockets),
    )
}
