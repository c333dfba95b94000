//! Which engine answers, and why it says so.

use crate::stage::{CHAT, Pair, Stage, ask, assert_error, content, model_of, one, with};
use serde_json::{Value, json};
use thox_tests::client::{get, post, post_with};
use thox_tests::doubles::{Double, Fault, Kind, Model};
use thox_tests::thoxd::Thoxd;

async fn route_of(thoxd: &Thoxd, wish: Option<&str>, body: &Value) -> (u16, String) {
    let headers: Vec<(&str, &str)> = wish.map(|w| ("x-thox-backend", w)).into_iter().collect();
    let reply = post_with(thoxd.address, CHAT, &headers, body).await;
    (reply.status, reply.header("x-thox-route").to_owned())
}

fn ok(route: &str) -> (u16, String) {
    (200, route.to_owned())
}

#[tokio::test]
async fn a_small_model_goes_to_ollama_and_a_large_one_to_tensorrt() {
    let (ollama, edge) = (
        Double::start(Kind::Ollama).await,
        Double::start(Kind::EdgeLlm).await,
    );
    for (size, route) in [
        ("7B", "ollama; reason=size"),
        ("9.9B", "ollama; reason=size"),
        ("10B", "tensorrt; reason=size"),
        ("14B", "tensorrt; reason=size"),
    ] {
        let thoxd = one(one(Thoxd::builder(), &ollama), &edge)
            .text("models.thox-coder", "parameters", size)
            .start()
            .await;
        thoxd
            .wait_models(&[
                "thox-coder",
                model_of(Kind::Ollama),
                model_of(Kind::EdgeLlm),
            ])
            .await;
        assert_eq!(route_of(&thoxd, None, &ask("x")).await, ok(route), "{size}");
    }
    let thoxd = one(one(Thoxd::builder(), &ollama), &edge)
        .text("models.thox-coder", "parameters", "7B")
        .text("router", "large_model_threshold", "5B")
        .start()
        .await;
    thoxd
        .wait_models(&[model_of(Kind::Ollama), model_of(Kind::EdgeLlm)])
        .await;
    assert_eq!(
        route_of(&thoxd, None, &ask("x")).await,
        ok("tensorrt; reason=size"),
        "the threshold is a setting"
    );
}

#[tokio::test]
async fn the_clients_wish_comes_first() {
    let pair = Pair::start().await;
    assert_eq!(
        route_of(&pair.thoxd, None, &ask("x")).await,
        ok("ollama; reason=size")
    );
    for (wish, route) in [
        ("tensorrt", "tensorrt; reason=wish"),
        ("edge", "tensorrt; reason=wish"),
        ("ollama", "ollama; reason=wish"),
    ] {
        assert_eq!(
            route_of(&pair.thoxd, Some(wish), &ask("x")).await,
            ok(route),
            "{wish}"
        );
    }
    assert_eq!(pair.edge.journal().generations().len(), 2);
}

#[tokio::test]
async fn a_wish_that_cannot_be_met_is_a_fallback() {
    let stage = Stage::of(Kind::Ollama).await;
    assert_eq!(
        route_of(&stage.thoxd, Some("tensorrt"), &ask("x")).await,
        ok("ollama; reason=fallback")
    );
    let pair = Pair::start().await;
    pair.edge.die().await;
    let (status, route) = route_of(&pair.thoxd, Some("tensorrt"), &ask("x")).await;
    assert_eq!((status, route.as_str()), (200, "ollama; reason=fallback"));
}

#[tokio::test]
async fn what_a_request_needs_decides_before_size() {
    let (ollama, edge) = (
        Double::start(Kind::Ollama).await,
        Double::start(Kind::EdgeLlm).await,
    );
    ollama.script(|s| s.models = vec![Model::vision("llava:13b", 13_000_000_000)]);
    edge.script(|s| s.models = vec![Model::chat("llava-13b", 13_000_000_000)]);
    let thoxd = Thoxd::builder()
        .engine("ollama", &ollama)
        .engine("edge", &edge)
        .model("sees", &[("ollama", "llava:13b"), ("edge", "llava-13b")])
        .text("models.sees", "parameters", "13B")
        .start()
        .await;
    thoxd.wait_models(&["sees", "llava:13b", "llava-13b"]).await;
    let plain = with(ask("x"), "model", json!("sees"));
    assert!(
        route_of(&thoxd, None, &plain)
            .await
            .1
            .starts_with("tensorrt")
    );
    // Completions are only at Ollama, whatever the size.
    let reply = post(
        thoxd.address,
        "/v1/completions",
        &json!({"model": "sees", "prompt": "x"}),
    )
    .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["backend"], "ollama");
}

