//! What each double does differently, as its engine does.

use crate::stage::{CHAT, KINDS, model_of};
use serde_json::{Value, json};
use std::time::Duration;
use thox_tests::client::{Ending, begin, get, post};
use thox_tests::doubles::{Answering, Double, Fault, Kind, Model, vector};

/// A chat request to a double itself.
pub(crate) fn ask(kind: Kind, text: &str) -> Value {
    json!({"model": model_of(kind), "messages": [{"role": "user", "content": text}]})
}

/// The same, streamed.
pub(crate) fn stream(kind: Kind, text: &str) -> Value {
    crate::stage::with(ask(kind, text), "stream", json!(true))
}

#[tokio::test]
async fn every_kind_answers_a_chat_and_its_stream_says_the_same() {
    for kind in KINDS {
        let double = Double::start(kind).await;
        let whole = post(double.address(), CHAT, &ask(kind, "Good morning")).await;
        assert_eq!(whole.status, 200, "{kind:?}");
        let said = whole.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(said, "Hello! You said: Good morning");
        let streamed = begin(double.address(), CHAT, &stream(kind, "Good morning"))
            .await
            .stream()
            .await;
        assert_eq!(streamed.text(), said, "{kind:?}");
        assert_eq!(streamed.ending, Ending::Complete);
        let is_jetson = kind == Kind::TrtllmJetson;
        assert_eq!(streamed.is_done, !is_jetson, "{kind:?}");
        let expected: &[&str] = if is_jetson { &[] } else { &["stop"] };
        assert_eq!(streamed.finish_reasons(), expected, "{kind:?}");
        let has_role = streamed
            .chunks
            .iter()
            .any(|c| c["choices"][0]["delta"]["role"] == "assistant");
        assert_eq!(has_role, !is_jetson, "{kind:?}");
        assert_eq!(double.journal().generations().len(), 2);
        assert_eq!(double.journal().open(), 0);
    }
}

#[tokio::test]
async fn ollama_ignores_what_the_others_honour() {
    let (ollama, trtllm) = (
        Double::start(Kind::Ollama).await,
        Double::start(Kind::Trtllm).await,
    );
    for double in [&ollama, &trtllm] {
        let mut body = ask(double.kind(), "x");
        body["max_completion_tokens"] = json!(2);
        let finish =
            post(double.address(), CHAT, &body).await.json()["choices"][0]["finish_reason"].clone();
        assert_eq!(
            finish,
            if double.kind() == Kind::Ollama {
                "stop"
            } else {
                "length"
            }
        );
        let mut body = ask(double.kind(), "the weather in Paris?");
        body["tools"] =
            json!([{"type": "function", "function": {"name": "weather", "parameters": {}}}]);
        body["tool_choice"] = json!("none");
        let finish =
            post(double.address(), CHAT, &body).await.json()["choices"][0]["finish_reason"].clone();
        assert_eq!(
            finish,
            if double.kind() == Kind::Ollama {
                "tool_calls"
            } else {
                "stop"
            }
        );
    }
}

#[tokio::test]
async fn refusals_have_each_engines_own_shape() {
    for kind in KINDS {
        let double = Double::start(kind).await;
        let mut body = ask(kind, "x");
        body["store"] = json!(true);
        let status = post(double.address(), CHAT, &body).await.status;
        assert_eq!(
            status,
            if matches!(kind, Kind::Ollama | Kind::OpenAi) {
                200
            } else {
                400
            },
            "{kind:?}"
        );
        double.fault(Fault::Status(500));
        let failed = post(double.address(), CHAT, &ask(kind, "x")).await;
        assert_eq!(failed.status, 500);
        let body = failed.json();
        match kind {
            Kind::Trtllm | Kind::TrtllmJetson => assert_eq!(
                (&body["object"], &body["code"]),
                (&json!("error"), &json!(500))
            ),
            Kind::Ollama => assert_eq!(body["error"]["type"], "api_error"),
            Kind::EdgeLlm => assert_eq!(body["error"]["code"], 500),
            Kind::OpenAi => assert_eq!(body["error"]["type"], "server_error"),
        }
    }
}

