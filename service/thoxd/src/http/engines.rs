//! `/thox/v1/engines/{name}/…`: start, stop and restart of the units that run engines.

use super::{device::json, error::Refused, models::path, routes::SharedDoor};
use crate::systemd::Verb;
use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::StatusCode;

/// The engine's name in a path.
type Named = Result<Path<String>, PathRejection>;

/// `POST /thox/v1/engines/{name}/start`
pub async fn start(State(door): State<SharedDoor>, name: Named) -> Result<Response, Refused> {
    carry_out(&door, name, Verb::Start).await
}

/// `POST /thox/v1/engines/{name}/stop`
pub async fn stop(State(door): State<SharedDoor>, name: Named) -> Result<Response, Refused> {
    carry_out(&door, name, Verb::Stop).await
}

/// `POST /thox/v1/engines/{name}/restart`
pub async fn restart(State(door): State<SharedDoor>, name: Named) -> Result<Response, Refused> {
    carry_out(&door, name, Verb::Restart).await
}

async fn carry_out(door: &SharedDoor, name: Named, verb: Verb) -> Result<Response, Refused> {
    let name = path(name)?;
    json(StatusCode::OK, &door.engines.carry_out(&name, verb).await?)
}
