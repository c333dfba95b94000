//! What a double has and how it answers while nothing is wrong.

use super::{Kind, Model};
use std::time::Duration;

/// What a chat or completion says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answering {
    /// Depends on the request as a model's would: a greeting with the user's words; a tool call when tools are given and
    /// the user asks for the weather; an instance of the schema when JSON is asked for.
    Natural,
    /// The request's body as it arrived, as text: shows what the gateway sent.
    Echo,
    /// Always this text.
    Fixed(String),
    /// So many words `w0 w1 w2 …`.
    Words(usize),
}

/// How the bytes of a stream are cut into HTTP chunks and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// One event, one chunk, one write.
    Events,
    /// So many events in one write: several in one TCP segment.
    Bursts(usize),
    /// Cut every so many bytes, whatever stands there: inside `data:`, inside a character of UTF-8.
    Pieces(usize),
}

/// How a server shortens a prompt that is too long for the context that it runs a model with, without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cutting {
    /// Ollama up to v0.2x: its end is read, as much as the context holds.
    ToContext,
    /// Ollama from v0.30 on, with llama-server: room is made for the answer too, so about half of the context is read.
    ToHalf,
}

/// What a double has and how it answers.
#[derive(Debug, Clone)]
pub struct Script {
    /// What the engine has; `trtllm`, `edge-llm` and `openai` serve the first.
    pub models: Vec<Model>,
    /// What it says.
    pub answering: Answering,
    /// Thoughts that come before the answer.
    pub reasoning: Option<String>,
    /// How long before the reply's head.
    pub head_delay: Duration,
    /// How long from the head to the first token. Ollama sends its head with the first token: there it delays both.
    pub first_token_delay: Duration,
    /// How long between two tokens.
    pub gap: Duration,
    /// How the stream is cut.
    pub delivery: Delivery,
    /// How long `/health` and the lists take.
    pub health_delay: Duration,
    /// How long an unload takes after its reply (Ollama's is asynchronous).
    pub unload_delay: Duration,
    /// How long between two lines of a pull.
    pub pull_gap: Duration,
    /// Answers 401 to a request without this key.
    pub api_key: Option<String>,
    /// More requests at a time than this are a 429 (`edge-llm`) or a 503 (`ollama`).
    pub max_requests: Option<usize>,
    /// The context that a model is run with, in tokens, where the model has as much: Ollama's `num_ctx`.
    pub context: usize,
    /// What becomes of a longer prompt at `ollama` and at `openai`, some of which cut one too (LM Studio); by default only
    /// at the former.
    pub cutting: Option<Cutting>,
    /// How many tokens a word is. More than one is a tokenizer that knows few words.
    pub tokens_per_word: usize,
    /// The length of an embedding.
    pub dimensions: usize,
}

impl Script {
    /// The usual script of a kind: small and quick.
    pub fn of(kind: Kind) -> Self {
        const BILLION: u64 = 1_000_000_000;
        let models = match kind {
            Kind::Ollama => vec![
                Model::chat("qwen2.5-coder:7b", 7 * BILLION + 600_000_000),
                Model::embedding("nomic-embed-text:latest", 137_000_000),
            ],
            Kind::Trtllm | Kind::TrtllmJetson => {
                vec![Model::chat("qwen2.5-coder-14b", 14 * BILLION)]
            }
            Kind::EdgeLlm => vec![Model::chat("qwen2.5-coder-7b", 7 * BILLION)],
            Kind::OpenAi => vec![Model::chat("llama-3.2-3b", 3 * BILLION)],
        };
        Self {
            models,
            answering: Answering::Natural,
            reasoning: None,
            head_delay: Duration::ZERO,
            first_token_delay: Duration::ZERO,
            gap: Duration::ZERO,
            delivery: Delivery::Events,
            health_delay: Duration::ZERO,
            unload_delay: Duration::from_millis(50),
            pull_gap: Duration::from_millis(5),
            api_key: None,
            max_requests: None,
            context: 4096,
            cutting: (kind == Kind::Ollama).then_some(Cutting::ToHalf),
            tokens_per_word: 1,
            dimensions: 768,
        }
    }

    /// The model of a name; Ollama takes `name` for `name:latest`.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models
            .iter()
            .find(|m| m.name == name || m.name.strip_suffix(":latest") == Some(name))
    }
}
