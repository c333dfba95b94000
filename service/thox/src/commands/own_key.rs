//! `thox config get|set api.key`: the key that thox itself uses for a device.

use crate::{
    arguments::Target,
    ask,
    credentials::{self, Change, Credentials},
    device::{Address, Device, find},
    failure::{Exit, Failure},
    output::Output,
    secret::Secret,
};
use serde_json::json;

/// Its name among the settings, of which it is none.
pub(super) const NAME: &str = "api.key";

const DOCUMENTATION: &str = "The key that thox uses for a device: --api-key, else THOX_API_KEY, else the one that is stored for\nthe device's host and port in the credentials file.";

/// Prints the key in use: its start, or all of it.
pub(super) async fn get(is_revealed: bool, target: &Target, output: Output) -> Result<(), Failure> {
    let device = device(target).await?;
    let stored = || Ok::<_, Failure>(Credentials::load()?.of(&device).key);
    let key = match find::given_key(target) {
        Some(key) => Some(key),
        None => stored()?,
    };
    let key = key.ok_or_else(|| {
        Failure::with(Exit::NotFound, format!("no key is stored for {device}"))
            .next("store one: thox config set api.key -, or claim the device: thox claim")
    })?;
    let shown = if is_revealed {
        key.expose().to_owned()
    } else {
        key.start()
    };
    output.line(&if target.json {
        json!(shown).to_string()
    } else {
        shown
    })
}

/// Stores the key for the device, or forgets it.
pub(super) async fn set(value: &Secret, target: &Target, output: Output) -> Result<(), Failure> {
    let device = device(target).await?;
    let key = match value.trimmed() {
        Some(dash) if dash.expose() == "-" => {
            let typed = ask::line(&format!("The key of {device}:")).await?;
            let typed = typed.map(Secret::from);
            Some(typed.ok_or_else(|| {
                Failure::with(Exit::Usage, "there is no key on the standard input")
            })?)
        }
        other => other,
    };
    if let Some(key) = &key {
        find::authorization(key)?;
    }
    let is_stored = key.is_some();
    let start = key.as_ref().map(Secret::start);
    let file = credentials::change(&[(device.clone(), Change::Key(key))])?;
    let file = file.display();
    if target.json {
        let done = json!({"key": NAME, "device": device, "value": start, "file": file.to_string()});
        return output.line(&done.to_string());
    }
    match start.filter(|_| is_stored) {
        Some(start) => output.line(&format!(
            "The key {start} for {device} is stored in {file}."
        )),
        None => output.line(&format!("{file} has no key for {device} any more.")),
    }
}

/// What it is.
pub(super) fn explain(output: Output, is_json: bool) -> Result<(), Failure> {
    let file = credentials::shown_path();
    if is_json {
        let document = json!({"key": NAME, "documentation": DOCUMENTATION, "file": file});
        return output.line(&document.to_string());
    }
    output.line(&format!("{NAME}\n{DOCUMENTATION}\n\nfile: {file}"))
}

/// The device's name in the credentials.
async fn device(target: &Target) -> Result<String, Failure> {
    let device = Device::find(target).await?;
    Ok(device.address().map(Address::authority).unwrap_or_default())
}
