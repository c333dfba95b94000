//! TensorRT Edge-LLM's server.
//!
//! Its traps: unknown fields and nulls where a number is due are a 400, as are `n` above one and penalties; a name that
//! is not the served one is a 404; a full queue is a 429 with `Retry-After`; each chunk carries all fields, null or not;
//! an error in mid-stream is an event, and `[DONE]` follows it all the same; no completions, no embeddings.

use super::answer::{Answer, Honours, created, hex, logprobs};
use super::chat::{fields, includes_usage, media_parts, messages, streams};
use super::double::State;
use super::journal::Seen;
use super::reply::{Event, Reply};
use super::script::Script;
use crate::json::{list, null, object, optional_text, text};
use serde_json::{Value, json};
use std::time::Duration;

const FIELDS: &str = "messages model frequency_penalty presence_penalty logit_bias logprobs top_logprobs max_tokens \
    max_completion_tokens n seed stop stream stream_options temperature top_p top_k min_p repetition_penalty tools \
    tool_choice parallel_tool_calls response_format guided_decoding modalities audio apply_chat_template \
    add_generation_prompt enable_thinking reasoning_effort chat_template_kwargs disable_spec_decode reuse_context \
    cache_generated_tokens";
/// Fields with a default of their own, for which null is no value.
const NOT_NULL: &str = "frequency_penalty presence_penalty logprobs n stream temperature top_p top_k min_p \
    repetition_penalty parallel_tool_calls enable_thinking";

pub(crate) fn route(state: &State, seen: &Seen) -> Reply {
    let script = state.script();
    let name = script
        .models
        .first()
        .map(|m| m.name.clone())
        .unwrap_or_default();
    let length = script.models.first().map_or(4096, |m| m.context_length);
    let counts = (state.journal.open(), 0);
    let reply = match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/health") => Reply::json(200, health(&name, length, counts.0)),
        ("GET", "/health/ready") => Reply::json(
            200,
            json!({"status": "ready", "active_requests": counts.0, "queued_requests": counts.1}),
        ),
        (_, path) if path.starts_with("/v1/") && !is_allowed(&script, seen) => {
            error(401, "authentication_error", "invalid API key", None)
                .with_header("www-authenticate", "Bearer")
        }
        ("GET", "/v1/models") => {
            let card = object(&[
                ("id", text(&name)),
                ("object", text("model")),
                ("created", created()),
                ("owned_by", text("tensorrt-edgellm")),
                ("max_model_len", length.to_string()),
            ]);
            Reply::json(
                200,
                object(&[("object", text("list")), ("data", list(&[card]))]),
            )
        }
        ("POST", "/v1/chat/completions") => return chat(state, &script, seen, &name),
        (_, "/health" | "/health/ready" | "/v1/models" | "/v1/chat/completions") => {
            Reply::json(405, json!({"detail": "Method Not Allowed"}))
        }
        _ => Reply::json(404, json!({"detail": "Not Found"})),
    };
    reply.delayed(script.health_delay)
}

/// The error body, whose `code` is a number.
pub(crate) fn error(status: u16, kind: &str, message: &str, param: Option<&str>) -> Reply {
    Reply::json(status, error_body(status, kind, message, param))
}

/// The same as text: also what stands in an error event.
pub(crate) fn error_body(status: u16, kind: &str, message: &str, param: Option<&str>) -> String {
    let fields = [
        ("message", text(message)),
        ("type", text(kind)),
        ("param", optional_text(param)),
        ("code", status.to_string()),
    ];
    object(&[("error", object(&fields))])
}

/// What the server itself says with a status.
pub(crate) fn fault(status: u16) -> Reply {
    match status {
        429 => error(
            429,
            "server_overloaded",
            "server request queue is full",
            None,
        )
        .with_header("retry-after", "1"),
        503 => error(503, "server_unavailable", "server is shutting down", None),
        404 => error(
            404,
            "not_found_error",
            "model 'gone' is not served by this process",
            Some("model"),
        ),
        500 => error(500, "engine_error", "the runtime reported an error", None),
        _ => error(
            status,
            "invalid_request_error",
            "EDGELLM_INPUT_TOO_LONG",
            None,
        ),
    }
}

