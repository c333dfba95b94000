//! The four jobs as prompts, for clients that ask their own model or prefer prompts to tools.

use super::prompts::{Job, Prompts, fence};
use minijinja::{context, value::Value};
use rmcp::{
    ErrorData,
    model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role},
};

struct Offer {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// Name, description, and whether it has to be given.
    arguments: &'static [(&'static str, &'static str, bool)],
    job: Job,
}

const LANGUAGE: (&str, &str, bool) = ("language", "The programming language.", false);
const FILE: (&str, &str, bool) = ("file", "The file's name.", false);

const OFFERS: [Offer; 4] = [
    Offer {
        name: "complete",
        title: "Complete code",
        description: "Asks for the code at the cursor.",
        arguments: &[
            ("before", "The code before the cursor.", true),
            ("after", "The code after the cursor.", false),
            ("lines", "How many lines at most; 10 without it.", false),
            LANGUAGE,
            FILE,
        ],
        job: Job::Complete,
    },
    Offer {
        name: "explain",
        title: "Explain code",
        description: "Asks for an explanation of code or of an error message.",
        arguments: &[
            ("code", "The code or the error message.", true),
            ("question", "What you want to know of it.", false),
            ("level", "beginner, intermediate or expert.", false),
            LANGUAGE,
            FILE,
        ],
        job: Job::Explain,
    },
    Offer {
        name: "refactor",
        title: "Refactor code",
        description: "Asks for the code in a better form.",
        arguments: &[
            ("code", "The code to change.", true),
            ("goal", "What shall be better.", true),
            LANGUAGE,
            FILE,
        ],
        job: Job::Refactor,
    },
    Offer {
        name: "test",
        title: "Write tests",
        description: "Asks for unit tests.",
        arguments: &[
            ("code", "The code to test.", true),
            ("framework", "The test framework.", false),
            ("focus", "What to look at above all.", false),
            LANGUAGE,
            FILE,
        ],
        job: Job::Test,
    },
];

pub(super) fn list() -> Vec<Prompt> {
    let offer = |offer: &Offer| {
        let argument = |(name, description, is_required): &(&str, &str, bool)| {
            PromptArgument::new(*name)
                .with_description(*description)
                .with_required(*is_required)
        };
        let arguments = offer.arguments.iter().map(argument).collect();
        Prompt::new(offer.name, Some(offer.description), Some(arguments)).with_title(offer.title)
    };
    OFFERS.iter().map(offer).collect()
}

/// A prompt with its arguments in place.
///
/// # Errors
/// There is none of that name, or an argument is missing, unknown or no text.
pub(super) fn get(
    name: &str,
    given: &JsonObject,
    prompts: &Prompts,
) -> Result<GetPromptResult, ErrorData> {
    let invalid = |message: String| ErrorData::invalid_params(message, None);
    let offer = OFFERS
        .iter()
        .find(|offer| offer.name == name)
        .ok_or_else(|| {
            invalid(format!(
                "there is no prompt `{name}`. There are complete, explain, refactor and test."
            ))
        })?;
    for (argument, value) in given {
        if !offer.arguments.iter().any(|(known, ..)| known == argument) {
            return Err(invalid(format!(
                "the prompt `{name}` takes no `{argument}`: prompts/list tells what it takes."
            )));
        }
        if !value.is_string() {
            return Err(invalid(format!("`{argument}` has to be a text.")));
        }
    }
    for (argument, _, is_required) in offer.arguments {
        if *is_required && text(given, argument).is_none() {
            return Err(invalid(format!("`{argument}` is missing.")));
        }
    }
    let prompt = prompts
        .render(offer.job, &values(given))
        .map_err(|error| ErrorData::internal_error(error.message, None))?;
    // A prompt has no system role: what the model is comes before what it shall do.
    let text = format!("{}\n\n{}", prompt.system, prompt.user);
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(offer.description))
}

fn text<'a>(given: &'a JsonObject, name: &str) -> Option<&'a str> {
    let text = given.get(name)?.as_str()?;
    (!text.trim().is_empty()).then_some(text)
}

/// What any of the templates may name.
fn values(given: &JsonObject) -> Value {
    let get = |name| text(given, name);
    let exact = |name: &str| {
        given
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or("")
    };
    let lines = get("lines").and_then(|lines| lines.trim().parse::<u16>().ok());
    let all = ["code", "before", "after"].map(exact).concat();
    context! {
        fence => fence(&all), mark => "<CURSOR>", kind => "code",
        before => exact("before"), after => exact("after"), code => exact("code"),
        lines => lines.unwrap_or(10), language => get("language"), file => get("file"),
        question => get("question"), level => get("level").unwrap_or("intermediate"),
        goal => get("goal"), framework => get("framework"), focus => get("focus"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(name: &str, given: &serde_json::Value) -> Result<String, String> {
        let given = given.as_object().cloned().unwrap_or_default();
        match get(name, &given, &Prompts::default()) {
            Ok(result) => Ok(serde_json::to_string(&result).unwrap()),
            Err(error) => Err(error.message.into_owned()),
        }
    }

    #[test]
    fn every_prompt_that_is_offered_can_be_had_with_what_it_needs() {
        for offer in &OFFERS {
            let needed = offer.arguments.iter().filter(|(.., needed)| *needed);
            let given: JsonObject = needed
                .map(|(name, ..)| ((*name).to_owned(), json!("canary")))
                .collect();
            let text = ask(offer.name, &given.into()).unwrap();
            assert!(text.contains("canary"), "{}: {text}", offer.name);
            let error = ask(offer.name, &json!({})).unwrap_err();
            assert!(error.contains("missing"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(ask("dance", &json!({})).unwrap_err().contains("`dance`"));
        let unknown = ask("test", &json!({"code": "x", "goal": "y"}));
        assert!(unknown.unwrap_err().contains("`goal`"));
        let number = ask("test", &json!({"code": 1}));
        assert!(number.unwrap_err().contains("`code`"));
    }
}
