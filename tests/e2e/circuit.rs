//! Behaviour under trouble, 6: the circuit opens on failures that are the engine's, never on the client's, and closes by
//! itself.

use crate::stage::{Pair, Stage, ask, ask_stream, assert_error, name_of};
use std::time::{Duration, Instant};
use thox_tests::client::get;
use thox_tests::doubles::{Fault, Kind};
use thox_tests::patience::within;
use thox_tests::thoxd::Builder;

fn settings(builder: Builder) -> Builder {
    builder
        .raw("router.circuit", "failures", "3")
        .text("router.circuit", "open_for", "700ms")
}

async fn circuit_of(stage: &Stage) -> String {
    let status = get(stage.address(), "/router/status").await.json();
    let backends = status["backends"].as_array().unwrap();
    let engine = backends
        .iter()
        .find(|b| b["name"] == name_of(stage.kind()))
        .unwrap();
    engine["circuit"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_opens_after_three_failures_and_closes_by_itself() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm] {
        for fault in [Fault::Status(500), Fault::CloseBeforeHead] {
            let stage = Stage::with(kind, settings).await;
            stage.fault(fault);
            for _ in 0..3 {
                assert_error(&stage.chat(&ask("x")).await, 502, "engine_error");
            }
            assert_eq!(circuit_of(&stage).await, "open", "{kind:?} {fault:?}");
            let asked = stage.journal().generations().len();
            let started = Instant::now();
            let message = assert_error(&stage.chat(&ask("x")).await, 503, "no_engine");
            assert!(message.contains(name_of(kind)), "{message}");
            assert!(
                started.elapsed() < Duration::from_millis(300),
                "a refusal takes {:?}",
                started.elapsed()
            );
            assert_eq!(
                stage.journal().generations().len(),
                asked,
                "{kind:?} {fault:?}: the engine is left alone"
            );
            stage.heal();
            let works = async { while stage.chat(&ask("x")).await.status != 200 {} };
            within("the circuit closes by itself", works).await;
            assert_eq!(circuit_of(&stage).await, "closed", "{kind:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn it_opens_on_silence() {
    let stage = Stage::with(Kind::Ollama, |b| {
        settings(b).text("engines.ollama", "first_byte_timeout", "200ms")
    })
    .await;
    stage.fault(Fault::HangBeforeHead);
    for _ in 0..3 {
        assert_error(&stage.chat(&ask("x")).await, 504, "engine_timeout");
    }
    assert_eq!(circuit_of(&stage).await, "open");
}

#[tokio::test]
async fn it_never_opens_on_what_the_client_did_wrong() {
    for status in [400, 404, 429] {
        let stage = Stage::with(Kind::Ollama, settings).await;
        stage.fault(Fault::Status(status));
        for _ in 0..10 {
            assert_eq!(stage.chat(&ask("x")).await.status, status);
        }
        assert_eq!(circuit_of(&stage).await, "closed", "{status}");
        stage.heal();
        assert_eq!(stage.chat(&ask("x")).await.status, 200, "{status}");
    }
}

#[tokio::test]
async fn it_never_opens_on_clients_that_leave() {
    let stage = Stage::with(Kind::Ollama, settings).await;
    stage.fault(Fault::Hang { after: 2 });
    for round in 1..=10 {
        let mut receiving = stage.begin(&ask_stream("x")).await;
        receiving.next_chunk().await;
        drop(receiving);
        stage.wait_cancelled(round).await;
    }
    assert_eq!(circuit_of(&stage).await, "closed");
    stage.heal();
    assert_eq!(stage.chat(&ask("x")).await.status, 200);
}

#[tokio::test]
async fn a_success_in_between_starts_the_count_again() {
    let stage = Stage::with(Kind::Ollama, settings).await;
    for _ in 0..4 {
        stage.fault_times(Fault::Status(500), 2);
        for expected in [502, 502, 200] {
            assert_eq!(stage.chat(&ask("x")).await.status, expected);
        }
    }
}

#[tokio::test]
async fn the_other_engine_is_asked_at_once_while_it_is_open() {
    let pair = Pair::with(|b| settings(b).text("router.circuit", "open_for", "1h")).await;
    pair.ollama.fault(Fault::Status(500));
    for _ in 0..10 {
        assert_eq!(
            pair.chat(&ask("x")).await.header("x-thox-route"),
            "tensorrt; reason=fallback"
        );
    }
    assert_eq!(
        pair.ollama.journal().generations().len(),
        3,
        "the first three, then none"
    );
    assert_eq!(pair.edge.journal().generations().len(), 10);
}

#[tokio::test]
async fn one_engines_circuit_is_not_the_others() {
    let pair = Pair::with(settings).await;
    pair.ollama.fault(Fault::Status(500));
    pair.edge.fault(Fault::Status(400));
    for _ in 0..5 {
        pair.chat(&ask("x")).await;
    }
    pair.edge.heal();
    assert_eq!(pair.chat(&ask("x")).await.status, 200);
}
