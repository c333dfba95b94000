//! Engines and models that come and go while thoxd runs.

use crate::stage::{CHAT, Stage, ask, assert_error, content, with};
use serde_json::json;
use thox_tests::client::{get, post};
use thox_tests::doubles::{Double, Kind, Model};
use thox_tests::patience::within;
use thox_tests::thoxd::Thoxd;

#[tokio::test]
async fn an_engine_that_starts_later_is_found() {
    for kind in [
        Kind::Ollama,
        Kind::Trtllm,
        Kind::TrtllmJetson,
        Kind::EdgeLlm,
        Kind::OpenAi,
    ] {
        let port = Double::free_port().await;
        let thoxd = Thoxd::builder()
            .engine_at("later", kind.setting(), &format!("http://127.0.0.1:{port}"))
            .model("thox-coder", &[("later", crate::stage::model_of(kind))])
            .start()
            .await;
        assert_error(
            &post(thoxd.address, CHAT, &ask("x")).await,
            503,
            "no_engine",
        );
        let engine = Double::start_at(kind, port).await;
        thoxd.wait_models(&["thox-coder"]).await;
        let reply = post(thoxd.address, CHAT, &ask("found")).await;
        assert_eq!(
            content(&reply),
            "Hello! You said: found",
            "{kind:?}: {}",
            reply.text()
        );
        assert_eq!(engine.journal().generations().len(), 1);
    }
}

#[tokio::test]
async fn an_engine_that_stops_is_noticed_and_its_return_too() {
    let stage = Stage::of(Kind::Ollama).await;
    for _ in 0..2 {
        stage.die().await;
        wait_health(&stage, "unhealthy", 503).await;
        let reply = stage.chat(&ask("x")).await;
        assert!(matches!(reply.status, 502 | 503), "{}", reply.text());
        stage.come_back().await;
        wait_health(&stage, "healthy", 200).await;
        let again = async { while stage.chat(&ask("x")).await.status != 200 {} };
        within("the engine is used again", again).await;
    }
}

async fn wait_health(stage: &Stage, status: &str, http: u16) {
    let look = async {
        loop {
            let reply = get(stage.address(), "/health").await;
            if reply.json()["status"] == status {
                assert_eq!(reply.status, http, "{}", reply.text());
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within(status, look).await;
}

#[tokio::test]
async fn a_model_that_is_installed_later_is_found_and_one_that_is_removed_is_gone() {
    let stage = Stage::of(Kind::Ollama).await;
    let body = with(ask("x"), "model", json!("mistral:7b"));
    assert_error(&stage.chat(&body).await, 404, "model_not_found");
    stage.script(|s| s.models.push(Model::chat("mistral:7b", 7_200_000_000)));
    stage.thoxd.wait_models(&["mistral:7b"]).await;
    assert_eq!(stage.chat(&body).await.status, 200);
    stage.script(|s| s.models.retain(|m| m.name != "mistral:7b"));
    stage.thoxd.wait_model_gone("mistral:7b").await;
    assert_error(&stage.chat(&body).await, 404, "model_not_found");
}

#[tokio::test]
async fn a_model_that_was_removed_a_moment_ago_is_an_error_that_fits() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.text("engines.ollama", "poll_interval", "1h")
    })
    .await;
    stage.script(|s| s.models.clear());
    assert_error(&stage.chat(&ask("x")).await, 404, "model_not_found");
}

#[tokio::test]
async fn looking_does_not_disturb_an_engine() {
    let stage = Stage::with(Kind::EdgeLlm, |b| {
        b.text("engines.edge", "poll_interval", "100ms")
    })
    .await;
    let before = stage.journal().seen().len();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let looks = stage.journal().seen().len() - before;
    assert!(
        (3..=40).contains(&looks),
        "{looks} requests in a second at an interval of 100 ms"
    );
    assert!(
        stage.journal().generations().is_empty(),
        "no tokens are generated to see whether it lives"
    );
    assert!(
        stage.journal().connections() < 20,
        "{} connections",
        stage.journal().connections()
    );
}

#[tokio::test]
async fn an_engine_that_is_slow_to_tell_its_models_delays_nobody() {
    let (slow, quick) = (
        Double::start(Kind::EdgeLlm).await,
        Double::start(Kind::Ollama).await,
    );
    slow.script(|s| s.health_delay = std::time::Duration::from_secs(3600));
    let thoxd = crate::stage::one(crate::stage::one(Thoxd::builder(), &slow), &quick)
        .start()
        .await;
    thoxd.wait_models(&["thox-coder"]).await;
    let reply = post(thoxd.address, CHAT, &ask("x")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
