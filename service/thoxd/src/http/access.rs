//! Keys, authentication, what was kept of requests, the device itself.

use super::{
    device::json,
    document::{document, on_disk},
    error::Refused,
    routes::{Door, Encrypted, SharedDoor},
    settings,
};
use crate::{
    gateway::Caller,
    keys::Secret,
    reload::{Reload, not_reloaded, to_api},
    settings::{Edit, Live},
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use thox_api::{
    ApiError, AuthStatus, DataCleared, DeviceStatus, ErrorKind, KeyDeleted, KeyInfo, KeyList,
    MakeKey, NewKey, SetAuth, TlsStatus,
};

/// `GET /thox/v1/status`
pub async fn status(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let surroundings = door.guard.lan.now();
    let names = surroundings.names.iter().map(ToString::to_string);
    let addresses = surroundings.addresses().map(|address| address.to_string());
    json(
        StatusCode::OK,
        &DeviceStatus {
            name: door.guard.lan.name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: door.instance.to_string(),
            names: names.chain(addresses).collect(),
            tls: door.encrypted.as_ref().map(tls_status),
            claimed: door.guard.keys.is_claimed(),
            key_needed: door.guard.is_locked(),
            downloads: door.models.downloads().progress(),
        },
    )
}

/// `GET /thox/v1/auth`
pub async fn auth(
    State(door): State<SharedDoor>,
    caller: Extension<Caller>,
) -> Result<Response, Refused> {
    json(StatusCode::OK, &auth_status(&door, &caller))
}

/// `PUT /thox/v1/auth`
pub async fn set_auth(
    State(door): State<SharedDoor>,
    caller: Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let SetAuth { enabled } = document(&door, &headers, body).await?;
    let (settings, reload) = (Arc::clone(&door.settings), door.reload.clone());
    on_disk(move || keep_auth(&settings, &reload, enabled)).await?;
    json(StatusCode::OK, &auth_status(&door, &caller))
}

/// `GET /thox/v1/keys`
pub async fn keys(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let list = KeyList {
        object: "list".to_owned(),
        data: door.guard.keys.list(),
    };
    json(StatusCode::OK, &list)
}

/// `POST /thox/v1/keys`
pub async fn make_key(
    State(door): State<SharedDoor>,
    caller: Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let asked: MakeKey = document(&door, &headers, body).await?;
    let keys = Arc::clone(&door.guard.keys);
    let made = on_disk(move || keys.make(&asked)).await?;
    new_key(StatusCode::CREATED, made, &door, &caller)
}

/// `DELETE /thox/v1/keys/{id}`
pub async fn revoke_key(
    State(door): State<SharedDoor>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let keys = Arc::clone(&door.guard.keys);
    let revoked = id.clone();
    on_disk(move || keys.revoke(&revoked)).await?;
    let deleted = KeyDeleted {
        id,
        object: "key".to_owned(),
        deleted: true,
    };
    json(StatusCode::OK, &deleted)
}

/// `POST /thox/v1/keys/{id}/rotate`
pub async fn rotate_key(
    State(door): State<SharedDoor>,
    caller: Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let keys = Arc::clone(&door.guard.keys);
    let made = on_disk(move || keys.rotate(&id)).await?;
    new_key(StatusCode::OK, made, &door, &caller)
}

/// `DELETE /thox/v1/data`
pub async fn clear_data(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let decisions = door.gateway.ledger().forget();
    let audit_lines = on_disk(move || {
        door.guard.audit.clear(&door.state).map_err(|error| {
            let message = format!("the audit log cannot be deleted: {error}. Look at state_dir.");
            ApiError::new(ErrorKind::Internal, message).cause(error)
        })
    })
    .await?;
    let cleared = DataCleared {
        audit_lines,
        decisions: u64::try_from(decisions).unwrap_or(u64::MAX),
    };
    json(StatusCode::OK, &cleared)
}

/// Writes the setting, so that it holds after a restart too.
fn keep_auth(settings: &Live, reload: &Reload, enabled: bool) -> Result<(), ApiError> {
    let key = settings::parse("auth.enabled")?;
    let (loaded, _) = settings
        .change(&key, &Edit::Set(enabled.into()))
        .map_err(|refused| to_api(&refused))?;
    let applied = reload.apply(loaded).map(drop);
    applied.map_err(|error| not_reloaded(&error))
}

fn auth_status(door: &Door, caller: &Caller) -> AuthStatus {
    let enabled = door.guard.is_locked();
    let warning = if enabled && door.encrypted.is_none() {
        Some(format!(
            "TLS is off, so keys travel readable over the network; {TLS_ON}"
        ))
    } else {
        read_on_the_way(door, caller, "the key of this request came")
    };
    AuthStatus {
        enabled,
        claimed: door.guard.keys.is_claimed(),
        keys: door.guard.keys.count(),
        tls: door.encrypted.is_some(),
        warning,
    }
}

const TLS_ON: &str =
    "switch it on: `thox config set tls.enabled true` on the device, then restart thoxd";

/// What to say to somebody with whom others could read along.
fn read_on_the_way(door: &Door, caller: &Caller, what: &str) -> Option<String> {
    caller.allowance.is_readable().then(|| {
        let remedy = match door.encrypted.as_ref().and_then(|tls| tls.ports.first()) {
            Some(port) => {
                let name = door.guard.lan.name();
                format!("use https://{name}:{port}, and rotate the key there")
            }
            None => format!("TLS is off; {TLS_ON}"),
        };
        format!("{what} over plain HTTP, where others could read it: {remedy}")
    })
}

fn tls_status(encrypted: &Encrypted) -> TlsStatus {
    TlsStatus {
        ports: encrypted.ports.clone(),
        fingerprint: encrypted.tls.fingerprint(),
        self_signed: encrypted.tls.is_self_signed(),
        expires: encrypted.tls.expires(),
    }
}

pub(super) fn new_key(
    status: StatusCode,
    (secret, info): (Secret, KeyInfo),
    door: &Door,
    caller: &Caller,
) -> Result<Response, Refused> {
    let new = NewKey {
        key: secret.reveal().to_owned(),
        warning: read_on_the_way(door, caller, "the key goes to you"),
        info,
    };
    json(status, &new)
}
