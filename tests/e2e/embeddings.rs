//! `/v1/embeddings`: strings and lists, floats and base64, dimensions.

use crate::stage::{Stage, assert_error};
use serde_json::{Value, json};
use thox_tests::client::post;
use thox_tests::doubles::{Kind, vector};

const PATH: &str = "/v1/embeddings";

fn ask(input: impl Into<Value>) -> Value {
    json!({"model": "nomic-embed-text", "input": input.into()})
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect()
}

#[tokio::test]
async fn a_text_and_a_list_of_texts_become_vectors() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = post(stage.address(), PATH, &ask("hello")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-thox-route").starts_with("ollama; reason="));
    let body = reply.json();
    assert_eq!(
        (&body["object"], &body["model"]),
        (&json!("list"), &json!("nomic-embed-text"))
    );
    assert_eq!(body["backend"], "ollama");
    assert_eq!(floats(&body["data"][0]["embedding"]), vector("hello", 768));
    let body = post(stage.address(), PATH, &ask(["one", "two"].as_slice()))
        .await
        .json();
    for (index, text) in ["one", "two"].into_iter().enumerate() {
        let item = &body["data"][index];
        assert_eq!(
            (&item["object"], &item["index"]),
            (&json!("embedding"), &json!(index))
        );
        assert_eq!(floats(&item["embedding"]), vector(text, 768));
    }
    assert_eq!(body["usage"]["prompt_tokens"], 2);
}

#[tokio::test]
async fn dimensions_and_base64_reach_the_engine() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut body = ask("hello");
    body["dimensions"] = json!(16);
    let reply = post(stage.address(), PATH, &body).await.json();
    assert_eq!(floats(&reply["data"][0]["embedding"]).len(), 16);
    body["encoding_format"] = json!("base64");
    let reply = post(stage.address(), PATH, &body).await.json();
    // 16 floats of four bytes are 88 characters with padding.
    assert_eq!(reply["data"][0]["embedding"].as_str().unwrap().len(), 88);
}

#[tokio::test]
async fn token_ids_are_refused_with_a_reason_where_the_engine_wants_text() {
    let stage = Stage::of(Kind::Ollama).await;
    assert_error(
        &post(stage.address(), PATH, &ask([1, 2, 3].as_slice())).await,
        400,
        "invalid_request",
    );
    let stage = Stage::of(Kind::OpenAi).await;
    let body = json!({"model": "thox-coder", "input": [1, 2, 3]});
    assert_eq!(
        post(stage.address(), PATH, &body).await.status,
        200,
        "llama.cpp takes them"
    );
}

#[tokio::test]
async fn an_engine_without_embeddings_says_so() {
    for kind in [Kind::Trtllm, Kind::EdgeLlm] {
        let stage = Stage::of(kind).await;
        let body = json!({"model": "thox-coder", "input": "x"});
        assert_error(
            &post(stage.address(), PATH, &body).await,
            400,
            "capability_missing",
        );
        assert!(stage.journal().generations().is_empty());
    }
}

#[tokio::test]
async fn a_model_that_only_embeds_does_not_chat() {
    let stage = Stage::of(Kind::Ollama).await;
    let body = json!({"model": "nomic-embed-text", "messages": [{"role": "user", "content": "x"}]});
    assert_error(&stage.chat(&body).await, 400, "capability_missing");
}
