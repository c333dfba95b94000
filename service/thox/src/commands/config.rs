//! `thox config`: the settings files of this machine, read as `thoxd` reads them, or those of a device that is named; and
//! `api.key`, which is no setting.

use super::{own_key, settings};
use crate::{
    arguments::{ConfigCommand, SettingsFile, Target},
    device::Device,
    failure::{Exit, Failure},
    output::{Output, Tone},
};
use serde_json::{Value, json};
use std::path::PathBuf;
use thoxd::settings::{
    Edit, EditError, Effect, Explanation, InvalidKey, Key, Loaded, Settings, Sources, UnknownKey,
    edit as edit_file, effect_of,
};

/// The settings that other documents know under another name.
const ALIASES: [(&str, &str); 2] = [
    ("api.rate_limit", "limits.remote_requests_per_minute"),
    ("default_model", "router.default_model"),
];

/// Carries out the command.
pub(super) async fn run(
    command: ConfigCommand,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let is_json = target.json;
    match command {
        ConfigCommand::Get {
            key: Some(key),
            reveal,
            ..
        } if key == own_key::NAME => own_key::get(reveal, target, output).await,
        ConfigCommand::Get { reveal: true, .. } => Err(Failure::with(
            Exit::Usage,
            format!(
                "--reveal is for {} alone; settings hold no keys",
                own_key::NAME
            ),
        )),
        ConfigCommand::Get { key, from, .. } => {
            if let Some(device) = named(target, from.config.as_ref()).await? {
                let key = key.as_deref().map(parse).transpose()?;
                return settings::get(&device, key.as_ref(), output, is_json).await;
            }
            get(key.as_deref(), from, output, is_json)
        }
        ConfigCommand::Explain { key, .. } if key == own_key::NAME => {
            own_key::explain(output, is_json)
        }
        ConfigCommand::Explain { key, from } => {
            if let Some(device) = named(target, from.config.as_ref()).await? {
                return settings::explain(&device, &parse(&key)?, output, is_json).await;
            }
            explain(&key, from, output, is_json)
        }
        ConfigCommand::Set { key, value, file } if key == own_key::NAME => match file {
            None => own_key::set(&value, target, output).await,
            Some(_) => Err(Failure::with(
                Exit::Usage,
                format!("{} stands in no settings file", own_key::NAME),
            )
            .next("leave --file out: it is stored in the credentials file")),
        },
        ConfigCommand::Set { key, value, file } => {
            let edit = Edit::typed(value.expose());
            change(&key, &edit, file, target, output).await
        }
        ConfigCommand::Unset { key, .. } if key == own_key::NAME => Err(Failure::with(
            Exit::Usage,
            format!("{} stands in no settings file", own_key::NAME),
        )
        .next("forget it by: thox config set api.key ''")),
        ConfigCommand::Reload => {
            let device = Device::for_changes(target).await?;
            settings::reload(&device, output, is_json).await
        }
        ConfigCommand::Unset { key, file } => {
            change(&key, &Edit::Unset, file, target, output).await
        }
    }
}

/// The device that is named, unless it is a file that is.
async fn named(target: &Target, file: Option<&PathBuf>) -> Result<Option<Device>, Failure> {
    if file.is_some() || !Device::is_named(target) {
        return Ok(None);
    }
    Device::for_changes(target).await.map(Some)
}

