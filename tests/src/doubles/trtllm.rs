//! TensorRT-LLM's server, and in `Branch::Jetson` the one of its branch for Jetson Orin (v0.12).
//!
//! Its traps: an unknown top-level field is a 400 (whose text repeats what was sent), flat errors, one model whatever
//! name is asked for, a space after the first event's JSON. Jetson's: no role chunk, null `finish_reason`, no `[DONE]`
//! after a chat, an id of its own on each chunk, 16 tokens unless told otherwise, tool calls only for a named tool, no
//! `/version`.

use super::answer::{Answer, Honours, created, hex};
use super::chat::{fields, media_parts, messages, streams};
use super::double::State;
use super::journal::Seen;
use super::reply::Reply;
use super::script::Script;
use super::trtllm_shape::Shape;
use crate::json::{list, null, object, text};
use serde_json::{Value, json};

/// Which line of the server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Branch {
    Current,
    Jetson,
}

const CHAT_AND_COMPLETION: &str = "model frequency_penalty logit_bias logprobs max_tokens n presence_penalty \
    response_format seed stop stream stream_options temperature top_p user best_of use_beam_search top_k min_p \
    repetition_penalty length_penalty early_stopping stop_token_ids include_stop_str_in_output ignore_eos min_tokens \
    skip_special_tokens spaces_between_special_tokens truncate_prompt_tokens add_special_tokens echo";
const CHAT: &str = "messages top_logprobs tools tool_choice add_generation_prompt documents chat_template chat_template_kwargs";
const CHAT_CURRENT: &str = "max_completion_tokens reasoning_effort top_p_min lora_request mm_processor_kwargs \
    disaggregated_params cache_salt";
const COMPLETION: &str = "prompt suffix";

const FORMATS: [&str; 7] = [
    "text",
    "json",
    "json_schema",
    "json_object",
    "regex",
    "ebnf",
    "structural_tag",
];

/// What v0.12 generates when a request does not say.
const JETSON_MAX_TOKENS: u64 = 16;

pub(crate) fn route(state: &State, seen: &Seen, branch: Branch) -> Reply {
    let script = state.script();
    let model = script
        .models
        .first()
        .map(|m| m.name.clone())
        .unwrap_or_default();
    let reply = match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/health") => Reply::whole(200, "text/plain", String::new()),
        ("GET", "/health_generate") if branch == Branch::Current => {
            Reply::whole(200, "text/plain", String::new())
        }
        ("GET", "/version") if branch == Branch::Current => {
            Reply::json(200, json!({"version": "1.2.0"}))
        }
        ("GET", "/v1/models") => {
            let card = [
                ("id", text(&model)),
                ("object", text("model")),
                ("created", created()),
                ("owned_by", text("tensorrt_llm")),
            ];
            Reply::json(
                200,
                object(&[("object", text("list")), ("data", list(&[object(&card)]))]),
            )
        }
        ("POST", "/v1/chat/completions" | "/v1/completions") => {
            return generation(&script, seen, branch, &model);
        }
        (_, "/health" | "/v1/models" | "/v1/chat/completions" | "/v1/completions") => {
            Reply::json(405, json!({"detail": "Method Not Allowed"}))
        }
        _ => Reply::json(404, json!({"detail": "Not Found"})),
    };
    reply.delayed(script.health_delay)
}

/// The flat error body.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Reply {
    let fields = [
        ("object", text("error")),
        ("message", text(message)),
        ("type", text(kind)),
        ("param", null()),
        ("code", status.to_string()),
    ];
    Reply::json(status, object(&fields))
}

/// What the server itself says with a status.
pub(crate) fn fault(status: u16) -> Reply {
    match status {
        500 => error(
            500,
            "InternalServerError",
            "CUDA out of memory. Tried to allocate 2.00 GiB.",
        ),
        // The executor's death comes as a bare text.
        503 => Reply::json(503, json!({"error": "Executor is shut down"})),
        404 => error(404, "NotFoundError", "The model is not served here."),
        _ => error(
            status,
            "BadRequestError",
            "The prompt length exceeds max_seq_len.",
        ),
    }
}

