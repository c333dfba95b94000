//! `/v1/completions`, whole and streamed, with and without a suffix.

use crate::stage::{Stage, assert_error, backend_of};
use serde_json::{Value, json};
use thox_tests::client::{begin, post};
use thox_tests::doubles::{Answering, Kind};

const PATH: &str = "/v1/completions";
const KINDS: [Kind; 4] = [Kind::Ollama, Kind::Trtllm, Kind::TrtllmJetson, Kind::OpenAi];

fn ask(prompt: &str) -> Value {
    json!({"model": "thox-coder", "prompt": prompt})
}

#[tokio::test]
async fn a_completion_is_the_same_from_every_kind_of_engine() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let reply = post(stage.address(), PATH, &ask("def add(")).await;
        assert_eq!(reply.status, 200, "{kind:?}: {}", reply.text());
        let body = reply.json();
        assert_eq!(
            (&body["object"], &body["model"]),
            (&json!("text_completion"), &json!("thox-coder"))
        );
        assert_eq!(body["backend"], backend_of(kind));
        assert!(body["id"].as_str().unwrap().starts_with("cmpl-"), "{body}");
        assert_eq!(
            body["choices"][0]["text"], " and so it goes on after def add(",
            "{kind:?}"
        );
        assert_eq!(body["choices"][0]["finish_reason"], "stop", "{kind:?}");
        assert!(body["usage"]["total_tokens"].as_u64().unwrap() > 0);
    }
}

#[tokio::test]
async fn a_streamed_completion_is_the_same_from_every_kind_of_engine() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let mut body = ask("def add(");
        body["stream"] = json!(true);
        let streamed = begin(stage.address(), PATH, &body).await.stream().await;
        assert_eq!(
            streamed.completion(),
            " and so it goes on after def add(",
            "{kind:?}"
        );
        assert!(
            streamed.is_done && streamed.error.is_none(),
            "{kind:?}: {streamed:?}"
        );
        assert_eq!(streamed.finish_reasons(), ["stop"], "{kind:?}");
        assert!(
            streamed.usages().is_empty(),
            "{kind:?}: {:?}",
            streamed.usages()
        );
        for chunk in &streamed.chunks {
            assert_eq!(
                (&chunk["backend"], &chunk["model"]),
                (&json!(backend_of(kind)), &json!("thox-coder"))
            );
            assert!(
                chunk["choices"][0].get("delta").is_none(),
                "a completion has no deltas: {chunk}"
            );
        }
    }
}

#[tokio::test]
async fn the_usage_of_a_streamed_completion_comes_once() {
    // Jetson's server refuses to count completions.
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        let mut body = ask("one two three");
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        let streamed = begin(stage.address(), PATH, &body).await.stream().await;
        let usages = streamed.usages();
        assert_eq!(usages.len(), 1, "{kind:?}: {usages:?}");
        assert!(
            usages[0]["completion_tokens"].as_u64().unwrap() > 0,
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn the_middle_is_filled_in_where_the_engine_can() {
    for kind in [Kind::Ollama, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        let body = json!({"model": "thox-coder", "prompt": "fn a() {", "suffix": "}"});
        let reply = post(stage.address(), PATH, &body).await.json();
        assert_eq!(
            reply["choices"][0]["text"], "the middle between fn a() { and }",
            "{kind:?}"
        );
    }
    let stage = Stage::of(Kind::Trtllm).await;
    let body = json!({"model": "thox-coder", "prompt": "fn a() {", "suffix": "}"});
    assert_error(
        &post(stage.address(), PATH, &body).await,
        400,
        "capability_missing",
    );
    assert!(stage.journal().generations().is_empty());
    let empty = json!({"model": "thox-coder", "prompt": "fn a() {", "suffix": ""});
    assert_eq!(post(stage.address(), PATH, &empty).await.status, 200);
}

#[tokio::test]
async fn an_engine_without_completions_says_so() {
    let stage = Stage::of(Kind::EdgeLlm).await;
    let message = assert_error(
        &post(stage.address(), PATH, &ask("x")).await,
        400,
        "capability_missing",
    );
    assert!(message.contains("edge"), "{message}");
    assert!(stage.journal().generations().is_empty());
}

#[tokio::test]
async fn a_prompt_of_another_shape_is_refused_with_the_engines_reason() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = post(
        stage.address(),
        PATH,
        &json!({"model": "thox-coder", "prompt": ["a", "b"]}),
    )
    .await;
    assert_error(&reply, 400, "invalid_request");
}

#[tokio::test]
async fn the_limit_on_tokens_holds() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Words(10));
        let mut body = ask("x");
        body["max_tokens"] = json!(3);
        let reply = post(stage.address(), PATH, &body).await.json();
        assert_eq!(
            reply["choices"][0]["text"]
                .as_str()
                .unwrap()
                .split_whitespace()
                .count(),
            3,
            "{kind:?}"
        );
    }
}
