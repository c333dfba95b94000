//! MCP over raw HTTP: `/mcp` as clients of 2025-11-25 with a session and of 2026-07-28 without one see it.
//!
//! - `lifecycle`: beginning, versions, sessions and their end, what is refused
//! - `tools`: what they take, what they give back; `trouble`: what goes wrong, as tool errors; `context`: what is
//!   too long
//! - `progress`, `cancelling`: while a tool works
//! - `offers`: resources and prompts
//! - `trust`: keys, Host, Origin, privacy
//! - `bridge`: the same through `thox mcp`

mod bridge;
mod cancelling;
mod context;
mod lifecycle;
mod offers;
mod progress;
mod tools;
mod trouble;
mod trust;

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use thox_tests::client::{Receiving, Reply, request};
use thox_tests::sse::Event;

pub(crate) const NEW: &str = "2026-07-28";
pub(crate) const OLD: &str = "2025-11-25";
const ACCEPT: &str = "application/json, text/event-stream";

/// A client of one revision.
pub(crate) struct Client {
    address: SocketAddr,
    version: &'static str,
    session: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    next: AtomicU64,
}

impl Client {
    /// One that needs no session.
    pub(crate) fn stateless(address: SocketAddr) -> Self {
        Self {
            address,
            version: NEW,
            session: None,
            headers: Vec::new(),
            next: AtomicU64::new(1),
        }
    }

    /// One with an open session.
    pub(crate) async fn session(address: SocketAddr) -> Self {
        Self::session_with(address, OLD, &[]).await
    }

    /// The same of some revision, with more headers in each request.
    pub(crate) async fn session_with(
        address: SocketAddr,
        version: &'static str,
        headers: &[(&str, &str)],
    ) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut client = Self {
            address,
            version,
            session: None,
            headers: headers.iter().map(own).collect(),
            next: AtomicU64::new(2),
        };
        let begun = client.post(&initialize(version)).await;
        assert_eq!(begun.status, 200, "initialize");
        client.session = begun.headers.get("mcp-session-id").map(str::to_owned);
        assert!(client.session.is_some(), "no session: {:?}", begun.headers);
        let reply = answer(begun).await;
        assert_eq!(reply["result"]["protocolVersion"], version, "{reply}");
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post(&initialized).await.status, 202);
        client
    }

    /// Both, as most tests ask both.
    pub(crate) async fn both(address: SocketAddr) -> [Self; 2] {
        [Self::session(address).await, Self::stateless(address)]
    }

    pub(crate) fn session_id(&self) -> &str {
        self.session.as_deref().unwrap()
    }

    /// A message as it stands.
    pub(crate) async fn post(&self, message: &Value) -> Receiving {
        let text = message.to_string();
        let mut headers = vec![("content-type", "application/json"), ("accept", ACCEPT)];
        let is_first = message["method"] == "initialize";
        if !is_first {
            headers.push(("mcp-protocol-version", self.version));
        }
        if let Some(session) = &self.session {
            headers.push(("mcp-session-id", session));
        } else if !is_first {
            headers.push(("mcp-method", message["method"].as_str().unwrap_or("")));
            let params = &message["params"];
            let name = params["name"].as_str().or(params["uri"].as_str());
            if let Some(name) = name {
                headers.push(("mcp-name", name));
            }
        }
        for (name, value) in &self.headers {
            headers.push((name, value));
        }
        request(self.address, "POST", "/mcp", &headers, text.as_bytes()).await
    }

    /// A request; gives its id and the reply's beginning.
    pub(crate) async fn begin(&self, method: &str, params: Value) -> (u64, Receiving) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let message = self.message(id, method, params);
        (id, self.post(&message).await)
    }

    pub(crate) fn message(&self, id: u64, method: &str, mut params: Value) -> Value {
        if self.session.is_none() {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(NEW);
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "e2e", "version": "1"});
        }
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    /// A request and its answer.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let (id, receiving) = self.begin(method, params).await;
        let answer = answer(receiving).await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// A tool's result.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self
            .ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await;
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// What a tool answered, where it worked.
    pub(crate) async fn done(&self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(result["content"][0]["type"], "text");
        assert!(!text.is_empty(), "{result}");
        result["structuredContent"].clone()
    }

    /// What a tool said, where it failed; and the code of its failure.
    pub(crate) async fn failed(&self, tool: &str, arguments: Value) -> (String, String) {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.len() > 20, "{text}");
        let code = result["_meta"]["ai.thox/code"].as_str().unwrap().to_owned();
        (text, code)
    }
}

pub(crate) fn initialize(version: &str) -> Value {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "e2e", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

/// The next message of a stream; `None` at its end.
pub(crate) async fn next(receiving: &mut Receiving) -> Option<Value> {
    loop {
        match receiving.next_event().await? {
            Event::Comment(_) => {}
            // An event that only gives its id.
            Event::Data(data) if data.is_empty() => {}
            Event::Data(data) => return Some(serde_json::from_str(&data).unwrap()),
        }
    }
}

/// The answer to a request, whatever came before it.
pub(crate) async fn answer(mut receiving: Receiving) -> Value {
    let kind = receiving.headers.get("content-type").unwrap_or_default();
    if kind == "application/json" {
        return receiving.whole().await.json();
    }
    assert_eq!(kind, "text/event-stream", "status {}", receiving.status);
    while let Some(message) = next(&mut receiving).await {
        if message.get("method").is_none() {
            return message;
        }
    }
    panic!("the stream ended without an answer")
}

/// A request with any headers.
pub(crate) async fn raw(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    request(address, method, "/mcp", headers, body.as_bytes())
        .await
        .whole()
        .await
}

/// What a POST of MCP has to say of itself.
pub(crate) const USUAL: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", ACCEPT)];
