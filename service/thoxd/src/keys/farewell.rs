//! What a stream of events says last when the key is revoked that it was asked with.

use bytes::Bytes;
use thox_api::{ApiError, ErrorKind};

/// The last event of a reply whose protocol is not OpenAI's, as it goes out; an extension of the response. Empty where the
/// protocol has none: the stream ends.
#[derive(Clone, Debug)]
pub struct Farewell(pub Bytes);

/// Why the reply ends.
#[must_use]
pub fn revoked() -> ApiError {
    let message = "the key of this request has been revoked. Ask the device's owner for another.";
    ApiError::new(ErrorKind::KeyRevoked, message)
}