fn is_allowed(script: &Script, seen: &Seen) -> bool {
    let Some(key) = &script.api_key else {
        return true;
    };
    seen.headers.get("authorization") == Some(&format!("Bearer {key}"))
        || seen.headers.get("x-api-key") == Some(key)
}

fn health(name: &str, length: u32, active: usize) -> Value {
    json!({
        "status": "healthy", "model": name, "active_requests": active, "queued_requests": 0, "batching": false,
        "capabilities": {
            "chat": true, "transcription": false, "speech": false, "input_modalities": ["text"],
            "output_modalities": ["text"], "max_model_len": length, "max_input_len": length / 2, "max_batch_size": 1,
            "max_num_seqs": 1, "kv_cache_dtype": "fp16", "speculative_decoding": false, "speculative_method": null,
            "context_reuse": true
        }
    })
}

fn invalid(body: &Value) -> Option<Reply> {
    let refuse = |message: &str, param: &str| {
        Some(error(400, "invalid_request_error", message, Some(param)))
    };
    if body["messages"].is_null() {
        return refuse("Field required", "messages");
    }
    if let Some(field) = fields(body).find(|f| !FIELDS.split_whitespace().any(|known| known == *f))
    {
        return refuse("Extra inputs are not permitted", field);
    }
    if let Some(field) = NOT_NULL
        .split_whitespace()
        .find(|f| body.get(*f).is_some_and(Value::is_null))
    {
        return refuse("Input should be a valid value", field);
    }
    if body.get("n").is_some_and(|n| n != 1) {
        return refuse("Input should be less than or equal to 1", "n");
    }
    let (one, other) = (&body["max_tokens"], &body["max_completion_tokens"]);
    if !one.is_null() && !other.is_null() && one != other {
        return refuse(
            "max_tokens and max_completion_tokens must match when both are provided",
            "max_tokens",
        );
    }
    if messages(body).is_empty() {
        return refuse("messages must not be empty", "messages");
    }
    None
}

fn unsupported(body: &Value) -> Option<Reply> {
    let refuse =
        |message: &str, param: &str| Some(error(400, "unsupported_feature", message, Some(param)));
    if media_parts(body).next().is_some() {
        return refuse(
            "the loaded model does not accept image input; supported input modalities: text",
            "messages",
        );
    }
    let penalty = ["frequency_penalty", "presence_penalty"]
        .into_iter()
        .find(|f| body[*f].as_f64().is_some_and(|p| p != 0.0));
    penalty.and_then(|field| {
        refuse(
            &format!("{field} is not supported by the Edge-LLM runtime"),
            field,
        )
    })
}

fn chat(state: &State, script: &Script, seen: &Seen, name: &str) -> Reply {
    let body: Value = match serde_json::from_slice(&seen.body) {
        Ok(body) => body,
        Err(cause) => {
            return error(
                400,
                "invalid_request_error",
                &format!("JSON decode error: {cause}"),
                None,
            );
        }
    };
    if let Some(refusal) = invalid(&body) {
        return refusal;
    }
    if body["model"]
        .as_str()
        .is_some_and(|model| !model.is_empty() && model != name)
    {
        let message = format!(
            "model '{}' is not served by this process",
            body["model"].as_str().unwrap_or_default()
        );
        return error(404, "not_found_error", &message, Some("model"));
    }
    if let Some(refusal) = unsupported(&body) {
        return refusal;
    }
    if script
        .max_requests
        .is_some_and(|limit| state.journal.open() > limit)
    {
        return fault(429);
    }
    let answer = Answer::to_chat(
        script,
        &body,
        &String::from_utf8_lossy(&seen.body),
        Honours::All,
    );
    let id = format!("chatcmpl-{}", hex());
    if streams(&body) {
        let events = events(script, &body, &answer, &id, name);
        return Reply::Stream {
            content_type: "text/event-stream; charset=utf-8",
            head_after: script.head_delay,
            events,
        };
    }
    whole(&answer, &id, name).delayed(script.head_delay + answer.duration(script))
}

