//! The only things that an engine is asked to do to its models, and how: whatever is not here cannot be asked for.
//! Ollama's `/api/create`, `/api/push`, `/api/copy` and `/api/blobs` are not.

use super::{
    failure::{Failure, Trouble},
    fleet::Engine,
    pool::ReplyStream,
    refusal,
};
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt as _, Limited};
use serde_json::json;
use std::time::Duration;
use thox_api::{ApiError, ErrorKind};
use thox_policy::{EngineKind, ModelName};

/// What an engine is asked to do to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Fetch it from its registry.
    Pull,
    /// Take it into memory.
    Load,
    /// The same for a model that has vectors and no words: Ollama refuses to generate with it.
    LoadEmbedding,
    /// Drop it from memory.
    Unload,
    /// Remove it from the disk.
    Delete,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Pull | Self::Load | Self::LoadEmbedding | Self::Unload => Method::POST,
            Self::Delete => Method::DELETE,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Pull => "/api/pull",
            Self::Load | Self::Unload => "/api/generate",
            Self::LoadEmbedding => "/api/embed",
            Self::Delete => "/api/delete",
        }
    }

    /// Ollama's API (`docs/api.md`): no prompt loads, `keep_alive` 0 unloads; `insecure` would be plain HTTP to a
    /// registry.
    fn body(self, name: &ModelName) -> Bytes {
        let model = name.to_string();
        let body = match self {
            Self::Pull => json!({ "model": model, "stream": true, "insecure": false }),
            Self::Load => json!({ "model": model, "stream": false }),
            Self::LoadEmbedding => json!({ "model": model, "input": [] }),
            Self::Unload => json!({ "model": model, "stream": false, "keep_alive": 0 }),
            Self::Delete => json!({ "model": model }),
        };
        body.to_string().into()
    }
}

/// Whether an engine of this kind has these verbs.
#[must_use]
pub fn is_able(kind: EngineKind) -> bool {
    match kind {
        EngineKind::Ollama => true,
        EngineKind::Trtllm | EngineKind::EdgeLlm | EngineKind::Openai | EngineKind::Starter => {
            false
        }
    }
}

/// What to tell whoever asks it of an engine that has none.
#[must_use]
pub fn unable(engine: &Engine) -> ApiError {
    let name = &engine.name;
    let why = match engine.kind {
        // Asked of these alone that cannot; this one can.
        EngineKind::Ollama => "manages its models itself. Ask it with `ollama`",
        EngineKind::Trtllm => {
            "serves the model that it was started with. Start trtllm-serve with another one, or name an Ollama engine"
        }
        EngineKind::EdgeLlm => {
            "serves the model that it was started with. Start tensorrt-edgellm-serve with another one, or name an Ollama engine"
        }
        EngineKind::Openai => {
            "has no common way to manage its models. Do it on that server itself; what it then has is found by itself"
        }
        EngineKind::Starter => {
            "has its one small model built in. For others install Ollama (https://ollama.com); it is found by itself"
        }
    };
    let message = format!("engine `{name}` ({}) {why}.", engine.kind);
    ApiError::new(ErrorKind::CapabilityMissing, message).param("engine")
}

/// Carries a verb out and waits for the engine's word that it is done.
///
/// # Errors
/// As the client reads them: what the engine refuses, and what goes wrong on the way.
pub async fn carry_out(
    engine: &Engine,
    verb: Verb,
    name: &ModelName,
    patience: Duration,
) -> Result<(), ApiError> {
    let asking = async {
        let reply = send(engine, verb, name).await?;
        read(engine, reply).await.map(drop)
    };
    tokio::time::timeout(patience, asking)
        .await
        .unwrap_or_else(|_| {
            let failure = Failure::new(
                Trouble::Silent,
                format_args!("{} took longer than {patience:?}", verb.path()),
            );
            Err(failure.to_api(&engine.name))
        })
}

/// Begins a pull; the engine stops it when the reply is dropped.
///
/// # Errors
/// As [`carry_out`].
pub(super) async fn begin_pull(engine: &Engine, name: &ModelName) -> Result<ReplyStream, ApiError> {
    let reply = send(engine, Verb::Pull, name).await?;
    if reply.status().is_success() {
        return Ok(reply.into_body());
    }
    match read(engine, reply).await {
        Ok(_) => Err(Failure::new(Trouble::Garbled, "no stream").to_api(&engine.name)),
        Err(error) => Err(error),
    }
}

async fn send(
    engine: &Engine,
    verb: Verb,
    name: &ModelName,
) -> Result<Response<ReplyStream>, ApiError> {
    if !is_able(engine.kind) {
        return Err(unable(engine));
    }
    engine
        .pool
        .send(verb.method(), verb.path(), verb.body(name).into())
        .await
        .map_err(|failure| failure.to_api(&engine.name))
}

async fn read(engine: &Engine, reply: Response<ReplyStream>) -> Result<Bytes, ApiError> {
    /// Word that it is done, or an error.
    const LARGEST: usize = 64 << 10;
    let status = reply.status();
    let whole = Limited::new(reply.into_body(), LARGEST).collect().await;
    let body = whole
        .map_err(|error| Failure::of(Trouble::BrokeOff, error.as_ref()).to_api(&engine.name))?
        .to_bytes();
    if status.is_success() {
        Ok(body)
    } else {
        Err(refusal::read(&engine.name, status.as_u16(), &body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_is_ollamas_and_names_the_model_in_json_alone() {
        let name: ModelName = "hf.co/Owner/model:Q4".parse().unwrap();
        for (verb, method, path, more) in [
            (Verb::Pull, "POST", "/api/pull", r#""insecure":false"#),
            (Verb::Load, "POST", "/api/generate", r#""stream":false"#),
            (Verb::LoadEmbedding, "POST", "/api/embed", r#""input":[]"#),
            (Verb::Unload, "POST", "/api/generate", r#""keep_alive":0"#),
            (Verb::Delete, "DELETE", "/api/delete", r#""model""#),
        ] {
            assert_eq!((verb.method().as_str(), verb.path()), (method, path));
            let body = String::from_utf8(verb.body(&name).to_vec()).unwrap();
            assert!(
                body.contains(r#""model":"hf.co/Owner/model:Q4""#) && body.contains(more),
                "{body}"
            );
        }
    }
}
