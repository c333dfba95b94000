//! Replies that come line by line, each a JSON document (application/x-ndjson), for as long as something happens.

use crate::{gateway::Caller, lifetime::Lifetime};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderName, HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Serialize;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Engines tell of their progress some sixteen times a second; nobody reads so fast.
const BETWEEN_EVENTS: Duration = Duration::from_millis(200);

/// Something at which nothing happens is told again, so that a client that has gone is noticed.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// A document as a line.
pub(super) fn line(document: &impl Serialize) -> Bytes {
    // These are structs of numbers and texts, which serialise.
    let mut line = serde_json::to_vec(document).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// The reply; it ends with the daemon, and with the key that it was asked for with.
pub(super) fn reply(
    lines: impl Stream<Item = Bytes> + Send + 'static,
    caller: &Caller,
    lifetime: &Lifetime,
) -> Response {
    let lifetime = lifetime.clone();
    let stopping = Box::pin(async move { lifetime.stopping().await });
    let frames = lines
        .take_until(stopping)
        .map(|line| Ok::<_, Infallible>(Frame::data(line)));
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx in front would hold lines back until it has a buffer full.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    if let Some(key) = caller.allowance.key() {
        response.extensions_mut().insert(Arc::clone(key));
    }
    response
}

/// Something as it goes on, until it is over.
pub(super) fn following<T>(
    changes: watch::Receiver<T>,
    is_over: impl Fn(&T) -> bool + Send,
) -> impl Stream<Item = Bytes> + Send
where
    T: Clone + Serialize + Send + Sync,
{
    struct Following<T, F> {
        changes: watch::Receiver<T>,
        is_over: F,
        is_first: bool,
        was_last: bool,
    }
    let start = Following {
        changes,
        is_over,
        is_first: true,
        was_last: false,
    };
    stream::unfold(start, |mut following| async {
        if following.was_last {
            return None;
        }
        if !following.is_first {
            sleep(BETWEEN_EVENTS).await;
            // What is forgotten was over, and that has been told.
            if let Ok(Err(_)) = timeout(LONGEST_SILENCE, following.changes.changed()).await {
                return None;
            }
        }
        let now = following.changes.borrow_and_update().clone();
        following.is_first = false;
        following.was_last = (following.is_over)(&now);
        Some((line(&now), following))
    })
}
