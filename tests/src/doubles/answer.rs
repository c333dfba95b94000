//! What a double answers to a chat or a completion, before an engine's own shape is put around it.

use super::chat::{content_text, messages, prompt_tokens, user_text};
use super::sample;
use super::script::{Answering, Script};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Which of a request's wishes an engine honours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honours {
    /// Ollama: `max_completion_tokens`, `tool_choice` and `n` are silently ignored.
    Little,
    /// The others.
    All,
}

/// A tool call.
#[derive(Debug, Clone)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// An answer in tokens.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) reasoning: Vec<String>,
    pub(crate) pieces: Vec<String>,
    pub(crate) tool: Option<ToolCall>,
    pub(crate) finish: &'static str,
    pub(crate) prompt_tokens: usize,
    pub(crate) logprobs: bool,
}

impl Answer {
    /// The answer to a chat request; `raw` is its body as it came.
    pub(crate) fn to_chat(script: &Script, body: &Value, raw: &str, honours: Honours) -> Self {
        let tool = match script.answering {
            Answering::Natural => tool_call(body, honours),
            _ => None,
        };
        let text = match (&script.answering, &tool) {
            (_, Some(_)) => String::new(),
            (Answering::Natural, None) => natural(body),
            (answering, None) => scripted(answering, raw),
        };
        let reasoning = script.reasoning.as_deref().map(pieces).unwrap_or_default();
        Self::of(script, body, &text, honours).with(reasoning, tool)
    }

    /// The answer to a completion request.
    pub(crate) fn to_completion(
        script: &Script,
        body: &Value,
        raw: &str,
        honours: Honours,
    ) -> Self {
        let prompt = body["prompt"].as_str().unwrap_or("the prompt");
        let text = match &script.answering {
            Answering::Natural => match body["suffix"].as_str().filter(|s| !s.is_empty()) {
                Some(suffix) => format!("the middle between {prompt} and {suffix}"),
                None => format!(" and so it goes on after {prompt}"),
            },
            answering => scripted(answering, raw),
        };
        Self::of(script, body, &text, honours)
    }

    fn of(script: &Script, body: &Value, text: &str, honours: Honours) -> Self {
        let stops: Vec<&str> = match &body["stop"] {
            Value::String(stop) => vec![stop],
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let end = stops
            .iter()
            .filter_map(|stop| text.find(stop))
            .min()
            .unwrap_or(text.len());
        let mut pieces = pieces(&text[..end]);
        let limit = match honours {
            Honours::Little => body["max_tokens"].as_u64(),
            Honours::All => body["max_tokens"]
                .as_u64()
                .or(body["max_completion_tokens"].as_u64()),
        };
        let mut finish = "stop";
        if let Some(limit) = limit
            .and_then(|l| usize::try_from(l).ok())
            .filter(|l| *l < pieces.len())
        {
            pieces.truncate(limit);
            finish = "length";
        }
        let logprobs = body["logprobs"] == true || body["logprobs"].is_u64();
        Self {
            reasoning: Vec::new(),
            pieces,
            tool: None,
            finish,
            prompt_tokens: prompt_tokens(script, body),
            logprobs,
        }
    }

    /// The same after a prompt of which so much was read.
    pub(crate) fn having_read(mut self, tokens: usize) -> Self {
        self.prompt_tokens = tokens;
        self
    }

    fn with(mut self, reasoning: Vec<String>, tool: Option<ToolCall>) -> Self {
        self.reasoning = reasoning;
        if tool.is_some() {
            self.finish = "tool_calls";
        }
        self.tool = tool;
        self
    }

    /// The whole text.
    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// How many tokens were generated.
    pub(crate) fn completion_tokens(&self) -> usize {
        self.pieces.len() + self.reasoning.len() + self.tool.iter().count() * 8
    }

    /// The usage object.
    pub(crate) fn usage(&self) -> String {
        usage(self.prompt_tokens, self.completion_tokens())
    }

    /// How long a whole reply takes: as long as its tokens do.
    pub(crate) fn duration(&self, script: &Script) -> Duration {
        let gaps = u32::try_from(self.completion_tokens().saturating_sub(1)).unwrap_or(u32::MAX);
        script.first_token_delay + script.gap * gaps
    }
}

/// A usage object.
pub(crate) fn usage(prompt: usize, completion: usize) -> String {
    let total = prompt + completion;
    format!(
        r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}}}"#
    )
}

/// Words with the space that follows them: what stands for tokens here.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// 32 hexadecimal digits, never the same twice.
pub(crate) fn hex() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{:016x}{:016x}",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        number
    )
}

/// Now, as `created` has it.
pub(crate) fn created() -> String {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
        .to_string()
}

/// The log probabilities of some tokens, in OpenAI's shape.
pub(crate) fn logprobs(tokens: &[String]) -> String {
    let items: Vec<Value> = tokens
        .iter()
        .map(|t| json!({"token": t, "logprob": -0.25, "bytes": t.as_bytes(), "top_logprobs": []}))
        .collect();
    json!({ "content": items }).to_string()
}

fn scripted(answering: &Answering, raw: &str) -> String {
    match answering {
        Answering::Natural | Answering::Echo => raw.to_owned(),
        Answering::Fixed(text) => text.clone(),
        Answering::Words(count) => {
            let words: Vec<String> = (0..*count).map(|n| format!("w{n}")).collect();
            words.join(" ")
        }
    }
}

fn natural(body: &Value) -> String {
    let format = &body["response_format"];
    match format["type"].as_str() {
        Some("json_object") => return json!({"answer": user_text(body), "ok": true}).to_string(),
        Some("json_schema") => {
            let schema = &format["json_schema"]["schema"];
            return sample::instance_of(if schema.is_object() {
                schema
            } else {
                &format["json_schema"]
            })
            .to_string();
        }
        _ => {}
    }
    match messages(body).last() {
        Some(last) if last["role"] == "tool" => format!("The tool says: {}", content_text(last)),
        _ => format!("Hello! You said: {}", user_text(body)),
    }
}

fn tool_call(body: &Value, honours: Honours) -> Option<ToolCall> {
    let tools = body["tools"].as_array().filter(|t| !t.is_empty())?;
    if messages(body).last().is_some_and(|m| m["role"] == "tool") {
        return None;
    }
    let choice = if honours == Honours::All {
        &body["tool_choice"]
    } else {
        &Value::Null
    };
    let named = choice["function"]["name"].as_str();
    let asked = user_text(body).to_lowercase().contains("weather");
    let wanted = match choice.as_str() {
        Some("none") => false,
        Some("required") => true,
        _ => named.is_some() || asked,
    };
    if !wanted {
        return None;
    }
    let name = |tool: &Value| {
        tool["function"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let tool = tools.iter().find(|t| named == Some(&name(t))).or_else(|| {
        let about = tools
            .iter()
            .find(|t| name(t).to_lowercase().contains("weather"));
        about.or_else(|| tools.first())
    })?;
    Some(ToolCall {
        name: name(tool),
        arguments: sample::instance_of(&tool["function"]["parameters"]).to_string(),
    })
}