fn generation(script: &Script, seen: &Seen, branch: Branch, served: &str) -> Reply {
    let body: Value = match serde_json::from_slice(&seen.body) {
        Ok(body) => body,
        Err(cause) => {
            return error(
                400,
                "BadRequestError",
                &format!("[{{'type': 'json_invalid', 'msg': '{cause}'}}]"),
            );
        }
    };
    let is_chat = seen.path.ends_with("/chat/completions");
    if let Some(message) = invalid(&body, is_chat, branch) {
        return error(400, "BadRequestError", &message);
    }
    let raw = String::from_utf8_lossy(&seen.body);
    let mut limited = body.clone();
    if branch == Branch::Jetson && body["max_tokens"].is_null() {
        limited["max_tokens"] = json!(JETSON_MAX_TOKENS);
        // Without a tool parser the model's call is plain text.
        if body["tool_choice"].as_str().is_some() || body["tool_choice"].is_null() {
            limited["tools"] = Value::Null;
        }
    }
    let model = match branch {
        Branch::Current => body["model"].as_str().unwrap_or_default(),
        Branch::Jetson => served,
    };
    let shape = Shape {
        script,
        body: &body,
        branch,
        model,
        id: hex(),
    };
    if is_chat {
        shape.chat(&Answer::to_chat(script, &limited, &raw, Honours::All))
    } else {
        shape.completion(&Answer::to_completion(script, &limited, &raw, Honours::All))
    }
}

/// The validation of the request, with messages as pydantic writes them: they repeat the input.
fn invalid(body: &Value, is_chat: bool, branch: Branch) -> Option<String> {
    let complaint = |kind: &str, field: &str, why: &str, input: &Value| {
        Some(format!(
            "[{{'type': '{kind}', 'loc': ('body', '{field}'), 'msg': '{why}', 'input': {input}}}]"
        ))
    };
    let required = if is_chat { "messages" } else { "prompt" };
    for field in [required, "model"] {
        if body[field].is_null() {
            return complaint("missing", field, "Field required", body);
        }
    }
    let known = |field: &str| {
        let mut lists = vec![CHAT_AND_COMPLETION, if is_chat { CHAT } else { COMPLETION }];
        if branch == Branch::Current {
            lists.push(if is_chat {
                CHAT_CURRENT
            } else {
                "lora_request top_p_min disaggregated_params"
            });
        }
        lists
            .iter()
            .any(|list| list.split_whitespace().any(|name| name == field))
    };
    if let Some(field) = fields(body).find(|field| !known(field)) {
        return complaint(
            "extra_forbidden",
            field,
            "Extra inputs are not permitted",
            &body[field],
        );
    }
    let is_content = |c: &Value| c.is_string() || c.is_array() || c.is_null();
    if let Some(odd) = messages(body).iter().find(|m| !is_content(&m["content"])) {
        let why = "Input should be a valid string";
        return complaint("string_type", "messages.0.content", why, &odd["content"]);
    }
    let format = &body["response_format"]["type"];
    if format.as_str().is_some_and(|f| !FORMATS.contains(&f)) {
        let why = "Input should be one of the known formats";
        return complaint("literal_error", "response_format.type", why, format);
    }
    let rule = |why: &str| complaint("value_error", "", &format!("Value error, {why}"), body);
    if !body["stream_options"].is_null() && !streams(body) {
        return rule("stream_options can only be set if stream is true");
    }
    if body["suffix"].as_str().is_some_and(|s| !s.is_empty()) {
        return rule("suffix is not supported");
    }
    let free = match branch {
        Branch::Current => &["none", "auto"][..],
        Branch::Jetson => &["none"][..],
    };
    let choice = &body["tool_choice"];
    if choice
        .as_str()
        .is_some_and(|c| branch == Branch::Jetson && !free.contains(&c))
    {
        return complaint(
            "literal_error",
            "tool_choice",
            "Input should be 'none'",
            choice,
        );
    }
    let is_free = choice.is_null() || choice.as_str().is_some_and(|c| free.contains(&c));
    if !is_free && body["tools"].as_array().is_none_or(Vec::is_empty) {
        return rule("When using `tool_choice`, `tools` must be set.");
    }
    if branch == Branch::Jetson && media_parts(body).next().is_some() {
        return Some("image_url is not supported".to_owned());
    }
    None
}
