//! `thox models`

use super::{print_json, words};
use crate::{
    device::Device,
    failure::Failure,
    output::{Cell, Output},
};
use thox_api::ModelList;

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
