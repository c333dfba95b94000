//! `/v1/models` and `/v1/models/{id}`.

use crate::stage::{KINDS, Stage, assert_error, backend_of, model_of};
use serde_json::{Value, json};
use thox_tests::client::{get, post};
use thox_tests::doubles::{Kind, Model};

#[tokio::test]
async fn the_list_has_openais_shape_and_more() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let reply = get(stage.address(), "/v1/models").await;
        assert_eq!(reply.status, 200);
        let list = reply.json();
        assert_eq!(list["object"], "list");
        for id in ["thox-coder", model_of(kind)] {
            let item = find(&list, id);
            assert_eq!(item["object"], "model", "{kind:?}");
            assert_eq!(
                (&item["owned_by"], &item["backend"]),
                (&json!(backend_of(kind)), &json!(backend_of(kind)))
            );
            assert!(
                item["created"].is_u64() && item["loaded"].is_boolean(),
                "{item}"
            );
        }
        assert_eq!(
            find(&list, "thox-coder")["stands_for"],
            model_of(kind),
            "{kind:?}"
        );
    }
}

fn find(list: &Value, id: &str) -> Value {
    let items = list["data"].as_array().expect("a list");
    items
        .iter()
        .find(|item| item["id"] == id)
        .unwrap_or_else(|| panic!("no {id} in {list}"))
        .clone()
}

#[tokio::test]
async fn what_ollama_knows_of_its_models_is_told() {
    let stage = Stage::of(Kind::Ollama).await;
    let list = get(stage.address(), "/v1/models").await.json();
    let coder = find(&list, "qwen2.5-coder:7b");
    assert_eq!(coder["parameters"], 7_600_000_000_u64, "{coder}");
    assert_eq!(coder["context_length"], 32_768, "{coder}");
    let can: Vec<&str> = coder["capabilities"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(can, ["completion", "tools", "insert"], "{coder}");
    assert_eq!(
        find(&list, "nomic-embed-text:latest")["capabilities"],
        json!(["embedding"])
    );
}

#[tokio::test]
async fn a_model_that_is_in_memory_is_marked_and_has_the_context_that_it_runs_with() {
    let stage = Stage::of(Kind::Ollama).await;
    let loaded = async || {
        let list = get(stage.address(), "/v1/models").await.json();
        let model = find(&list, "qwen2.5-coder:7b");
        let is_loaded = model["loaded"] == true;
        let (runs_with, could_read) = if is_loaded {
            (json!(4096), json!(32_768))
        } else {
            (json!(32_768), Value::Null)
        };
        assert_eq!(model["context_length"], runs_with, "{model}");
        assert_eq!(model["max_context_length"], could_read, "{model}");
        is_loaded
    };
    assert!(!loaded().await);
    post(&stage, "/v1/chat/completions").await;
    for _ in 0..200 {
        if loaded().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the loaded model is not marked after 4 s");

    async fn post(stage: &Stage, path: &str) {
        self::post(stage.address(), path, &crate::stage::ask("x")).await;
    }
}

#[tokio::test]
async fn ids_with_slashes_and_colons_are_found_however_they_are_written() {
    let stage = Stage::of(Kind::Ollama).await;
    let long = "hf.co/someone/Some-Model-GGUF:Q4_K_M";
    stage.script(|s| s.models.push(Model::chat(long, 3_000_000_000)));
    stage.thoxd.wait_models(&[long]).await;
    for (path, id) in [
        ("/v1/models/thox-coder", "thox-coder"),
        ("/v1/models/qwen2.5-coder:7b", "qwen2.5-coder:7b"),
        ("/v1/models/qwen2.5-coder%3A7b", "qwen2.5-coder:7b"),
        ("/v1/models/hf.co/someone/Some-Model-GGUF:Q4_K_M", long),
        (
            "/v1/models/hf.co%2Fsomeone%2FSome-Model-GGUF%3AQ4_K_M",
            long,
        ),
        ("/v1/models/nomic-embed-text", "nomic-embed-text"),
        (
            "/v1/models/nomic-embed-text:latest",
            "nomic-embed-text:latest",
        ),
    ] {
        let reply = get(stage.address(), path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(
            (&reply.json()["id"], &reply.json()["object"]),
            (&json!(id), &json!("model")),
            "{path}"
        );
    }
    let body = json!({"model": long, "messages": [{"role": "user", "content": "x"}]});
    let reply = stage.chat(&body).await.json();
    assert_eq!(reply["model"], long);
}

#[tokio::test]
async fn an_unknown_id_is_an_error_that_helps() {
    let stage = Stage::of(Kind::Ollama).await;
    for path in ["/v1/models/thox-codr", "/v1/models/no/such/thing"] {
        assert_error(&get(stage.address(), path).await, 404, "model_not_found");
    }
    let reply = get(stage.address(), "/v1/models/thox-codr").await;
    assert!(
        reply.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("thox-coder"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn lists_are_served_from_memory() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault_probes(thox_tests::doubles::Fault::HangBeforeHead);
    for _ in 0..20 {
        let started = std::time::Instant::now();
        assert_eq!(get(stage.address(), "/v1/models").await.status, 200);
        assert!(
            started.elapsed().as_millis() < 200,
            "the list waits for an engine"
        );
    }
}
