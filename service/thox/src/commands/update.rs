//! `thox update`

use super::{follow, print_json, words};
use crate::{
    arguments::{Target, UpdateCommand},
    ask,
    device::{Device, Reply, escaped},
    failure::{Exit, Failure},
    output::{Cell, Output, Tone},
};
use http::Method;
use serde_json::Value;
use std::{
    path::{Path, absolute},
    time::Duration,
};
use thox_api::{
    InstallUpdate, OFFERED, OfferUpdate, Update, UpdateEvidence, UpdateLast, UpdateOutcome,
    UpdateState,
};

const UPDATE: &str = "/thox/v1/update";
const WHY: &str = "/thox/v1/update/why";
const OFFER: &str = "/thox/v1/update/offer";

/// Of a bundle behind a URL the device reads the end first, over whatever network there is.
const PATIENCE: Duration = Duration::from_secs(200);

/// Carries out one of them.
pub(super) async fn run(
    command: UpdateCommand,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let is_json = target.json;
    match command {
        UpdateCommand::Status => {
            let device = Device::find(target).await?;
            let (reply, update) = device.get::<Update>(UPDATE).await?;
            if is_json {
                return print_json(&reply, output);
            }
            status(&update, output)
        }
        UpdateCommand::Install { source } => {
            let device = Device::for_changes(target).await?;
            install(&device, source.as_deref(), output, is_json).await
        }
        UpdateCommand::Why => {
            let device = Device::for_changes(target).await?;
            let (reply, evidence) = device.get::<UpdateEvidence>(WHY).await?;
            if is_json {
                return print_json(&reply, output);
            }
            why(&evidence, output)
        }
        UpdateCommand::Rollback { yes } => {
            let device = Device::for_changes(target).await?;
            if !yes {
                let question = format!(
                    "Restart {} with the system of its other slot?",
                    device.url()
                );
                ask::confirm(&question, "thox update rollback --yes").await?;
            }
            let asked = device.send_patiently("/thox/v1/update/rollback", &Value::Null, PATIENCE);
            let (reply, update): (_, Update) = asked.await?;
            let next = update.slots.iter().find(|slot| !slot.running);
            let name = next.map_or("the other slot", |slot| slot.name.as_str());
            told(
                &reply,
                output,
                is_json,
                &format!("The device restarts with the system of slot {name}."),
            )
        }
        UpdateCommand::Offer { file } => {
            let device = Device::on_this_machine(target).await?;
            let offer = OfferUpdate { path: path(&file)? };
            let (reply, update): (_, Update) = device.send(Method::PUT, OFFER, &offer).await?;
            let version = update.version.unwrap_or_default();
            told(
                &reply,
                output,
                is_json,
                &format!("Version {version} is offered; thox update install installs it."),
            )
        }
        UpdateCommand::Withdraw { folder } => {
            let device = Device::on_this_machine(target).await?;
            let asked = format!("{OFFER}?folder={}", escaped(&path(&folder)?));
            let (reply, _) = device.delete::<Update>(&asked).await?;
            told(
                &reply,
                output,
                is_json,
                "What was in there is offered no more.",
            )
        }
    }
}

fn told(reply: &Reply, output: Output, is_json: bool, text: &str) -> Result<(), Failure> {
    if is_json {
        return print_json(reply, output);
    }
    output.line(text)
}

fn path(path: &Path) -> Result<String, Failure> {
    let whole = absolute(path)?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        Failure::with(
            Exit::Usage,
            format!(
                "{} is no text that the device could be told",
                path.display()
            ),
        )
    })
}

async fn install(
    device: &Device,
    source: Option<&str>,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let source = match source {
        None => OFFERED.to_owned(),
        Some(url) if url == OFFERED || url.contains("://") => url.to_owned(),
        Some(file) => path(Path::new(file))?,
    };
    let asked = InstallUpdate { source };
    let begun = device.send_patiently("/thox/v1/update/install", &asked, PATIENCE);
    let (_, begun): (_, Update) = begun.await?;
    let lines = device.lines(&format!("{UPDATE}?follow=true")).await?;
    let followed = follow::Work {
        noun: "update",
        progress,
        is_over: |update: &Update| update.state != UpdateState::Installing,
    };
    let last = follow::follow(followed, begun, lines, output, is_json).await?;
    ended(device, &last, output, is_json).await
}

