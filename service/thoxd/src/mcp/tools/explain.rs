//! `thox_explain`: code or an error message in words.

use super::{
    Done, Work, arguments,
    arguments::{MOST_CODE, MOST_WORDS, of_file, of_language, of_model, of_text},
    fields, output,
    work::{Budget, answer, origin},
};
use crate::mcp::{
    job::Missing,
    prompts::{Job, fence},
};
use minijinja::context;
use rmcp::model::{JsonObject, Tool};
use serde::Deserialize;
use serde_json::json;

pub(super) const NAME: &str = "thox_explain";

/// A page of text.
const BUDGET: Budget = Budget {
    least: 128,
    wanted: 1024,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    code: Option<String>,
    error: Option<String>,
    question: Option<String>,
    level: Option<Level>,
    language: Option<String>,
    file: Option<String>,
    model: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Beginner,
    #[default]
    Intermediate,
    Expert,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Expert => "expert",
        }
    }
}

pub(super) fn tool() -> Tool {
    let properties = fields(json!({
        "code": of_text("The code to explain. Give this or `error`.", MOST_CODE),
        "error": of_text("The error message to explain, whole, as the compiler or program wrote it. Give this or `code`.", MOST_CODE),
        "question": of_text("What you want to know of it. Without it, all of it is explained.", MOST_WORDS),
        "level": {
            "type": "string",
            "enum": ["beginner", "intermediate", "expert"],
            "description": "Who reads the explanation.",
            "default": "intermediate",
        },
        "language": of_language(),
        "file": of_file(),
        "model": of_model(),
    }));
    let result = fields(json!({
        "explanation": {"type": "string", "description": "The explanation, as Markdown."},
        "truncated": {"type": "boolean", "description": "Whether the model had more to say than it was allowed."},
    }));
    super::tool(
        NAME,
        "Explain code or an error",
        "Explains source code or an error message, with a model on the Thox device of the local network. Give either `code` or `error`, and a question if there is one.",
        arguments::input(&properties, &[]),
        output(result),
    )
}

pub(super) async fn call(given: JsonObject, work: &mut Work) -> Result<Done, Missing> {
    let given: Arguments = arguments::read(given)?;
    let (kind, what) = match (&given.code, &given.error) {
        (Some(code), None) => ("code", code),
        (None, Some(error)) => ("error", error),
        (None, None) | (Some(_), Some(_)) => {
            return Err(arguments::invalid(
                "give either `code` or `error`, and not both: one thing is explained at a time."
                    .to_owned(),
            ));
        }
    };
    arguments::text(kind, what, MOST_CODE)?;
    if let Some(question) = &given.question {
        arguments::text("question", question, MOST_WORDS)?;
    }
    arguments::name("language", given.language.as_deref())?;
    arguments::name("file", given.file.as_deref())?;
    arguments::name("model", given.model.as_deref())?;
    let model = work.model(given.model.as_deref());
    let values = context! {
        fence => fence(what), kind, language => given.language, file => given.file,
        level => given.level.unwrap_or_default().as_str(), question => given.question, code => what,
    };
    let said = work.chat(&model, Job::Explain, &values, BUDGET).await?;
    let text = answer(&said)?;
    Ok(Done {
        structured: origin(
            &said,
            json!({"explanation": text, "truncated": said.is_truncated}),
        ),
        text,
    })
}
