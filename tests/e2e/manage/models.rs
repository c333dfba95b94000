//! Load, unload, delete: the engine does it, and what is told afterwards is true at once.

use super::{device, device_with, named};
use crate::stage::{Pair, Stage, assert_error, one};
use crate::trust::{Owned, claim, with_key};
use serde_json::{Value, json};
use thox_tests::client::{Connection, get};
use thox_tests::doubles::{Double, Fault, Kind};
use thox_tests::patience::until;
use thox_tests::thoxd::Thoxd;

async fn is_loaded(device: &Owned, model: &str) -> Value {
    let path = format!("/v1/models/{model}");
    get(device.address(), &path).await.json()["loaded"].clone()
}

#[tokio::test]
async fn load_and_unload_hold_when_the_reply_is_here() {
    let device = device().await;
    assert_eq!(is_loaded(&device, "thox-coder").await, false);
    let reply = device.verb("load", "thox-coder").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.json(),
        json!({ "object": "model.changed", "model": "qwen2.5-coder:7b", "engine": "ollama", "action": "loaded" })
    );
    assert_eq!(is_loaded(&device, "thox-coder").await, true);
    let reply = device.verb("unload", "qwen2.5-coder:7b").await;
    assert_eq!(reply.json()["action"], "unloaded", "{}", reply.text());
    // Ollama's own is asynchronous; this one is not.
    assert_eq!(is_loaded(&device, "thox-coder").await, false);
    let sent: Vec<Value> = device
        .stage
        .engine
        .journal()
        .to("/api/generate")
        .iter()
        .map(|seen| seen.json())
        .collect();
    assert_eq!(
        sent,
        [
            json!({ "model": "qwen2.5-coder:7b", "stream": false }),
            json!({ "model": "qwen2.5-coder:7b", "stream": false, "keep_alive": 0 }),
        ]
    );
}

#[tokio::test]
async fn a_model_of_vectors_is_loaded_in_its_own_way() {
    let device = device().await;
    let reply = device.verb("load", "nomic-embed-text").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(device.stage.resident(), ["nomic-embed-text:latest"]);
    assert_eq!(device.verb("unload", "nomic-embed-text").await.status, 200);
    assert!(device.stage.resident().is_empty());
}

#[tokio::test]
async fn a_deleted_model_is_gone_and_a_stand_in_is_never_meant() {
    let device = device().await;
    let reply = device.verb("delete", "nomic-embed-text").await;
    assert_eq!(reply.json()["action"], "deleted", "{}", reply.text());
    let names = device.stage.thoxd.model_names().await;
    assert!(
        !names.iter().any(|name| name.contains("nomic")),
        "{names:?}"
    );
    let seen = device.stage.engine.journal().to("/api/delete");
    assert_eq!(
        (seen[0].method.as_str(), seen[0].json()),
        ("DELETE", json!({ "model": "nomic-embed-text:latest" }))
    );
    assert_error(
        &device.verb("delete", "nomic-embed-text").await,
        404,
        "model_not_found",
    );
    // thox-coder is what the catalog says; once that is gone, another one answers in its place.
    let id = device.begin("llama3.2:3b").await;
    device.wait_download(&id, "succeeded").await;
    assert_eq!(device.verb("delete", "thox-coder").await.status, 200);
    let names = device.stage.thoxd.model_names().await;
    assert!(names.contains(&"thox-coder".to_owned()), "{names:?}");
    for verb in ["delete", "unload", "load"] {
        let refused = assert_error(
            &device.verb(verb, "thox-coder").await,
            404,
            "model_not_found",
        );
        assert!(refused.contains("`llama3.2:3b`"), "{verb}: {refused}");
    }
    assert!(
        device
            .stage
            .thoxd
            .model_names()
            .await
            .contains(&"llama3.2:3b".to_owned())
    );
}

#[tokio::test]
async fn an_engines_refusal_and_its_failure_are_told() {
    let device = device().await;
    for (fault, status, code) in [
        (Fault::Status(500), 502, "engine_error"),
        (Fault::Status(404), 404, "model_not_found"),
        (Fault::CloseBeforeHead, 502, "engine_error"),
        (Fault::Garbage, 502, "engine_error"),
    ] {
        device.stage.fault_verbs(fault);
        // An engine that breaks off has perhaps deleted it.
        let is_answered = matches!(fault, Fault::Status(_));
        for verb in ["load", "unload"]
            .into_iter()
            .chain(is_answered.then_some("delete"))
        {
            let reply = device.verb(verb, "qwen2.5-coder:7b").await;
            let message = assert_error(&reply, status, code);
            assert!(message.contains("`ollama`"), "{verb}: {message}");
        }
    }
    device.stage.heal();
    assert_eq!(device.verb("load", "qwen2.5-coder:7b").await.status, 200);
}

