//! A whole chat reply, from each kind of engine, and the routes beside it.

use crate::stage::{KINDS, Stage, ask, assert_error, backend_of, content, model_of, name_of, with};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use thox_tests::client::{Connection, Ending, get, post_with};
use thox_tests::doubles::{Answering, Kind, Model};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

#[tokio::test]
async fn a_chat_is_the_same_from_every_kind_of_engine() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let reply = stage.chat(&ask("Good morning")).await;
        assert_eq!(reply.status, 200, "{kind:?}: {}", reply.text());
        assert_eq!(reply.ending, Ending::Complete);
        assert_eq!(reply.header("content-type"), "application/json", "{kind:?}");
        assert!(!reply.header("x-request-id").is_empty());
        let route = reply.header("x-thox-route");
        assert_eq!(
            route,
            format!("{}; reason=only", backend_of(kind)),
            "{kind:?}"
        );
        let body = reply.json();
        assert_eq!(body["backend"], backend_of(kind), "{kind:?}");
        assert_eq!(
            (&body["model"], &body["object"]),
            (&json!("thox-coder"), &json!("chat.completion"))
        );
        assert!(
            body["id"].as_str().unwrap().starts_with("chatcmpl-"),
            "{body}"
        );
        assert!(body["created"].as_u64().unwrap() > 1_700_000_000);
        let choice = &body["choices"][0];
        assert_eq!(choice["message"]["role"], "assistant");
        assert_eq!(
            choice["message"]["content"], "Hello! You said: Good morning",
            "{kind:?}"
        );
        assert_eq!(choice["finish_reason"], "stop", "{kind:?}");
        let usage = &body["usage"];
        let sum =
            usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
        assert_eq!(usage["total_tokens"].as_u64().unwrap(), sum, "{kind:?}");
        assert_eq!(
            stage.journal().generations()[0].json()["model"],
            model_of(kind)
        );
    }
}

#[tokio::test]
async fn ids_never_collide() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut ids = BTreeSet::new();
    for round in 0..60 {
        let id = stage.chat(&ask("x")).await.json()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(ids.insert(id), "round {round}");
    }
}

#[tokio::test]
async fn the_clients_request_id_is_kept_and_otherwise_made() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = post_with(
        stage.address(),
        "/v1/chat/completions",
        &[("x-request-id", "mine-42")],
        &ask("x"),
    )
    .await;
    assert_eq!(reply.header("x-request-id"), "mine-42");
    let (one, two) = (stage.chat(&ask("x")).await, stage.chat(&ask("x")).await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn fields_that_an_engine_does_not_know_never_break_a_request() {
    let extra = [
        ("metadata", json!({"a": "b"})),
        ("store", json!(false)),
        ("user", json!("me")),
        ("parallel_tool_calls", json!(true)),
        ("service_tier", json!("auto")),
        ("seed", json!(7)),
        ("temperature", json!(0.2)),
        ("frequency_penalty", json!(0)),
        ("presence_penalty", json!(0.0)),
        ("stop", json!(["never"])),
        ("max_completion_tokens", json!(50)),
        ("stream_options", Value::Null),
        ("tool_choice", json!("auto")),
        ("keep_alive", json!("5m")),
        ("prompt_cache_key", json!("k")),
    ];
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let body = extra.iter().fold(ask("x"), |body, (field, value)| {
            with(body, field, value.clone())
        });
        let reply = stage.chat(&body).await;
        assert_eq!(reply.status, 200, "{kind:?}: {}", reply.text());
        assert_eq!(content(&reply), "Hello! You said: x");
    }
}

#[tokio::test]
async fn nulls_are_the_same_as_nothing() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let fields = [
            "temperature",
            "top_p",
            "max_tokens",
            "stop",
            "n",
            "seed",
            "tools",
            "stream",
            "frequency_penalty",
        ];
        let body = fields
            .iter()
            .fold(ask("x"), |body, field| with(body, field, Value::Null));
        let reply = stage.chat(&body).await;
        assert_eq!(reply.status, 200, "{kind:?}: {}", reply.text());
    }
}

