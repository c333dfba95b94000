//! Per kind of engine, which fields a request may have and how its replies deviate from OpenAI's: tables only.

use thox_policy::{Endpoint, EngineKind};

/// What is peculiar to one kind of engine.
#[derive(Debug)]
pub struct Adapter {
    /// The top-level fields of a chat request that it takes; `None` for all.
    pub chat_fields: Option<&'static [&'static str]>,
    /// The same for completions.
    pub completion_fields: Option<&'static [&'static str]>,
    /// Fields that it calls otherwise: OpenAI's name and its own.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Fields that it refuses and that can be left out without harm to the request.
    pub left_out: &'static [&'static str],
    /// Whether it takes `stream_options.include_usage`.
    pub counts_streams: bool,
    /// How a stream that is complete ends.
    pub end: EndMark,
    /// What stands for a missing `max_tokens`, where the engine's own default cuts answers short.
    pub default_max_tokens: Option<u32>,
    /// Whether `tool_choice` is ignored, so that "none" has to be said by leaving the tools out.
    pub ignores_tool_choice: bool,
    /// Whether each tool call comes with an index of its own and the right finish reason.
    pub tool_calls_need_repair: bool,
}

/// How a stream that is complete ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndMark {
    /// With `[DONE]`; without it, it broke off.
    Done,
    /// With `[DONE]` or, at servers that leave it out, after a finish reason.
    DoneOrFinishReason,
    /// With the end of the body alone: no finish reason, no `[DONE]`.
    EndOfBody,
}

/// Servers of one kind that differ so much that they need a table of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// The kind's present server.
    #[default]
    Current,
    /// TensorRT-LLM's `v0.12.0-jetson` example server: it has no `/version`.
    JetsonServer,
}

/// The table for an engine.
#[must_use]
pub fn adapter(kind: EngineKind, variant: Variant) -> &'static Adapter {
    match (kind, variant) {
        (EngineKind::Ollama, _) => &OLLAMA,
        (EngineKind::Trtllm, Variant::Current) => &TRTLLM,
        (EngineKind::Trtllm, Variant::JetsonServer) => &TRTLLM_JETSON,
        (EngineKind::EdgeLlm, _) => &EDGE_LLM,
        (EngineKind::Openai, _) => &OPENAI,
        (EngineKind::Starter, _) => &STARTER,
    }
}

impl Adapter {
    /// The fields that are taken for a job; `None` for all.
    #[must_use]
    pub fn fields(&self, endpoint: Endpoint) -> Option<&'static [&'static str]> {
        match endpoint {
            Endpoint::Chat => self.chat_fields,
            Endpoint::Completions => self.completion_fields,
            Endpoint::Embeddings => None,
        }
    }
}

/// Ollama takes any field and silently ignores what it does not know; `max_completion_tokens` is one of these.
static OLLAMA: Adapter = Adapter {
    chat_fields: None,
    completion_fields: None,
    renamed: &[("max_completion_tokens", "max_tokens")],
    left_out: &[],
    counts_streams: true,
    end: EndMark::Done,
    default_max_tokens: None,
    ignores_tool_choice: true,
    tool_calls_need_repair: true,
};

/// TensorRT-LLM refuses every field that it does not know (its request models forbid extra fields).
static TRTLLM: Adapter = Adapter {
    chat_fields: Some(&[
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "best_of",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "chat_template_kwargs",
        "user",
    ]),
    completion_fields: Some(&[
        "model",
        "prompt",
        "stream",
        "stream_options",
        "max_tokens",
        "n",
        "best_of",
        "echo",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "logit_bias",
        "logprobs",
        "response_format",
        "user",
    ]),
    renamed: &[],
    left_out: &[],
    counts_streams: true,
    end: EndMark::Done,
    default_max_tokens: None,
    ignores_tool_choice: false,
    tool_calls_need_repair: false,
};

/// The Jetson branch's example server knows the fields of early 2024, answers 16 tokens where nobody says how many, and
/// streams without role, reason and end.
static TRTLLM_JETSON: Adapter = Adapter {
    chat_fields: Some(&[
        "model",
        "messages",
        "stream",
        "max_tokens",
        "n",
        "best_of",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "user",
    ]),
    completion_fields: Some(&[
        "model",
        "prompt",
        "stream",
        "max_tokens",
        "n",
        "best_of",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "user",
    ]),
    renamed: &[("max_completion_tokens", "max_tokens")],
    left_out: &[],
    counts_streams: false,
    end: EndMark::EndOfBody,
    default_max_tokens: Some(2048),
    ignores_tool_choice: false,
    tool_calls_need_repair: false,
};

/// TensorRT Edge-LLM refuses fields that it does not know (its request class forbids extra ones) and penalties other than
/// zero.
static EDGE_LLM: Adapter = Adapter {
    chat_fields: Some(&[
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "seed",
        "stop",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "guided_decoding",
        "enable_thinking",
        "reasoning_effort",
        "chat_template_kwargs",
    ]),
    completion_fields: None,
    renamed: &[],
    left_out: &["frequency_penalty", "presence_penalty"],
    counts_streams: true,
    end: EndMark::Done,
    default_max_tokens: None,
    ignores_tool_choice: false,
    tool_calls_need_repair: false,
};

static OPENAI: Adapter = Adapter {
    chat_fields: None,
    completion_fields: None,
    renamed: &[],
    left_out: &[],
    counts_streams: true,
    end: EndMark::DoneOrFinishReason,
    default_max_tokens: None,
    ignores_tool_choice: false,
    tool_calls_need_repair: false,
};

static STARTER: Adapter = Adapter {
    end: EndMark::Done,
    ..OPENAI
};
