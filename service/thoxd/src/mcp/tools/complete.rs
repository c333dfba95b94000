//! `thox_complete`: code at the cursor; by filling in the middle where the model can, in a chat where it cannot.

use super::{
    Done, Work, arguments,
    arguments::{MOST_CODE, of_file, of_language, of_model},
    fields, output,
    work::{Budget, origin},
};
use crate::mcp::{
    extract,
    job::{Missing, Said},
    prompts::{Job, fence},
};
use minijinja::context;
use rmcp::model::{JsonObject, Tool};
use serde::Deserialize;
use serde_json::json;

pub(super) const NAME: &str = "thox_complete";

/// What an editor shows at once.
const USUAL_LINES: usize = 10;
const MOST_LINES: usize = 200;
/// A long line of code.
const TOKENS_PER_LINE: u64 = 24;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    before: String,
    #[serde(default)]
    after: String,
    language: Option<String>,
    file: Option<String>,
    lines: Option<usize>,
    model: Option<String>,
}

pub(super) fn tool() -> Tool {
    let properties = fields(json!({
        "before": {
            "type": "string",
            "description": "The code before the cursor, exactly as it stands, with its blanks. The nearest lines matter most.",
            "minLength": 1,
            "maxLength": MOST_CODE,
        },
        "after": {
            "type": "string",
            "description": "The code after the cursor. Empty at the end of a file.",
            "default": "",
            "maxLength": MOST_CODE,
        },
        "language": of_language(),
        "file": of_file(),
        "lines": {
            "type": "integer",
            "description": "How many lines the completion may have at most.",
            "minimum": 1,
            "maximum": MOST_LINES,
            "default": USUAL_LINES,
        },
        "model": of_model(),
    }));
    let result = fields(json!({
        "completion": {"type": "string", "description": "The text to insert at the cursor, as it is."},
        "method": {
            "type": "string",
            "enum": ["fill_in_the_middle", "chat"],
            "description": "How it was asked for: of a model that fills gaps, or in words.",
        },
        "truncated": {"type": "boolean", "description": "Whether the model had more to say than it was allowed."},
    }));
    super::tool(
        NAME,
        "Complete code",
        "Completes source code at the cursor, with a model on the Thox device of the local network. Give the code before and after the cursor; the answer is the text that belongs between them.",
        arguments::input(&properties, &["before"]),
        output(result),
    )
}

pub(super) async fn call(given: JsonObject, work: &mut Work) -> Result<Done, Missing> {
    let given: Arguments = arguments::read(given)?;
    arguments::text("before", &given.before, MOST_CODE)?;
    arguments::within("after", &given.after, MOST_CODE)?;
    arguments::name("language", given.language.as_deref())?;
    arguments::name("file", given.file.as_deref())?;
    arguments::name("model", given.model.as_deref())?;
    let lines = given.lines.unwrap_or(USUAL_LINES);
    if !(1..=MOST_LINES).contains(&lines) {
        return Err(arguments::invalid(format!(
            "`lines` is {lines}: it has to be from 1 to {MOST_LINES}."
        )));
    }
    let model = work.model(given.model.as_deref());
    let wanted = TOKENS_PER_LINE.saturating_mul(lines as u64).max(64);
    let budget = Budget { least: 16, wanted };
    let filled = work
        .fill(&model, &given.before, &given.after, lines, budget)
        .await?;
    Ok(match filled {
        Some(said) => {
            let text = extract::without_overlap(&said.text, "", &given.after);
            done(&said, text, lines, "fill_in_the_middle")
        }
        None => {
            let (said, text) = in_words(&given, &model, lines, budget, work).await?;
            let text = extract::without_overlap(&text, &given.before, &given.after);
            done(&said, text, lines, "chat")
        }
    })
}

async fn in_words(
    given: &Arguments,
    model: &str,
    lines: usize,
    budget: Budget,
    work: &mut Work,
) -> Result<(Said, String), Missing> {
    let Arguments {
        before,
        after,
        language,
        file,
        ..
    } = given;
    let all = [before.as_str(), after.as_str()].concat();
    let values = context! {
        fence => fence(&all), mark => mark(&all), language, file, lines, before, after,
    };
    // The fence and a word before it are tokens too.
    let budget = Budget {
        wanted: budget.wanted + 64,
        ..budget
    };
    let said = work.chat(model, Job::Complete, &values, budget).await?;
    let mut code = extract::code(&said.text).code;
    // The line of the fence's end is not the completion's.
    if code.ends_with('\n') {
        code.pop();
    }
    Ok((said, code))
}

fn done(said: &Said, text: &str, lines: usize, method: &str) -> Done {
    let text = extract::first_lines(text, lines);
    Done {
        structured: origin(
            said,
            json!({"completion": text, "method": method, "truncated": said.is_truncated}),
        ),
        text: text.to_owned(),
    }
}

/// A mark that does not stand in the code.
fn mark(code: &str) -> String {
    const MARK: &str = "<CURSOR>";
    let mut mark = MARK.to_owned();
    let mut number = 1_u64;
    while code.contains(&mark) {
        number += 1;
        mark = format!("<CURSOR-{number}>");
    }
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_none_of_the_code() {
        assert_eq!(mark("a"), "<CURSOR>");
        assert_eq!(mark("<CURSOR> <CURSOR-2>"), "<CURSOR-3>");
    }
}
