//! Ollama's own routes under `/api`: what it has, what is loaded, load and unload, pull, a chat.

use super::Model;
use super::double::State;
use super::journal::Seen;
use super::ollama_context;
use super::reply::{Event, Reply};
use super::script::Script;
use serde_json::{Value, json};
use std::time::Duration;

const MODIFIED: &str = "2026-01-01T00:00:00.000000000Z";

pub(crate) fn route(state: &State, script: &Script, seen: &Seen) -> Reply {
    let body = seen.json();
    // Older clients say `name` for `model`.
    let name = body["model"]
        .as_str()
        .or(body["name"].as_str())
        .unwrap_or_default();
    let reply = match (seen.method.as_str(), seen.path.as_str()) {
        ("GET" | "HEAD", "/") => {
            Reply::whole(200, "text/plain; charset=utf-8", "Ollama is running".into())
        }
        ("GET", "/api/version") => Reply::json(200, json!({"version": "0.33.0"})),
        ("GET", "/api/tags") => {
            let models: Vec<Value> = script.models.iter().map(tag).collect();
            Reply::json(200, json!({ "models": models }))
        }
        ("GET", "/api/ps") => {
            let loaded = state.resident();
            let models: Vec<Value> = script
                .models
                .iter()
                .filter(|m| loaded.contains(&m.name))
                .map(|model| running(script, model))
                .collect();
            Reply::json(200, json!({ "models": models }))
        }
        ("POST", "/api/show") => match script.model(name) {
            Some(model) => Reply::json(200, shown(model)),
            None => error(404, &format!("model '{name}' not found")),
        },
        ("POST", "/api/generate") => match script.model(name) {
            Some(model) => generate(state, script, model, &body),
            None => error(404, &format!("model '{name}' not found")),
        },
        ("POST", "/api/chat") => match script.model(name) {
            Some(model) => chat(state, script, model, &body),
            None => error(404, &format!("model '{name}' not found")),
        },
        ("POST", "/api/embed") => match script.model(name) {
            Some(model) => embed(state, model),
            None => error(404, &format!("model '{name}' not found")),
        },
        ("POST", "/api/pull") => pull(script, name),
        ("DELETE", "/api/delete") => match script.model(name) {
            Some(model) => {
                state.remove_model(&model.name);
                Reply::whole(200, "text/plain; charset=utf-8", String::new())
            }
            None => error(404, &format!("model '{name}' not found")),
        },
        _ => return Reply::whole(404, "text/plain", "404 page not found".into()),
    };
    if seen.method == "GET" {
        reply.delayed(script.health_delay)
    } else {
        reply
    }
}

/// The native routes' error body.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({ "error": message }))
}

fn details(model: &Model) -> Value {
    json!({
        "parent_model": "", "format": "gguf", "family": model.family, "families": [model.family],
        "parameter_size": model.parameter_size(), "quantization_level": "Q4_K_M",
        "context_length": model.context_length
    })
}

/// 64 hexadecimal digits that depend on the name.
fn digest(name: &str) -> String {
    let sum = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}").repeat(4)
}

fn tag(model: &Model) -> Value {
    json!({
        "name": model.name, "model": model.name, "modified_at": MODIFIED, "size": model.size_bytes,
        "digest": digest(&model.name), "details": details(model), "capabilities": model.capabilities
    })
}

fn running(script: &Script, model: &Model) -> Value {
    json!({
        "name": model.name, "model": model.name, "size": model.size_bytes, "digest": digest(&model.name),
        "details": details(model), "expires_at": "2099-01-01T00:00:00Z", "size_vram": model.size_bytes,
        "context_length": ollama_context::length(script, model)
    })
}

fn shown(model: &Model) -> Value {
    let mut info =
        json!({"general.architecture": model.family, "general.parameter_count": model.parameters});
    info[format!("{}.context_length", model.family)] = json!(model.context_length);
    json!({
        "license": "", "modelfile": "", "template": "{{ .Prompt }}", "details": details(model), "model_info": info,
        "capabilities": model.capabilities, "modified_at": MODIFIED
    })
}

