//! `/thox/v1/update`: where an update is, what went wrong, and what can be asked for.

use super::{
    device::json,
    document::{document, on_disk},
    error::Refused,
    lines::{following, reply},
    routes::SharedDoor,
};
use crate::{gateway::Caller, updater::Source};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use thox_api::{ApiError, ErrorKind, InstallUpdate, OfferUpdate, Update, UpdateState};

/// What to follow.
#[derive(Debug, Deserialize)]
pub struct Follow {
    follow: Option<bool>,
}

/// What is offered no more.
#[derive(Debug, Deserialize)]
pub struct Within {
    folder: String,
}

/// `GET /thox/v1/update`
pub async fn update(
    State(door): State<SharedDoor>,
    Extension(caller): Extension<Caller>,
    what: Result<Query<Follow>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(what) = what.map_err(|error| unreadable(&error, "follow=true"))?;
    if what.follow.unwrap_or(false) {
        let is_over = |update: &Update| update.state != UpdateState::Installing;
        let events = following(door.updater.changes(), is_over);
        return Ok(reply(events, &caller, &door.lifetime));
    }
    json(StatusCode::OK, &door.updater.now())
}

/// `GET /thox/v1/update/why`
pub async fn why(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let updater = door.updater.clone();
    let evidence = on_disk(move || Ok(updater.why())).await?;
    json(StatusCode::OK, &evidence)
}

/// `POST /thox/v1/update/install`
pub async fn install(
    State(door): State<SharedDoor>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let InstallUpdate { source } = document(&door, &headers, body).await?;
    let source = Source::parse(&source)?;
    // Whoever is on the device needs no key, and whoever comes over the network cannot be here without one.
    if let (Source::Path(path), Some(_)) = (&source, caller.allowance.key()) {
        let message = format!(
            "{path} names a file of the device and is not taken over the network. On the device: thox update install {path}; from elsewhere, the URL of a bundle."
        );
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .param("source")
            .into());
    }
    json(StatusCode::ACCEPTED, &door.updater.install(source).await?)
}

/// `POST /thox/v1/update/rollback`
pub async fn rollback(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    json(StatusCode::ACCEPTED, &door.updater.roll_back().await?)
}

/// `PUT /thox/v1/update/offer`
pub async fn offer(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let OfferUpdate { path } = document(&door, &headers, body).await?;
    json(StatusCode::OK, &door.updater.offer(&path).await?)
}

/// `DELETE /thox/v1/update/offer?folder=FOLDER`
pub async fn withdraw(
    State(door): State<SharedDoor>,
    what: Result<Query<Within>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(Within { folder }) = what.map_err(|error| unreadable(&error, "folder=FOLDER"))?;
    json(StatusCode::OK, &door.updater.withdraw(&folder).await?)
}

fn unreadable(error: &QueryRejection, takes: &str) -> ApiError {
    let message = format!(
        "the query cannot be read: {}. It takes {takes}.",
        error.body_text()
    );
    ApiError::new(ErrorKind::InvalidRequest, message)
}
