//! `thox config` with a device that is named: its settings over the network.

use super::print_json;
use crate::{
    device::{Device, escaped},
    failure::Failure,
    output::{Output, Tone},
};
use http::Method;
use serde_json::{Map, Value};
use thox_api::{Effect, SetSetting, Setting, SettingList, SettingsReloaded};
use thoxd::settings::{self, Edit, Key};

const SETTINGS: &str = "/thox/v1/settings";

/// Prints one value, or all below a table, or all.
pub(super) async fn get(
    device: &Device,
    key: Option<&Key>,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let (_, list) = device.get::<SettingList>(SETTINGS).await?;
    let within = |setting: &&Setting| match (key, setting.key.parse::<Key>()) {
        (None, _) => true,
        (Some(table), Ok(own)) => own.is_within(table),
        (Some(_), Err(_)) => false,
    };
    let found: Vec<&Setting> = list.data.iter().filter(within).collect();
    match (key, found.as_slice()) {
        // The device knows what was perhaps meant.
        (Some(key), []) => one(device, key).await.map(drop),
        (Some(key), [only]) if only.key == key.to_string() => output.line(&match &only.value {
            Value::String(text) if !is_json => text.clone(),
            Value::Null if !is_json => String::new(),
            value => value.to_string(),
        }),
        (_, all) if is_json => {
            let all = all.iter().map(|one| (one.key.clone(), one.value.clone()));
            output.line(&Value::Object(all.collect::<Map<_, _>>()).to_string())
        }
        (_, all) => {
            for Setting { key, value, .. } in all {
                if value.is_null() {
                    output.toned(Tone::Faint, &format!("# {key} is not set"))?;
                    output.print("\n")?;
                } else {
                    output.line(&format!("{key} = {value}"))?;
                }
            }
            Ok(())
        }
    }
}

/// Tells all about one.
pub(super) async fn explain(
    device: &Device,
    key: &Key,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let (reply, setting) = device.get::<Setting>(&path(key)).await?;
    if is_json {
        return print_json(&reply, output);
    }
    output.toned(Tone::Heading, &setting.key)?;
    output.line(&format!("\n{}\n", setting.documentation))?;
    let or_none = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    };
    output.line(&format!("value:   {}", or_none(&setting.value)))?;
    output.line(&format!("default: {}", or_none(&setting.default)))?;
    output.line(&format!("from:    {}", setting.source))?;
    if setting.restart_needed {
        output.line(RESTART)?;
    }
    Ok(())
}

/// Changes one, or takes it back.
pub(super) async fn change(
    device: &Device,
    key: &Key,
    edit: &Edit,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let path = path(key);
    let (reply, setting) = match edit {
        Edit::Set(value) => {
            let value = settings::json(value);
            device
                .send::<Setting>(Method::PUT, &path, &SetSetting { value })
                .await?
        }
        Edit::Unset => device.delete::<Setting>(&path).await?,
    };
    if is_json {
        return print_json(&reply, output);
    }
    let Setting {
        key, value, source, ..
    } = &setting;
    if value.is_null() {
        output.line(&format!("{key} is not set."))?;
    } else {
        output.line(&format!("{key} = {value}, from {source}."))?;
    }
    match setting.effect {
        Effect::AtOnce => output.line("It counts from now on."),
        Effect::Restart if setting.restart_needed => output.line(RESTART),
        Effect::Restart => Ok(()),
    }
}

/// Has thoxd read the files again.
pub(super) async fn reload(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let path = format!("{SETTINGS}/reload");
    let (reply, done) = device
        .send::<SettingsReloaded>(Method::POST, &path, &Value::Null)
        .await?;
    if is_json {
        return print_json(&reply, output);
    }
    match done.changed.as_slice() {
        [] => output.line("Read again; nothing has changed that counts at once.")?,
        changed => output.line(&format!("It counts from now on: {}.", changed.join(", ")))?,
    }
    match done.restart_needed.as_slice() {
        [] => Ok(()),
        waiting => output.line(&format!("{} waits: {RESTART}", waiting.join(", "))),
    }
}

/// What the daemon needs before the files count.
const RESTART: &str = "The device has the old value until it is started anew: thox restart.";

async fn one(device: &Device, key: &Key) -> Result<Setting, Failure> {
    let (_, setting) = device.get::<Setting>(&path(key)).await?;
    Ok(setting)
}

fn path(key: &Key) -> String {
    format!("{SETTINGS}/{}", escaped(&key.to_string()))
}
