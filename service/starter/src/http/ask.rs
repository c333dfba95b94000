//! Requests as OpenAI writes them, checked into what the model is asked.

use serde::Deserialize;
use serde_json::Value;

use super::MODEL_ID;
use super::failure::Failure;
use crate::answer::Ask;
use crate::chat::Message;
use crate::sample::Sampling;

/// OpenAI allows four stop texts; more do no harm, thousands would.
const MOST_STOP_TEXTS: usize = 16;

/// The fields that chat and plain completions share; fields that change nothing are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Common {
    model: Option<String>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    seed: Option<i64>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    stop: Option<OneOrMore>,
    n: Option<i64>,
    best_of: Option<i64>,
    logprobs: Option<Value>,
    logit_bias: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// `/v1/chat/completions`.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    #[serde(flatten)]
    pub(super) common: Common,
    messages: Option<Vec<WireMessage>>,
    tools: Option<Value>,
    functions: Option<Value>,
    response_format: Option<Value>,
    audio: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    role: String,
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// `/v1/completions`.
#[derive(Debug, Deserialize)]
pub(super) struct CompletionRequest {
    #[serde(flatten)]
    pub(super) common: Common,
    prompt: Option<Value>,
    suffix: Option<String>,
    echo: Option<bool>,
}

/// Reads a request's JSON; the error names the place.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::invalid(None, format!("the request is not as it should be: {error}"))
    })
}

impl Common {
    /// Whether a stream ends with the usage.
    pub(super) fn include_usage(&self) -> bool {
        self.stream_options
            .as_ref()
            .and_then(|options| options.include_usage)
            .unwrap_or(false)
    }

    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// The checked request, its prompt still empty.
    pub(super) fn ask(&self) -> Result<Ask, Failure> {
        match self.model.as_deref() {
            Some(MODEL_ID) => {}
            Some(other) => return Err(Failure::model(other)),
            None => {
                return Err(Failure::invalid(
                    Some("model"),
                    format!("`model` is missing: set it to `{MODEL_ID}`"),
                ));
            }
        }
        if self.n.is_some_and(|n| n != 1) || self.best_of.is_some_and(|n| n != 1) {
            return Err(Failure::needs_real_model(
                "n",
                "give several answers to one request",
            ));
        }
        if self
            .logprobs
            .as_ref()
            .is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
        {
            return Err(Failure::needs_real_model(
                "logprobs",
                "return log probabilities",
            ));
        }
        if self.logit_bias.as_ref().is_some_and(is_filled) {
            return Err(Failure::needs_real_model(
                "logit_bias",
                "bias single tokens",
            ));
        }
        if self.stream_options.is_some() && !self.streams() {
            return Err(Failure::invalid(
                Some("stream_options"),
                "`stream_options` is only allowed together with `stream`",
            ));
        }
        let max_tokens = match self
            .max_completion_tokens
            .or(self.max_tokens)
            .map(usize::try_from)
        {
            None => None,
            Some(Ok(limit)) if limit > 0 => Some(limit),
            Some(_) => {
                return Err(Failure::invalid(
                    Some("max_tokens"),
                    "`max_tokens` has to be 1 or more",
                ));
            }
        };
        let in_range =
            |name: &'static str, value: Option<f32>, low: f32, high: f32, default: f32| match value
            {
                None => Ok(default),
                Some(value) if (low..=high).contains(&value) => Ok(value),
                Some(_) => Err(Failure::invalid(
                    Some(name),
                    format!("`{name}` has to be from {low} to {high}"),
                )),
            };
        let sampling = Sampling {
            temperature: in_range("temperature", self.temperature, 0.0, 2.0, 0.0)?,
            top_p: in_range("top_p", self.top_p, 0.0, 1.0, 1.0)?,
            frequency_penalty: in_range(
                "frequency_penalty",
                self.frequency_penalty,
                -2.0,
                2.0,
                0.0,
            )?,
            presence_penalty: in_range("presence_penalty", self.presence_penalty, -2.0, 2.0, 0.0)?,
            seed: self.seed.map(i64::cast_unsigned),
        };
        let stop = match &self.stop {
            None => Vec::new(),
            Some(OneOrMore::One(text)) => vec![text.clone()],
            Some(OneOrMore::More(texts)) if texts.len() <= MOST_STOP_TEXTS => texts.clone(),
            Some(OneOrMore::More(_)) => {
                return Err(Failure::invalid(
                    Some("stop"),
                    format!("`stop` may hold at most {MOST_STOP_TEXTS} texts"),
                ));
            }
        };
        Ok(Ask {
            prompt: Vec::new(),
            sampling,
            max_tokens,
            stop,
        })
    }
}

