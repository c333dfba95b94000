//! A streamed chat, from each kind of engine, however its bytes are cut.

use crate::stage::{KINDS, Stage, ask, ask_stream, assert_error, backend_of, with};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use thox_tests::client::Ending;
use thox_tests::doubles::{Answering, Delivery, Kind};
use thox_tests::stream::Streamed;

fn assert_good(streamed: &Streamed, kind: Kind, text: &str) {
    assert_eq!(streamed.status, 200, "{kind:?}");
    assert_eq!(streamed.text(), text, "{kind:?}");
    assert!(
        streamed.is_done && streamed.error.is_none() && !streamed.has_afterthought,
        "{kind:?}: {streamed:?}"
    );
    assert_eq!(streamed.ending, Ending::Complete, "{kind:?}");
    assert_eq!(streamed.finish_reasons(), ["stop"], "{kind:?}");
    let ids: BTreeSet<&str> = streamed
        .chunks
        .iter()
        .filter_map(|c| c["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1, "{kind:?}: one id for a stream: {ids:?}");
    let roles = streamed
        .chunks
        .iter()
        .filter(|c| c["choices"][0]["delta"]["role"].is_string())
        .count();
    assert_eq!(roles, 1, "{kind:?}: one role for a stream");
    assert_eq!(
        streamed.chunks[0]["choices"][0]["delta"]["role"], "assistant",
        "{kind:?}"
    );
    for chunk in &streamed.chunks {
        assert_eq!(chunk["backend"], backend_of(kind), "{chunk}");
        assert_eq!(
            (&chunk["model"], &chunk["object"]),
            (&json!("thox-coder"), &json!("chat.completion.chunk"))
        );
        assert!(chunk["created"].is_u64(), "{chunk}");
        assert!(
            chunk["id"].as_str().unwrap().starts_with("chatcmpl-"),
            "{chunk}"
        );
    }
}

#[tokio::test]
async fn a_stream_is_the_same_from_every_kind_of_engine() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let streamed = stage.stream(&ask_stream("Good morning")).await;
        assert_good(&streamed, kind, "Hello! You said: Good morning");
        assert!(
            streamed.usages().is_empty(),
            "{kind:?}: nobody asked for the usage"
        );
        let header = |name: &str| streamed.headers.get(name).unwrap_or_default().to_owned();
        assert!(
            header("content-type").starts_with("text/event-stream"),
            "{kind:?}"
        );
        assert_eq!(header("x-accel-buffering"), "no", "{kind:?}");
        assert!(header("cache-control").contains("no-cache"), "{kind:?}");
        assert_eq!(
            header("x-thox-route"),
            format!("{}; reason=only", backend_of(kind))
        );
        assert!(!header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn a_stream_is_the_same_however_its_bytes_are_cut() {
    let text = "Grüße aus Köln: 日本語 🙂 data: [DONE] \\n und \"mehr\"";
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Fixed(text.into()));
        for delivery in [
            Delivery::Bursts(3),
            Delivery::Bursts(1000),
            Delivery::Pieces(1),
            Delivery::Pieces(7),
            Delivery::Pieces(64),
        ] {
            stage.script(|s| s.delivery = delivery);
            let streamed = stage.stream(&ask_stream("x")).await;
            assert_good(&streamed, kind, text);
        }
    }
}

#[tokio::test]
async fn the_usage_comes_once_where_it_is_asked_for() {
    // Jetson's server is not asked to count.
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        let body = with(
            ask_stream("x"),
            "stream_options",
            json!({"include_usage": true}),
        );
        let streamed = stage.stream(&body).await;
        assert_good(&streamed, kind, "Hello! You said: x");
        let last = streamed.chunks.last().unwrap();
        assert_eq!(
            streamed.usages().len(),
            1,
            "{kind:?}: {:?}",
            streamed.chunks
        );
        assert_eq!(last["choices"], json!([]), "{kind:?}");
        assert!(
            last["usage"]["completion_tokens"].as_u64().unwrap() > 0,
            "{kind:?}: {last}"
        );
        assert!(
            last["usage"]["prompt_tokens"].as_u64().unwrap() > 0,
            "{kind:?}: {last}"
        );
    }
}

