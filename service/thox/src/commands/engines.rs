//! `thox engines`

use super::{print_json, words};
use crate::{
    arguments::{EngineArguments, EnginesCommand, Target},
    device::{Device, Reply, escaped},
    failure::Failure,
    output::{Cell, Output},
};
use serde_json::{Value, json};
use std::time::Duration;
use thox_api::{BackendHealth, EngineChanged, Health, UnitHealth};

/// A model server takes minutes to load; the device itself gives up after a quarter of an hour.
const PATIENCE: Duration = Duration::from_secs(16 * 60);

/// Lists the engines or changes one.
pub(super) async fn run(
    command: EnginesCommand,
    target: &Target,
    output: Output,
) -> Result<(), Failure> {
    let (verb, done, EngineArguments { engine }) = match command {
        EnginesCommand::List => {
            let device = Device::find(target).await?;
            let (reply, health) = device.health().await?;
            return if target.json {
                output.line(&listed(&reply)?)
            } else {
                print(&health, output)
            };
        }
        EnginesCommand::Start(arguments) => ("start", "started", arguments),
        EnginesCommand::Stop(arguments) => ("stop", "stopped", arguments),
        EnginesCommand::Restart(arguments) => ("restart", "restarted", arguments),
    };
    let device = Device::for_changes(target).await?;
    let path = format!("/thox/v1/engines/{}/{verb}", escaped(&engine));
    let (reply, changed) = device
        .send_patiently::<EngineChanged>(&path, &Value::Null, PATIENCE)
        .await?;
    if target.json {
        return print_json(&reply, output);
    }
    let EngineChanged { engine, unit, .. } = changed;
    output.line(&format!(
        "{engine} was {done}: {} is {}.",
        unit.name,
        in_words(&unit)
    ))
}

/// The engines of `/health` as a list, each as the device sent it.
fn listed(reply: &Reply) -> Result<String, Failure> {
    let health: Value = serde_json::from_slice(&reply.body)
        .map_err(|error| Failure::error(format!("the device's health is no JSON: {error}")))?;
    let engines = health.get("backends").cloned().unwrap_or_default();
    Ok(json!({ "object": "list", "data": engines }).to_string())
}

fn print(health: &Health, output: Output) -> Result<(), Failure> {
    if health.backends.is_empty() {
        return output.line("No engine is set up: `thox config explain engines` tells how.");
    }
    let heading = ["ENGINE", "KIND", "MODELS", "UNIT", "UNIT STATE", "STATE"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    rows.extend(health.backends.iter().map(row));
    output.table(&rows)
}

fn row(engine: &BackendHealth) -> Vec<Cell> {
    let unit = engine.unit.as_ref();
    vec![
        engine.name.as_str().into(),
        engine.kind.as_str().into(),
        engine.models.to_string().into(),
        unit.map_or_else(words::dash, |unit| unit.name.clone())
            .into(),
        unit.map_or_else(words::dash, in_words).into(),
        words::state(engine.state, engine.reason.as_deref()),
    ]
}

/// `active (running)`, and how it went where it did not go well.
fn in_words(unit: &UnitHealth) -> String {
    let why = unit.result.as_deref();
    let why = why.map_or_else(String::new, |result| format!(", {result}"));
    let again = match unit.restarts {
        0 => String::new(),
        1 => ", restarted once by itself".to_owned(),
        times => format!(", restarted {times} times by itself"),
    };
    format!("{} ({}{why}{again})", unit.state, unit.substate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_tells_how_it_went() {
        let mut unit = UnitHealth {
            name: "ollama.service".to_owned(),
            state: "active".to_owned(),
            substate: "running".to_owned(),
            ..UnitHealth::default()
        };
        assert_eq!(in_words(&unit), "active (running)");
        unit.restarts = 1;
        assert_eq!(
            in_words(&unit),
            "active (running, restarted once by itself)"
        );
        unit.result = Some("oom-kill".to_owned());
        unit.restarts = 3;
        unit.state = "failed".to_owned();
        unit.substate = "failed".to_owned();
        assert_eq!(
            in_words(&unit),
            "failed (failed, oom-kill, restarted 3 times by itself)"
        );
    }
}