impl ChatRequest {
    /// The checked messages.
    pub(super) fn messages(&self) -> Result<Vec<Message>, Failure> {
        if self.tools.as_ref().is_some_and(is_filled)
            || self.functions.as_ref().is_some_and(is_filled)
        {
            return Err(Failure::needs_real_model("tools", "call tools"));
        }
        if self.audio.as_ref().is_some_and(is_filled) {
            return Err(Failure::needs_real_model("audio", "speak"));
        }
        let format = self
            .response_format
            .as_ref()
            .and_then(|format| format.get("type"));
        if format.is_some_and(|kind| kind != "text") {
            return Err(Failure::needs_real_model(
                "response_format",
                "keep to a response format",
            ));
        }
        let messages = self
            .messages
            .as_deref()
            .filter(|messages| !messages.is_empty());
        let messages = messages
            .ok_or_else(|| Failure::invalid(Some("messages"), "`messages` is missing or empty"))?;
        messages.iter().map(WireMessage::read).collect()
    }
}

impl WireMessage {
    fn read(&self) -> Result<Message, Failure> {
        let role = match self.role.as_str() {
            role @ ("system" | "user" | "assistant") => role,
            "developer" => "system",
            "tool" | "function" => {
                return Err(Failure::needs_real_model(
                    "messages",
                    "work with the results of tools",
                ));
            }
            other => {
                return Err(Failure::invalid(
                    Some("messages"),
                    format!("`{other}` is no role of a message"),
                ));
            }
        };
        let content = match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts
                .iter()
                .map(Part::read)
                .collect::<Result<Vec<_>, _>>()?
                .join("\n"),
        };
        Ok(Message {
            role: role.to_owned(),
            content,
        })
    }
}

impl Part {
    fn read(&self) -> Result<&str, Failure> {
        match (self.kind.as_str(), self.text.as_deref()) {
            ("text", Some(text)) => Ok(text),
            ("text", None) => Err(Failure::invalid(
                Some("messages"),
                "a `text` part of a message has no text",
            )),
            ("image_url", _) => Err(Failure::unable(
                "messages",
                "see images",
                "ollama pull qwen2.5vl:7b",
            )),
            (kind, _) => Err(Failure::needs_real_model(
                "messages",
                &format!("read parts of type `{kind}`"),
            )),
        }
    }
}

impl CompletionRequest {
    /// The checked prompt.
    pub(super) fn prompt(&self) -> Result<&str, Failure> {
        if self
            .suffix
            .as_ref()
            .is_some_and(|suffix| !suffix.is_empty())
        {
            return Err(Failure::needs_real_model(
                "suffix",
                "fill in the middle of a text",
            ));
        }
        if self.echo == Some(true) {
            return Err(Failure::needs_real_model("echo", "repeat the prompt"));
        }
        match &self.prompt {
            Some(Value::String(prompt)) => Ok(prompt),
            // OpenAI's clients may wrap the one prompt in a list.
            Some(Value::Array(list)) => match list.as_slice() {
                [Value::String(prompt)] => Ok(prompt),
                _ => Err(Failure::invalid(
                    Some("prompt"),
                    "`prompt` has to be one text",
                )),
            },
            None | Some(_) => Err(Failure::invalid(
                Some("prompt"),
                "`prompt` is missing or is no text",
            )),
        }
    }
}

/// Whether a field holds more than an empty list, an empty object or null.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
