//! A plain OpenAI-compatible server of the kind of llama.cpp's: one model, extra fields in its replies, no traps but
//! its own error codes.

use super::answer::{Answer, Honours, created, hex, logprobs};
use super::chat::{includes_usage, prompt_tokens, streams};
use super::double::State;
use super::journal::Seen;
use super::reply::{Event, Reply};
use super::script::Script;
use super::{Model, embedding, ollama_context};
use crate::json::{list, null, object, optional_text, text};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) fn route(state: &State, seen: &Seen) -> Reply {
    let script = state.script();
    if seen.path.starts_with("/v1/chat") && !is_allowed(&script, seen) {
        return error(401, "authentication_error", "Invalid API Key");
    }
    let reply = match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/health" | "/v1/health") => Reply::json(200, json!({"status": "ok"})),
        ("GET", "/v1/models" | "/models") => {
            let data: Vec<Value> = script.models.iter().map(card).collect();
            Reply::json(200, json!({"object": "list", "data": data}))
        }
        ("POST", "/v1/chat/completions") => return generation(&script, seen, chat),
        ("POST", "/v1/completions") => return generation(&script, seen, completion),
        ("POST", "/v1/embeddings") => return generation(&script, seen, |s, b, _| embeddings(s, b)),
        _ => error(404, "not_found_error", "File Not Found"),
    };
    reply.delayed(script.health_delay)
}

/// The error body.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Reply {
    let fields = [
        ("code", status.to_string()),
        ("message", text(message)),
        ("type", text(kind)),
    ];
    Reply::json(status, object(&[("error", object(&fields))]))
}

/// What the server itself says with a status.
pub(crate) fn fault(status: u16) -> Reply {
    match status {
        503 => error(503, "unavailable_error", "Loading model"),
        500 => error(500, "server_error", "Compute error."),
        429 => error(429, "rate_limit_error", "Too many requests").with_header("retry-after", "2"),
        _ => error(
            status,
            "invalid_request_error",
            "the request exceeds the available context size",
        ),
    }
}

fn is_allowed(script: &Script, seen: &Seen) -> bool {
    script
        .api_key
        .as_ref()
        .is_none_or(|key| seen.headers.get("authorization") == Some(&format!("Bearer {key}")))
}

fn card(model: &Model) -> Value {
    json!({
        "id": model.name, "object": "model", "created": 1_767_225_600, "owned_by": "llamacpp",
        "meta": {
            "vocab_type": 2, "n_vocab": 128_256, "n_ctx_train": model.context_length, "n_embd": 3072,
            "n_params": model.parameters, "size": model.size_bytes
        }
    })
}

fn generation(
    script: &Script,
    seen: &Seen,
    answer: impl Fn(&Script, &Value, &str) -> Reply,
) -> Reply {
    match serde_json::from_slice(&seen.body) {
        Ok(body) => answer(script, &body, &String::from_utf8_lossy(&seen.body)),
        Err(cause) => error(
            400,
            "invalid_request_error",
            &format!("parse error: {cause}"),
        ),
    }
}

fn head(prefix: &str, kind: &str, id: &str, body: &Value) -> Vec<(&'static str, String)> {
    let model = body["model"].as_str().unwrap_or_default();
    vec![
        ("id", text(&format!("{prefix}-{id}"))),
        ("object", text(kind)),
        ("created", created()),
        ("model", text(model)),
        ("system_fingerprint", text("b7000-abcdef12")),
    ]
}

/// How much of the prompt is read.
fn read(script: &Script, body: &Value) -> usize {
    let whole = prompt_tokens(script, body);
    let model = script.models.first();
    model.map_or(whole, |model| ollama_context::read(script, model, body))
}

const TIMINGS: &str = r#"{"prompt_n":1,"prompt_ms":3.1,"predicted_n":2,"predicted_ms":9.7}"#;

fn chat(script: &Script, body: &Value, raw: &str) -> Reply {
    let answer = Answer::to_chat(script, body, raw, Honours::All).having_read(read(script, body));
    let id = hex();
    if streams(body) {
        return stream(script, chat_events(script, body, &answer, &id));
    }
    let mut message = vec![("role", text("assistant"))];
    if !answer.reasoning.is_empty() {
        message.push(("reasoning_content", text(&answer.reasoning.concat())));
    }
    message.push((
        "content",
        if answer.tool.is_some() {
            null()
        } else {
            text(&answer.text())
        },
    ));
    if let Some(tool) = &answer.tool {
        let function = object(&[
            ("name", text(&tool.name)),
            ("arguments", text(&tool.arguments)),
        ]);
        message.push((
            "tool_calls",
            list(&[object(&[
                ("type", text("function")),
                ("function", function),
                ("id", text(&hex())),
            ])]),
        ));
    }
    let mut choice = vec![
        ("finish_reason", text(answer.finish)),
        ("index", "0".into()),
        ("message", object(&message)),
    ];
    if answer.logprobs {
        choice.push(("logprobs", logprobs(&answer.pieces)));
    }
    let mut fields = head("chatcmpl", "chat.completion", &id, body);
    fields.extend([
        ("choices", list(&[object(&choice)])),
        ("usage", answer.usage()),
        ("timings", TIMINGS.into()),
    ]);
    Reply::json(200, object(&fields)).delayed(script.head_delay + answer.duration(script))
}

