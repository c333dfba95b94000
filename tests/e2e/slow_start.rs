//! Behaviour under trouble, 5: a slow start is bridged by comments that break no SDK.

use crate::stage::{CHAT, Stage, ask, ask_stream, assert_error, with};
use serde_json::json;
use std::time::{Duration, Instant};
use thox_tests::client::{Connection, Ending};
use thox_tests::doubles::{Fault, Kind};
use thox_tests::sse::Event;
use thox_tests::thoxd::Builder;

fn soon(builder: Builder) -> Builder {
    builder
        .text("server", "keep_alive_comment_after", "300ms")
        .text("server", "keep_alive_comment_every", "200ms")
}

#[tokio::test]
async fn comments_come_before_the_first_token_and_none_after_it() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm] {
        let stage = Stage::with(kind, soon).await;
        stage.script(|s| s.head_delay = Duration::from_millis(1200));
        let started = Instant::now();
        let mut receiving = stage.begin(&ask_stream("x")).await;
        assert_eq!(receiving.status, 200);
        assert_eq!(receiving.headers.get("x-accel-buffering"), Some("no"));
        let first = receiving.next_event().await;
        let waited = started.elapsed();
        assert!(
            matches!(first, Some(Event::Comment(_))),
            "{kind:?}: {first:?}"
        );
        assert!(
            (200..700).contains(&waited.as_millis()),
            "{kind:?}: the first comment came after {waited:?}"
        );
        let mut comments = 1;
        while let Event::Comment(_) = receiving.next_event().await.expect("the answer") {
            comments += 1;
        }
        assert!(
            (3..=7).contains(&comments),
            "{kind:?}: {comments} comments in 1.2 s"
        );
        let streamed = receiving.stream().await;
        assert!(
            streamed.comments.is_empty(),
            "{kind:?}: a comment after the first token"
        );
        assert!(streamed.is_done && streamed.error.is_none(), "{kind:?}");
        assert_eq!(streamed.ending, Ending::Complete);
    }
}

#[tokio::test]
async fn comments_come_in_prefill_too_when_the_engine_has_sent_its_head() {
    for kind in [Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::with(kind, soon).await;
        stage.script(|s| s.first_token_delay = Duration::from_millis(1000));
        let streamed = stage.stream(&ask_stream("x")).await;
        assert!(
            streamed.comments.len() >= 2,
            "{kind:?}: {} comments",
            streamed.comments.len()
        );
        assert_eq!(streamed.text(), "Hello! You said: x", "{kind:?}");
    }
}

#[tokio::test]
async fn a_quick_answer_has_no_comments() {
    let stage = Stage::with(Kind::Ollama, soon).await;
    let streamed = stage.stream(&ask_stream("x")).await;
    assert!(streamed.comments.is_empty(), "{:?}", streamed.comments);
}

#[tokio::test]
async fn a_failure_after_a_comment_is_an_error_event() {
    let stage = Stage::with(Kind::Ollama, |b| {
        soon(b).text("engines.ollama", "first_byte_timeout", "800ms")
    })
    .await;
    stage.fault(Fault::HangBeforeHead);
    let streamed = stage.stream(&ask_stream("x")).await;
    assert_eq!(streamed.status, 200);
    assert!(!streamed.comments.is_empty());
    assert_eq!(
        streamed.error.as_ref().expect("an error event")["code"],
        "engine_timeout"
    );
    assert!(!streamed.looks_finished());
}

#[tokio::test]
async fn a_whole_reply_waits_without_comments() {
    let stage = Stage::with(Kind::Ollama, |b| {
        soon(b).text("engines.ollama", "first_byte_timeout", "700ms")
    })
    .await;
    stage.script(|s| s.head_delay = Duration::from_millis(500));
    let reply = stage.chat(&ask("x")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().starts_with('{'), "{}", reply.text());
    stage.script(|s| s.head_delay = Duration::from_secs(60));
    assert_error(&stage.chat(&ask("x")).await, 504, "engine_timeout");
}

#[tokio::test]
async fn what_is_known_at_once_has_its_proper_status() {
    let stage = Stage::with(Kind::Ollama, soon).await;
    assert_error(
        &stage
            .chat(&with(ask_stream("x"), "model", json!("nobody")))
            .await,
        404,
        "model_not_found",
    );
    stage.fault(Fault::Status(400));
    assert_error(&stage.chat(&ask_stream("x")).await, 400, "invalid_request");
}

#[tokio::test]
async fn a_request_in_the_queue_is_kept_alive() {
    let stage = Stage::with(Kind::Ollama, |b| {
        soon(b).raw("engines.ollama", "slots", "1")
    })
    .await;
    stage.fault_times(Fault::HangBeforeHead, 1);
    let mut first = Connection::open(stage.address()).await.unwrap();
    first.post(CHAT, &ask("x")).await.unwrap();
    stage.wait_open(1).await;
    let mut second = stage.begin(&ask_stream("second")).await;
    for _ in 0..2 {
        assert!(matches!(second.next_event().await, Some(Event::Comment(_))));
    }
    drop(first);
    let streamed = second.stream().await;
    assert_eq!(streamed.text(), "Hello! You said: second");
    assert!(streamed.is_done);
}

#[tokio::test]
async fn a_client_that_goes_away_among_the_comments_ends_the_engines_work() {
    let stage = Stage::with(Kind::Ollama, soon).await;
    stage.fault(Fault::HangBeforeHead);
    for round in 1..=5 {
        let mut receiving = stage.begin(&ask_stream("x")).await;
        receiving.next_event().await;
        let left = Instant::now();
        drop(receiving);
        let cancelled = stage.wait_cancelled(round).await;
        assert!(
            cancelled.at - left < Duration::from_millis(100),
            "{:?}",
            cancelled.at - left
        );
    }
}
