//! The four tools.
//!
//! - [`complete`], [`explain`], [`refactor`], [`mod@test`]: each with its schemas, its limits and what it makes of the answer.
//! - `arguments`: what they take, read and checked.
//! - `work`: what they share: a question within the model's context, and what is wrong with an answer.

pub(super) mod arguments;
pub(super) mod complete;
pub(super) mod explain;
pub(super) mod refactor;
pub(super) mod test;
mod work;

pub(super) use work::Work;

use super::job::Missing;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a tool gives back.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// As the output schema says.
    pub structured: Value,
    /// The same for people and for clients that know no structure.
    pub text: String,
}

/// All tools, as `tools/list` shows them.
pub(super) fn list() -> Vec<Tool> {
    vec![
        complete::tool(),
        explain::tool(),
        refactor::tool(),
        test::tool(),
    ]
}

/// Calls a tool; `None` where there is none of that name.
pub(super) async fn call(
    name: &str,
    arguments: JsonObject,
    work: &mut Work,
) -> Option<Result<Done, Missing>> {
    Some(match name {
        complete::NAME => complete::call(arguments, work).await,
        explain::NAME => explain::call(arguments, work).await,
        refactor::NAME => refactor::call(arguments, work).await,
        test::NAME => test::call(arguments, work).await,
        _ => return None,
    })
}

/// A tool that reads and answers, and changes nothing anywhere.
fn tool(
    name: &'static str,
    title: &str,
    description: &'static str,
    input: Value,
    output: Value,
) -> Tool {
    let annotations = ToolAnnotations::with_title(title)
        .read_only(true)
        .destructive(false)
        // A model says the same thing twice only by chance.
        .idempotent(false)
        .open_world(false);
    Tool::new(name, description, object(input))
        .with_title(title)
        .with_raw_output_schema(object(output))
        .with_annotations(annotations)
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(fields) => Arc::new(fields),
        _ => Arc::default(),
    }
}

/// An output schema: `fields` and what every tool tells beside them.
fn output(mut fields: JsonObject) -> Value {
    let every = [
        (
            "model",
            json!({"type": "string", "description": "The model that answered."}),
        ),
        (
            "backend",
            json!({"type": "string", "description": "The engine that ran it."}),
        ),
    ];
    fields.extend(every.map(|(name, schema)| (name.to_owned(), schema)));
    let required: Vec<String> = fields.keys().cloned().collect();
    json!({
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": false,
    })
}

/// The fields of a JSON object that is written out in the code.
fn fields(value: Value) -> JsonObject {
    match value {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}