fn whole(answer: &Answer, id: &str, model: &str) -> Reply {
    let mut message = vec![("role", text("assistant"))];
    if answer.tool.is_none() {
        message.push(("content", text(&answer.text())));
    }
    if !answer.reasoning.is_empty() {
        message.push(("reasoning_content", text(&answer.reasoning.concat())));
    }
    if let Some(tool) = &answer.tool {
        let function = object(&[
            ("name", text(&tool.name)),
            ("arguments", text(&tool.arguments)),
        ]);
        let call = [
            ("id", text(&format!("call_{}", hex()))),
            ("type", text("function")),
            ("function", function),
        ];
        message.push(("tool_calls", list(&[object(&call)])));
    }
    let mut choice = vec![("index", "0".into()), ("message", object(&message))];
    if answer.logprobs {
        choice.push(("logprobs", logprobs(&answer.pieces)));
    }
    choice.push(("finish_reason", text(answer.finish)));
    let fields = [
        ("id", text(id)),
        ("object", text("chat.completion")),
        ("created", created()),
        ("model", text(model)),
        ("choices", list(&[object(&choice)])),
        ("usage", answer.usage()),
    ];
    Reply::json(200, object(&fields))
}

/// One chunk with all its fields, null or not; `field` and `value` are what the delta says.
fn chunk(
    id: &str,
    model: &str,
    delta: Option<&(&str, String)>,
    finish: Option<&str>,
    usage: Option<String>,
) -> String {
    let choices = if usage.is_some() {
        list(&[])
    } else {
        let of = |name: &'static str| {
            let value = delta
                .filter(|(field, _)| *field == name)
                .map(|(_, value)| value.clone());
            (name, value.unwrap_or_else(null))
        };
        let delta = object(
            &[
                "role",
                "content",
                "reasoning_content",
                "tool_calls",
                "audio",
            ]
            .map(of),
        );
        let finish = optional_text(finish);
        list(&[object(&[
            ("index", "0".into()),
            ("delta", delta),
            ("logprobs", null()),
            ("finish_reason", finish),
        ])])
    };
    object(&[
        ("id", text(id)),
        ("object", text("chat.completion.chunk")),
        ("created", created()),
        ("model", text(model)),
        ("choices", choices),
        ("usage", usage.unwrap_or_else(null)),
    ])
}

fn events(script: &Script, body: &Value, answer: &Answer, id: &str, model: &str) -> Vec<Event> {
    let mut deltas: Vec<(&str, String)> = Vec::new();
    deltas.extend(
        answer
            .reasoning
            .iter()
            .map(|thought| ("reasoning_content", text(thought))),
    );
    deltas.extend(answer.pieces.iter().map(|piece| ("content", text(piece))));
    if let Some(tool) = &answer.tool {
        let function = object(&[("name", text(&tool.name)), ("arguments", text(""))]);
        let id = text(&format!("call_{}", hex()));
        let head = [
            ("index", "0".into()),
            ("id", id),
            ("type", text("function")),
            ("function", function),
        ];
        deltas.push(("tool_calls", list(&[object(&head)])));
        let function = object(&[("arguments", text(&tool.arguments))]);
        deltas.push((
            "tool_calls",
            list(&[object(&[("index", "0".into()), ("function", function)])]),
        ));
    }
    let role = chunk(id, model, Some(&("role", text("assistant"))), None, None);
    let mut events = vec![Event::data(&role, Duration::ZERO)];
    for (n, delta) in deltas.into_iter().enumerate() {
        let after = if n == 0 {
            script.first_token_delay
        } else {
            script.gap
        };
        events.push(Event::data(
            &chunk(id, model, Some(&delta), None, None),
            after,
        ));
    }
    events.push(Event::data(
        &chunk(id, model, None, Some(answer.finish), None),
        Duration::ZERO,
    ));
    if includes_usage(body) {
        events.push(Event::data(
            &chunk(id, model, None, None, Some(answer.usage())),
            Duration::ZERO,
        ));
    }
    events.push(Event::done());
    events
}