fn chat_events(script: &Script, body: &Value, answer: &Answer, id: &str) -> Vec<Event> {
    let chunk = |delta: &[(&str, String)], finish: Option<&str>| {
        let choice = [
            ("finish_reason", optional_text(finish)),
            ("index", "0".into()),
            ("delta", object(delta)),
        ];
        let mut fields = head("chatcmpl", "chat.completion.chunk", id, body);
        fields.push(("choices", list(&[object(&choice)])));
        object(&fields)
    };
    let mut deltas: Vec<(&str, String)> = Vec::new();
    deltas.extend(
        answer
            .reasoning
            .iter()
            .map(|t| ("reasoning_content", text(t))),
    );
    deltas.extend(answer.pieces.iter().map(|p| ("content", text(p))));
    if let Some(tool) = &answer.tool {
        let function = object(&[("name", text(&tool.name)), ("arguments", text(""))]);
        let call = [
            ("index", "0".into()),
            ("id", text(&hex())),
            ("type", text("function")),
            ("function", function),
        ];
        deltas.push(("tool_calls", list(&[object(&call)])));
        let function = object(&[("arguments", text(&tool.arguments))]);
        deltas.push((
            "tool_calls",
            list(&[object(&[("index", "0".into()), ("function", function)])]),
        ));
    }
    let role = chunk(&[("role", text("assistant")), ("content", null())], None);
    let mut events = vec![Event::data(&role, script.first_token_delay)];
    for delta in deltas {
        events.push(Event::data(&chunk(&[delta], None), script.gap));
    }
    events.push(Event::data(
        &chunk(&[], Some(answer.finish)),
        Duration::ZERO,
    ));
    if includes_usage(body) {
        let mut fields = head("chatcmpl", "chat.completion.chunk", id, body);
        fields.extend([
            ("choices", list(&[])),
            ("usage", answer.usage()),
            ("timings", TIMINGS.into()),
        ]);
        events.push(Event::data(&object(&fields), Duration::ZERO));
    }
    events.push(Event::done());
    events
}

fn completion(script: &Script, body: &Value, raw: &str) -> Reply {
    let answer =
        Answer::to_completion(script, body, raw, Honours::All).having_read(read(script, body));
    let id = hex();
    let chunk = |piece: &str, finish: Option<&str>, usage: Option<String>| {
        let choice = [
            ("text", text(piece)),
            ("index", "0".into()),
            ("logprobs", null()),
            ("finish_reason", optional_text(finish)),
        ];
        let mut fields = head("cmpl", "text_completion", &id, body);
        fields.push(("choices", list(&[object(&choice)])));
        fields.extend(usage.map(|u| ("usage", u)));
        object(&fields)
    };
    if !streams(body) {
        let whole = chunk(&answer.text(), Some(answer.finish), Some(answer.usage()));
        return Reply::json(200, whole).delayed(script.head_delay + answer.duration(script));
    }
    let mut events: Vec<Event> = answer
        .pieces
        .iter()
        .map(|piece| Event::data(&chunk(piece, None, None), script.gap))
        .collect();
    // The count rides on the last chunk with choices, asked for or not.
    events.push(Event::data(
        &chunk("", Some(answer.finish), Some(answer.usage())),
        script.gap,
    ));
    events.push(Event::done());
    stream(script, events)
}

fn embeddings(script: &Script, body: &Value) -> Reply {
    let inputs: Vec<String> = match &body["input"] {
        Value::String(input) => vec![input.clone()],
        Value::Array(items) if items.iter().all(Value::is_number) => {
            vec![Value::Array(items.clone()).to_string()]
        }
        Value::Array(items) => items
            .iter()
            .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned))
            .collect(),
        _ => {
            return error(
                400,
                "invalid_request_error",
                "\"input\" or \"content\" must be provided",
            );
        }
    };
    let model = body["model"].as_str().unwrap_or_default();
    let base64 = body["encoding_format"] == "base64";
    Reply::json(
        200,
        embedding::reply(model, &inputs, script.dimensions, base64),
    )
}

fn stream(script: &Script, events: Vec<Event>) -> Reply {
    Reply::Stream {
        content_type: "text/event-stream",
        head_after: script.head_delay,
        events,
    }
}
