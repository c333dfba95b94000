//! Why an engine is not built for a model, for those who read it.

use super::folder::{Folder, Room};
use crate::engine::Engine;
use std::{fmt, time::Duration};
use thox_api::{ApiError, ErrorKind};

pub(super) fn no_engine() -> ApiError {
    let message = "no engine is set up that compiles models: TensorRT does. Set engines.tensorrt with kind = \"edge-llm\" and its url, as config/image.toml has it.";
    ApiError::new(ErrorKind::CapabilityMissing, message).param("engine")
}

pub(super) fn nothing_to_build(engine: &Engine) -> ApiError {
    let message = format!(
        "the engine `{}` compiles no models: what it has runs as it is. Fetch the model (POST /thox/v1/models/downloads), or name an engine of the kind edge-llm or trtllm.",
        engine.name
    );
    ApiError::new(ErrorKind::CapabilityMissing, message).param("engine")
}

pub(super) fn no_unit(unit: &str) -> ApiError {
    let message = format!(
        "TensorRT is not installed here: systemd has no {unit}. The image of a device has it, made of systemd/tensorrt-llm@.container, where it was built with meta-virtualization."
    );
    ApiError::new(ErrorKind::CapabilityMissing, message).param("engine")
}

pub(super) fn no_model(folder: &Folder) -> ApiError {
    let message = format!(
        "there is no folder {}. Copy the model there as it was published (config.json, *.safetensors, tokenizer), or on a board with JetPack 6 the engine that was built for it, and ask again.",
        folder.source.display()
    );
    ApiError::new(ErrorKind::ModelNotFound, message).param("model")
}

pub(super) fn no_room(folder: &Folder, room: Room) -> ApiError {
    let gigabytes = |bytes: u64| bytes.div_ceil(100_000_000) as f64 / 10.0;
    let message = format!(
        "there is not enough room beside {}: what is compiled takes up to {:.1} GB, and {:.1} GB are free. Remove models that are not needed (thox models rm), and ask again.",
        folder.source.display(),
        gigabytes(room.wanted),
        gigabytes(room.free)
    );
    ApiError::new(ErrorKind::CapabilityMissing, message).param("model")
}

pub(super) fn not_begun(unit: &str, folder: Option<&Folder>) -> ApiError {
    let what = folder.map_or_else(
        || "what it takes".to_owned(),
        |folder| folder.source.display().to_string(),
    );
    let message = format!(
        "systemd did not start {unit}: a condition of it does not hold; {what} has to be there. On the device: systemctl status {unit}."
    );
    ApiError::new(ErrorKind::EngineError, message)
}

pub(super) fn failed(unit: &str, why: &str) -> ApiError {
    let message = format!(
        "the engine was not built: {unit} ended ({why}). The whole log, on the device: journalctl -u {unit}."
    );
    ApiError::new(ErrorKind::EngineError, message)
}

pub(super) fn too_long(unit: &str, limit: Duration) -> ApiError {
    let hours = limit.as_secs() / 3600;
    let message = format!(
        "the engine was not built within {hours} hours, and {unit} was stopped. What it did, on the device: journalctl -u {unit}."
    );
    ApiError::new(ErrorKind::EngineTimeout, message)
}

pub(super) fn broken(unit: &str, cause: impl fmt::Display) -> ApiError {
    let message = format!(
        "the files of {unit} could not be looked at; the log of thoxd says more. Ask again."
    );
    ApiError::new(ErrorKind::Internal, message).cause(cause)
}

/// What the engine itself said goes to whoever has asked; the log of thoxd does without.
pub(super) fn with_last_words(mut error: ApiError, words: &[String]) -> ApiError {
    if !words.is_empty() {
        error.message = format!("{} It said last:\n{}", error.message, words.join("\n")).into();
    }
    error
}
