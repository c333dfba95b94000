//! The words that a field may have are those of the code.

use crate::document::document;
use serde_json::{Value, json};
use std::{collections::BTreeSet, iter::successors};
use thox_api::{
    BackendState, CircuitState, DownloadState, Effect, LogLevel, ModelAction, OverallStatus,
    UpdateOutcome, UpdateState,
};
use thox_policy::{Capability, Endpoint, EngineKind, Reason};
use thoxd::observe::metrics::Outcome;

/// All values of an enum from an exhaustive match: a value that is new does not compile until it stands here.
fn all<T: Copy>(first: T, next: impl Fn(&T) -> Option<T>) -> impl Iterator<Item = T> {
    successors(Some(first), next)
}

fn described(document: &Value, schema: &str, pointer: &str) -> BTreeSet<String> {
    let words = document["components"]["schemas"][schema].pointer(pointer);
    let words = words.and_then(Value::as_array).expect("words");
    words
        .iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

fn words<T>(values: impl Iterator<Item = T>, word: impl Fn(T) -> &'static str) -> BTreeSet<String> {
    values.map(|value| word(value).to_owned()).collect()
}

fn json_words<T: serde::Serialize>(values: impl Iterator<Item = T>) -> BTreeSet<String> {
    values
        .filter_map(|value| json!(value).as_str().map(str::to_owned))
        .collect()
}

#[test]
fn kinds_of_engine_and_capabilities() {
    let document = document();
    let kinds = all(EngineKind::Ollama, |kind| match kind {
        EngineKind::Ollama => Some(EngineKind::Trtllm),
        EngineKind::Trtllm => Some(EngineKind::EdgeLlm),
        EngineKind::EdgeLlm => Some(EngineKind::Openai),
        EngineKind::Openai => Some(EngineKind::Starter),
        EngineKind::Starter => None,
    });
    assert_eq!(
        described(&document, "BackendHealth", "/properties/kind/enum"),
        words(kinds, EngineKind::as_str)
    );
    let capabilities = all(Capability::Completion, |capability| match capability {
        Capability::Completion => Some(Capability::Tools),
        Capability::Tools => Some(Capability::Insert),
        Capability::Insert => Some(Capability::Vision),
        Capability::Vision => Some(Capability::Embedding),
        Capability::Embedding => Some(Capability::Thinking),
        Capability::Thinking => Some(Capability::ManyChoices),
        Capability::ManyChoices => Some(Capability::Json),
        Capability::Json => None,
    });
    assert_eq!(
        described(&document, "Model", "/properties/capabilities/items/enum"),
        words(capabilities, Capability::as_str)
    );
}

#[test]
fn states() {
    let document = document();
    let overall = all(OverallStatus::Healthy, |status| match status {
        OverallStatus::Healthy => Some(OverallStatus::Degraded),
        OverallStatus::Degraded => Some(OverallStatus::Unhealthy),
        OverallStatus::Unhealthy => None,
    });
    assert_eq!(
        described(&document, "Health", "/properties/status/enum"),
        json_words(overall)
    );
    let of_backend = all(BackendState::Up, |state| match state {
        BackendState::Up => Some(BackendState::Unknown),
        BackendState::Unknown => Some(BackendState::Resting),
        BackendState::Resting => Some(BackendState::Down),
        BackendState::Down => None,
    });
    assert_eq!(
        described(&document, "BackendHealth", "/properties/state/enum"),
        json_words(of_backend)
    );
    let of_circuit = all(CircuitState::Closed, |state| match state {
        CircuitState::Closed => Some(CircuitState::Open),
        CircuitState::Open => None,
    });
    assert_eq!(
        described(
            &document,
            "RouterBackend",
            "/allOf/1/properties/circuit/enum"
        ),
        json_words(of_circuit)
    );
}

#[test]
fn decisions() {
    let document = document();
    assert_eq!(
        described(&document, "DecisionRecord", "/properties/endpoint/enum"),
        words(Endpoint::ALL.into_iter(), Endpoint::as_str)
    );
    assert_eq!(
        described(&document, "DecisionRecord", "/properties/outcome/enum"),
        words(Outcome::ALL.into_iter(), Outcome::as_str)
    );
    let reasons = all(Reason::Wish, |reason| match reason {
        Reason::Wish => Some(Reason::Only),
        Reason::Only => Some(Reason::Size),
        Reason::Size => Some(Reason::Resident),
        Reason::Resident => Some(Reason::Order),
        Reason::Order => Some(Reason::Fallback),
        Reason::Fallback => Some(Reason::Substitute),
        Reason::Substitute => None,
    });
    let names: Vec<&str> = reasons.map(Reason::as_str).collect();
    assert_eq!(
        document["components"]["headers"]["Route"]["schema"]["pattern"],
        format!("^[^;]+; reason=({})$", names.join("|"))
    );
}

#[test]
fn downloads_settings_and_the_log() {
    let document = document();
    let download = all(DownloadState::Queued, |state| match state {
        DownloadState::Queued => Some(DownloadState::Running),
        DownloadState::Running => Some(DownloadState::Succeeded),
        DownloadState::Succeeded => Some(DownloadState::Failed),
        DownloadState::Failed => Some(DownloadState::Cancelled),
        DownloadState::Cancelled => None,
    });
    assert_eq!(
        described(&document, "Download", "/properties/state/enum"),
        json_words(download)
    );
    let action = all(ModelAction::Loaded, |action| match action {
        ModelAction::Loaded => Some(ModelAction::Unloaded),
        ModelAction::Unloaded => Some(ModelAction::Deleted),
        ModelAction::Deleted => None,
    });
    assert_eq!(
        described(&document, "ModelChanged", "/properties/action/enum"),
        json_words(action)
    );
    let effect = all(Effect::AtOnce, |effect| match effect {
        Effect::AtOnce => Some(Effect::Restart),
        Effect::Restart => None,
    });
    assert_eq!(
        described(&document, "Setting", "/properties/effect/enum"),
        json_words(effect)
    );
    assert_eq!(
        described(&document, "LogLine", "/properties/level/enum"),
        words(LogLevel::ALL.into_iter(), LogLevel::as_str)
    );
}

#[test]
fn updates() {
    let document = document();
    let state = all(UpdateState::Idle, |state| match state {
        UpdateState::Idle => Some(UpdateState::Offered),
        UpdateState::Offered => Some(UpdateState::Installing),
        UpdateState::Installing => Some(UpdateState::Staged),
        UpdateState::Staged => Some(UpdateState::Trial),
        UpdateState::Trial => None,
    });
    assert_eq!(
        described(&document, "Update", "/properties/state/enum"),
        json_words(state)
    );
    let outcome = all(UpdateOutcome::Kept, |outcome| match outcome {
        UpdateOutcome::Kept => Some(UpdateOutcome::RolledBack),
        UpdateOutcome::RolledBack => Some(UpdateOutcome::NotInstalled),
        UpdateOutcome::NotInstalled => Some(UpdateOutcome::Left),
        UpdateOutcome::Left => None,
    });
    assert_eq!(
        described(&document, "UpdateLast", "/properties/outcome/enum"),
        json_words(outcome)
    );
}
