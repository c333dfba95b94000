//! `/thox/v1/update`: where an update is, what went wrong, and what can be asked for.

use super::{
    device::json,
    document::{document, on_disk},
    error::Refused,
    lines::{line, reply},
    routes::SharedDoor,
};
use crate::{gateway::Caller, updater::Source};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::time::Duration;
use thox_api::{ApiError, ErrorKind, InstallUpdate, OfferUpdate, Update, UpdateState};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// RAUC tells of a hundred steps; nobody reads faster.
const BETWEEN_EVENTS: Duration = Duration::from_millis(200);

/// An update at which nothing happens is told again, so that a client that has gone is noticed.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

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
        return Ok(reply(
            events(door.updater.changes()),
            &caller,
            &door.lifetime,
        ));
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

/// The update as it goes on, for as long as one is being installed.
fn events(changes: watch::Receiver<Update>) -> impl Stream<Item = Bytes> + Send {
    struct Following {
        changes: watch::Receiver<Update>,
        is_first: bool,
        is_over: bool,
    }
    let start = Following {
        changes,
        is_first: true,
        is_over: false,
    };
    stream::unfold(start, |mut following| async {
        if following.is_over {
            return None;
        }
        if !following.is_first {
            sleep(BETWEEN_EVENTS).await;
            // The updater lasts as long as the process.
            if let Ok(Err(_)) = timeout(LONGEST_SILENCE, following.changes.changed()).await {
                return None;
            }
        }
        let now = following.changes.borrow_and_update().clone();
        following.is_first = false;
        following.is_over = now.state != UpdateState::Installing;
        Some((line(&now), following))
    })
}
