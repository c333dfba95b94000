//! `thox discover`
//!
//! - [`hints`]: why none may be seen.

mod hints;

use super::words;
use crate::{
    device::around::{self, Neighbour},
    failure::{Exit, Failure},
    output::{Cell, Output, Tone},
};
use serde::Serialize;
use std::time::Duration;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'d> {
    devices: &'d [Neighbour],
    hints: &'d [String],
}

/// Lists the devices of the network. That there is none is a failure for scripts.
pub(super) async fn run(time: Duration, output: Output, is_json: bool) -> Result<(), Failure> {
    let devices = around::look(time).await?;
    let hints = if devices.is_empty() {
        hints::of(&hints::Machine::look())
    } else {
        Vec::new()
    };
    if is_json {
        let document = Document {
            devices: &devices,
            hints: &hints,
        };
        let text = serde_json::to_string(&document)
            .map_err(|error| Failure::error(format!("the list cannot be put as JSON: {error}")))?;
        output.line(&text)?;
    } else if devices.is_empty() {
        output.line(&format!(
            "No Thox device answered within {} s. What may be the reason:",
            time.as_secs()
        ))?;
        for hint in &hints {
            output.line(&format!("- {hint}"))?;
        }
    } else {
        list(&devices, output)?;
    }
    if devices.is_empty() {
        return Err(Failure::Silent(Exit::NotFound));
    }
    Ok(())
}

fn list(devices: &[Neighbour], output: Output) -> Result<(), Failure> {
    let heading = ["NAME", "ADDRESS", "VERSION", "HEALTH", "ALSO"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for device in devices {
        let address = device.first_address();
        let health = match (device.status, &device.reason) {
            (Some(status), _) => {
                let (tone, word) = words::verdict(status);
                Cell::toned(tone, word)
            }
            (None, reason) => {
                let reason = reason.as_deref().unwrap_or("no answer");
                Cell::toned(Tone::Bad, format!("does not answer: {reason}"))
            }
        };
        let also = if device.stable_name == device.name {
            String::new()
        } else {
            device.stable_name.clone()
        };
        rows.push(vec![
            device.name.as_str().into(),
            address.unwrap_or_else(words::dash).into(),
            device.version.clone().unwrap_or_else(words::dash).into(),
            health,
            also.into(),
        ]);
    }
    output.table(&rows)
}
