//! `thox_refactor`: code and a goal in; the new code, a summary and a unified diff out.

use super::{
    Done, Work, arguments,
    arguments::{MOST_CODE, MOST_WORDS, of_file, of_language, of_model, of_text},
    fields, output,
    work::{Budget, answer, origin, unusable},
};
use crate::mcp::{
    diff, extract,
    job::Missing,
    prompts::{Job, fence},
    size,
};
use minijinja::context;
use rmcp::model::{JsonObject, Tool};
use serde::Deserialize;
use serde_json::json;

pub(super) const NAME: &str = "thox_refactor";

/// For the summary, and for code that grows.
const BESIDE_THE_CODE: u64 = 512;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    code: String,
    goal: String,
    language: Option<String>,
    file: Option<String>,
    model: Option<String>,
}

pub(super) fn tool() -> Tool {
    let properties = fields(json!({
        "code": of_text("The code to change: all of it comes back, so give a function or a file and no more than is needed.", MOST_CODE),
        "goal": of_text("What shall be better, such as \"split into smaller functions\" or \"use async/await\".", MOST_WORDS),
        "language": of_language(),
        "file": of_file(),
        "model": of_model(),
    }));
    let result = fields(json!({
        "code": {"type": "string", "description": "The whole new code."},
        "summary": {"type": "string", "description": "What was changed and why, in the model's words."},
        "diff": {"type": "string", "description": "The change as a unified diff; empty where there is none."},
        "changed": {"type": "boolean", "description": "Whether the new code differs from the old."},
    }));
    super::tool(
        NAME,
        "Refactor code",
        "Rewrites source code towards a goal without changing what it does, with a model on the Thox device of the local network. Nothing is written to any file: the new code, a summary and a unified diff come back.",
        arguments::input(&properties, &["code", "goal"]),
        output(result),
    )
}

pub(super) async fn call(given: JsonObject, work: &mut Work) -> Result<Done, Missing> {
    let given: Arguments = arguments::read(given)?;
    arguments::text("code", &given.code, MOST_CODE)?;
    arguments::text("goal", &given.goal, MOST_WORDS)?;
    arguments::name("language", given.language.as_deref())?;
    arguments::name("file", given.file.as_deref())?;
    arguments::name("model", given.model.as_deref())?;
    let model = work.model(given.model.as_deref());
    let length = size::tokens(&given.code);
    let budget = Budget {
        // The new code is about as long as the old.
        least: length + BESIDE_THE_CODE / 4,
        wanted: length * 2 + BESIDE_THE_CODE,
    };
    let values = context! {
        fence => fence(&given.code), language => &given.language, file => &given.file, goal => &given.goal,
        code => &given.code,
    };
    let said = work.chat(&model, Job::Refactor, &values, budget).await?;
    let reply = answer(&said)?;
    let found = extract::code(&reply);
    if said.is_truncated || (found.is_fenced && !found.is_closed) {
        // Half a file in place of a whole one would be worse than none.
        return Err(unusable(
            &said,
            "reached its limit of tokens before the new code was whole",
        ));
    }
    if !found.is_fenced || found.code.trim().is_empty() {
        return Err(unusable(&said, "gave no code back"));
    }
    let new = with_end_of(&given.code, &found.code);
    let diff = diff::unified(&given.code, &new, given.file.as_deref());
    let is_changed = !diff.is_empty();
    let summary = match (found.prose.trim(), is_changed) {
        ("", true) => "The model did not say what it changed.".to_owned(),
        ("", false) => "The code is unchanged.".to_owned(),
        (prose, _) => prose.to_owned(),
    };
    let mark = fence(&new);
    let language = given.language.as_deref().unwrap_or_default();
    let text = if is_changed {
        let diff_mark = fence(&diff);
        format!(
            "{summary}\n\n{mark}{language}\n{}\n{mark}\n\n{diff_mark}diff\n{diff}{diff_mark}",
            new.trim_end_matches('\n')
        )
    } else {
        format!("{summary}\n\nThe new code is the same as the old.")
    };
    Ok(Done {
        structured: origin(
            &said,
            json!({"code": new, "summary": summary, "diff": diff, "changed": is_changed}),
        ),
        text,
    })
}

/// The new code with as many newlines at its end as the old has: a fence tells nothing of them.
fn with_end_of(old: &str, new: &str) -> String {
    let end = old.len() - old.trim_end_matches(['\r', '\n']).len();
    let end = old.get(old.len() - end..).unwrap_or_default();
    [new.trim_end_matches(['\r', '\n']), end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_code_stays_as_it_was() {
        assert_eq!(with_end_of("a", "b\n"), "b");
        assert_eq!(with_end_of("a\n\n", "b\n"), "b\n\n");
        assert_eq!(with_end_of("\n", "b"), "b\n");
    }
}
