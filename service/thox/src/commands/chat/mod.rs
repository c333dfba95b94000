//! `thox chat`: asks a model, once or in a conversation.
//!
//! - [`input`]: prompts from arguments, pipes and the keyboard.
//! - [`reply`]: one request and its reply, printed as it comes.
//! - [`conversation`]: prompts and replies in turn.

mod conversation;
mod input;
mod reply;

use crate::{
    arguments::{ChatArguments, Target},
    device::{Device, escaped},
    failure::{Exit, Failure},
    interrupt::Interrupt,
    output::Output,
};
use reply::{Display, Message};
use thox_api::{ModelObject, RouterStatus};

/// Asks once where there is a prompt, else talks.
pub(super) async fn run(
    arguments: ChatArguments,
    target: &Target,
    output: Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let (model, typed) = model_and_prompt(arguments);
    let talks = typed.is_none() && input::is_terminal() && output.is_terminal && !target.json;
    let prompt = if talks {
        None
    } else {
        let prompt = tokio::select! {
            prompt = input::whole_prompt(model.as_deref(), typed) => prompt?,
            () = interrupt.wait() => return Err(Failure::Silent(Exit::Interrupted)),
        };
        Some(prompt)
    };
    let (device, model) = tokio::select! {
        found = device_and_model(target, model) => found?,
        () = interrupt.wait() => return Err(Failure::Silent(Exit::Interrupted)),
    };
    let Some(prompt) = prompt else {
        tokio::select! {
            known = check_model(&device, &model) => known?,
            () = interrupt.wait() => return Err(Failure::Silent(Exit::Interrupted)),
        }
        return conversation::talk(&device, &model, output, interrupt).await;
    };
    let messages = [Message::user(prompt)];
    let display = if target.json {
        Display::Json
    } else {
        Display::Text
    };
    let answer = reply::ask(&device, &model, &messages, display, output, interrupt).await?;
    if answer.is_interrupted {
        return Err(Failure::Silent(Exit::Interrupted));
    }
    answer.finish(display, output)
}

async fn device_and_model(
    target: &Target,
    model: Option<String>,
) -> Result<(Device, String), Failure> {
    let device = Device::find(target).await?;
    let model = match model {
        Some(model) => model,
        None => {
            device
                .get::<RouterStatus>("/v1/router/status")
                .await?
                .1
                .rules
                .default_model
        }
    };
    Ok((device, model))
}

/// Before a conversation, so that a mistyped name is told before the first prompt is.
async fn check_model(device: &Device, model: &str) -> Result<(), Failure> {
    let path = format!("/v1/models/{}", escaped(model));
    match device.get::<ModelObject>(&path).await {
        Err(failure @ Failure::Told { exit: Exit::NotFound, .. }) => Err(failure.next(
            "`thox models list` lists the models; a prompt of one word needs the model before it: thox chat thox-coder Hello",
        )),
        other => other.map(drop),
    }
}

/// A first word with blanks in it is no model's name but a prompt in quotes.
fn model_and_prompt(arguments: ChatArguments) -> (Option<String>, Option<String>) {
    let ChatArguments {
        model,
        prompt: mut words,
    } = arguments;
    let model = match model {
        Some(text) if text.chars().any(char::is_whitespace) => {
            words.insert(0, text);
            None
        }
        model => model.filter(|model| !model.is_empty()),
    };
    let prompt = words.join(" ");
    (model, (!prompt.trim().is_empty()).then_some(prompt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_in_quotes_needs_no_model() {
        for (words, model, prompt) in [
            (vec!["thox-coder"], Some("thox-coder"), None),
            (
                vec!["thox-coder", "how", "many"],
                Some("thox-coder"),
                Some("how many"),
            ),
            (vec!["How many?"], None, Some("How many?")),
            (
                vec!["How many", "and why?"],
                None,
                Some("How many and why?"),
            ),
            (vec![""], None, None),
            (vec![], None, None),
        ] {
            let mut words = words.into_iter().map(str::to_owned);
            let arguments = ChatArguments {
                model: words.next(),
                prompt: words.collect(),
            };
            let expected = (model.map(str::to_owned), prompt.map(str::to_owned));
            assert_eq!(model_and_prompt(arguments), expected);
        }
    }
}
