//! `thox reset`: gives a device back as it was new.

use super::{print_json, status::STATUS};
use crate::{
    arguments::{ResetArguments, Target},
    ask,
    credentials::{self, Change, Credentials},
    device::{Device, Scheme},
    failure::Failure,
    fingerprint::Fingerprint,
    output::{Output, remark},
};
use http::Method;
use thox_api::{ClaimCode, DeviceStatus, Reset, ResetDone};

/// Resets it, once its name was typed.
pub(super) async fn run(
    arguments: ResetArguments,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let device = Device::for_changes(target).await?;
    let ResetArguments { yes, keep_models } = arguments;
    let confirm = match yes {
        Some(name) => name,
        None => {
            let (_, DeviceStatus { name, .. }) = device.get(STATUS).await?;
            question(&device, &name, keep_models).await?
        }
    };
    let wanted = Reset {
        confirm,
        keep_models,
    };
    let (reply, done) = device
        .send::<ResetDone>(Method::POST, "/thox/v1/reset", &wanted)
        .await?;
    forget(&device, &done)?;
    if target.json {
        return print_json(&reply, output);
    }
    report(&done, keep_models, output)?;
    tell_next(&device).await;
    Ok(())
}

async fn question(device: &Device, name: &str, keep_models: bool) -> Result<String, Failure> {
    let models = if keep_models {
        "Models stay."
    } else {
        "Where the device's own image runs, models and all that engines keep go too, at the next boot."
    };
    remark(&format!(
        "This makes {name} ({}) new again. All keys end at once; its claim, its TLS key, its audit log and the settings that were made by `thox` go. {models} There is no way back.",
        device.url()
    ));
    let question = format!("Type the device's name, {name}, to go on:");
    ask::word(&question, &format!("thox reset --yes {name}")).await
}

/// This user's keys for it are good for nothing any more. Where its settings have gone, TLS among them perhaps, nothing
/// that is known of it is worth more. Else its new TLS key is pinned where the old one was, since the device itself has
/// told it over that pin.
fn forget(device: &Device, done: &ResetDone) -> Result<(), Failure> {
    let Some(address) = device.address() else {
        return Ok(());
    };
    let name = address.authority();
    let known = Credentials::load()?;
    let own = known.of(&name);
    let mut places = match &own.key {
        Some(key) => known.with_key_like(key.expose()),
        None => Vec::new(),
    };
    let mut changes = Vec::new();
    if done.restart_needed {
        places.extend(known.leading_to(&name));
        places.push(name);
        changes.extend(places.into_iter().map(|place| (place, Change::Forget)));
    } else {
        changes.extend(places.into_iter().map(|place| (place, Change::Key(None))));
        let new = done.tls_fingerprint.as_deref();
        let new = new.and_then(|text| text.parse::<Fingerprint>().ok());
        if let (Scheme::Https, Some(_), Some(new)) = (address.scheme(), own.fingerprint, new) {
            changes.push((name, Change::Fingerprint(new)));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    credentials::change(&changes).map(drop)
}

fn report(done: &ResetDone, keep_models: bool, output: Output) -> Result<(), Failure> {
    let ResetDone {
        name,
        keys,
        audit_lines,
        ..
    } = done;
    output.line(&format!(
        "{name} is new again: {keys} keys revoked, {audit_lines} lines of the audit log deleted."
    ))?;
    if let Some(file) = &done.settings {
        output.line(&format!("Deleted: {file}"))?;
    }
    if done.restart_needed {
        remark("What stood in it stays in force until thoxd is restarted: restart the device.");
    }
    if !keep_models {
        remark(&format!(
            "Models and what engines keep are the system's to delete, when it boots and finds {}. On a PC nothing reads that: delete them with their own programs.",
            done.left_to_system
        ));
    }
    Ok(())
}

/// How it is claimed again.
async fn tell_next(device: &Device) {
    let code = match device.address() {
        None => device.get::<ClaimCode>("/thox/v1/claim-code").await.ok(),
        Some(_) => None,
    };
    match code.and_then(|(_, found)| found.code) {
        Some(code) => remark(&format!("Claim it again: thox claim {code}")),
        None => remark("Its new claim code is on its console; on the device: thox claim-code"),
    }
}
