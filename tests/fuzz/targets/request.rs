//! A request's body: what routing reads of it, and what an engine gets of it.
//!
//! The first byte chooses the route and the engine, the rest is the body.
#![no_main]

use bytes::Bytes;
use serde_json::Value;
use thox_policy::{Endpoint, EngineKind};
use thoxd::engine::adapter::{Variant, adapter};
use thoxd::engine::request::Changes;
use thoxd::gateway::peek;

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings];
const KINDS: [EngineKind; 5] =
    [EngineKind::Ollama, EngineKind::Trtllm, EngineKind::EdgeLlm, EngineKind::Openai, EngineKind::Starter];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else { return };
    let endpoint = ENDPOINTS[usize::from(choice) % 3];
    let adapter = adapter(KINDS[usize::from(choice) / 3 % 5], Variant::Current);
    let body = Bytes::copy_from_slice(body);
    let Ok(peek) = peek(&body, endpoint) else { return };
    let changes = Changes { endpoint, model: "an \"engine's\" name", stream: peek.stream, own: &[] };
    let sent = peek.fields.for_engine(&body, adapter, &changes).to_bytes();
    // A body that nests deeper than a tree may is forwarded unread: there is nothing to compare.
    let Ok(before) = serde_json::from_slice::<Value>(&body) else { return };
    let after: Value = serde_json::from_slice(&sent).expect("what is sent is JSON");
    assert_eq!(after["model"], changes.model);
    // What is not a name that some engine needs changed arrives as it was.
    let inputs = ["messages", "prompt", "input", "temperature"];
    for name in inputs.into_iter().filter(|name| adapter.fields(endpoint).is_none_or(|known| known.contains(name))) {
        if let Some(value) = before.get(name) {
            assert_eq!(after.get(name), Some(value), "{name}");
        }
    }
});
