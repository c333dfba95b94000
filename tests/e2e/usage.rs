//! Behaviour under trouble, 8: tokens are counted for every answer, also for streams whose client did not ask.

use crate::stage::{CHAT, Stage, ask, ask_stream, with};
use serde_json::json;
use thox_tests::client::{Connection, get, post};
use thox_tests::doubles::{Answering, Fault, Kind};

/// The sum of all samples of a metric whose labels contain `labels`.
async fn metric(stage: &Stage, name: &str, labels: &str) -> f64 {
    let text = get(stage.address(), "/metrics").await.text();
    let lines = text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(labels));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Waits until a metric has a value: a stream's end is recorded when its last byte has been read.
async fn wait_metric(stage: &Stage, name: &str, labels: &str, value: f64) {
    let mut have = f64::NAN;
    for _ in 0..300 {
        have = metric(stage, name, labels).await;
        if (have - value).abs() < 0.01 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let text = get(stage.address(), "/metrics").await.text();
    panic!("{name}{{{labels}}} is {have}, not {value}:\n{text}");
}

#[tokio::test]
async fn tokens_are_counted_in_streams_that_did_not_ask() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        stage.script(|s| s.answering = Answering::Words(9));
        let streamed = stage.stream(&ask_stream("one two three")).await;
        assert!(
            streamed.usages().is_empty(),
            "{kind:?}: the client did not ask"
        );
        wait_metric(&stage, "thox_tokens_total", "completion", 9.0).await;
        // Three words and what a message costs besides.
        wait_metric(&stage, "thox_tokens_total", "prompt", 7.0).await;
        let sent = stage.journal().generations()[0].json();
        assert_eq!(sent["stream_options"]["include_usage"], true, "{kind:?}");
    }
}

#[tokio::test]
async fn what_an_engine_does_not_count_is_counted_as_it_goes_by() {
    let stage = Stage::of(Kind::TrtllmJetson).await;
    stage.script(|s| s.answering = Answering::Words(9));
    stage.stream(&ask_stream("x")).await;
    let counted = async {
        // Pieces are not quite tokens: one more or less is no matter.
        while !(8.0..=10.0).contains(&metric(&stage, "thox_tokens_total", "completion").await) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    thox_tests::patience::within("about 9 tokens to be counted", counted).await;
}

#[tokio::test]
async fn tokens_are_counted_in_whole_replies_and_completions() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|s| s.answering = Answering::Words(9));
    stage.chat(&ask("x")).await;
    wait_metric(&stage, "thox_tokens_total", "completion", 9.0).await;
    let body = json!({"model": "thox-coder", "prompt": "x", "stream": true});
    thox_tests::client::begin(stage.address(), "/v1/completions", &body)
        .await
        .stream()
        .await;
    wait_metric(&stage, "thox_tokens_total", "completion", 18.0).await;
}

#[tokio::test]
async fn what_a_client_says_of_usage_is_what_it_gets() {
    for kind in [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        for (options, expected) in [
            (json!({"include_usage": true}), 1),
            (json!({"include_usage": false}), 0),
            (json!({}), 0),
            (json!(null), 0),
        ] {
            let streamed = stage
                .stream(&with(ask_stream("x"), "stream_options", options.clone()))
                .await;
            assert_eq!(streamed.usages().len(), expected, "{kind:?} {options}");
            assert!(streamed.is_done, "{kind:?} {options}");
            let empty = streamed
                .chunks
                .iter()
                .filter(|c| c["choices"] == json!([]))
                .count();
            assert_eq!(
                empty, expected,
                "{kind:?} {options}: chunks without choices"
            );
        }
    }
}

#[tokio::test]
async fn what_runs_is_counted_and_what_has_ended_is_not() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault(Fault::Hang { after: 2 });
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(stage.address()).await.unwrap();
        connection.post(CHAT, &ask_stream("x")).await.unwrap();
        connections.push(connection);
    }
    stage.wait_open(3).await;
    wait_metric(&stage, "thox_requests_in_flight", "", 3.0).await;
    drop(connections);
    stage.wait_cancelled(3).await;
    wait_metric(&stage, "thox_requests_in_flight", "", 0.0).await;
}

#[tokio::test]
async fn labels_stay_few_whatever_clients_send() {
    let stage = Stage::of(Kind::Ollama).await;
    for n in 0..50 {
        stage
            .chat(&with(ask("x"), "model", json!(format!("made-up-{n}"))))
            .await;
        post(stage.address(), &format!("/made/up/{n}"), &json!({})).await;
    }
    let text = get(stage.address(), "/metrics").await.text();
    assert!(
        !text.contains("made"),
        "a client's words are labels:\n{text}"
    );
}