#[tokio::test]
async fn each_token_is_passed_on_when_it_comes() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        stage.script(|s| (s.answering, s.gap) = (Answering::Words(4), Duration::from_millis(150)));
        let started = Instant::now();
        let mut receiving = stage.begin(&ask_stream("x")).await;
        receiving.first_content().await;
        let first = started.elapsed();
        assert!(
            first < Duration::from_millis(400),
            "{kind:?}: the first token took {first:?}"
        );
        let mut before = Instant::now();
        for _ in 0..3 {
            receiving.first_content().await;
            let gap = before.elapsed();
            assert!(
                (100..300).contains(&gap.as_millis()),
                "{kind:?}: {gap:?} between two tokens"
            );
            before = Instant::now();
        }
    }
}

#[tokio::test]
async fn thoughts_are_called_reasoning_content_in_streams_too() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.reasoning = Some("Let me think.".into()));
        let streamed = stage.stream(&ask_stream("x")).await;
        assert_eq!(streamed.reasoning(), "Let me think.", "{kind:?}");
        assert_good(&streamed, kind, "Hello! You said: x");
        assert!(
            streamed
                .chunks
                .iter()
                .all(|c| c["choices"][0]["delta"].get("reasoning").is_none()),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn log_probabilities_ride_with_their_tokens() {
    for kind in [Kind::Ollama, Kind::Trtllm] {
        let stage = Stage::of(kind).await;
        let streamed = stage
            .stream(&with(ask_stream("x"), "logprobs", json!(true)))
            .await;
        let logged = streamed
            .chunks
            .iter()
            .filter(|c| c["choices"][0]["logprobs"]["content"].is_array())
            .count();
        assert!(logged >= 4, "{kind:?}: {logged}");
    }
}

#[tokio::test]
async fn several_choices_are_streamed_apart() {
    let stage = Stage::of(Kind::Trtllm).await;
    let streamed = stage.stream(&with(ask_stream("x"), "n", json!(2))).await;
    for index in 0..2 {
        let ours = || {
            streamed
                .chunks
                .iter()
                .filter(move |c| c["choices"][0]["index"] == index)
        };
        let text: String = ours()
            .filter_map(|c| c["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(text, "Hello! You said: x", "choice {index}");
        let roles = ours()
            .filter(|c| c["choices"][0]["delta"]["role"].is_string())
            .count();
        assert_eq!(roles, 1, "choice {index}");
    }
}

#[tokio::test]
async fn the_last_finish_reason_is_the_engines() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Words(10));
        let streamed = stage
            .stream(&with(ask_stream("x"), "max_tokens", json!(3)))
            .await;
        let expected = if kind == Kind::TrtllmJetson {
            "stop"
        } else {
            "length"
        };
        assert_eq!(streamed.finish_reasons(), [expected], "{kind:?}");
        assert_eq!(streamed.text().split_whitespace().count(), 3, "{kind:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_known_at_once_is_no_stream() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = stage
        .chat(&with(ask_stream("x"), "model", json!("nobody-has-this")))
        .await;
    assert_error(&reply, 404, "model_not_found");
}

#[tokio::test]
async fn a_long_stream_arrives_whole() {
    for kind in [Kind::Ollama, Kind::Trtllm] {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Words(3000));
        let body = with(ask_stream("x"), "max_tokens", json!(10_000));
        for delivery in [Delivery::Events, Delivery::Bursts(50)] {
            stage.script(|s| s.delivery = delivery);
            let streamed = stage.stream(&body).await;
            let words: Vec<String> = (0..3000).map(|n| format!("w{n}")).collect();
            assert_good(&streamed, kind, &words.join(" "));
        }
    }
}

#[tokio::test]
async fn many_streams_at_once_do_not_mix() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|s| s.gap = Duration::from_millis(5));
    let streams = (0..50).map(|n| {
        let stage = &stage;
        async move {
            (
                n,
                stage
                    .stream(&ask_stream(&format!("number {n} of many")))
                    .await,
            )
        }
    });
    let mut ids = BTreeSet::new();
    for (n, streamed) in join_all(streams).await {
        assert_good(
            &streamed,
            Kind::Ollama,
            &format!("Hello! You said: number {n} of many"),
        );
        ids.insert(streamed.chunks[0]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 50);
    assert_eq!(stage.journal().open(), 0);
}

#[tokio::test]
async fn whole_replies_and_streams_share_an_engines_connections() {
    let stage = Stage::of(Kind::Ollama).await;
    for _ in 0..10 {
        stage.stream(&ask_stream("x")).await;
        stage.chat(&ask("x")).await;
    }
    // What looks for models in the background may have connections of its own.
    let seen = stage.journal().connections();
    assert!(
        seen < 10,
        "{seen} connections for 20 requests: they are not kept"
    );
}