async fn ended(
    device: &Device,
    update: &Update,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    match update.state {
        UpdateState::Staged | UpdateState::Trial if is_json => Ok(()),
        UpdateState::Staged | UpdateState::Trial => output.line(&format!(
            "Version {} is installed. It starts with the device's next restart, on trial: if it does not work the device goes back by itself.",
            update.version.as_deref().unwrap_or_default()
        )),
        UpdateState::Installing => Err(Failure::error(
            "the device stopped telling of its update",
        )
        .next("thox update status tells whether it goes on")),
        UpdateState::Idle | UpdateState::Offered => {
            let (_, evidence) = device.get::<UpdateEvidence>(WHY).await?;
            let reason = evidence.reason.unwrap_or_else(|| "no reason is known".to_owned());
            Err(Failure::error(format!("the update was not installed: {reason}"))
                .next("the system that runs is as it was; on the device, journalctl -u rauc tells more"))
        }
    }
}

/// `1.5.0   40 %  Copying image to rootfs.1`
fn progress(update: &Update) -> String {
    let version = update.version.clone().unwrap_or_default();
    match &update.progress {
        Some(so_far) => format!("{version}  {:>3} %  {}", so_far.percent, so_far.step),
        None => version,
    }
}

fn status(update: &Update, output: Output) -> Result<(), Failure> {
    if let Some(note) = &update.note {
        output.toned(Tone::Warning, "note: ")?;
        output.line(note)?;
    }
    let version = update.version.as_deref().unwrap_or_default();
    match update.state {
        UpdateState::Idle if update.available => output.line("No update is offered or under way.")?,
        UpdateState::Idle => {}
        UpdateState::Offered => output.line(&format!(
            "Version {version} is offered: thox update install"
        ))?,
        UpdateState::Installing => {
            output.line(&format!("Being installed: {}", progress(update)))?;
        }
        UpdateState::Staged => output.line(&format!(
            "Version {version} is installed and starts with the device's next restart."
        ))?,
        UpdateState::Trial => output.line(&format!(
            "Version {version} runs on trial: it is kept once it has answered, or the device goes back by itself."
        ))?,
    }
    if let Some(last) = &update.last {
        let (tone, text) = ending(last);
        output.print("The last update: ")?;
        output.toned(tone, &text)?;
        output.line(&format!(", {}", words::ago(last.at)))?;
    }
    if update.slots.is_empty() {
        return Ok(());
    }
    output.print("\n")?;
    let mut rows = vec![["SLOT", "VERSION", "STATE"].map(Cell::from).to_vec()];
    for slot in &update.slots {
        let mut parts = Vec::new();
        parts.extend(slot.running.then_some("runs"));
        parts.extend(slot.next.then_some("starts next"));
        let state = match slot.good {
            Some(false) => {
                parts.push("bad");
                Cell::toned(Tone::Bad, parts.join(", "))
            }
            Some(true) | None => parts.join(", ").into(),
        };
        let version = slot.version.clone();
        rows.push(vec![
            slot.name.as_str().into(),
            version.unwrap_or_else(|| "as flashed".to_owned()).into(),
            state,
        ]);
    }
    output.table(&rows)
}

fn ending(last: &UpdateLast) -> (Tone, String) {
    let version = &last.version;
    match last.outcome {
        UpdateOutcome::Kept => (Tone::Good, format!("{version} is kept")),
        UpdateOutcome::RolledBack => (
            Tone::Bad,
            format!("{version} did not work and was rolled back (thox update why)"),
        ),
        UpdateOutcome::NotInstalled => (
            Tone::Bad,
            format!("{version} was not installed (thox update why)"),
        ),
        UpdateOutcome::Left => (Tone::Warning, format!("{version} was left by hand")),
    }
}

fn why(evidence: &UpdateEvidence, output: Output) -> Result<(), Failure> {
    let Some(last) = &evidence.last else {
        return output.line("No update has ended on this device yet.");
    };
    let (tone, text) = ending(last);
    output.toned(tone, &text)?;
    output.line(&format!(", {}", words::ago(last.at)))?;
    if let Some(reason) = &evidence.reason {
        output.line(&format!("because: {reason}"))?;
    }
    if let Some(noted) = &evidence.evidence {
        output.print("\n")?;
        output.line(noted.trim_end())?;
    }
    Ok(())
}
