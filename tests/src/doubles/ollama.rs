//! Ollama's OpenAI-compatible routes.
//!
//! Its traps: a prompt silently cut, fields silently ignored, `reasoning` for thoughts, ids that collide, no remote images, token ids refused,
//! a zero usage on each completion chunk.

use super::answer::{Answer, Honours, created, hex, logprobs, usage};
use super::chat::{includes_usage, media_parts, messages, streams};
use super::double::State;
use super::journal::Seen;
use super::reply::{Event, Reply};
use super::script::Script;
use super::{embedding, ollama_context, ollama_native};
use crate::json::{list, null, object, optional_text, text};
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) fn route(state: &State, seen: &Seen) -> Reply {
    let script = state.script();
    match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/v1/chat/completions") => {
            generation(state, seen, |b, raw, read| chat(&script, b, raw, read))
        }
        ("POST", "/v1/completions") => generation(state, seen, |b, raw, read| {
            completion(&script, b, raw, read)
        }),
        ("POST", "/v1/embeddings") => generation(state, seen, |b, _, _| embeddings(&script, b)),
        ("GET", "/v1/models") => {
            let models: Vec<String> = script.models.iter().map(|m| model_card(&m.name)).collect();
            Reply::json(
                200,
                object(&[("object", text("list")), ("data", list(&models))]),
            )
        }
        ("GET", path) if path.starts_with("/v1/models/") => {
            match script.model(&path["/v1/models/".len()..]) {
                Some(model) => Reply::json(200, model_card(&model.name)),
                None => error(
                    404,
                    &format!("model '{}' not found", &path["/v1/models/".len()..]),
                ),
            }
        }
        _ => ollama_native::route(state, &script, seen),
    }
}

/// The compatible routes' error body.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let kind = match status {
        400 => "invalid_request_error",
        404 => "not_found_error",
        _ => "api_error",
    };
    let inner = object(&[
        ("message", text(message)),
        ("type", text(kind)),
        ("param", null()),
        ("code", null()),
    ]);
    Reply::json(status, object(&[("error", inner)]))
}

/// What Ollama itself says with a status.
pub(crate) fn fault(status: u16, path: &str) -> Reply {
    let message = match status {
        // A runner's own body comes through as a JSON text inside the message.
        400 => {
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#
        }
        404 => "model 'gone' not found",
        499 => "request canceled",
        503 => "server busy, please try again.  maximum pending requests exceeded",
        _ => "llama runner process has terminated: exit status 2",
    };
    if path.starts_with("/v1/") {
        error(status, message)
    } else {
        ollama_native::error(status, message)
    }
}

fn model_card(name: &str) -> String {
    let fields = [
        ("id", text(name)),
        ("object", text("model")),
        ("created", created()),
        ("owned_by", text("library")),
    ];
    object(&fields)
}

fn generation(state: &State, seen: &Seen, answer: impl Fn(&Value, &str, usize) -> Reply) -> Reply {
    let body: Value = match serde_json::from_slice(&seen.body) {
        Ok(body) => body,
        Err(cause) => return error(400, &cause.to_string()),
    };
    let script = state.script();
    let name = body["model"].as_str().unwrap_or_default();
    let Some(model) = script.model(name) else {
        return error(404, &format!("model '{name}' not found"));
    };
    if script
        .max_requests
        .is_some_and(|limit| state.journal.open() > limit)
    {
        return fault(503, &seen.path);
    }
    let wanted = if seen.path == "/v1/embeddings" {
        "embedding"
    } else {
        "completion"
    };
    if wanted == "completion" && !model.can(wanted) {
        return error(400, &format!("{} does not support chat", text(name)));
    }
    if body["tools"].as_array().is_some_and(|t| !t.is_empty()) && !model.can("tools") {
        return error(
            400,
            &format!("registry.ollama.ai/library/{name} does not support tools"),
        );
    }
    if media_parts(&body).next().is_some() && !model.can("vision") {
        return error(400, "this model is missing data required for image input");
    }
    state.load(&model.name);
    let read = ollama_context::read(&script, model, &body);
    answer(&body, &String::from_utf8_lossy(&seen.body), read)
}

