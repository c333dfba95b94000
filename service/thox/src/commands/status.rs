//! `thox status`

use super::{print_json, words};
use crate::{
    device::Device,
    failure::{Exit, Failure},
    output::{Cell, Output, Tone},
};
use thox_api::{Health, OverallStatus};

/// Shows the device's health. One that is unhealthy is a failure for scripts.
pub(super) async fn show(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, health) = device.health().await?;
    if is_json {
        print_json(&reply, output)?;
    } else {
        print(device, &health, output)?;
    }
    match health.status {
        OverallStatus::Healthy | OverallStatus::Degraded => Ok(()),
        OverallStatus::Unhealthy => Err(Failure::Silent(Exit::Error)),
    }
}

fn print(device: &Device, health: &Health, output: Output) -> Result<(), Failure> {
    let (tone, verdict) = words::verdict(health.status);
    output.print(&format!("{} is ", device.url()))?;
    output.toned(tone, verdict)?;
    output.line(&format!(
        "\nthoxd {}, up {}\n",
        health.version,
        words::span(health.uptime_seconds)
    ))?;
    let heading = ["ENGINE", "KIND", "BACKEND", "MODELS", "VERSION", "STATE"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for engine in &health.backends {
        rows.push(vec![
            engine.name.as_str().into(),
            engine.kind.as_str().into(),
            engine.backend.as_str().into(),
            engine.models.to_string().into(),
            engine.version.clone().unwrap_or_else(words::dash).into(),
            words::state(engine.state, engine.reason.as_deref()),
        ]);
    }
    output.table(&rows)?;
    for note in &health.notes {
        output.print("\n")?;
        output.toned(Tone::Warning, "note: ")?;
        output.line(note)?;
    }
    Ok(())
}
