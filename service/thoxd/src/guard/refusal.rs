//! What a visitor who may not pass is told: the thing, the cause, the next step.

use std::time::Duration;
use thox_api::{ApiError, ErrorKind};
use thox_policy::{access::Denial, browser::Host, limits::Exhausted};

pub(super) fn denied(denial: Denial, is_claimed: bool) -> ApiError {
    match denial {
        Denial::KeyNeeded if is_claimed => ApiError::new(
            ErrorKind::Unauthorized,
            "a key is needed for this: send it as `Authorization: Bearer sk-…`. The device's owner makes one by `thox auth generate-key`.",
        ),
        Denial::KeyNeeded => ApiError::new(
            ErrorKind::Unauthorized,
            "a key is needed for this, and nobody has claimed this device yet: `thox claim` with the code that the device shows, or that `thox claim-code` prints on it, gives the first one.",
        ),
        Denial::BadKey => ApiError::new(
            ErrorKind::Unauthorized,
            "the key is wrong, expired or revoked. Send a good one as `Authorization: Bearer sk-…`; the device's owner makes one by `thox auth generate-key`.",
        ),
        Denial::WrongRight => ApiError::new(
            ErrorKind::InsufficientScope,
            "this key may ask models and not change the device: it needs one made with --scope admin.",
        ),
        Denial::TooFar => ApiError::new(
            ErrorKind::Forbidden,
            "only the device's own network is answered without a key: send one as `Authorization: Bearer sk-…`, or have the owner add this network to auth.trusted_networks.",
        ),
        Denial::NotAuthorized => ApiError::new(
            ErrorKind::Forbidden,
            "polkit does not let you do this: ask as root, or have the administrator allow it by a rule for this action (pkaction lists them).",
        ),
        Denial::NotHere => ApiError::new(
            ErrorKind::Forbidden,
            "this is answered on the device itself and not over the network: run `thox` there.",
        ),
    }
}

pub(super) fn foreign_host(host: &Host) -> ApiError {
    let name = match host {
        Host::Name(name) => name.to_string(),
        Host::Address(address) => address.to_string(),
    };
    let message = format!(
        "`{name}` is no name or address of this device. If it shall be one, the owner adds it to auth.allowed_hosts."
    );
    ApiError::new(ErrorKind::ForeignHost, message)
}

pub(super) fn unreadable_host() -> ApiError {
    ApiError::new(
        ErrorKind::ForeignHost,
        "the Host header is missing or no name of a host: send the device's name or address, such as thox.local:8080.",
    )
}

pub(super) fn foreign_origin() -> ApiError {
    ApiError::new(
        ErrorKind::ForeignOrigin,
        "web pages of other origins may not ask this device. If this one shall, the owner adds its origin to auth.allowed_origins, such as [\"https://chat.example.org\"].",
    )
}

pub(super) fn exhausted(what: &str, exhausted: &Exhausted) -> ApiError {
    let limit = exhausted.standing.limit;
    let seconds = whole_seconds(exhausted.retry_after);
    let message = format!(
        "the limit of {limit} {what} a minute is reached. Try again in {seconds} s, or have the owner raise it."
    );
    ApiError::new(ErrorKind::RateLimited, message).retry_after(seconds)
}

pub(super) fn too_many_tries(what: &str, retry_after: Duration) -> ApiError {
    let seconds = whole_seconds(retry_after);
    let message = format!("too many wrong {what}. Try again in {seconds} s.");
    ApiError::new(ErrorKind::RateLimited, message).retry_after(seconds)
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1000))
        .unwrap_or(u32::MAX)
        .max(1)
}