/// Ids are small numbers: they collide.
fn id(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}", NEXT.fetch_add(7, Ordering::Relaxed) % 999)
}

fn invalid_message(body: &Value) -> Option<String> {
    if messages(body).is_empty() {
        return Some("[] is too short - 'messages'".to_owned());
    }
    for message in messages(body) {
        if message["content"].is_null() && !message["tool_calls"].is_array() {
            return Some("invalid message content type: <nil>".to_owned());
        }
    }
    media_parts(body).find_map(|part| match part["type"].as_str() {
        Some("image_url") => {
            let url = part["image_url"]["url"]
                .as_str()
                .or(part["image_url"].as_str())
                .unwrap_or_default();
            let known = ["jpeg", "jpg", "png", "webp"]
                .iter()
                .any(|t| url.starts_with(&format!("data:image/{t};base64,")));
            (!known).then(|| "invalid image input".to_owned())
        }
        Some("input_audio") => None,
        _ => Some("invalid message format".to_owned()),
    })
}

fn head(kind: &str, id: &str, model: &str) -> Vec<(&'static str, String)> {
    vec![
        ("id", text(id)),
        ("object", text(kind)),
        ("created", created()),
        ("model", text(model)),
        ("system_fingerprint", text("fp_ollama")),
    ]
}

fn tool_calls(answer: &Answer) -> Option<String> {
    let tool = answer.tool.as_ref()?;
    let function = object(&[
        ("name", text(&tool.name)),
        ("arguments", text(&tool.arguments)),
    ]);
    let id = format!("call_{}", &hex()[24..]);
    let call = object(&[
        ("id", text(&id)),
        ("index", "0".into()),
        ("type", text("function")),
        ("function", function),
    ]);
    Some(list(&[call]))
}

fn chat(script: &Script, body: &Value, raw: &str, read: usize) -> Reply {
    if let Some(message) = invalid_message(body) {
        return error(400, &message);
    }
    let answer = Answer::to_chat(script, body, raw, Honours::Little).having_read(read);
    let model = body["model"].as_str().unwrap_or_default();
    let id = id("chatcmpl");
    if streams(body) {
        return stream(script, chat_events(script, body, &answer, &id, model));
    }
    let mut message = vec![
        ("role", text("assistant")),
        ("content", text(&answer.text())),
    ];
    if !answer.reasoning.is_empty() {
        message.push(("reasoning", text(&answer.reasoning.concat())));
    }
    message.extend(tool_calls(&answer).map(|calls| ("tool_calls", calls)));
    let mut choice = vec![
        ("index", "0".into()),
        ("message", object(&message)),
        ("finish_reason", text(answer.finish)),
    ];
    if answer.logprobs {
        choice.push(("logprobs", logprobs(&answer.pieces)));
    }
    let mut fields = head("chat.completion", &id, model);
    fields.extend([
        ("choices", list(&[object(&choice)])),
        ("usage", answer.usage()),
    ]);
    Reply::json(200, object(&fields)).delayed(script.head_delay + answer.duration(script))
}

/// The fields of a delta, and the token whose probability goes with it.
type Delta<'a> = (Vec<(&'a str, String)>, Option<&'a String>);

fn chat_events(
    script: &Script,
    body: &Value,
    answer: &Answer,
    id: &str,
    model: &str,
) -> Vec<Event> {
    let chunk = |delta: String, finish: Option<&str>, logged: Option<&String>| {
        let mut choice = vec![
            ("index", "0".into()),
            ("delta", delta),
            ("finish_reason", optional_text(finish)),
        ];
        if let Some(piece) = logged.filter(|_| answer.logprobs) {
            choice.push(("logprobs", logprobs(std::slice::from_ref(piece))));
        }
        let mut fields = head("chat.completion.chunk", id, model);
        fields.push(("choices", list(&[object(&choice)])));
        object(&fields)
    };
    let mut deltas: Vec<Delta<'_>> = Vec::new();
    for thought in &answer.reasoning {
        deltas.push((
            vec![("content", text("")), ("reasoning", text(thought))],
            None,
        ));
    }
    for piece in &answer.pieces {
        deltas.push((vec![("content", text(piece))], Some(piece)));
    }
    if let Some(calls) = tool_calls(answer) {
        deltas.push((vec![("content", text("")), ("tool_calls", calls)], None));
    }
    let mut events = Vec::new();
    for (index, (mut delta, logged)) in deltas.into_iter().enumerate() {
        if index == 0 {
            delta.insert(0, ("role", text("assistant")));
        }
        let after = if index == 0 {
            Duration::ZERO
        } else {
            script.gap
        };
        events.push(Event::data(&chunk(object(&delta), None, logged), after));
    }
    let last = object(&[("content", text(""))]);
    events.push(Event::data(
        &chunk(last, Some(answer.finish), None),
        script.gap,
    ));
    if includes_usage(body) {
        let mut fields = head("chat.completion.chunk", id, model);
        fields.extend([("choices", list(&[])), ("usage", answer.usage())]);
        events.push(Event::data(&object(&fields), Duration::ZERO));
    }
    events.push(Event::done());
    events
}