#[tokio::test]
async fn the_messages_reach_the_engine_to_the_byte() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let messages = r#"[ {"role":"user", "content":"\u00e9 \ud83d\ude42 \"q\" \/ 12345678901234567890 <|im_end|>" } ]"#;
        let body = format!(r#"{{"model" : "thox-coder", "messages":{messages} ,"seed":1}}"#);
        let reply = thox_tests::client::request(
            stage.address(),
            "POST",
            "/v1/chat/completions",
            &[("content-type", "application/json")],
            body.as_bytes(),
        );
        assert_eq!(reply.await.whole().await.status, 200, "{kind:?}");
        let arrived = String::from_utf8(stage.journal().generations()[0].body.clone()).unwrap();
        assert!(arrived.contains(messages), "{kind:?}: {arrived}");
    }
}

#[tokio::test]
async fn the_limit_on_tokens_holds_by_either_name() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Words(10));
        for field in ["max_tokens", "max_completion_tokens"] {
            let reply = stage.chat(&with(ask("x"), field, json!(3))).await;
            assert_eq!(
                content(&reply).split_whitespace().count(),
                3,
                "{kind:?} {field}"
            );
            // The Jetson server never says why it stopped.
            let expected = if kind == Kind::TrtllmJetson {
                "stop"
            } else {
                "length"
            };
            assert_eq!(
                reply.json()["choices"][0]["finish_reason"],
                expected,
                "{kind:?} {field}"
            );
        }
    }
}

#[tokio::test]
async fn a_long_answer_is_not_cut_to_an_engines_small_default() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Words(60));
        assert_eq!(
            content(&stage.chat(&ask("x")).await)
                .split_whitespace()
                .count(),
            60,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn thoughts_are_called_reasoning_content() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.reasoning = Some("Let me think.".into()));
        let message = stage.chat(&ask("x")).await.json()["choices"][0]["message"].clone();
        assert_eq!(message["reasoning_content"], "Let me think.", "{kind:?}");
        assert!(message.get("reasoning").is_none(), "{kind:?}: {message}");
        assert_eq!(message["content"], "Hello! You said: x");
    }
}

#[tokio::test]
async fn json_mode_and_schemas_reach_the_model() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        let reply = stage
            .chat(&with(
                ask("x"),
                "response_format",
                json!({"type": "json_object"}),
            ))
            .await;
        let answer: Value =
            serde_json::from_str(&content(&reply)).unwrap_or_else(|_| panic!("{kind:?}"));
        assert_eq!(answer, json!({"answer": "x", "ok": true}));
        let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]});
        let format = json!({"type": "json_schema", "json_schema": {"name": "p", "strict": true, "schema": schema}});
        let reply = stage.chat(&with(ask("x"), "response_format", format)).await;
        assert_eq!(
            content(&reply),
            r#"{"age":21}"#,
            "{kind:?}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn log_probabilities_and_stops_reach_the_client() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        let reply = stage
            .chat(&with(ask("one two three"), "logprobs", json!(true)))
            .await
            .json();
        assert_eq!(
            reply["choices"][0]["logprobs"]["content"][0]["token"], "Hello! ",
            "{kind:?}"
        );
        let reply = stage
            .chat(&with(ask("one two three"), "stop", json!(" two")))
            .await;
        assert_eq!(content(&reply), "Hello! You said: one", "{kind:?}");
    }
}

