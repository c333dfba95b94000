//! What kinds of engine there are and what each can do by its nature.

use crate::capability::Capability;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The software behind an engine's address. Names as in the settings, `engines.NAME.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Ollama.
    Ollama,
    /// TensorRT-LLM: `trtllm-serve` and the Jetson branch's server.
    Trtllm,
    /// TensorRT Edge-LLM.
    EdgeLlm,
    /// Any other server with OpenAI's API: llama.cpp, LM Studio, vLLM.
    Openai,
    /// The embedded starter engine.
    Starter,
}

/// The three jobs that an engine can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
}

impl EngineKind {
    /// The label that API consumers see as `backend`; for [`EngineKind::Openai`] it is the engine's configured name.
    #[must_use]
    pub fn backend(self) -> Option<&'static str> {
        match self {
            Self::Ollama => Some("ollama"),
            Self::Trtllm | Self::EdgeLlm => Some("tensorrt"),
            Self::Starter => Some("starter"),
            Self::Openai => None,
        }
    }

    /// As written in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Trtllm => "trtllm",
            Self::EdgeLlm => "edge-llm",
            Self::Openai => "openai",
            Self::Starter => "starter",
        }
    }

    /// Whether this kind of engine has the route for `endpoint` at all.
    #[must_use]
    pub fn serves(self, endpoint: Endpoint) -> bool {
        match (self, endpoint) {
            (_, Endpoint::Chat) | (Self::Ollama | Self::Openai, _) => true,
            (Self::Trtllm | Self::Starter, Endpoint::Completions) => true,
            (Self::EdgeLlm, Endpoint::Completions) => false,
            (Self::Trtllm | Self::EdgeLlm | Self::Starter, Endpoint::Embeddings) => false,
        }
    }

    /// What no model of this kind of engine can do, whatever the model says of itself.
    #[must_use]
    pub fn cannot(self) -> &'static [Capability] {
        match self {
            // `n` is silently ignored.
            Self::Ollama => &[Capability::ManyChoices],
            Self::Trtllm => &[Capability::Insert],
            Self::EdgeLlm => &[Capability::Insert, Capability::ManyChoices],
            Self::Openai => &[],
            Self::Starter => &[
                Capability::Insert,
                Capability::ManyChoices,
                Capability::Tools,
                Capability::Vision,
                Capability::Json,
            ],
        }
    }
}

impl Endpoint {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    /// What the route is called in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
        }
    }

    /// The path below an engine's base address, the same at every kind.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
