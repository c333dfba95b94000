//! The body of a request, for every door: declared as JSON, in one piece, bounded.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use std::time::Duration;
use thox_api::{ApiError, ErrorKind};

/// A body has to be declared as JSON: a page of another origin can send anything else unasked.
///
/// # Errors
/// It is not.
pub fn must_be_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let found = if essence.is_empty() {
        "has no Content-Type".to_owned()
    } else {
        format!("is `{essence}`")
    };
    let message = format!("the body {found}: send JSON with `Content-Type: application/json`.");
    Err(ApiError::new(ErrorKind::UnsupportedMediaType, message))
}

/// The whole body, or `None` where it is larger than `limit`.
///
/// What is too large is read on for a moment and thrown away: a client that is still sending when the connection closes
/// sees a broken pipe and never the 413.
///
/// # Errors
/// It broke off.
pub async fn collect(mut body: Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    const DRAIN: Duration = Duration::from_secs(2);
    /// A long conversation; above it the memory grows as the bytes come.
    const MOST_AHEAD: usize = 256 << 10;
    let announced = body.size_hint().exact().map_or(0, |size| {
        usize::try_from(size).unwrap_or(usize::MAX).min(limit)
    });
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > limit {
            let drain = async { while let Some(Ok(_)) = body.frame().await {} };
            let _ = tokio::time::timeout(DRAIN, drain).await;
            return Ok(None);
        }
        // Nearly every body comes in one frame, which is passed on as it is.
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            // What is announced need not come: memory is taken with the second frame, and no more than hyper reads ahead
            // at first.
            whole.reserve(announced.clamp(
                first.len() + data.len(),
                MOST_AHEAD.max(first.len() + data.len()),
            ));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(if whole.is_empty() {
        first
    } else {
        whole.into()
    }))
}

/// A body that did not come to its end.
#[must_use]
pub fn broken(error: &axum::Error) -> ApiError {
    let message = "the body broke off before its end. Send the request again.";
    ApiError::new(ErrorKind::InvalidRequest, message).cause(error)
}

/// A body that took longer than a client has for it.
#[must_use]
pub fn late(patience: Duration) -> ApiError {
    let message = format!(
        "the body did not arrive within {patience:?}. Send the request again, or raise server.body_timeout."
    );
    ApiError::new(ErrorKind::RequestTimeout, message)
}
