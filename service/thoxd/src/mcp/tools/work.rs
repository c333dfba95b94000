//! What the tools share: a question within the model's context, and what is wrong with an answer.

use crate::mcp::{
    extract::spoken,
    job::{Asker, Heard, Missing, Question, Said},
    progress::Progress,
    prompts::{Job, Prompts},
    size,
};
use minijinja::value::Value as Values;
use serde_json::{Value, json};
use std::sync::Arc;
use thox_api::ErrorKind;
use thox_policy::Endpoint;

/// One call of a tool.
#[derive(Debug)]
pub(in crate::mcp) struct Work {
    pub asker: Asker,
    pub prompts: Arc<Prompts>,
    pub progress: Progress,
    /// What an engine was seen to run the model with in this call.
    pub context: Option<u64>,
}

/// Tokens for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// With fewer it is not worth asking.
    pub least: u64,
    /// At most.
    pub wanted: u64,
}

/// Answers about code should be the likely ones; a little above zero keeps small models out of loops.
const TEMPERATURE: f64 = 0.2;

impl Work {
    /// The model that is asked: the one that was named, else the device's default.
    pub(super) fn model(&self, named: Option<&str>) -> String {
        match named {
            Some(name) => name.to_owned(),
            None => {
                let world = self.asker.gateway.worlds().current();
                world.routing.rules.default_model.to_string()
            }
        }
    }

    /// Asks a model to do a job, in a chat.
    pub(super) async fn chat(
        &mut self,
        model: &str,
        job: Job,
        values: &Values,
        budget: Budget,
    ) -> Result<Said, Missing> {
        let prompt = self.prompts.render(job, values)?;
        let draft = Draft {
            model,
            endpoint: Endpoint::Chat,
            fields: json!({"messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ]}),
            most_lines: None,
            texts: &[&prompt.system, &prompt.user],
            // Some models' chat templates leave the system's text out.
            given: &[&prompt.user],
            budget,
        };
        self.ask(&draft).await
    }

    /// Asks a model to fill the gap between two texts; `None` where it cannot.
    pub(super) async fn fill(
        &mut self,
        model: &str,
        before: &str,
        after: &str,
        lines: usize,
        budget: Budget,
    ) -> Result<Option<Said>, Missing> {
        // Without a suffix an engine takes the request for a chat's beginning.
        let suffix = if after.is_empty() { "\n" } else { after };
        let draft = Draft {
            model,
            endpoint: Endpoint::Completions,
            fields: json!({"prompt": before, "suffix": suffix}),
            most_lines: Some(lines),
            texts: &[before, after],
            given: &[before, after],
            budget,
        };
        let question = self.question(&draft)?;
        if !self.asker.can(&question) {
            return Ok(None);
        }
        match self.ask(&draft).await {
            Ok(said) => Ok(Some(said)),
            // Many engines do not tell beforehand whether they can. What is too large to fill in is too large for a chat.
            Err(Missing::Failed {
                kind: ErrorKind::CapabilityMissing | ErrorKind::InvalidRequest,
                ..
            }) => Ok(None),
            Err(missing) => Err(missing),
        }
    }

    /// Asks, and does not give out the answer to a part of the question.
    async fn ask(&mut self, draft: &Draft<'_>) -> Result<Said, Missing> {
        /// The second time its context is known; it is another one only if the engine is set up anew meanwhile.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let question = self.question(draft)?;
            match self.asker.ask(&question, &mut self.progress).await? {
                Heard::Said(said) => {
                    whole_prompt_was_read(&said, draft.given)?;
                    return Ok(said);
                }
                Heard::Shorter(context) => self.context = Some(context),
            }
        }
        Err(Missing::Failed {
            kind: ErrorKind::EngineError,
            message: format!(
                "the engine has loaded `{}` with ever less context. Call the tool again.",
                draft.model
            ),
        })
    }

    /// A draft with as many tokens for the answer as there is room for.
    fn question(&self, draft: &Draft<'_>) -> Result<Question, Missing> {
        let Draft {
            model,
            endpoint,
            most_lines,
            texts,
            ..
        } = *draft;
        let input = texts.iter().map(|text| size::tokens(text)).sum();
        let max_tokens = self.room(model, input, draft.budget)?;
        let own = json!({"model": model, "max_tokens": max_tokens, "temperature": TEMPERATURE});
        let mut body = draft.fields.clone();
        if let (Some(body), Value::Object(own)) = (body.as_object_mut(), own) {
            body.extend(own);
        }
        Ok(Question {
            endpoint,
            body,
            most_lines,
            model: model.to_owned(),
            input,
            most: texts.iter().map(|text| size::most(text)).sum(),
            max_tokens,
        })
    }

    /// How many tokens the answer may have.
    fn room(&self, model: &str, input: u64, budget: Budget) -> Result<u64, Missing> {
        let known = self.asker.gateway.worlds().model(model);
        let (context, own) = known.map_or((None, None), |model| {
            (model.context_length, model.max_context_length)
        });
        let seen = self.context.or(context);
        size::room(seen, input, budget.least, budget.wanted).map_err(|error| {
            let could = own.or(context).filter(|own| Some(*own) > seen);
            let raise = match could {
                Some(own) => format!(" It could read {own}: raise the engine's context (Ollama: OLLAMA_CONTEXT_LENGTH)."),
                None => String::new(),
            };
            Missing::Failed {
                kind: ErrorKind::InvalidRequest,
                message: format!(
                    "{error} (`{model}`). Send the part that matters, or name a model with a longer context: the resource thox://models lists them.{raise}"
                ),
            }
        })
    }
}

/// A question before it is known how long its answer may be.
struct Draft<'a> {
    model: &'a str,
    endpoint: Endpoint,
    /// The prompt, as the endpoint has it.
    fields: Value,
    most_lines: Option<usize>,
    /// All that the model reads.
    texts: &'a [&'a str],
    /// What of it every model reads.
    given: &'a [&'a str],
    budget: Budget,
}

