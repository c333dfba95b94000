//! All doors together: which routes there are, and what each is for.

use crate::{gateway::Gateway, http, http::Routes, lifetime::Lifetime, settings::Mcp, ws};
use axum::routing::MethodFilter;
use std::sync::Arc;
use thox_policy::access::Plane;

/// The routes of every door.
#[must_use]
pub fn doors(door: http::Door, mcp: &Mcp, lifetime: &Lifetime) -> Routes<()> {
    let guard = Arc::clone(&door.guard);
    let sockets = ws::Door {
        gateway: Gateway::clone(&door.gateway),
        server: Arc::clone(&door.server),
        lifetime: lifetime.clone(),
    };
    let tools = tools(&door, mcp, lifetime);
    http::routes(door)
        .merge(
            Routes::new(guard)
                .route(Plane::Inference, MethodFilter::GET, "/v1/stream", ws::open)
                .with_state(sockets),
        )
        .merge(tools)
}

/// `/mcp`: each method for itself, since a route without a plane does not exist.
#[cfg(feature = "mcp")]
fn tools(door: &http::Door, settings: &Mcp, lifetime: &Lifetime) -> Routes<()> {
    use crate::mcp;
    let state = mcp::Door::new(
        Gateway::clone(&door.gateway),
        Arc::clone(&door.server),
        settings,
        lifetime,
    );
    Routes::new(Arc::clone(&door.guard))
        .route(Plane::Inference, MethodFilter::POST, "/mcp", mcp::receive)
        .route(Plane::Inference, MethodFilter::GET, "/mcp", mcp::listen)
        .route(Plane::Inference, MethodFilter::DELETE, "/mcp", mcp::end)
        .with_state(state)
}

#[cfg(not(feature = "mcp"))]
fn tools(door: &http::Door, _: &Mcp, _: &Lifetime) -> Routes<()> {
    Routes::new(Arc::clone(&door.guard)).with_state(())
}