/// Load (no prompt), unload (`keep_alive: 0`), or a raw completion.
fn generate(state: &State, script: &Script, model: &Model, body: &Value) -> Reply {
    let prompt = body["prompt"].as_str().unwrap_or_default();
    let line = |response: &str, reason: Option<&str>| {
        let mut line = json!({"model": body["model"], "created_at": MODIFIED, "response": response, "done": reason.is_some()});
        if let Some(reason) = reason {
            line["done_reason"] = json!(reason);
        }
        line
    };
    if prompt.is_empty() {
        if body["keep_alive"] == 0 {
            // The reply comes at once; the memory is free later.
            state.unload_after(&model.name, script.unload_delay);
            return Reply::json(200, line("", Some("unload")));
        }
        if !model.can("completion") {
            return error(
                400,
                &format!("\"{}\" does not support generate", model.name),
            );
        }
        state.load(&model.name);
        return Reply::json(200, line("", Some("load")));
    }
    state.load(&model.name);
    if let Some(refusal) = ollama_context::refuse(script, model, body) {
        return refusal;
    }
    let text = format!(" and so it goes on after {prompt}");
    if body["stream"] == false {
        let mut whole = line(&text, Some("stop"));
        whole["prompt_eval_count"] = json!(ollama_context::read(script, model, body));
        return Reply::json(200, whole);
    }
    let words = text
        .split_inclusive(' ')
        .map(|word| ndjson(&line(word, None), script.gap));
    let events = words
        .chain([ndjson(&line("", Some("stop")), script.gap)])
        .collect();
    Reply::Stream {
        content_type: "application/x-ndjson",
        head_after: script.first_token_delay,
        events,
    }
}

/// A chat in one piece; nothing here streams one.
fn chat(state: &State, script: &Script, model: &Model, body: &Value) -> Reply {
    state.load(&model.name);
    if let Some(refusal) = ollama_context::refuse(script, model, body) {
        return refusal;
    }
    let count = ollama_context::read(script, model, body);
    Reply::json(
        200,
        json!({
            "model": body["model"], "created_at": MODIFIED, "message": {"role": "assistant", "content": "Hello"},
            "done": true, "done_reason": "length", "prompt_eval_count": count, "eval_count": 1
        }),
    )
}

fn ndjson(line: &Value, after: Duration) -> Event {
    Event {
        after,
        bytes: format!("{line}\n").into_bytes(),
        brings: None,
    }
}

/// With nothing to embed it only loads.
fn embed(state: &State, model: &Model) -> Reply {
    state.load(&model.name);
    Reply::json(
        200,
        json!({"model": model.name, "embeddings": [], "total_duration": 1, "load_duration": 1}),
    )
}

/// A name that says `missing` cannot be pulled: the error is a last line under status 200. One that says `embed` brings
/// vectors.
fn pull(script: &Script, name: &str) -> Reply {
    let mut lines = vec![json!({"status": "pulling manifest"})];
    let mut brought = None;
    if name.contains("missing") {
        lines.push(json!({"error": "pull model manifest: file does not exist"}));
    } else {
        for (piece, total) in [("weights", 1000), ("template", 24)] {
            let digest = format!("sha256:{}", digest(&format!("{name}/{piece}")));
            lines.extend([0, total / 2, total].map(|done| {
                let mut line = json!({"status": format!("pulling {}", &digest[7..19]), "digest": digest, "total": total});
                // Go leaves zero out.
                if done > 0 {
                    line["completed"] = json!(done);
                }
                line
            }));
        }
        lines.extend(
            ["verifying sha256 digest", "writing manifest", "success"]
                .map(|s| json!({ "status": s })),
        );
        let last = name.rsplit('/').next().unwrap_or(name);
        let tag = if last.contains(':') { "" } else { ":latest" };
        let full = format!("{name}{tag}");
        let kind = if name.contains("embed") {
            Model::embedding
        } else {
            Model::chat
        };
        brought = Some(Box::new(kind(&full, 1_000_000_000)));
    }
    let mut events: Vec<Event> = lines
        .iter()
        .map(|line| ndjson(line, script.pull_gap))
        .collect();
    if let Some(last) = events.last_mut() {
        last.brings = brought;
    }
    Reply::Stream {
        content_type: "application/x-ndjson",
        head_after: Duration::ZERO,
        events,
    }
}