/// An engine that nobody knows to cut a prompt may do so all the same.
fn whole_prompt_was_read(said: &Said, given: &[&str]) -> Result<(), Missing> {
    /// No engine runs with less; below it a tokenizer of its own kind may count fewer tokens than words.
    const SHORTEST_CONTEXT: u64 = 512;
    let least: u64 = given.iter().map(|text| size::fewest(text)).sum();
    match said.prompt_tokens {
        Some(read) if read > 0 && read < least && least >= SHORTEST_CONTEXT => {
            Err(Missing::Failed {
                kind: ErrorKind::EngineError,
                message: format!(
                    "engine `{}` has read only {read} tokens of an input of at least {least}, so its answer is not used: it runs with a shorter context than the model has. Send less, or raise the engine's context (Ollama: OLLAMA_CONTEXT_LENGTH).",
                    said.backend
                ),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// What a model said without its thoughts.
pub(super) fn answer(said: &Said) -> Result<String, Missing> {
    let text = spoken(&said.text).trim().to_owned();
    if text.is_empty() {
        let why = if said.is_truncated {
            "it used up its tokens before it came to an answer"
        } else {
            "it ended at once"
        };
        return Err(unusable(said, &format!("answered nothing: {why}")));
    }
    Ok(text)
}

/// An answer that is no use.
pub(super) fn unusable(said: &Said, what: &str) -> Missing {
    Missing::Failed {
        kind: ErrorKind::EngineError,
        message: format!(
            "model `{}` {what}. Call the tool again, with less code or another `model`: a larger one is more reliable.",
            said.model
        ),
    }
}

/// The fields that every tool's result has.
pub(super) fn origin(said: &Said, mut own: Value) -> Value {
    if let Some(fields) = own.as_object_mut() {
        fields.insert("model".to_owned(), said.model.clone().into());
        fields.insert("backend".to_owned(), said.backend.clone().into());
    }
    own
}
