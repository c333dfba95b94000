//! How much of a prompt an engine reads.
//!
//! Ollama cuts a prompt that is longer than the context which it runs the model with, and says nothing: to that length,
//! from v0.30 on to about half of it. That context is whatever Ollama was set up with and is known once the model is
//! loaded (`/api/ps`, `context_length`); asked on its native routes Ollama can be told not to cut (`truncate`), which its
//! compatible ones have no field for.

use super::{
    failure::{Failure, Trouble},
    fleet::Engine,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use thox_policy::{Endpoint, EngineKind};

/// A list in memory, at an engine on the same machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether engines of this kind shorten a prompt without a word. The others refuse it.
#[must_use]
pub fn cuts(kind: EngineKind) -> bool {
    match kind {
        EngineKind::Ollama => true,
        EngineKind::Trtllm | EngineKind::EdgeLlm | EngineKind::Openai | EngineKind::Starter => {
            false
        }
    }
}

/// Whether an Ollama of this version does as [`measure`] asks it; before v0.12.6 `truncate` was for vectors alone.
#[must_use]
pub fn can_measure(version: &str) -> bool {
    const FIRST: [u64; 3] = [0, 12, 6];
    let number = |part: &str| {
        let digits = part.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse::<u64>().ok())
    };
    let parts: Option<Vec<u64>> = version.split('.').take(3).map(number).collect();
    parts.is_some_and(|parts| parts.as_slice() >= FIRST.as_slice())
}

/// `/api/ps`: what is in memory.
#[derive(Deserialize)]
pub(super) struct Running {
    #[serde(default)]
    pub(super) models: Vec<RunningModel>,
}

#[derive(Deserialize)]
pub(super) struct RunningModel {
    pub(super) name: String,
    /// What it was loaded with, which is mostly less than the model could read. Older versions do not tell.
    #[serde(default)]
    pub(super) context_length: u64,
}

/// The context that an engine which [`cuts`] runs a model with; none where the model is not in memory, and where the
/// engine does not tell: Ollama does since v0.10.
pub async fn context(engine: &Engine, model: &str) -> Option<u64> {
    let asked = engine
        .pool
        .ask(Method::GET, "/api/ps", Bytes::new(), PATIENCE);
    let (status, body) = asked.await.ok()?;
    let running: Running = serde_json::from_slice(&body).ok()?;
    let mut models = running.models.into_iter();
    let found = models.find(|running| running.name == model)?;
    (status.is_success() && found.context_length > 0).then_some(found.context_length)
}

/// What an engine says of a prompt that it must not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// So many tokens, all of which it reads.
    Tokens(u64),
    /// It has no room for it.
    TooLong,
}

#[derive(Deserialize)]
struct Generated {
    prompt_eval_count: u64,
}

/// Has Ollama read a prompt without cutting it, and generate a single token. What it has just read it still knows: that
/// costs about nothing.
///
/// # Errors
/// It does not answer, or not that.
pub async fn measure(
    engine: &Engine,
    endpoint: Endpoint,
    model: &str,
    asked: &Value,
    patience: Duration,
) -> Result<Measured, Failure> {
    let (path, fields) = match endpoint {
        Endpoint::Chat => ("/api/chat", &["messages"][..]),
        Endpoint::Completions | Endpoint::Embeddings => {
            ("/api/generate", &["prompt", "suffix"][..])
        }
    };
    let mut body = json!({
        "model": model, "stream": false, "truncate": false, "options": {"num_predict": 1},
    });
    if let Some(body) = body.as_object_mut() {
        for field in fields {
            let value = asked.get(field).cloned();
            body.extend(value.map(|value| ((*field).to_owned(), value)));
        }
    }
    let (status, reply) = engine
        .pool
        .ask(Method::POST, path, body.to_string().into(), patience)
        .await?;
    // Whatever else may be wrong with it would have been wrong with the question too.
    if status == StatusCode::BAD_REQUEST {
        return Ok(Measured::TooLong);
    }
    let garbled = |cause: &dyn std::fmt::Display| {
        Failure::new(Trouble::Garbled, format_args!("{path}: {cause}"))
    };
    if !status.is_success() {
        return Err(garbled(&status));
    }
    match serde_json::from_slice::<Generated>(&reply) {
        Ok(Generated { prompt_eval_count }) => Ok(Measured::Tokens(prompt_eval_count)),
        Err(error) => Err(garbled(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for (version, can) in [
            ("0.33.0", true),
            ("0.33.0-rc2", true),
            ("0.12.6", true),
            ("1.0", true),
            ("0.12.5", false),
            ("0.9.6-rc0", false),
            ("0.12", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(can_measure(version), can, "{version}");
        }
    }
}
