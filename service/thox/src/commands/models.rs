//! `thox models`

use super::{print_json, words};
use crate::{
    arguments::ModelArguments,
    device::Device,
    failure::Failure,
    output::{Cell, Output},
};
use std::time::Duration;
use thox_api::{ModelAction, ModelChanged, ModelList, NamedModel};

/// A large model takes minutes from a slow disk; the device itself gives up at engines.NAME.first_byte_timeout.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What is done to a model.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Load,
    Unload,
    Delete,
}

/// Does it, and waits until it is done.
pub(super) async fn change(
    device: &Device,
    change: Change,
    arguments: ModelArguments,
    output: Output,
    is_json: bool,
) -> Result<(), Failure> {
    let path = match change {
        Change::Load => "/thox/v1/models/load",
        Change::Unload => "/thox/v1/models/unload",
        Change::Delete => "/thox/v1/models/delete",
    };
    let named = NamedModel::from(arguments);
    let (reply, done) = device
        .send_patiently::<ModelChanged>(path, &named, PATIENCE)
        .await?;
    if is_json {
        return print_json(&reply, output);
    }
    let ModelChanged { model, engine, .. } = done;
    output.line(&match done.action {
        ModelAction::Loaded => format!("{model} is in the memory of {engine}."),
        ModelAction::Unloaded => format!("{model} is in the memory of {engine} no more."),
        ModelAction::Deleted => format!("{model} is removed from {engine}."),
    })
}

impl From<ModelArguments> for NamedModel {
    fn from(ModelArguments { model, engine }: ModelArguments) -> Self {
        Self { model, engine }
    }
}

/// Lists the models that can be asked.
pub(super) async fn list(device: &Device, output: Output, is_json: bool) -> Result<(), Failure> {
    let (reply, models) = device.get::<ModelList>("/v1/models").await?;
    if is_json {
        return print_json(&reply, output);
    }
    if models.data.is_empty() {
        return output.line("There are no models. `thox status` tells what is missing.");
    }
    let heading = [
        "NAME",
        "SIZE",
        "BACKEND",
        "CONTEXT",
        "LOADED",
        "CAN",
        "STANDS FOR",
    ];
    let mut rows = vec![heading.map(Cell::from).to_vec()];
    for model in &models.data {
        let capabilities = model.capabilities.as_ref().map(|names| names.join(" "));
        rows.push(vec![
            model.id.as_str().into(),
            words::parameters(model.parameters).into(),
            model.backends.join(" ").into(),
            words::tokens(model.context_length).into(),
            if model.loaded { "yes" } else { "no" }.into(),
            capabilities.unwrap_or_else(words::dash).into(),
            model.stands_for.clone().unwrap_or_default().into(),
        ]);
    }
    output.table(&rows)
}
