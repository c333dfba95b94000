//! The running daemon and its device: the log, their restarts.

use super::{
    confirm::must_be_meant,
    device::json,
    document::{document, on_disk},
    error::Refused,
    lines::{line, reply},
    routes::SharedDoor,
};
use crate::{gateway::Caller, observe::Recent, reload::to_api, systemd::login1};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use thox_api::{ApiError, ErrorKind, LogLevel, LogLine, Reboot, Rebooting, Restarting};
use tokio::{sync::watch, time::timeout};

/// As many as a person reads.
const USUAL_LINES: usize = 100;

/// An empty line so often while nothing is logged: a client that has gone is noticed, and no proxy takes the silence for
/// a failure.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// Which lines.
#[derive(Debug, Deserialize)]
pub struct Which {
    lines: Option<usize>,
    level: Option<LogLevel>,
    follow: Option<bool>,
}

/// `GET /thox/v1/logs`
pub async fn logs(
    State(door): State<SharedDoor>,
    Extension(caller): Extension<Caller>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(which) = which.map_err(|error| {
        let message = format!(
            "the query cannot be read: {}. It takes lines=N, level=error|warn|info|debug|trace and follow=true.",
            error.body_text()
        );
        ApiError::new(ErrorKind::InvalidRequest, message)
    })?;
    let level = which.level.unwrap_or(LogLevel::Trace);
    // Subscribed before the look: what comes between the two is told twice by nobody and lost by nobody.
    let changes = door.log.changes();
    let last = door.log.last(which.lines.unwrap_or(USUAL_LINES), level);
    let told = last
        .last()
        .map_or_else(|| *changes.borrow(), |line| line.number);
    let first = stream::once(std::future::ready(text(&last)));
    if !which.follow.unwrap_or(false) {
        return Ok(reply(first, &caller, &door.lifetime));
    }
    let more = following(door.log.clone(), changes, level, told);
    Ok(reply(first.chain(more), &caller, &door.lifetime))
}

/// `POST /thox/v1/restart`
pub async fn restart(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    // With settings that are wrong it would end and not start again.
    let settings = Arc::clone(&door.settings);
    on_disk(move || settings.check().map_err(|refused| to_api(&refused))).await?;
    tracing::info!("a restart was asked for");
    door.lifetime.restart();
    let restarting = Restarting {
        object: "restart".to_owned(),
        instance: door.instance.to_string(),
        drain_seconds: door.server.drain_deadline.as_secs(),
    };
    json(StatusCode::ACCEPTED, &restarting)
}

/// `POST /thox/v1/reboot`
pub async fn reboot(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let Reboot { confirm } = document(&door, &headers, body).await?;
    must_be_meant(&door, &confirm, "to restart")?;
    login1::reboot(&door.bus).await?;
    let rebooting = Rebooting {
        object: "reboot".to_owned(),
        name: door.guard.lan.name(),
        instance: door.instance.to_string(),
    };
    json(StatusCode::ACCEPTED, &rebooting)
}

/// The lines after number `told`, as they come.
fn following(
    log: Recent,
    changes: watch::Receiver<u64>,
    level: LogLevel,
    told: u64,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(
        (log, changes, told),
        move |(log, mut changes, told)| async move {
            changes.borrow_and_update();
            let mut new = log.after(told, level);
            if new.is_empty() {
                let changed = timeout(LONGEST_SILENCE, changes.changed()).await;
                // The log lasts as long as the process.
                if let Ok(Err(_)) = changed {
                    return None;
                }
                new = log.after(told, level);
            }
            let told = new.last().map_or(told, |line| line.number);
            let text = if new.is_empty() {
                Bytes::from_static(b"\n")
            } else {
                text(&new)
            };
            Some((text, (log, changes, told)))
        },
    )
}

fn text(lines: &[Arc<LogLine>]) -> Bytes {
    let lines: Vec<Bytes> = lines.iter().map(|one| line(&**one)).collect();
    lines.concat().into()
}
