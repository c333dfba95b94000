//! `/thox/v1/models/…`: downloads, builds, load, unload, delete.

use super::{
    device::json,
    document::document,
    error::Refused,
    lines::{following, reply},
    routes::SharedDoor,
};
use crate::gateway::Caller;
use axum::{
    Extension,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use thox_api::{ApiError, Download, DownloadList, ErrorKind, NamedModel};

/// What to follow.
#[derive(Debug, Deserialize)]
pub struct Follow {
    follow: Option<bool>,
}

/// `POST /thox/v1/models/downloads`
pub async fn download(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let named: NamedModel = document(&door, &headers, body).await?;
    let begun = door.models.downloads().begin(&named)?;
    json(StatusCode::ACCEPTED, &begun)
}

/// `POST /thox/v1/models/builds`
pub async fn build(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let named: NamedModel = document(&door, &headers, body).await?;
    let begun = door.models.downloads().build(&named).await?;
    json(StatusCode::ACCEPTED, &begun)
}

/// `GET /thox/v1/models/downloads`
pub async fn downloads(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let list = DownloadList {
        object: "list".to_owned(),
        data: door.models.downloads().list(),
    };
    json(StatusCode::OK, &list)
}

/// `GET /thox/v1/models/downloads/{id}`
pub async fn one_download(
    State(door): State<SharedDoor>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    what: Result<Query<Follow>, QueryRejection>,
) -> Result<Response, Refused> {
    let changes = door.models.downloads().follow(&path(id)?)?;
    let Query(what) = what.map_err(|error| {
        let message = format!(
            "the query cannot be read: {}. It takes follow=true.",
            error.body_text()
        );
        ApiError::new(ErrorKind::InvalidRequest, message).param("follow")
    })?;
    if what.follow.unwrap_or(false) {
        let events = following(changes, |download: &Download| download.state.is_over());
        return Ok(reply(events, &caller, &door.lifetime));
    }
    let now = changes.borrow().clone();
    json(StatusCode::OK, &now)
}

/// `DELETE /thox/v1/models/downloads/{id}`
pub async fn cancel_download(
    State(door): State<SharedDoor>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let over = door.models.downloads().cancel(&path(id)?).await?;
    json(StatusCode::OK, &over)
}

/// `POST /thox/v1/models/load`
pub async fn load(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let named: NamedModel = document(&door, &headers, body).await?;
    json(StatusCode::OK, &door.models.load(&named).await?)
}

/// `POST /thox/v1/models/unload`
pub async fn unload(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let named: NamedModel = document(&door, &headers, body).await?;
    json(StatusCode::OK, &door.models.unload(&named).await?)
}

/// `POST /thox/v1/models/delete`
pub async fn delete(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let named: NamedModel = document(&door, &headers, body).await?;
    json(StatusCode::OK, &door.models.delete(&named).await?)
}

pub(super) fn path(part: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    let Path(part) = part.map_err(|error| {
        let message = format!(
            "the path cannot be read: {}. GET /openapi.json lists the paths.",
            error.body_text()
        );
        ApiError::new(ErrorKind::InvalidRequest, message)
    })?;
    Ok(part)
}