/// Ollama sends its head with the first token.
fn stream(script: &Script, events: Vec<Event>) -> Reply {
    Reply::Stream {
        content_type: "text/event-stream",
        head_after: script.head_delay + script.first_token_delay,
        events,
    }
}

fn completion(script: &Script, body: &Value, raw: &str, read: usize) -> Reply {
    if !body["prompt"].is_string() {
        return error(
            400,
            "json: cannot unmarshal array into Go struct field CompletionRequest.prompt of type string",
        );
    }
    let answer = Answer::to_completion(script, body, raw, Honours::Little).having_read(read);
    let model = body["model"].as_str().unwrap_or_default();
    let id = id("cmpl");
    let chunk = |piece: &str, finish: Option<&str>, used: Option<String>| {
        let choice = [
            ("text", text(piece)),
            ("index", "0".into()),
            ("finish_reason", optional_text(finish)),
        ];
        let mut fields = head("text_completion", &id, model);
        fields.push(("choices", list(&[object(&choice)])));
        fields.extend(used.map(|u| ("usage", u)));
        object(&fields)
    };
    if !streams(body) {
        let whole = chunk(&answer.text(), Some(answer.finish), Some(answer.usage()));
        return Reply::json(200, whole).delayed(script.head_delay + answer.duration(script));
    }
    let wants_usage = includes_usage(body);
    let zero = || wants_usage.then(|| usage(0, 0));
    let pieces = answer.pieces.iter().enumerate();
    let mut events: Vec<Event> = pieces
        .map(|(n, piece)| {
            Event::data(
                &chunk(piece, None, zero()),
                if n == 0 { Duration::ZERO } else { script.gap },
            )
        })
        .collect();
    events.push(Event::data(
        &chunk("", Some(answer.finish), zero()),
        script.gap,
    ));
    if wants_usage {
        let mut fields = head("text_completion", &id, model);
        fields.extend([("choices", list(&[])), ("usage", answer.usage())]);
        events.push(Event::data(&object(&fields), Duration::ZERO));
    }
    events.push(Event::done());
    stream(script, events)
}

fn embeddings(script: &Script, body: &Value) -> Reply {
    let inputs: Option<Vec<String>> = match &body["input"] {
        Value::String(input) => Some(vec![input.clone()]),
        Value::Array(list) => list
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    let Some(inputs) = inputs.filter(|i| !i.is_empty()) else {
        return error(400, "invalid input type");
    };
    let format = body["encoding_format"].as_str().unwrap_or("float");
    if !["float", "base64"]
        .iter()
        .any(|known| format.eq_ignore_ascii_case(known))
    {
        return error(
            400,
            &format!(
                "Invalid value for 'encoding_format' = {format}. Supported values: ['float', 'base64']."
            ),
        );
    }
    let asked = body["dimensions"]
        .as_u64()
        .and_then(|d| usize::try_from(d).ok())
        .filter(|d| *d > 0);
    let dimensions = asked.map_or(script.dimensions, |d| d.min(script.dimensions));
    let model = body["model"].as_str().unwrap_or_default();
    let base64 = format.eq_ignore_ascii_case("base64");
    Reply::json(200, embedding::reply(model, &inputs, dimensions, base64))
        .delayed(script.head_delay)
}
