//! That each fault of a double really happens.

use crate::doubles::{ask, stream};
use crate::stage::{CHAT, KINDS};
use std::time::{Duration, Instant};
use thox_tests::client::{Connection, Ending, begin, get, post};
use thox_tests::doubles::{Answering, Delivery, Double, Fault, Kind, Stage};
use tokio::time::timeout;

#[tokio::test]
async fn streams_are_the_same_however_they_are_cut() {
    let double = Double::start(Kind::Ollama).await;
    let text = "Grüße aus Köln: 日本語 🙂 und mehr";
    double.script(|s| s.answering = Answering::Fixed(text.into()));
    for delivery in [
        Delivery::Events,
        Delivery::Bursts(3),
        Delivery::Bursts(100),
        Delivery::Pieces(1),
        Delivery::Pieces(7),
    ] {
        double.script(|s| s.delivery = delivery);
        let streamed = begin(double.address(), CHAT, &stream(Kind::Ollama, "x"))
            .await
            .stream()
            .await;
        assert_eq!(streamed.text(), text, "{delivery:?}");
        assert!(streamed.is_done);
    }
}

#[tokio::test]
async fn streams_break_off_as_they_are_told() {
    for kind in KINDS {
        let double = Double::start(kind).await;
        double.script(|s| s.answering = Answering::Words(20));
        for (fault, ending) in [
            (Fault::Close { after: 3 }, Ending::Cut),
            (Fault::Reset { after: 3 }, Ending::Cut),
            (Fault::Close { after: 0 }, Ending::Cut),
            (Fault::Truncate { after: 3 }, Ending::Complete),
        ] {
            double.fault(fault);
            let streamed = begin(double.address(), CHAT, &stream(kind, "x"))
                .await
                .stream()
                .await;
            assert_eq!(streamed.ending, ending, "{kind:?} {fault:?}");
            assert!(!streamed.looks_finished(), "{kind:?} {fault:?}");
            let words = if kind == Kind::Ollama && matches!(fault, Fault::Truncate { .. }) {
                4
            } else {
                3
            };
            let expected = if fault == (Fault::Close { after: 0 }) {
                0
            } else {
                words
            };
            // A reset may overtake the data in front of it.
            if !matches!(fault, Fault::Reset { .. }) {
                assert_eq!(streamed.chunks.len(), expected, "{kind:?} {fault:?}");
            }
        }
        double.fault(Fault::Close { after: 0 });
        let whole = post(double.address(), CHAT, &ask(kind, "x")).await;
        assert_eq!(whole.ending, Ending::Cut, "{kind:?}");
        double.heal();
        assert!(post(double.address(), CHAT, &ask(kind, "x")).await.status == 200);
    }
}

#[tokio::test]
async fn no_reply_comes_where_none_is_due() {
    let double = Double::start(Kind::Ollama).await;
    for fault in [
        Fault::CloseBeforeHead,
        Fault::ResetBeforeHead,
        Fault::Garbage,
    ] {
        double.fault(fault);
        let mut connection = Connection::open(double.address()).await.unwrap();
        connection
            .post(CHAT, &ask(Kind::Ollama, "x"))
            .await
            .unwrap();
        assert!(connection.try_receive().await.is_none(), "{fault:?}");
    }
    double.fault(Fault::HangBeforeHead);
    let mut connection = Connection::open(double.address()).await.unwrap();
    connection
        .post(CHAT, &ask(Kind::Ollama, "x"))
        .await
        .unwrap();
    assert!(
        timeout(Duration::from_millis(200), connection.receive())
            .await
            .is_err()
    );
    let cancelled = double.wait_cancelled(1).await;
    assert_eq!(cancelled.stage, Stage::BeforeHead);
    double.fault(Fault::HangAfterHead);
    let mut receiving = begin(double.address(), CHAT, &stream(Kind::Ollama, "x")).await;
    assert!(
        timeout(Duration::from_millis(200), receiving.next_event())
            .await
            .is_err()
    );
    drop(receiving);
    assert_eq!(
        double.wait_cancelled(2).await.stage,
        Stage::BeforeFirstToken
    );
    double.fault(Fault::Hang { after: 2 });
    let mut receiving = begin(double.address(), CHAT, &stream(Kind::Ollama, "x")).await;
    assert!(receiving.next_event().await.is_some() && receiving.next_event().await.is_some());
    assert!(
        timeout(Duration::from_millis(200), receiving.next_event())
            .await
            .is_err()
    );
    drop(receiving);
    assert_eq!(double.wait_cancelled(3).await.stage, Stage::InStream);
}

