//! `/thox/v1/settings`: what is set, from where, and changes to it.

use super::{
    device::json,
    document::{document, on_disk},
    error::Refused,
    models::path,
    routes::{Door, SharedDoor},
};
use crate::{
    gateway::Caller,
    reload::{not_reloaded, to_api},
    settings::{Edit, Effect, Entry, Fixed, InvalidKey, Key},
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use thox_api::{ApiError, ErrorKind, SetSetting, Setting, SettingList, SettingsReloaded};

type Name = Result<Path<String>, PathRejection>;

/// `GET /thox/v1/settings`
pub async fn list(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let settings = Arc::clone(&door.settings);
    let all = on_disk(move || settings.list().map_err(|refused| to_api(&refused))).await?;
    let list = SettingList {
        object: "list".to_owned(),
        data: all.iter().map(shown).collect(),
    };
    json(StatusCode::OK, &list)
}

/// `GET /thox/v1/settings/{key}`
pub async fn get(State(door): State<SharedDoor>, key: Name) -> Result<Response, Refused> {
    let key = parse(&path(key)?)?;
    let settings = Arc::clone(&door.settings);
    let one = on_disk(move || settings.get(&key).map_err(|refused| to_api(&refused))).await?;
    json(StatusCode::OK, &shown(&one))
}

/// `PUT /thox/v1/settings/{key}`
pub async fn set(
    State(door): State<SharedDoor>,
    Extension(caller): Extension<Caller>,
    key: Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let key = parse(&path(key)?)?;
    let SetSetting { value } = document(&door, &headers, body).await?;
    let value = toml(&value).ok_or_else(|| {
        let message = format!(
            "{key} cannot get this value: send a text, a number, true or false, or a list of these. DELETE takes a setting back."
        );
        ApiError::new(ErrorKind::InvalidRequest, message).param("value")
    })?;
    change(&door, &caller, key, Edit::Set(value)).await
}

/// `DELETE /thox/v1/settings/{key}`
pub async fn unset(
    State(door): State<SharedDoor>,
    Extension(caller): Extension<Caller>,
    key: Name,
) -> Result<Response, Refused> {
    let key = parse(&path(key)?)?;
    change(&door, &caller, key, Edit::Unset).await
}

/// `POST /thox/v1/settings/reload`
pub async fn reload(State(door): State<SharedDoor>) -> Result<Response, Refused> {
    let reload = door.reload.clone();
    let changes = on_disk(move || reload.now().map_err(|error| not_reloaded(&error))).await?;
    let reloaded = SettingsReloaded {
        object: "reload".to_owned(),
        changed: changes.at_once,
        restart_needed: changes.waiting,
    };
    json(StatusCode::OK, &reloaded)
}

async fn change(door: &Door, caller: &Caller, key: Key, edit: Edit) -> Result<Response, Refused> {
    // Whoever is on the device needs no key, and whoever comes over the network cannot be here without one.
    let is_remote = caller.allowance.key().is_some();
    let (settings, reload) = (Arc::clone(&door.settings), door.reload.clone());
    let now = on_disk(move || {
        if is_remote && let Some(why) = settings.fixed(&key).map_err(|refused| to_api(&refused))? {
            return Err(fixed(&key, why));
        }
        let (loaded, now) = settings
            .change(&key, &edit)
            .map_err(|refused| to_api(&refused))?;
        tracing::info!(%key, "a setting was changed");
        if now.effect == Effect::Restart {
            return Ok(now);
        }
        reload.apply(loaded).map_err(|error| not_reloaded(&error))?;
        Ok(Entry {
            is_waiting: false,
            ..now
        })
    })
    .await?;
    json(StatusCode::OK, &shown(&now))
}

fn fixed(key: &Key, why: Fixed) -> ApiError {
    let why = match why {
        Fixed::File => "names a file of the device",
        Fixed::Secret => "says where the key in engines.NAME.api_key_file is sent",
        Fixed::Unit => "names a service of the device",
    };
    let message = format!(
        "{key} {why} and is not changed over the network. On the device: thox config set {key} …"
    );
    ApiError::new(ErrorKind::SettingFixed, message).param("key")
}

/// A key as a path has it.
pub(super) fn parse(text: &str) -> Result<Key, ApiError> {
    text.parse().map_err(|_: InvalidKey| {
        let text: String = text.chars().take(80).collect();
        let message = format!(
            "{text:?} is no key of a setting: write it as section.key, such as server.listen."
        );
        ApiError::new(ErrorKind::InvalidRequest, message).param("key")
    })
}

fn shown(entry: &Entry) -> Setting {
    let explanation = &entry.explanation;
    Setting {
        key: explanation.key.to_string(),
        value: explanation.json(),
        default: explanation.default_json(),
        source: explanation.origin.to_string(),
        documentation: explanation.documentation.clone(),
        effect: match entry.effect {
            Effect::AtOnce => thox_api::Effect::AtOnce,
            Effect::Restart => thox_api::Effect::Restart,
        },
        restart_needed: entry.is_waiting,
    }
}

/// A JSON value as it stands in a file; none of what no setting can be.
fn toml(value: &Value) -> Option<toml_edit::Value> {
    match value {
        Value::Bool(truth) => Some((*truth).into()),
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(whole.into()),
            None => number.as_f64().map(Into::into),
        },
        Value::Array(entries) => {
            let entries: Option<Vec<_>> = entries.iter().map(toml).collect();
            Some(toml_edit::Array::from_iter(entries?).into())
        }
        Value::Null | Value::Object(_) => None,
    }
}