#[tokio::test]
async fn an_engine_that_is_down_is_passed_over() {
    let pair = Pair::start().await;
    pair.ollama.die().await;
    assert_eq!(
        route_of(&pair.thoxd, None, &ask("x")).await,
        ok("tensorrt; reason=fallback")
    );
    pair.ollama.come_back().await;
    let back = async {
        while route_of(&pair.thoxd, None, &ask("x")).await != ok("ollama; reason=size") {}
    };
    thox_tests::patience::within("Ollama is used again", back).await;
}

#[tokio::test]
async fn the_default_model_is_stood_in_for() {
    let ollama = Double::start(Kind::Ollama).await;
    ollama.script(|s| s.models = vec![Model::chat("llama3.2:3b", 3_200_000_000)]);
    let thoxd = Thoxd::builder().engine("ollama", &ollama).start().await;
    thoxd.wait_models(&["llama3.2:3b", "thox-coder"]).await;
    let reply = post(thoxd.address, CHAT, &ask("x")).await;
    assert_eq!(reply.header("x-thox-route"), "ollama; reason=substitute");
    assert_eq!(reply.json()["model"], "thox-coder");
    assert_eq!(
        ollama.journal().generations()[0].json()["model"],
        "llama3.2:3b"
    );
}

#[tokio::test]
async fn any_other_server_has_its_configured_name() {
    let llama = Double::start(Kind::OpenAi).await;
    let thoxd = Thoxd::builder().engine("lm-studio", &llama).start().await;
    thoxd.wait_models(&["llama-3.2-3b"]).await;
    let reply = post(
        thoxd.address,
        CHAT,
        &with(ask("x"), "model", json!("llama-3.2-3b")),
    )
    .await;
    assert_eq!(reply.json()["backend"], "lm-studio");
    assert_eq!(reply.header("x-thox-route"), "lm-studio; reason=only");
}

#[tokio::test]
async fn an_engines_own_names_can_be_asked_for() {
    let pair = Pair::start().await;
    for (model, backend) in [
        (model_of(Kind::Ollama), "ollama"),
        (model_of(Kind::EdgeLlm), "tensorrt"),
    ] {
        let reply = pair.chat(&with(ask("x"), "model", json!(model))).await;
        assert_eq!(
            (
                reply.json()["backend"].as_str(),
                reply.json()["model"].as_str()
            ),
            (Some(backend), Some(model))
        );
    }
}

#[tokio::test]
async fn slots_are_shared_fairly_and_nobody_is_lost() {
    let stage = Stage::with(Kind::Ollama, |b| b.raw("engines.ollama", "slots", "2")).await;
    stage.script(|s| s.gap = std::time::Duration::from_millis(5));
    let all = futures_util::future::join_all((0..30).map(|n| {
        let stage = &stage;
        async move { content(&stage.chat(&ask(&format!("number {n}"))).await) }
    }));
    for (n, answer) in all.await.into_iter().enumerate() {
        assert_eq!(answer, format!("Hello! You said: number {n}"));
    }
    let queued = get(stage.address(), "/router/status").await.json();
    assert_eq!(queued["backends"][0]["in_flight"], 0, "{queued}");
}

#[tokio::test]
async fn never_more_requests_than_slots_reach_the_engine() {
    let stage = Stage::with(Kind::Ollama, |b| b.raw("engines.ollama", "slots", "2")).await;
    // With a limit of its own the double answers 503 to a third.
    stage.script(|s| {
        (s.max_requests, s.head_delay) = (Some(2), std::time::Duration::from_millis(30));
    });
    let all = futures_util::future::join_all((0..20).map(|_| stage_chat(&stage)));
    assert!(all.await.into_iter().all(|status| status == 200));

    async fn stage_chat(stage: &Stage) -> u16 {
        stage.chat(&ask("x")).await.status
    }
}

#[tokio::test]
async fn what_an_engine_refuses_for_good_is_not_tried_elsewhere() {
    let pair = Pair::start().await;
    pair.ollama.fault(Fault::Status(400));
    assert_error(&pair.chat(&ask("x")).await, 400, "invalid_request");
    assert!(pair.edge.journal().generations().is_empty());
}