async fn change(
    key: &str,
    edit: &Edit,
    file: Option<PathBuf>,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let (is_json, key) = (target.json, parse(key)?);
    if let Some(device) = named(target, file.as_ref()).await? {
        return settings::change(&device, &key, edit, output, is_json).await;
    }
    let sources = Sources::of_process();
    let file = file.unwrap_or_else(|| sources.file_to_edit());
    let change = edit_file(&sources, &file, &key, edit).map_err(unwritten)?;
    let file = change.file.display();
    let overridden_by = change.overridden_by.map(|origin| origin.to_string());
    if is_json {
        let done = json!({
            "key": key.to_string(), "value": change.value, "file": file.to_string(),
            "overridden_by": overridden_by,
            "restart_needed": effect_of(&key) == Effect::Restart,
        });
        return output.line(&done.to_string());
    }
    match change.value {
        Some(value) => output.line(&format!("{key} = {value} is written to {file}."))?,
        None => output.line(&format!("{key} stands in {file} no more."))?,
    }
    match overridden_by {
        Some(origin) => {
            output.toned(Tone::Warning, "It has no effect")?;
            output.line(&format!(": {origin} sets the key too and is read later."))
        }
        None => output.line(match effect_of(&key) {
            Effect::AtOnce => "Have thoxd read it for it to take effect: thox config reload.",
            Effect::Restart => "Restart thoxd for it to take effect: thox restart.",
        }),
    }
}

fn get(
    key: Option<&str>,
    from: SettingsFile,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let loaded = load(from)?;
    let key = key.map(parse).transpose()?.unwrap_or_default();
    let found = loaded.within(&key).map_err(|error| unknown(&error))?;
    match found.as_slice() {
        [only] if only.key == key && is_json => output.line(&only.json().to_string()),
        // Alone, so that scripts can use it.
        [only] if only.key == key => output.line(&only.plain()),
        all if is_json => {
            let entries = all
                .iter()
                .map(|entry| (entry.key.to_string(), entry.json()));
            output.line(&Value::Object(entries.collect()).to_string())
        }
        all => {
            for Explanation { key, value, .. } in all {
                match value {
                    Some(value) => output.line(&format!("{key} = {value}"))?,
                    None => {
                        output.toned(Tone::Faint, &format!("# {key} is not set"))?;
                        output.print("\n")?;
                    }
                }
            }
            Ok(())
        }
    }
}

fn explain(key: &str, from: SettingsFile, output: Output, is_json: bool) -> Result<(), Failure> {
    let explanation = load(from)?
        .explain(&parse(key)?)
        .map_err(|error| unknown(&error))?;
    let Explanation {
        key,
        documentation,
        default,
        value,
        origin,
        ..
    } = &explanation;
    if is_json {
        let document = json!({
            "key": key.to_string(), "documentation": documentation, "default": default,
            "value": explanation.json(), "origin": origin.to_string(),
        });
        return output.line(&document.to_string());
    }
    output.toned(Tone::Heading, &key.to_string())?;
    output.line(&format!("\n{documentation}\n"))?;
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    output.line(&format!("value:   {}", or_none(value)))?;
    output.line(&format!("default: {}", or_none(default)))?;
    output.line(&format!("from:    {origin}"))
}

fn load(from: SettingsFile) -> Result<Loaded, Failure> {
    let sources = Sources {
        config: from.config,
        ..Sources::of_process()
    };
    Settings::load(&sources).map_err(|problems| {
        Failure::error(format!("the settings are not valid:\n{problems}"))
            .next("correct them where they stand; thoxd does not start with them either")
    })
}

fn parse(key: &str) -> Result<Key, Failure> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == key);
    alias
        .map_or(key, |(_, key)| key)
        .parse()
        .map_err(|error: InvalidKey| Failure::with(Exit::Usage, error.to_string()))
}

fn unknown(error: &UnknownKey) -> Failure {
    Failure::with(Exit::NotFound, error.to_string())
}

fn unwritten(error: EditError) -> Failure {
    let failure = Failure::error(format!("nothing was written: {error}"));
    match error {
        EditError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            failure.next("run it as root, or name a file of your own by --file")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_names_stand_for_settings() {
        for (typed, key) in [
            ("api.rate_limit", "limits.remote_requests_per_minute"),
            ("default_model", "router.default_model"),
            ("server.max_body", "server.max_body"),
        ] {
            assert_eq!(parse(typed).unwrap().to_string(), key);
        }
    }
}
