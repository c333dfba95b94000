//! `thox status`

use super::{print_json, words};
use crate::{
    device::{Device, Reply},
    failure::{Exit, Failure},
    output::{Cell, Output, Tone},
};
use thox_api::{DeviceStatus, Health, OverallStatus};

/// Shows the device's health. One that is unhealthy is a failure for scripts.
pub(super) async fn show(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    // A device that does not know the second route, or tells it to nobody without a key, is shown without it.
    let (health, itself) = tokio::join!(device.health(), device.get::<DeviceStatus>(STATUS));
    let ((reply, health), itself) = (health?, itself.ok());
    match &itself {
        _ if !is_json => print(
            device,
            &health,
            itself.as_ref().map(|(_, itself)| itself),
            output,
        )?,
        None => print_json(&reply, output)?,
        Some((itself, _)) => output.line(&with_device(&reply, itself))?,
    }
    match health.status {
        OverallStatus::Healthy | OverallStatus::Degraded => Ok(()),
        OverallStatus::Unhealthy => Err(Failure::Silent(Exit::Error)),
    }
}

/// Where a device tells what it is called and by which TLS key it is known.
pub(super) const STATUS: &str = "/thox/v1/status";

/// Both replies in one document, each as the device sent it: the second is the field `device` of the first.
fn with_device(health: &Reply, itself: &Reply) -> String {
    let health = String::from_utf8_lossy(&health.body);
    let itself = String::from_utf8_lossy(&itself.body);
    match health.trim_end().strip_suffix('}') {
        Some(start) => format!("{start},\"device\":{}}}", itself.trim()),
        None => health.trim_end().to_owned(),
    }
}

fn print(
    device: &Device,
    health: &Health,
    itself: Option<&DeviceStatus>,
    output: Output,
) -> Result<(), Failure> {
    let (tone, verdict) = words::verdict(health.status);
    output.print(&format!("{} is ", device.url()))?;
    output.toned(tone, verdict)?;
    output.line(&format!(
        "\nthoxd {}, up {}",
        health.version,
        words::span(health.uptime_seconds)
    ))?;
    if let Some(itself) = itself {
        about(itself, output)?;
    }
    output.print("\n")?;
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

fn about(itself: &DeviceStatus, output: Output) -> Result<(), Failure> {
    let others = itself.names.iter().filter(|name| **name != itself.name);
    let others: Vec<&str> = others.map(String::as_str).collect();
    let also = if others.is_empty() {
        String::new()
    } else {
        format!(" (also {})", others.join(", "))
    };
    output.line(&format!("name: {}{also}", itself.name))?;
    let Some(tls) = &itself.tls else {
        return output.line("TLS:  off");
    };
    let ports: Vec<String> = tls.ports.iter().map(u16::to_string).collect();
    let maker = if tls.self_signed {
        "self-signed"
    } else {
        "issued"
    };
    output.print(&format!("TLS:  port {}, {maker}, ", ports.join(" ")))?;
    match words::ahead(tls.expires) {
        Some(left) => output.line(&format!("good for {left}"))?,
        None => {
            output.toned(Tone::Bad, "expired")?;
            output.print("\n")?;
        }
    }
    output.line(&format!("      fingerprint {}", tls.fingerprint))
}
