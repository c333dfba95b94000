//! What must hold between settings, where each is right by itself.

use super::{
    address::EngineAddress, key::Key, problem::Fault, reader::Reader, setting::Setting,
    shape::Settings,
};
use thox_policy::{EngineKind, nearest::nearest};
use tracing_subscriber::filter::Targets;

/// The labels that stand for all engines of a kind in a model's table.
const LABELS: [&str; 3] = ["ollama", "tensorrt", "starter"];

/// The keys of a model that are not engines.
const MODEL_KEYS: [&str; 2] = ["parameters", "description"];

/// Notes what does not fit together.
pub(super) fn check(settings: &Settings, reader: &Reader<'_>) {
    certificate(settings, reader);
    engines(settings, reader);
    models(settings, reader);
    log(settings, reader);
}

/// What the log would refuse later, when a reload shall be all or nothing.
fn log(settings: &Settings, reader: &Reader<'_>) {
    if let Err(error) = settings.log.level.parse::<Targets>() {
        let key = Key::default().child("log").child("level");
        if !reader.has_problem_within(&key) {
            let message = format!("{error}; a level is error, warn, info, debug or trace");
            reader.note(key, Fault::Conflict(message));
        }
    }
}

/// A certificate without its key, or the other way round, would mean the device's own in silence.
fn certificate(settings: &Settings, reader: &Reader<'_>) {
    let table = Key::default().child("tls");
    let (name, expected) = match (&settings.tls.certificate, &settings.tls.key) {
        (Some(_), None) => ("key", "the path of the PEM file with tls.certificate's key"),
        (None, Some(_)) => (
            "certificate",
            "the path of the PEM file with the certificate of tls.key",
        ),
        (None, None) | (Some(_), Some(_)) => return,
    };
    let key = table.child(name);
    // One that could not be read is reported once.
    if !reader.has_problem_within(&key) {
        let expected = expected.to_owned();
        reader.note(key, Fault::Missing { expected });
    }
}

fn engines(settings: &Settings, reader: &Reader<'_>) {
    let table = Key::default().child("engines");
    for (name, engine) in &settings.engines {
        let key = table.child(name);
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            // The name stands in headers, in metrics and in `backend`.
            let message = "an engine's name has 1 to 64 lower-case letters, digits, - and _";
            reader.note(key.clone(), Fault::Conflict(message.to_owned()));
        }
        if MODEL_KEYS.contains(&name.as_str()) {
            let message = format!(
                "no engine can be named {name}: in a model's table that key means something else"
            );
            reader.note(key.clone(), Fault::Conflict(message));
        }
        if LABELS.contains(&name.as_str()) && engine.kind.backend() != Some(name.as_str()) {
            let message = format!(
                "the name {name} stands for the engines that are reported as {name}; give an engine of kind {} another name",
                engine.kind
            );
            reader.note(key.clone(), Fault::Conflict(message));
        }
        // A kind or an address that could not be read is reported once.
        if reader.has_problem_within(&key) {
            continue;
        }
        match (engine.kind, &engine.url) {
            (EngineKind::Starter, Some(_)) => {
                let message =
                    "the starter engine is part of thoxd and has no address; remove this key";
                reader.note(key.child("url"), Fault::Conflict(message.to_owned()));
            }
            (EngineKind::Starter, None) | (_, Some(_)) => {}
            (_, None) => {
                let expected = EngineAddress::EXPECTED.to_owned();
                reader.note(key.child("url"), Fault::Missing { expected });
            }
        }
    }
}

fn models(settings: &Settings, reader: &Reader<'_>) {
    let table = Key::default().child("models");
    for (name, model) in &settings.models {
        let key = table.child(name);
        if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
            let message = "a model's name has 1 to 256 characters and no control characters";
            reader.note(key.clone(), Fault::Conflict(message.to_owned()));
        }
        if model.on.is_empty() && !reader.has_problem_within(&key) {
            let message = "no engine is named that has this model; add one, such as ollama = \"qwen2.5-coder:7b\"";
            reader.note(key.clone(), Fault::Conflict(message.to_owned()));
        }
        for engine in model.on.keys() {
            let names = || settings.engines.keys().map(String::as_str).chain(LABELS);
            if !names().any(|known| known == engine) {
                let near = nearest(engine, names().chain(MODEL_KEYS));
                let nearest = near.map(|near| key.child(near).to_string());
                reader.note(key.child(engine), Fault::UnknownKey { nearest });
            }
        }
    }
}
