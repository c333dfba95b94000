//! What the tools share: a question within the model's context, and what is wrong with an answer.

use crate::mcp::{
    extract::spoken,
    job::{Asker, Missing, Question, Said},
    progress::Progress,
    prompts::{Job, Prompts},
    size,
};
use minijinja::value::Value as Values;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use thox_api::ErrorKind;
use thox_policy::Endpoint;

/// One call of a tool.
#[derive(Debug)]
pub(in crate::mcp) struct Work {
    pub asker: Asker,
    pub prompts: Arc<Prompts>,
    pub progress: Progress,
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
        let input = sum(&[&prompt.system, &prompt.user]);
        let max_tokens = self.room(model, input, budget)?;
        let was_loaded = self.is_loaded(model);
        let question = Question {
            endpoint: Endpoint::Chat,
            body: json!({
                "model": model,
                "messages": [
                    {"role": "system", "content": prompt.system},
                    {"role": "user", "content": prompt.user},
                ],
                "max_tokens": max_tokens,
                "temperature": TEMPERATURE,
            }),
            most_lines: None,
        };
        let said = self.asker.ask(&question, &mut self.progress).await?;
        whole_prompt_was_read(&said, &[&prompt.user])?;
        self.had_room(model, input, was_loaded).await?;
        Ok(said)
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
        let input = sum(&[before, after]);
        let max_tokens = self.room(model, input, budget)?;
        let was_loaded = self.is_loaded(model);
        // Without a suffix an engine takes the request for a chat's beginning.
        let suffix = if after.is_empty() { "\n" } else { after };
        let question = Question {
            endpoint: Endpoint::Completions,
            body: json!({
                "model": model,
                "prompt": before,
                "suffix": suffix,
                "max_tokens": max_tokens,
                "temperature": TEMPERATURE,
            }),
            most_lines: Some(lines),
        };
        if !self.asker.can(&question) {
            return Ok(None);
        }
        match self.asker.ask(&question, &mut self.progress).await {
            Ok(said) => {
                whole_prompt_was_read(&said, &[before, after])?;
                self.had_room(model, input, was_loaded).await?;
                Ok(Some(said))
            }
            // Many engines do not tell beforehand whether they can.
            Err(Missing::Failed {
                kind: ErrorKind::CapabilityMissing | ErrorKind::InvalidRequest,
                ..
            }) => Ok(None),
            Err(missing) => Err(missing),
        }
    }

    /// How many tokens the answer may have.
    fn room(&self, model: &str, input: u64, budget: Budget) -> Result<u64, Missing> {
        let known = self.asker.gateway.worlds().model(model);
        let context = known.and_then(|model| model.context_length);
        size::room(context, input, budget.least, budget.wanted).map_err(|error| Missing::Failed {
            kind: ErrorKind::InvalidRequest,
            message: format!(
                "{error} (`{model}`). Send the part that matters, or name a model with a longer context: the resource thox://models lists them."
            ),
        })
    }

    fn is_loaded(&self, model: &str) -> bool {
        let known = self.asker.gateway.worlds().model(model);
        known.is_some_and(|model| model.loaded)
    }

    /// What context an engine runs a model with is known once it has loaded it: whether that was enough for a prompt of
    /// `input` tokens that it was loaded for.
    async fn had_room(&self, model: &str, input: u64, was_loaded: bool) -> Result<(), Missing> {
        /// No engine loads a model with less unless it is told to.
        const USUAL_CONTEXT: u64 = 2048;
        /// A few of the usual `poll_interval`: the next survey sees it.
        const SEEN_WITHIN: Duration = Duration::from_secs(6);
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        if was_loaded || input <= USUAL_CONTEXT {
            return Ok(());
        }
        let seen = async {
            while !self.is_loaded(model) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // One that has been unloaded again at once is never seen.
        let _ = tokio::time::timeout(SEEN_WITHIN, seen).await;
        let known = self.asker.gateway.worlds().model(model);
        let context = known.and_then(|model| model.context_length);
        size::room(context, input, 1, 1).map(drop).map_err(|error| Missing::Failed {
            kind: ErrorKind::EngineError,
            message: format!(
                "{error}, since the engine has loaded `{model}` with a shorter context than it has, so its answer is not used. Send less, or raise the engine's context (Ollama: OLLAMA_CONTEXT_LENGTH)."
            ),
        })
    }
}

fn sum(prompt: &[&str]) -> u64 {
    prompt.iter().map(|text| size::tokens(text)).sum()
}

/// Some engines cut a prompt that is too long for the context they run with, and say nothing.
///
/// Only what the tool was given counts: some models' chat templates leave the system's text out.
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
