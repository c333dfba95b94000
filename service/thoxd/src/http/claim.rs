//! Claiming, and its end: how a device gets an owner, and how it loses him.

use super::{
    access::new_key,
    confirm::must_be_meant,
    device::json,
    document::{document, on_disk},
    error::Refused,
    routes::{Door, SharedDoor},
};
use crate::{
    gateway::Caller,
    keys::code::Code,
    reset::{self, Models, Parts},
};
use axum::{Extension, body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use thox_api::{Claim, ClaimCode, Reset, ResetDone};

/// `POST /thox/v1/claim`
pub async fn claim(
    State(door): State<SharedDoor>,
    caller: Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let Claim { code, name } = document(&door, &headers, body).await?;
    door.guard.count_claim()?;
    let keys = Arc::clone(&door.guard.keys);
    let made = on_disk(move || keys.claim(&code, name.as_deref().unwrap_or("owner"))).await?;
    tracing::info!(prefix = %made.1.prefix, "the device has been claimed");
    new_key(StatusCode::CREATED, made, &door, &caller)
}

/// `GET /thox/v1/claim-code`
pub async fn claim_code(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let code = door.guard.keys.claim_code();
    let reply = ClaimCode {
        claimed: door.guard.keys.is_claimed(),
        page: code.as_ref().and_then(|code| page(&door, code)),
        code: code.map(|code| code.to_string()),
        tls_fingerprint: door.encrypted.as_ref().map(|tls| tls.tls.fingerprint()),
    };
    json(StatusCode::OK, &reply)
}

/// `POST /thox/v1/reset`
pub async fn reset(
    State(door): State<SharedDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let Reset {
        confirm,
        keep_models,
    } = document(&door, &headers, body).await?;
    must_be_meant(&door, &confirm, "to reset")?;
    let models = match keep_models {
        true => Models::Keep,
        false => Models::Delete,
    };
    let resetting = door.clone();
    let gone = on_disk(move || {
        let parts = Parts {
            guard: &resetting.guard,
            tls: resetting.encrypted.as_ref().map(|tls| &tls.tls),
            state: &resetting.state,
            settings: &resetting.settings,
        };
        reset::reset(parts, models)
    })
    .await?;
    door.gateway.ledger().forget();
    let new_key = door.encrypted.as_ref().filter(|tls| tls.tls.is_of_device());
    let done = ResetDone {
        name: door.guard.lan.name(),
        keys: gone.keys,
        audit_lines: gone.audit_lines,
        restart_needed: gone.settings.is_some(),
        settings: gone.settings.map(|file| file.display().to_string()),
        tls_fingerprint: new_key.map(|tls| tls.tls.fingerprint()),
        left_to_system: gone.marker.display().to_string(),
    };
    json(StatusCode::OK, &done)
}

/// Where a browser claims the device. Plain HTTP first: the certificate that the device makes itself is one that a
/// browser warns of.
fn page(door: &Door, code: &Code) -> Option<String> {
    let secure = door.encrypted.as_ref().and_then(|tls| tls.ports.first());
    let name = door.guard.lan.name();
    let place = match (door.plain, secure) {
        (Some(plain), _) if !plain.ip().is_loopback() => format!("http://{name}:{}", plain.port()),
        (_, Some(port)) => format!("https://{name}:{port}"),
        // Nobody but a browser of this machine gets there.
        (Some(plain), None) => format!("http://localhost:{}", plain.port()),
        (None, None) => return None,
    };
    Some(format!("{place}/#claim={code}"))
}
