//! Resources: the models and the device's status, as JSON.

use crate::world::Worlds;
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde::Serialize;
use serde_json::json;

const MODELS: &str = "thox://models";
const MODEL: &str = "thox://models/";
const STATUS: &str = "thox://status";
const JSON: &str = "application/json";

pub(super) fn list() -> Vec<Resource> {
    vec![
        Resource::new(MODELS, "models")
            .with_title("Models")
            .with_description("The models of the device: names, sizes, what each can do, how much it reads, whether it is loaded.")
            .with_mime_type(JSON),
        Resource::new(STATUS, "status")
            .with_title("Status of the device")
            .with_description("Whether the device is well, and each of its engines.")
            .with_mime_type(JSON),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("thox://models/{+id}", "model")
            .with_title("Model")
            .with_description("One model of the device.")
            .with_mime_type(JSON),
    ]
}

/// The content of a resource.
///
/// # Errors
/// There is none of that name.
pub(super) fn read(uri: &str, worlds: &Worlds) -> Result<ReadResourceResult, ErrorData> {
    match uri {
        MODELS => content(uri, &worlds.models()),
        STATUS => content(uri, &worlds.health()),
        _ => {
            let model = uri.strip_prefix(MODEL).and_then(|id| worlds.model(id));
            match model {
                Some(model) => content(uri, &model),
                None => {
                    let message = format!(
                        "there is no resource `{uri}`. There are {MODELS}, {MODEL}NAME and {STATUS}."
                    );
                    let which = json!({"uri": uri});
                    Err(ErrorData::resource_not_found(message, Some(which)))
                }
            }
        }
    }
}

fn content(uri: &str, value: &impl Serialize) -> Result<ReadResourceResult, ErrorData> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|_| ErrorData::internal_error("the resource cannot be put as JSON", None))?;
    let contents = ResourceContents::text(text, uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]))
}