#[tokio::test]
async fn events_that_are_wrong_and_errors_in_a_stream() {
    let double = Double::start(Kind::EdgeLlm).await;
    double.fault(Fault::ErrorEvent { after: 2 });
    let streamed = begin(double.address(), CHAT, &stream(Kind::EdgeLlm, "x"))
        .await
        .stream()
        .await;
    assert_eq!(streamed.error.as_ref().unwrap()["type"], "engine_error");
    assert!(
        streamed.is_done && streamed.finish_reasons().is_empty(),
        "Edge-LLM's error is followed by [DONE]"
    );
    double.fault(Fault::BadEvent { after: 1 });
    let raw = begin(double.address(), CHAT, &stream(Kind::EdgeLlm, "x"))
        .await
        .whole()
        .await
        .text();
    assert!(raw.contains("[oops"));
}

#[tokio::test]
async fn a_cancellation_is_seen_at_once() {
    let double = Double::start(Kind::Ollama).await;
    double.script(|s| s.gap = Duration::from_millis(20));
    for round in 1..=20 {
        let mut receiving = begin(double.address(), CHAT, &stream(Kind::Ollama, "x")).await;
        receiving.first_content().await;
        assert_eq!(double.journal().open(), 1);
        let gone = Instant::now();
        drop(receiving);
        let cancelled = double.wait_cancelled(round).await;
        assert!(
            cancelled.at - gone < Duration::from_millis(50),
            "{:?}",
            cancelled.at - gone
        );
    }
    assert_eq!(
        (double.journal().open(), double.journal().finished()),
        (0, 0)
    );
}

#[tokio::test]
async fn connections_are_kept_closed_or_stale() {
    let double = Double::start(Kind::Trtllm).await;
    let mut connection = Connection::open(double.address()).await.unwrap();
    for _ in 0..3 {
        connection
            .post(CHAT, &ask(Kind::Trtllm, "x"))
            .await
            .unwrap();
        let (reply, same) = connection.receive().await.whole_and_connection().await;
        assert_eq!(reply.status, 200);
        connection = same;
    }
    assert_eq!(double.journal().connections(), 1);
    double.fault(Fault::StaleConnection);
    connection
        .post(CHAT, &ask(Kind::Trtllm, "x"))
        .await
        .unwrap();
    assert!(connection.try_receive().await.is_none());
    assert_eq!(double.journal().generations().len(), 3);
    assert_eq!(
        post(double.address(), CHAT, &ask(Kind::Trtllm, "x"))
            .await
            .status,
        200,
        "a fresh one works"
    );
    double.fault(Fault::CloseAfterReply);
    let mut connection = Connection::open(double.address()).await.unwrap();
    connection
        .post(CHAT, &ask(Kind::Trtllm, "x"))
        .await
        .unwrap();
    let (reply, mut connection) = connection.receive().await.whole_and_connection().await;
    assert_eq!((reply.status, reply.ending), (200, Ending::Complete));
    let _ = connection.post(CHAT, &ask(Kind::Trtllm, "x")).await;
    assert!(connection.try_receive().await.is_none());
}

#[tokio::test]
async fn an_engine_dies_and_comes_back_on_the_same_port() {
    let double = Double::start(Kind::OpenAi).await;
    double.script(|s| s.gap = Duration::from_millis(50));
    let mut receiving = begin(double.address(), CHAT, &stream(Kind::OpenAi, "x")).await;
    receiving.first_content().await;
    double.die().await;
    let streamed = receiving.stream().await;
    assert_eq!(streamed.ending, Ending::Cut);
    assert!(Connection::open(double.address()).await.is_err());
    assert_eq!(double.journal().open(), 0);
    double.come_back().await;
    assert_eq!(
        post(double.address(), CHAT, &ask(Kind::OpenAi, "x"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_fault_may_hold_for_some_requests_and_spare_the_probes() {
    let double = Double::start(Kind::EdgeLlm).await;
    double.fault_times(Fault::Status(503), 2);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(
            post(double.address(), CHAT, &ask(Kind::EdgeLlm, "x"))
                .await
                .status,
        );
    }
    assert_eq!(seen, [503, 503, 200]);
    double.fault(Fault::HangBeforeHead);
    assert_eq!(get(double.address(), "/health").await.status, 200);
    double.fault_probes(Fault::Status(500));
    assert_eq!(get(double.address(), "/health").await.status, 500);
}
