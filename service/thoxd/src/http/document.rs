//! The small JSON documents that administration takes, and what waits for the disk.

use super::{
    device::internal,
    error::Refused,
    inference::{Limit, read},
    routes::Door,
};
use crate::guard::body::must_be_json;
use axum::body::Body;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use thox_api::{ApiError, ErrorKind};

/// The largest document here has a name and a few numbers; `server.max_body` is for pictures.
pub(super) const LARGEST: usize = 64 << 10;

/// The JSON document that a request brings.
pub(super) async fn document<T: DeserializeOwned>(
    door: &Door,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    must_be_json(headers)?;
    let bytes = read(body, Limit::Route(LARGEST), door).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!(
            "the body cannot be read: {error}. GET /openapi.json tells what this route takes."
        );
        ApiError::new(ErrorKind::InvalidRequest, message)
    })
}

/// Waits for the disk where no other request waits with it.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, Refused> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(internal(&error)),
    }
}
