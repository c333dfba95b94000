//! One thoxd and its engines, as most tests want them.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::ops::Deref;
use thox_tests::client::{self, Receiving, Reply};
use thox_tests::doubles::{Double, Kind};
use thox_tests::stream::Streamed;
use thox_tests::thoxd::{Builder, Thoxd};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const KINDS: [Kind; 5] = [
    Kind::Ollama,
    Kind::Trtllm,
    Kind::TrtllmJetson,
    Kind::EdgeLlm,
    Kind::OpenAi,
];

/// The engine's name in the settings.
pub(crate) fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Ollama => "ollama",
        Kind::Trtllm => "trt",
        Kind::TrtllmJetson => "jetson",
        Kind::EdgeLlm => "edge",
        Kind::OpenAi => "llama",
    }
}

/// The label that API consumers see.
pub(crate) fn backend_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Ollama => "ollama",
        Kind::Trtllm | Kind::TrtllmJetson | Kind::EdgeLlm => "tensorrt",
        Kind::OpenAi => "llama",
    }
}

/// The double's usual chat model.
pub(crate) fn model_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Ollama => "qwen2.5-coder:7b",
        Kind::Trtllm | Kind::TrtllmJetson => "qwen2.5-coder-14b",
        Kind::EdgeLlm => "qwen2.5-coder-7b",
        Kind::OpenAi => "llama-3.2-3b",
    }
}

/// A thoxd in front of one double whose chat model is `thox-coder`.
pub(crate) struct Stage {
    pub(crate) engine: Double,
    pub(crate) thoxd: Thoxd,
}

impl Deref for Stage {
    type Target = Double;

    fn deref(&self) -> &Double {
        &self.engine
    }
}

impl Stage {
    pub(crate) async fn of(kind: Kind) -> Self {
        Self::with(kind, |builder| builder).await
    }

    /// The same with more settings.
    pub(crate) async fn with(kind: Kind, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let engine = Double::start(kind).await;
        let builder = settings(one(Thoxd::builder(), &engine));
        let thoxd = builder.start().await;
        thoxd.wait_models(&["thox-coder"]).await;
        Self { engine, thoxd }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.thoxd.address
    }

    pub(crate) async fn chat(&self, body: &Value) -> Reply {
        client::post(self.address(), CHAT, body).await
    }

    pub(crate) async fn begin(&self, body: &Value) -> Receiving {
        client::begin(self.address(), CHAT, body).await
    }

    pub(crate) async fn stream(&self, body: &Value) -> Streamed {
        self.begin(body).await.stream().await
    }
}

/// Adds a double whose chat model is `thox-coder`.
pub(crate) fn one(builder: Builder, engine: &Double) -> Builder {
    let name = name_of(engine.kind());
    builder
        .engine(name, engine)
        .model("thox-coder", &[(name, model_of(engine.kind()))])
}

/// Ollama and TensorRT Edge-LLM, both with `thox-coder`.
pub(crate) struct Pair {
    pub(crate) ollama: Double,
    pub(crate) edge: Double,
    pub(crate) thoxd: Thoxd,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (ollama, edge) = (
            Double::start(Kind::Ollama).await,
            Double::start(Kind::EdgeLlm).await,
        );
        let builder = one(one(Thoxd::builder(), &ollama), &edge);
        let thoxd = settings(builder).start().await;
        thoxd
            .wait_models(&[
                "thox-coder",
                model_of(Kind::Ollama),
                model_of(Kind::EdgeLlm),
            ])
            .await;
        Self {
            ollama,
            edge,
            thoxd,
        }
    }

    pub(crate) async fn chat(&self, body: &Value) -> Reply {
        client::post(self.thoxd.address, CHAT, body).await
    }

    pub(crate) async fn stream(&self, body: &Value) -> Streamed {
        client::begin(self.thoxd.address, CHAT, body)
            .await
            .stream()
            .await
    }
}

/// A chat request to `thox-coder`.
pub(crate) fn ask(text: &str) -> Value {
    json!({"model": "thox-coder", "messages": [{"role": "user", "content": text}]})
}

/// The same, streamed.
pub(crate) fn ask_stream(text: &str) -> Value {
    with(ask(text), "stream", json!(true))
}

/// The body with one more field.
pub(crate) fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

/// The answer of a whole reply.
pub(crate) fn content(reply: &Reply) -> String {
    reply.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Checks that a reply is an error in OpenAI's shape, with this status and code, and returns its message.
#[track_caller]
pub(crate) fn assert_error(reply: &Reply, status: u16, code: &str) -> String {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(
        reply.header("content-type"),
        "application/json",
        "{}",
        reply.text()
    );
    assert!(
        !reply.header("x-request-id").is_empty(),
        "no x-request-id: {:?}",
        reply.headers
    );
    let body = reply.json();
    assert_error_object(&body["error"]);
    assert_eq!(body["error"]["code"], code, "{body}");
    body["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Checks the four fields of OpenAI's error object.
#[track_caller]
pub(crate) fn assert_error_object(error: &Value) {
    let mut fields: Vec<&str> = error
        .as_object()
        .expect("an error object")
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["code", "message", "param", "type"], "{error}");
    assert!(
        error["message"].as_str().is_some_and(|m| m.len() > 10),
        "{error}"
    );
    assert!(
        error["type"].is_string() && error["code"].is_string(),
        "{error}"
    );
}