#[tokio::test]
async fn a_load_that_never_ends_has_a_limit() {
    let device =
        device_with(|builder| builder.text("engines.ollama", "first_byte_timeout", "300ms")).await;
    device.stage.fault_verbs(Fault::HangBeforeHead);
    assert_error(
        &device.verb("load", "qwen2.5-coder:7b").await,
        504,
        "engine_timeout",
    );
}

#[tokio::test]
async fn other_kinds_of_engine_say_what_to_do_instead() {
    for (kind, words) in [
        (Kind::Trtllm, "trtllm-serve"),
        (Kind::EdgeLlm, "tensorrt-edgellm-serve"),
        (Kind::OpenAi, "on that server itself"),
    ] {
        let stage = Stage::of(kind).await;
        let admin = claim(&stage).await;
        let device = Owned { stage, admin };
        for verb in ["load", "unload", "delete"] {
            let reply = device.verb(verb, "thox-coder").await;
            let message = assert_error(&reply, 400, "capability_missing");
            assert!(message.contains(words), "{message}");
        }
        let message = assert_error(&device.pull("llama3.2").await, 400, "capability_missing");
        assert!(message.contains("https://ollama.com"), "{message}");
    }
}

#[tokio::test]
async fn of_two_engines_the_right_one_is_asked() {
    let pair = Pair::start().await;
    let stage = Stage {
        engine: pair.ollama,
        thoxd: pair.thoxd,
    };
    let admin = claim(&stage).await;
    let device = Owned { stage, admin };
    // Both have thox-coder; one of them can be told.
    assert_eq!(
        device.verb("load", "thox-coder").await.json()["engine"],
        "ollama"
    );
    let at_the_other = json!({ "model": "thox-coder", "engine": "edge" });
    let refused = device
        .admin("POST", "/thox/v1/models/load", Some(&at_the_other))
        .await;
    assert_error(&refused, 400, "capability_missing");
    let nowhere = json!({ "model": "thox-coder", "engine": "gone" });
    let refused = device
        .admin("POST", "/thox/v1/models/load", Some(&nowhere))
        .await;
    let message = assert_error(&refused, 400, "invalid_request");
    assert!(message.contains("`edge`, `ollama`"), "{message}");
    drop(pair.edge);
}

#[tokio::test]
async fn of_two_that_have_it_one_has_to_be_named() {
    let (first, second) = (
        Double::start(Kind::Ollama).await,
        Double::start(Kind::Ollama).await,
    );
    let builder = one(Thoxd::builder(), &first).engine("second", &second);
    let thoxd = builder.start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    let stage = Stage {
        engine: first,
        thoxd,
    };
    let admin = claim(&stage).await;
    let address = stage.address();
    let delete = |engine: Option<&'static str>| {
        let mut body = named("nomic-embed-text");
        if let Some(engine) = engine {
            body["engine"] = json!(engine);
        }
        let admin = admin.clone();
        async move {
            with_key(
                address,
                "POST",
                "/thox/v1/models/delete",
                Some(&body),
                &admin,
            )
            .await
        }
    };
    let message = assert_error(&delete(None).await, 400, "invalid_request");
    assert!(message.contains("`ollama` and `second`"), "{message}");
    assert_eq!(delete(Some("second")).await.json()["engine"], "second");
    assert!(stage.engine.journal().to("/api/delete").is_empty());
    assert_eq!(
        delete(None).await.json()["engine"],
        "ollama",
        "it is clear by now"
    );
}

#[tokio::test]
async fn who_asked_is_written_down_also_where_he_does_not_wait() {
    let device = device_with(|builder| builder.raw("audit", "enabled", "true")).await;
    device.stage.fault_verbs(Fault::HangBeforeHead);
    let bearer = format!("Bearer {}", device.admin);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut connection = Connection::open(device.address()).await.unwrap();
    let path = "/thox/v1/models/load";
    let body = named("qwen2.5-coder:7b").to_string();
    connection
        .send("POST", path, &headers, body.as_bytes())
        .await
        .unwrap();
    until("the engine is asked", || {
        let seen = device.stage.engine.journal().to("/api/generate");
        (!seen.is_empty()).then_some(())
    })
    .await;
    connection.reset();
    let log = device.stage.thoxd.process.folder().join("state/audit.log");
    until("it is written down", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let is_told = |line: &str| {
            line.contains(path)
                && line.contains("\"status\":499")
                && line.contains(&device.admin[..8])
        };
        text.lines().any(is_told).then_some(())
    })
    .await;
}