#[tokio::test]
async fn several_choices_come_where_they_can_and_are_refused_where_not() {
    let stage = Stage::of(Kind::Trtllm).await;
    let reply = stage.chat(&with(ask("x"), "n", json!(2))).await.json();
    assert_eq!(reply["choices"].as_array().unwrap().len(), 2);
    for kind in [Kind::Ollama, Kind::EdgeLlm] {
        let stage = Stage::of(kind).await;
        let reply = stage.chat(&with(ask("x"), "n", json!(2))).await;
        assert_error(&reply, 400, "capability_missing");
        assert_eq!(
            stage.chat(&with(ask("x"), "n", json!(1))).await.status,
            200,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn pictures_go_to_models_that_see() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|s| s.models.push(Model::vision("llava:7b", 7_000_000_000)));
    stage.thoxd.wait_models(&["llava:7b"]).await;
    let with_image = |model: &str, url: &str| {
        let parts = json!([{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]);
        json!({"model": model, "messages": [{"role": "user", "content": parts}]})
    };
    let inline = "data:image/png;base64,iVBORw0KGgo=";
    let reply = stage.chat(&with_image("llava:7b", inline)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = stage.journal().generations().last().unwrap().json();
    assert_eq!(
        sent["messages"][0]["content"][1]["image_url"]["url"],
        inline
    );
    let refused = stage
        .chat(&with_image(model_of(Kind::Ollama), inline))
        .await;
    assert_error(&refused, 400, "capability_missing");
    let remote = stage
        .chat(&with_image("llava:7b", "https://example.org/cat.png"))
        .await;
    assert_eq!(remote.status, 400, "{}", remote.text());
}

#[tokio::test]
async fn a_large_prompt_passes() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|s| s.answering = Answering::Fixed("ok".into()));
    let text = "word ".repeat(800_000);
    let reply = stage.chat(&ask(&text)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(stage.journal().generations()[0].body.len() > 4_000_000);
}

#[tokio::test]
async fn a_connection_serves_many_requests_also_sent_at_once() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut connection = Connection::open(stage.address()).await.unwrap();
    for _ in 0..3 {
        connection
            .post("/v1/chat/completions", &ask("x"))
            .await
            .unwrap();
        let (reply, same) = connection.receive().await.whole_and_connection().await;
        assert_eq!(reply.status, 200);
        connection = same;
    }
    for text in ["one", "two"] {
        connection
            .post("/v1/chat/completions", &ask(text))
            .await
            .unwrap();
    }
    for text in ["one", "two"] {
        let (reply, same) = connection.receive().await.whole_and_connection().await;
        assert_eq!(content(&reply), format!("Hello! You said: {text}"));
        connection = same;
    }
}

#[tokio::test]
async fn http_2_without_tls_is_refused() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut connection = Connection::open(stage.address()).await.unwrap();
    connection
        .write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = timeout(
        Duration::from_secs(5),
        connection.stream().read_to_end(&mut answer),
    )
    .await;
    assert!(
        read.is_ok(),
        "the connection is neither answered nor closed"
    );
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 505") || text.starts_with("HTTP/1.1 400"),
        "{text}"
    );
}

#[tokio::test]
async fn health_is_told_at_both_addresses() {
    let stage = Stage::of(Kind::Ollama).await;
    for path in ["/health", "/v1/health"] {
        let reply = get(stage.address(), path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let health = reply.json();
        assert_eq!(health["status"], "healthy", "{health}");
        assert!(health["version"].as_str().unwrap().contains('.'));
        assert!(health["uptime_seconds"].is_u64());
        let ollama = health["backends"]
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["name"] == "ollama")
            .unwrap();
        assert_eq!(
            (&ollama["backend"], &ollama["state"]),
            (&json!("ollama"), &json!("up")),
            "{health}"
        );
    }
}

#[tokio::test]
async fn the_router_says_what_it_does_at_both_addresses() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let id = stage
            .chat(&ask("x"))
            .await
            .header("x-request-id")
            .to_owned();
        for path in ["/router/status", "/v1/router/status"] {
            let status = get(stage.address(), path).await.json();
            assert_eq!(status["rules"]["default_model"], "thox-coder");
            assert_eq!(status["rules"]["large_model_threshold"], "10B");
            let engine = status["backends"]
                .as_array()
                .unwrap()
                .iter()
                .find(|b| b["name"] == name_of(kind))
                .unwrap();
            assert_eq!(
                (&engine["circuit"], &engine["in_flight"]),
                (&json!("closed"), &json!(0)),
                "{status}"
            );
            let coder = status["models"]
                .as_array()
                .unwrap()
                .iter()
                .find(|m| m["id"] == "thox-coder")
                .unwrap();
            assert_eq!(coder["route"]["backend"], backend_of(kind));
            let last = &status["decisions"][0];
            assert_eq!(
                (&last["request_id"], &last["outcome"]),
                (&json!(id), &json!("completed")),
                "{status}"
            );
        }
    }
}

#[tokio::test]
async fn metrics_and_the_description_of_the_api_are_served() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.chat(&ask("x")).await;
    let metrics = get(stage.address(), "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
            || metrics.header("content-type").starts_with("text/plain")
    );
    for line in metrics.text().lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("thox_"), "{line}");
    }
    assert!(metrics.text().contains("ollama"));
    let description = get(stage.address(), "/openapi.json").await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
    ] {
        assert!(description["paths"][path].is_object(), "{path}");
    }
}
