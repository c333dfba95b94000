//! Replies that come line by line, each a JSON document (application/x-ndjson), for as long as something happens.

use crate::{gateway::Caller, lifetime::Lifetime};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderName, HeaderValue, header};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Serialize;
use std::{convert::Infallible, sync::Arc};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

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
