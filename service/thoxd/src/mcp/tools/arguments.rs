//! What tools take: read, and checked against the limits that their schemas tell.

use crate::mcp::job::Missing;
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thox_api::ErrorKind;

/// Characters of code. More than any model on the device reads; the model's own context is checked besides.
pub(in crate::mcp) const MOST_CODE: usize = 400_000;
/// Characters of a goal, a question: a paragraph or two.
pub(in crate::mcp) const MOST_WORDS: usize = 4000;
/// Characters of a name: a language, a framework, a model, a file.
pub(in crate::mcp) const MOST_NAME: usize = 256;

/// Reads arguments.
///
/// # Errors
/// In words for the model that has called: one is missing, unknown or of the wrong type.
pub(super) fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T, Missing> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| invalid(format!("the arguments are not as they should be: {error}. The tool's input schema tells what it takes.")))
}

/// Checks the length of a text.
///
/// # Errors
/// It is empty where it must not be, or too long.
pub(super) fn text(name: &str, text: &str, most: usize) -> Result<(), Missing> {
    if text.trim().is_empty() {
        return Err(invalid(format!(
            "`{name}` is empty: it has to say something."
        )));
    }
    within(name, text, most)
}

/// Checks the length of a text that may be empty.
///
/// # Errors
/// It is too long.
pub(super) fn within(name: &str, text: &str, most: usize) -> Result<(), Missing> {
    let length = text.chars().count();
    if length > most {
        return Err(invalid(format!(
            "`{name}` has {length} characters, and {most} is the most. Send the part that matters."
        )));
    }
    Ok(())
}

/// Checks an optional name: one line.
///
/// # Errors
/// It is empty, too long or of several lines.
pub(super) fn name(name: &str, value: Option<&str>) -> Result<(), Missing> {
    let Some(value) = value else { return Ok(()) };
    text(name, value, MOST_NAME)?;
    if value.chars().any(char::is_control) {
        return Err(invalid(format!("`{name}` has to be a single line.")));
    }
    Ok(())
}

pub(super) fn invalid(message: String) -> Missing {
    Missing::Failed {
        kind: ErrorKind::InvalidRequest,
        message,
    }
}

/// The schema of a text.
pub(super) fn of_text(description: &str, most: usize) -> Value {
    json!({"type": "string", "description": description, "minLength": 1, "maxLength": most})
}

/// The schemas that several tools share.
pub(super) fn of_language() -> Value {
    of_text(
        "The programming language, such as \"rust\" or \"python\". Without it the model has to see for itself.",
        MOST_NAME,
    )
}

pub(super) fn of_file() -> Value {
    of_text("The file's name, such as \"src/main.rs\".", MOST_NAME)
}

pub(super) fn of_model() -> Value {
    of_text(
        "The model to ask, such as \"thox-coder\" (the default), or for speed \"thox-coder-fast\". The resource thox://models lists what there is.",
        MOST_NAME,
    )
}

/// An input schema.
pub(super) fn input(properties: &JsonObject, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