#[tokio::test]
async fn trtllm_writes_a_space_after_its_first_event_and_forbids_what_it_does_not_know() {
    let double = Double::start(Kind::Trtllm).await;
    let raw = begin(double.address(), CHAT, &stream(Kind::Trtllm, "x"))
        .await
        .whole()
        .await
        .text();
    assert_eq!(raw.matches("} \n\n").count(), 1);
    for (field, value) in [
        ("stream_options", json!({"include_usage": true})),
        ("suffix", json!("x")),
        ("parallel_tool_calls", json!(true)),
        ("tool_choice", json!("required")),
    ] {
        let mut body = ask(Kind::Trtllm, "x");
        body[field] = value;
        let reply = post(double.address(), CHAT, &body).await;
        assert_eq!(reply.status, 400, "{field}");
        assert_eq!(reply.json()["object"], "error");
    }
    let other = json!({"model": "whatever", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(
        post(double.address(), CHAT, &other).await.json()["model"],
        "whatever"
    );
}

#[tokio::test]
async fn jetson_is_short_and_forgets_its_id() {
    let double = Double::start(Kind::TrtllmJetson).await;
    double.script(|s| s.answering = Answering::Words(40));
    let streamed = begin(double.address(), CHAT, &stream(Kind::TrtllmJetson, "x"))
        .await
        .stream()
        .await;
    assert_eq!(streamed.chunks.len(), 16);
    assert_ne!(streamed.chunks[0]["id"], streamed.chunks[1]["id"]);
    let mut body = ask(Kind::TrtllmJetson, "x");
    body["max_completion_tokens"] = json!(5);
    assert_eq!(post(double.address(), CHAT, &body).await.status, 400);
}

#[tokio::test]
async fn edge_llm_refuses_what_it_cannot_do() {
    let double = Double::start(Kind::EdgeLlm).await;
    for (field, value) in [
        ("n", json!(2)),
        ("presence_penalty", json!(0.5)),
        ("temperature", Value::Null),
        ("user", json!("me")),
    ] {
        let mut body = ask(Kind::EdgeLlm, "x");
        body[field] = value;
        assert_eq!(
            post(double.address(), CHAT, &body).await.status,
            400,
            "{field}"
        );
    }
    let other = json!({"model": "whatever", "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(post(double.address(), CHAT, &other).await.status, 404);
    for path in ["/v1/completions", "/v1/embeddings"] {
        assert_eq!(
            post(
                double.address(),
                path,
                &json!({"model": model_of(Kind::EdgeLlm)})
            )
            .await
            .status,
            404
        );
    }
    double.script(|s| (s.max_requests, s.gap) = (Some(1), Duration::from_secs(5)));
    let first = begin(double.address(), CHAT, &stream(Kind::EdgeLlm, "x")).await;
    let second = post(double.address(), CHAT, &ask(Kind::EdgeLlm, "x")).await;
    assert_eq!((second.status, second.header("retry-after")), (429, "1"));
    drop(first);
}

#[tokio::test]
async fn thoughts_have_each_engines_own_field() {
    for (kind, field) in [
        (Kind::Ollama, "reasoning"),
        (Kind::Trtllm, "reasoning_content"),
        (Kind::EdgeLlm, "reasoning_content"),
    ] {
        let double = Double::start(kind).await;
        double.script(|s| s.reasoning = Some("Let me think.".into()));
        let whole = post(double.address(), CHAT, &ask(kind, "x")).await.json();
        assert_eq!(
            whole["choices"][0]["message"][field], "Let me think.",
            "{kind:?}"
        );
        let streamed = begin(double.address(), CHAT, &stream(kind, "x"))
            .await
            .stream()
            .await;
        let thoughts: String = streamed
            .chunks
            .iter()
            .filter_map(|c| c["choices"][0]["delta"][field].as_str())
            .collect();
        assert_eq!(thoughts, "Let me think.", "{kind:?}");
    }
}

#[tokio::test]
async fn tool_calls_come_whole_from_ollama_and_in_parts_from_the_others() {
    for (kind, parts) in [
        (Kind::Ollama, 1),
        (Kind::Trtllm, 3),
        (Kind::EdgeLlm, 2),
        (Kind::OpenAi, 2),
    ] {
        let double = Double::start(kind).await;
        let mut body = stream(kind, "What is the weather in Paris?");
        let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        body["tools"] = json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]);
        let streamed = begin(double.address(), CHAT, &body).await.stream().await;
        let deltas = streamed
            .chunks
            .iter()
            .filter(|c| c["choices"][0]["delta"]["tool_calls"].is_array())
            .count();
        assert_eq!(deltas, parts, "{kind:?}");
        let (id, name, arguments) = streamed.tool_call().unwrap();
        assert!(!id.is_empty());
        assert_eq!(
            (name.as_str(), arguments.as_str()),
            ("get_weather", r#"{"city":"Paris"}"#),
            "{kind:?}"
        );
        assert_eq!(streamed.finish_reasons(), ["tool_calls"], "{kind:?}");
    }
}

#[tokio::test]
async fn ollama_knows_its_models_and_what_is_loaded() {
    let double = Double::start(Kind::Ollama).await;
    let tags = get(double.address(), "/api/tags").await.json();
    assert_eq!(tags["models"][1]["name"], "nomic-embed-text:latest");
    assert_eq!(tags["models"][0]["details"]["parameter_size"], "7.6B");
    let show = post(
        double.address(),
        "/api/show",
        &json!({"model": "qwen2.5-coder:7b"}),
    )
    .await
    .json();
    assert_eq!(
        show["model_info"]["general.parameter_count"],
        7_600_000_000_u64
    );
    assert_eq!(show["model_info"]["qwen2.context_length"], 32_768);
    assert!(
        get(double.address(), "/api/ps").await.json()["models"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    post(double.address(), CHAT, &ask(Kind::Ollama, "x")).await;
    assert_eq!(double.resident(), ["qwen2.5-coder:7b"]);
    let unload = json!({"model": "qwen2.5-coder:7b", "keep_alive": 0});
    assert_eq!(
        post(double.address(), "/api/generate", &unload)
            .await
            .json()["done_reason"],
        "unload"
    );
    assert_eq!(
        get(double.address(), "/api/ps").await.json()["models"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "it is asynchronous"
    );
    thox_tests::patience::until("it is unloaded", || {
        double.resident().is_empty().then_some(())
    })
    .await;
    assert_eq!(
        post(double.address(), "/api/show", &json!({"model": "gone"}))
            .await
            .json()["error"],
        "model 'gone' not found"
    );
}

#[tokio::test]
async fn ollama_embeds_texts_but_no_token_ids() {
    let double = Double::start(Kind::Ollama).await;
    let body = json!({"model": "nomic-embed-text", "input": ["one", "two"], "dimensions": 4});
    let reply = post(double.address(), "/v1/embeddings", &body).await.json();
    let second: Vec<f32> = reply["data"][1]["embedding"]
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect();
    assert_eq!(second, vector("two", 4));
    let body = json!({"model": "nomic-embed-text", "input": [1, 2, 3]});
    assert_eq!(
        post(double.address(), "/v1/embeddings", &body).await.status,
        400
    );
}

#[tokio::test]
async fn images_are_taken_inline_only() {
    let double = Double::start(Kind::Ollama).await;
    double.script(|s| s.models.push(Model::vision("llava:7b", 7_000_000_000)));
    let with = |url: &str| json!({"model": "llava:7b", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    assert_eq!(
        post(double.address(), CHAT, &with("data:image/png;base64,AAAA"))
            .await
            .status,
        200
    );
    assert_eq!(
        post(double.address(), CHAT, &with("https://example.org/cat.png"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn json_is_an_instance_of_the_schema() {
    for kind in KINDS {
        let double = Double::start(kind).await;
        let mut body = ask(kind, "x");
        let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}}});
        body["response_format"] =
            json!({"type": "json_schema", "json_schema": {"name": "person", "schema": schema}});
        let content =
            post(double.address(), CHAT, &body).await.json()["choices"][0]["message"]["content"]
                .clone();
        assert_eq!(content, r#"{"age":21}"#, "{kind:?}");
    }
}
