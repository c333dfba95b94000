//! `thox router`

use super::{print_json, words};
use crate::{
    device::{Device, escaped},
    failure::{Exit, Failure},
    output::{Cell, Output, Tone},
};
use std::time::{Duration, SystemTime};
use thox_api::{
    CircuitState, DecisionRecord, Explanation, RouterBackend, RouterModel, RouterStatus,
};

/// More of the last decisions are in the JSON.
const SHOWN_DECISIONS: usize = 10;

/// Shows what the router does and has done.
pub(super) async fn status(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, status) = device.get::<RouterStatus>("/v1/router/status").await?;
    if is_json {
        return print_json(&reply, output);
    }
    output.line(&format!(
        "Models of {} parameters and more prefer tensorrt; {} always finds an answer.\n",
        status.rules.large_model_threshold, status.rules.default_model
    ))?;
    backends(&status.backends, output)?;
    if !status.models.is_empty() {
        output.print("\n")?;
        models(&status.models, output)?;
    }
    if !status.decisions.is_empty() {
        output.print("\n")?;
        decisions(&status.decisions, output)?;
    }
    Ok(())
}

fn backends(backends: &[RouterBackend], output: Output) -> Result<(), Failure> {
    let heading = [
        "ENGINE",
        "BACKEND",
        "CIRCUIT",
        "RUNNING",
        "WAITING",
        "IN MEMORY",
        "STATE",
    ];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for backend in backends {
        let health = &backend.health;
        let slots = if backend.slots == 0 {
            String::new()
        } else {
            format!(" of {}", backend.slots)
        };
        rows.push(vec![
            health.name.as_str().into(),
            health.backend.as_str().into(),
            match backend.circuit {
                CircuitState::Closed => "closed".into(),
                CircuitState::Open => Cell::toned(Tone::Warning, "open"),
            },
            format!("{}{slots}", backend.in_flight).into(),
            backend.queued.to_string().into(),
            or_dash(backend.resident.join(" ")).into(),
            words::state(health.state, health.reason.as_deref()),
        ]);
    }
    output.table(&rows)
}

fn models(models: &[RouterModel], output: Output) -> Result<(), Failure> {
    let mut rows = vec![
        ["MODEL", "GOES TO", "AS", "BECAUSE"]
            .map(Cell::from)
            .to_vec(),
    ];
    for model in models {
        rows.push(match &model.route {
            Some(route) => vec![
                model.id.as_str().into(),
                route.engine.as_str().into(),
                route.model.as_str().into(),
                route.reason.as_str().into(),
            ],
            None => vec![
                model.id.as_str().into(),
                Cell::toned(Tone::Bad, "nowhere"),
                words::dash().into(),
                model.refusal.clone().unwrap_or_else(words::dash).into(),
            ],
        });
    }
    output.table(&rows)
}

fn decisions(decisions: &[DecisionRecord], output: Output) -> Result<(), Failure> {
    let heading = ["WHEN", "MODEL", "FOR", "ENGINE", "ENDED", "TOOK", "BECAUSE"];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    for decision in decisions.iter().take(SHOWN_DECISIONS) {
        // The device's clock and this one need not agree.
        let age = now.saturating_sub(Duration::from_millis(decision.at_ms));
        rows.push(vec![
            format!("{} ago", words::span(age.as_secs())).into(),
            decision.model.as_str().into(),
            decision.endpoint.as_str().into(),
            decision.engine.clone().unwrap_or_else(words::dash).into(),
            decision.outcome.as_str().into(),
            format!("{} ms", decision.ms).into(),
            decision.reason.clone().unwrap_or_else(words::dash).into(),
        ]);
    }
    output.table(&rows)
}

/// Shows where a request would go, and the roads not taken. A model that is nowhere is a failure for scripts.
pub(super) async fn explain(
    device: &Device,
    model: &str,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let path = format!("/thox/v1/router/explain?model={}", escaped(model));
    let (reply, explanation) = device.get::<Explanation>(&path).await?;
    if is_json {
        print_json(&reply, output)?;
    } else {
        print_explanation(&explanation, output)?;
    }
    // An engine that has the model and is down is another matter: the model is there.
    if explanation.chosen.is_none() && explanation.not_taken.is_empty() {
        return Err(Failure::Silent(Exit::NotFound));
    }
    Ok(())
}

fn print_explanation(explanation: &Explanation, output: Output) -> Result<(), Failure> {
    let size = match &explanation.parameters {
        Some(size) => format!("{size} parameters"),
        None => "of unknown size".to_owned(),
    };
    let class = if explanation.is_large {
        "large"
    } else {
        "small"
    };
    output.line(&format!(
        "{}: {size}, {class} (large is {} and more)\n",
        explanation.model, explanation.rules.large_model_threshold
    ))?;
    match &explanation.chosen {
        Some(road) => {
            output.toned(Tone::Good, "goes to ")?;
            output.line(&format!(
                "{} ({}) as {}: {}",
                road.engine, road.backend, road.model, road.reason
            ))?;
        }
        None => {
            output.toned(Tone::Bad, "goes nowhere: ")?;
            output.line(
                explanation
                    .refusal
                    .as_deref()
                    .unwrap_or("no engine can answer"),
            )?;
        }
    }
    for road in &explanation.not_taken {
        output.toned(Tone::Faint, "not to  ")?;
        output.line(&format!(
            "{} ({}) as {}: {}",
            road.engine,
            road.backend,
            or_dash(road.model.clone()),
            road.reason
        ))?;
    }
    Ok(())
}

fn or_dash(text: String) -> String {
    if text.is_empty() { words::dash() } else { text }
}
