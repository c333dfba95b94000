//! Open for asking, closed for changing: who may do what, tried on every route that there is.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails here is the test"
)]

mod browser;
mod device;
mod encrypted;
mod keys;
mod limits;
mod matrix;
mod outside;
mod person;
mod reset;

use crate::stage::{CHAT, Stage};
use serde_json::{Value, json};
use std::net::SocketAddr;
use thox_tests::client::{Reply, request};
use thox_tests::doubles::Kind;
use thox_tests::thoxd::Thoxd;

/// A device with an engine, and an admin key of it.
pub(crate) struct Owned {
    pub(crate) stage: Stage,
    pub(crate) admin: String,
}

impl Owned {
    pub(crate) async fn new() -> Self {
        let stage = Stage::of(Kind::Ollama).await;
        let admin = claim(&stage).await;
        Self { stage, admin }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.stage.address()
    }

    /// A request with the admin key.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        with_key(self.address(), method, path, body, &self.admin).await
    }

    /// Makes a key; gives it and its id.
    pub(crate) async fn key(&self, what: &Value) -> (String, String) {
        let reply = self.admin("POST", "/thox/v1/keys", Some(what)).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let made = reply.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("key"), text("id"))
    }
}

/// The claim code, as it stands on the device's disk.
pub(crate) fn claim_code(stage: &Stage) -> String {
    claim_code_of(&stage.thoxd)
}

pub(crate) fn claim_code_of(thoxd: &Thoxd) -> String {
    let file = thoxd.process.folder().join("state/keys.json");
    let content: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    content["claim_code"].as_str().unwrap().to_owned()
}

/// Claims the device; gives the admin key.
pub(crate) async fn claim(stage: &Stage) -> String {
    let body = json!({ "code": claim_code(stage) });
    let reply = send(stage.address(), "POST", "/thox/v1/claim", Some(&body), &[]).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["key"].as_str().unwrap().to_owned()
}

pub(crate) async fn with_key(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
    key: &str,
) -> Reply {
    let bearer = format!("Bearer {key}");
    send(address, method, path, body, &[("authorization", &bearer)]).await
}

pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Reply {
    let mut headers = headers.to_vec();
    let text = body.map(Value::to_string).unwrap_or_default();
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    request(address, method, path, &headers, text.as_bytes())
        .await
        .whole()
        .await
}

/// Every route of the device, as it describes itself, with a body that it takes.
pub(crate) async fn routes(address: SocketAddr) -> Vec<(String, String, Option<Value>)> {
    let document = send(address, "GET", "/openapi.json", None, &[])
        .await
        .json();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            let one_of_several = content["examples"]
                .as_object()
                .and_then(|examples| examples.values().next())
                .map(|example| example["value"].clone());
            let body = content.get("example").cloned().or(one_of_several);
            routes.push((method.to_uppercase(), path.clone(), body));
        }
    }
    assert!(routes.len() >= 40, "{routes:?}");
    routes
}

/// A path with its parameters filled in; a setting's key, an engine's name and a file of the page are some that there are.
pub(crate) fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id)
        .replace("{key}", "server.max_body")
        .replace("{name}", "ollama")
        .replace("{file}", "app.js")
}

pub(crate) fn chat() -> Value {
    json!({ "model": "thox-coder", "messages": [{ "role": "user", "content": "hi" }] })
}

pub(crate) const ASK: &str = CHAT;
