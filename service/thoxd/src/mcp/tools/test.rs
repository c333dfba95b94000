//! `thox_test`: code in; tests and what they cover out.

use super::{
    Done, Work, arguments,
    arguments::{MOST_CODE, MOST_WORDS, of_file, of_language, of_model, of_text},
    fields, output,
    work::{Budget, answer, origin, unusable},
};
use crate::mcp::{
    extract,
    job::Missing,
    prompts::{Job, fence},
};
use minijinja::context;
use rmcp::model::{JsonObject, Tool};
use serde::Deserialize;
use serde_json::json;

pub(super) const NAME: &str = "thox_test";

/// A test file for a function or two.
const BUDGET: Budget = Budget {
    least: 256,
    wanted: 2048,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    code: String,
    framework: Option<String>,
    focus: Option<String>,
    language: Option<String>,
    file: Option<String>,
    model: Option<String>,
}

pub(super) fn tool() -> Tool {
    let properties = fields(json!({
        "code": of_text("The code to test.", MOST_CODE),
        "framework": of_text("The test framework, such as \"pytest\" or \"vitest\". Without it, the language's usual one.", arguments::MOST_NAME),
        "focus": of_text("What to look at above all, such as \"rounding\".", MOST_WORDS),
        "language": of_language(),
        "file": of_file(),
        "model": of_model(),
    }));
    let result = fields(json!({
        "code": {"type": "string", "description": "The tests, as a file that runs as it stands."},
        "covers": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What the tests cover, in the model's words; empty where it did not say.",
        },
        "truncated": {"type": "boolean", "description": "Whether the model had more to say than it was allowed: the last test may be incomplete."},
    }));
    super::tool(
        NAME,
        "Write tests",
        "Writes unit tests for source code, with a model on the Thox device of the local network. Nothing is written to any file and nothing is run: the test code and what it covers come back.",
        arguments::input(&properties, &["code"]),
        output(result),
    )
}

pub(super) async fn call(given: JsonObject, work: &mut Work) -> Result<Done, Missing> {
    let given: Arguments = arguments::read(given)?;
    arguments::text("code", &given.code, MOST_CODE)?;
    arguments::name("framework", given.framework.as_deref())?;
    if let Some(focus) = &given.focus {
        arguments::text("focus", focus, MOST_WORDS)?;
    }
    arguments::name("language", given.language.as_deref())?;
    arguments::name("file", given.file.as_deref())?;
    arguments::name("model", given.model.as_deref())?;
    let model = work.model(given.model.as_deref());
    let values = context! {
        fence => fence(&given.code), language => &given.language, file => &given.file,
        framework => &given.framework, focus => &given.focus, code => &given.code,
    };
    let said = work.chat(&model, Job::Test, &values, BUDGET).await?;
    let found = extract::code(&answer(&said)?);
    if !found.is_fenced || found.code.trim().is_empty() {
        return Err(unusable(&said, "gave no test code back"));
    }
    let is_truncated = said.is_truncated || !found.is_closed;
    let covers = extract::points(&found.prose);
    let mark = fence(&found.code);
    let language = given.language.as_deref().unwrap_or_default();
    let mut text = format!("{mark}{language}\n{}{mark}", found.code);
    if !covers.is_empty() {
        text.push_str("\n\nCovers:");
        for point in &covers {
            text.push_str("\n- ");
            text.push_str(point);
        }
    }
    if is_truncated {
        text.push_str("\n\nThe answer was cut off: the last test may be incomplete.");
    }
    Ok(Done {
        structured: origin(
            &said,
            json!({"code": found.code, "covers": covers, "truncated": is_truncated}),
        ),
        text,
    })
}
