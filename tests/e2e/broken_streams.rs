//! Behaviour under trouble, 2: an engine that dies or stalls in mid-stream ends in an error event and a closed
//! connection, and nothing that a client could take for a finished answer.

use crate::stage::{
    CHAT, KINDS, Stage, ask, ask_stream, assert_error, assert_error_object, name_of,
};
use std::time::{Duration, Instant};
use thox_tests::client::{Ending, begin};
use thox_tests::doubles::{Answering, Fault, Kind};
use thox_tests::stream::Streamed;
use thox_tests::thoxd::Builder;

fn many_failures(builder: Builder) -> Builder {
    builder.raw("router.circuit", "failures", "1000")
}

#[track_caller]
fn assert_broken(streamed: &Streamed, kind: Kind, what: &str, code: &str) {
    let error = streamed
        .error
        .as_ref()
        .unwrap_or_else(|| panic!("{kind:?} {what}: no error event: {streamed:?}"));
    assert_error_object(error);
    assert_eq!(error["code"], code, "{kind:?} {what}: {error}");
    assert!(
        error["message"].as_str().unwrap().contains(name_of(kind)),
        "{kind:?} {what}: {error}"
    );
    assert!(!streamed.is_done, "{kind:?} {what}: [DONE] after an error");
    assert!(
        streamed.finish_reasons().is_empty(),
        "{kind:?} {what}: a finish reason"
    );
    assert!(
        !streamed.has_afterthought,
        "{kind:?} {what}: something follows the error"
    );
    assert_eq!(
        streamed.ending,
        Ending::Complete,
        "{kind:?} {what}: the body is not closed properly"
    );
}

