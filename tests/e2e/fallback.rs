//! Behaviour under trouble, 3, 4 and 7: the other engine before the first byte and never after it; no spurious 502 from
//! stale connections; and no engine at all.

use crate::stage::{Pair, Stage, ask, ask_stream, assert_error, content};
use serde_json::json;
use std::time::{Duration, Instant};
use thox_tests::client::get;
use thox_tests::doubles::{Answering, Fault, Kind};
use thox_tests::thoxd::Builder;

fn settings(builder: Builder) -> Builder {
    builder.raw("router.circuit", "failures", "1000").text(
        "engines.ollama",
        "first_byte_timeout",
        "500ms",
    )
}

/// What keeps an engine from sending a first byte.
const BEFORE_THE_FIRST_BYTE: [Fault; 6] = [
    Fault::CloseBeforeHead,
    Fault::ResetBeforeHead,
    Fault::Garbage,
    Fault::HangBeforeHead,
    Fault::Status(500),
    Fault::Status(503),
];

#[tokio::test]
async fn the_other_engine_answers_when_the_first_fails_before_its_first_byte() {
    let pair = Pair::with(settings).await;
    for (round, fault) in BEFORE_THE_FIRST_BYTE.into_iter().enumerate() {
        pair.ollama.fault(fault);
        let reply = pair.chat(&ask("x")).await;
        assert_eq!(reply.status, 200, "{fault:?}: {}", reply.text());
        assert_eq!(
            reply.header("x-thox-route"),
            "tensorrt; reason=fallback",
            "{fault:?}"
        );
        assert_eq!(reply.json()["backend"], "tensorrt");
        assert_eq!(content(&reply), "Hello! You said: x");
        let streamed = pair.stream(&ask_stream("x")).await;
        assert_eq!(
            streamed.headers.get("x-thox-route"),
            Some("tensorrt; reason=fallback"),
            "{fault:?}"
        );
        assert!(
            streamed.is_done && streamed.text() == "Hello! You said: x",
            "{fault:?}: {streamed:?}"
        );
        assert_eq!(
            pair.edge.journal().generations().len(),
            2 * (round + 1),
            "{fault:?}"
        );
    }
    // The engine's own name for the model goes to each, and each gets only what it takes.
    assert_eq!(
        pair.edge.journal().generations()[0].json()["model"],
        "qwen2.5-coder-7b"
    );
}

#[tokio::test]
async fn the_other_engine_answers_when_the_first_is_gone() {
    let pair = Pair::with(|b| settings(b).text("engines.ollama", "poll_interval", "1h")).await;
    pair.ollama.die().await;
    for _ in 0..5 {
        let reply = pair.chat(&ask("x")).await;
        assert_eq!(
            (reply.status, reply.header("x-thox-route")),
            (200, "tensorrt; reason=fallback"),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_stream_that_has_begun_is_never_started_again() {
    let pair = Pair::with(settings).await;
    for fault in [
        Fault::Close { after: 2 },
        Fault::Reset { after: 2 },
        Fault::Truncate { after: 2 },
        Fault::BadEvent { after: 2 },
    ] {
        pair.ollama.fault(fault);
        let streamed = pair.stream(&ask_stream("x")).await;
        assert!(
            streamed.error.is_some() && !streamed.looks_finished(),
            "{fault:?}: {streamed:?}"
        );
    }
    assert!(pair.edge.journal().generations().is_empty());
    assert_eq!(
        pair.ollama.journal().generations().len(),
        4,
        "nor at the same engine"
    );
}

#[tokio::test]
async fn when_both_fail_the_client_is_told() {
    let pair = Pair::with(settings).await;
    pair.ollama.fault(Fault::Status(500));
    pair.edge.fault(Fault::CloseBeforeHead);
    let reply = pair.chat(&ask("x")).await;
    assert_error(&reply, 502, "engine_error");
    assert_eq!(pair.ollama.journal().generations().len(), 1);
    // A second time only where the first connection may have been a stale one.
    assert!(pair.edge.journal().generations().len() <= 2);
}

#[tokio::test]
async fn stale_connections_give_no_error_and_no_wait() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        // Looks at the engine would be cut off too, which is another matter.
        let section = format!("engines.{}", crate::stage::name_of(kind));
        let stage = Stage::with(kind, |b| b.text(&section, "poll_interval", "1h")).await;
        stage.script(|s| s.answering = Answering::Fixed("ok".into()));
        for fault in [Fault::CloseAfterReply, Fault::StaleConnection] {
            stage.fault(fault);
            for round in 0..25 {
                quick_chat(&stage, &format!("{kind:?} {fault:?} round {round}")).await;
                let streamed = stage.stream(&ask_stream("x")).await;
                assert!(
                    streamed.is_done,
                    "{kind:?} {fault:?} round {round}: {streamed:?}"
                );
            }
        }
        stage.heal();
        for round in 0..10 {
            stage.drop_connections();
            quick_chat(&stage, &format!("{kind:?} after a restart, round {round}")).await;
        }
        assert_eq!(
            stage.journal().finished(),
            110,
            "{kind:?}: each request was done once"
        );
    }
}

async fn quick_chat(stage: &Stage, what: &str) {
    let started = Instant::now();
    let reply = stage.chat(&ask("x")).await;
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "{what}: it took {took:?}");
}

#[tokio::test]
async fn one_look_that_breaks_off_does_not_take_a_healthy_engine_away() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        for fault in [Fault::CloseBeforeHead, Fault::ResetBeforeHead] {
            stage.fault_probes_times(fault, 1);
            let until = Instant::now() + Duration::from_millis(600);
            while Instant::now() < until {
                quick_chat(&stage, &format!("{kind:?} {fault:?}")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_restart_between_two_requests_gives_no_error() {
    let stage = Stage::of(Kind::Ollama).await;
    for round in 0..5 {
        assert_eq!(stage.chat(&ask("x")).await.status, 200);
        stage.die().await;
        stage.come_back().await;
        let reply = stage.chat(&ask("x")).await;
        assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_no_stale_one() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.raw("router.circuit", "failures", "1000")
    })
    .await;
    stage.fault(Fault::CloseBeforeHead);
    assert_error(&stage.chat(&ask("x")).await, 502, "engine_error");
    assert!(
        stage.journal().generations().len() <= 2,
        "a request that an engine may have begun is not sent for ever"
    );
}

#[tokio::test]
async fn with_no_engine_the_refusal_says_what_to_do() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.raw("router.circuit", "failures", "100000")
    })
    .await;
    stage.die().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let reply = loop {
        let reply = stage.chat(&ask("x")).await;
        if reply.status == 503 {
            break reply;
        }
        // Until the next look at the engine this request itself finds out.
        assert_error(&reply, 502, "engine_error");
        assert!(Instant::now() < deadline, "no 503 after 10 s");
    };
    let message = assert_error(&reply, 503, "no_engine");
    assert!(
        message.contains("ollama"),
        "the engine is not named: {message}"
    );
    assert!(
        message.contains("refused") || message.contains("reach"),
        "the cause is not named: {message}"
    );
    let stream = stage.chat(&ask_stream("x")).await;
    assert_error(&stream, 503, "no_engine");
    let health = get(stage.address(), "/health").await;
    assert_eq!(
        (health.status, &health.json()["status"]),
        (503, &json!("unhealthy"))
    );
    let backend = health.json()["backends"][0].clone();
    assert!(
        backend["reason"].as_str().is_some_and(|r| !r.is_empty()),
        "{backend}"
    );
    assert!(stage.thoxd.log().contains("ollama"));
}
