//! Paths and handlers, each with what it is for.

use super::{
    access, assets, claim, device, engines, gate::Routes, inference, models, running, settings,
    update,
};
use crate::{
    bus::Bus,
    engines::Engines,
    gateway::Gateway,
    guard::Guard,
    lifetime::Lifetime,
    models::Models,
    observe::Recent,
    reload::Reload,
    settings::{Live, Server},
    tls::Tls,
    updater::Updater,
};
use axum::routing::MethodFilter;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use thox_policy::access::Plane;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const DELETE: MethodFilter = MethodFilter::DELETE;

/// What every handler works with.
#[derive(Clone, Debug)]
pub struct Door {
    /// The path of a request.
    pub gateway: Gateway,
    /// Limits and times.
    pub server: Arc<Server>,
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// Folder of what survives.
    pub state: Arc<PathBuf>,
    /// The plain address to point others at, as it is bound.
    pub plain: Option<SocketAddr>,
    /// TLS, where it is on.
    pub encrypted: Option<Encrypted>,
    /// The settings, for those that are changed while thoxd runs.
    pub settings: Arc<Live>,
    /// Reads them again.
    pub reload: Reload,
    /// What is done to models.
    pub models: Models,
    /// Updates of the device's system.
    pub updater: Updater,
    /// What is done to the engines' units.
    pub engines: Engines,
    /// The last lines of the log.
    pub log: Recent,
    /// The machine's message bus.
    pub bus: Bus,
    /// The daemon's end, and its restart.
    pub lifetime: Lifetime,
    /// Tells this run of thoxd from others.
    pub instance: Arc<str>,
}

/// As each handler gets it: shared, since a copy for each request would count a dozen references up and down.
pub type SharedDoor = Arc<Door>;

/// The encrypted port.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// Its certificate.
    pub tls: Tls,
    /// On which ports.
    pub ports: Vec<u16>,
}

/// The routes of this door.
pub fn routes(door: Door) -> Routes<()> {
    use Plane::{Administration, Device, Inference, Public};
    Routes::new(Arc::clone(&door.guard))
        .direct(Inference, POST, "/v1/chat/completions", inference::chat)
        .direct(Inference, POST, "/v1/completions", inference::completions)
        .direct(Inference, POST, "/v1/embeddings", inference::embeddings)
        .route(Inference, GET, "/v1/models", device::models)
        .route(Inference, GET, "/v1/models/{*id}", device::model)
        .route(Public, GET, "/v1/health", device::health)
        .route(Public, GET, "/health", device::health)
        .route(Inference, GET, "/v1/router/status", device::router_status)
        .route(Inference, GET, "/router/status", device::router_status)
        .route(Inference, GET, "/thox/v1/router/explain", device::explain)
        .route(Inference, GET, "/thox/v1/status", access::status)
        .route(Inference, GET, "/metrics", device::metrics)
        .route(Public, GET, "/openapi.json", device::openapi)
        .route(Public, GET, "/", assets::page)
        .route(Public, GET, "/page/{file}", assets::file)
        .route(Public, POST, "/thox/v1/claim", claim::claim)
        .route(Device, GET, "/thox/v1/claim-code", claim::claim_code)
        .route(Administration, GET, "/thox/v1/auth", access::auth)
        .route(Administration, PUT, "/thox/v1/auth", access::set_auth)
        .route(Administration, GET, "/thox/v1/keys", access::keys)
        .route(Administration, POST, "/thox/v1/keys", access::make_key)
        .route(
            Administration,
            DELETE,
            "/thox/v1/keys/{id}",
            access::revoke_key,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/keys/{id}/rotate",
            access::rotate_key,
        )
        .route(Administration, DELETE, "/thox/v1/data", access::clear_data)
        .route(Administration, POST, "/thox/v1/reset", claim::reset)
        .route(
            Administration,
            GET,
            "/thox/v1/models/downloads",
            models::downloads,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/models/downloads",
            models::download,
        )
        .route(
            Administration,
            GET,
            "/thox/v1/models/downloads/{id}",
            models::one_download,
        )
        .route(
            Administration,
            DELETE,
            "/thox/v1/models/downloads/{id}",
            models::cancel_download,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/models/builds",
            models::build,
        )
        .route(Administration, POST, "/thox/v1/models/load", models::load)
        .route(
            Administration,
            POST,
            "/thox/v1/models/unload",
            models::unload,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/models/delete",
            models::delete,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/engines/{name}/start",
            engines::start,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/engines/{name}/stop",
            engines::stop,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/engines/{name}/restart",
            engines::restart,
        )
        .route(Administration, GET, "/thox/v1/settings", settings::list)
        .route(
            Administration,
            GET,
            "/thox/v1/settings/{key}",
            settings::get,
        )
        .route(
            Administration,
            PUT,
            "/thox/v1/settings/{key}",
            settings::set,
        )
        .route(
            Administration,
            DELETE,
            "/thox/v1/settings/{key}",
            settings::unset,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/settings/reload",
            settings::reload,
        )
        .route(Inference, GET, "/thox/v1/update", update::update)
        .route(Administration, GET, "/thox/v1/update/why", update::why)
        .route(
            Administration,
            POST,
            "/thox/v1/update/install",
            update::install,
        )
        .route(
            Administration,
            POST,
            "/thox/v1/update/rollback",
            update::rollback,
        )
        .route(Device, PUT, "/thox/v1/update/offer", update::offer)
        .route(Device, DELETE, "/thox/v1/update/offer", update::withdraw)
        .route(Administration, GET, "/thox/v1/logs", running::logs)
        .route(Administration, POST, "/thox/v1/restart", running::restart)
        .route(Administration, POST, "/thox/v1/reboot", running::reboot)
        .with_state(Arc::new(door))
}