#[tokio::test]
async fn an_engine_that_breaks_off() {
    for kind in KINDS {
        let stage = Stage::with(kind, many_failures).await;
        stage.script(|s| s.answering = Answering::Words(12));
        for after in [1, 2, 5, 11] {
            for fault in [Fault::Close { after }, Fault::Reset { after }] {
                stage.fault(fault);
                let streamed = stage.stream(&ask_stream("x")).await;
                assert_broken(&streamed, kind, &format!("{fault:?}"), "engine_error");
                if matches!(fault, Fault::Close { .. }) && after > 2 {
                    assert!(
                        streamed.text().starts_with("w0 "),
                        "{kind:?} {fault:?}: what had come is lost"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn an_engine_that_dies() {
    for kind in KINDS {
        let stage = Stage::with(kind, many_failures).await;
        stage
            .script(|s| (s.answering, s.gap) = (Answering::Words(1000), Duration::from_millis(10)));
        let mut receiving = stage.begin(&ask_stream("x")).await;
        receiving.first_content().await;
        stage.die().await;
        let died = Instant::now();
        let streamed = receiving.stream().await;
        assert_broken(&streamed, kind, "died", "engine_error");
        assert!(
            died.elapsed() < Duration::from_secs(1),
            "{kind:?}: the client waited {:?}",
            died.elapsed()
        );
    }
}

#[tokio::test]
async fn an_engine_that_breaks_off_just_before_the_end() {
    // All the text is there, but neither finish reason nor [DONE]: not a finished answer.
    for kind in [Kind::Ollama, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::with(kind, many_failures).await;
        stage.script(|s| s.answering = Answering::Words(3));
        let before_the_reason = if kind == Kind::Ollama { 3 } else { 4 };
        stage.fault(Fault::Close {
            after: before_the_reason,
        });
        let streamed = stage.stream(&ask_stream("x")).await;
        assert_broken(&streamed, kind, "before the reason", "engine_error");
        assert_eq!(streamed.text(), "w0 w1 w2", "{kind:?}");
    }
}

#[tokio::test]
async fn an_engine_that_ends_the_body_too_early() {
    // Jetson's server never says more than that, so there it is the end.
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::with(kind, many_failures).await;
        stage.script(|s| s.answering = Answering::Words(12));
        for after in [1, 4] {
            stage.fault(Fault::Truncate { after });
            let streamed = stage.stream(&ask_stream("x")).await;
            assert_broken(
                &streamed,
                kind,
                &format!("truncated after {after}"),
                "engine_error",
            );
        }
    }
}

#[tokio::test]
async fn an_engine_that_stalls() {
    for kind in KINDS {
        let section = format!("engines.{}", name_of(kind));
        let stage = Stage::with(kind, |b| {
            // Before the first content the engine may be at the prompt still: the other limit holds there.
            many_failures(b)
                .text(&section, "stall_timeout", "500ms")
                .text(&section, "first_byte_timeout", "600ms")
        })
        .await;
        for after in [1, 3] {
            stage.fault(Fault::Hang { after });
            let started = Instant::now();
            let streamed = stage.stream(&ask_stream("x")).await;
            assert_broken(
                &streamed,
                kind,
                &format!("stalled after {after}"),
                "engine_timeout",
            );
            let took = started.elapsed();
            assert!(
                (400..2000).contains(&took.as_millis()),
                "{kind:?}: it took {took:?}"
            );
            stage.wait_open(0).await;
        }
    }
}

#[tokio::test]
async fn a_slow_stream_is_no_stall() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.text("engines.ollama", "stall_timeout", "400ms")
    })
    .await;
    stage.script(|s| (s.answering, s.gap) = (Answering::Words(6), Duration::from_millis(250)));
    let streamed = stage.stream(&ask_stream("x")).await;
    assert!(streamed.is_done && streamed.error.is_none(), "{streamed:?}");
}

#[tokio::test]
async fn an_engine_that_sends_nonsense() {
    for kind in KINDS {
        let stage = Stage::with(kind, many_failures).await;
        stage.fault(Fault::BadEvent { after: 2 });
        let streamed = stage.stream(&ask_stream("x")).await;
        assert_broken(&streamed, kind, "nonsense", "engine_error");
    }
}

#[tokio::test]
async fn an_engines_own_error_event() {
    // Edge-LLM sends [DONE] after its error.
    for kind in [Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::with(kind, many_failures).await;
        stage.fault(Fault::ErrorEvent { after: 2 });
        let streamed = stage.stream(&ask_stream("x")).await;
        assert_broken(&streamed, kind, "error event", "engine_error");
    }
}

#[tokio::test]
async fn a_whole_reply_that_breaks_off_is_an_error_and_no_half_answer() {
    for kind in KINDS {
        let section = format!("engines.{}", name_of(kind));
        let stage = Stage::with(kind, |b| {
            many_failures(b).text(&section, "stall_timeout", "500ms")
        })
        .await;
        for (fault, status, code) in [
            (Fault::Close { after: 0 }, 502, "engine_error"),
            (Fault::Reset { after: 0 }, 502, "engine_error"),
            (Fault::CloseBeforeHead, 502, "engine_error"),
            (Fault::ResetBeforeHead, 502, "engine_error"),
            (Fault::Hang { after: 0 }, 504, "engine_timeout"),
            (Fault::HangAfterHead, 504, "engine_timeout"),
        ] {
            stage.fault(fault);
            let reply = stage.chat(&ask("x")).await;
            assert_error(&reply, status, code);
            assert_eq!(reply.ending, Ending::Complete, "{kind:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_before_its_first_event_is_never_finished() {
    for kind in KINDS {
        let stage = Stage::with(kind, many_failures).await;
        for fault in [
            Fault::Close { after: 0 },
            Fault::CloseBeforeHead,
            Fault::ResetBeforeHead,
            Fault::Garbage,
        ] {
            stage.fault(fault);
            let receiving = begin(stage.address(), CHAT, &ask_stream("x")).await;
            if receiving.status == 200 {
                assert_broken(
                    &receiving.stream().await,
                    kind,
                    &format!("{fault:?}"),
                    "engine_error",
                );
            } else {
                assert_error(&receiving.whole().await, 502, "engine_error");
            }
        }
    }
}

#[tokio::test]
async fn the_next_request_is_unharmed() {
    for kind in KINDS {
        let stage = Stage::with(kind, many_failures).await;
        for fault in [
            Fault::Close { after: 2 },
            Fault::Reset { after: 2 },
            Fault::BadEvent { after: 2 },
        ] {
            stage.fault_times(fault, 1);
            stage.stream(&ask_stream("x")).await;
            let streamed = stage.stream(&ask_stream("x")).await;
            assert_eq!(
                streamed.text(),
                "Hello! You said: x",
                "{kind:?} after {fault:?}"
            );
            assert!(streamed.is_done);
        }
    }
}
