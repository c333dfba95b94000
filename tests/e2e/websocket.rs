//! `/v1/stream`: chat over a WebSocket.

use crate::stage::{KINDS, Stage, ask, assert_error_object, backend_of, with};
use futures_util::SinkExt;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use thox_tests::client::get;
use thox_tests::doubles::{Answering, Fault, Kind, Stage as Point};
use thox_tests::patience::within;
use thox_tests::websocket::{Socket, text_of};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

async fn connect(stage: &Stage) -> Socket {
    Socket::connect(stage.address(), "/v1/stream", &[])
        .await
        .expect("the upgrade")
}

fn with_id(text: &str, id: &str) -> Value {
    with(ask(text), "request_id", json!(id))
}

#[tokio::test]
async fn a_chat_is_streamed_from_every_kind_of_engine() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let mut socket = connect(&stage).await;
        socket.send(&ask("Hello!")).await;
        let messages = socket.answer(None).await;
        assert_eq!(text_of(&messages), "Hello! You said: Hello!", "{kind:?}");
        let (done, deltas) = messages.split_last().unwrap();
        for delta in deltas {
            assert_eq!(delta["type"], "delta", "{kind:?}: {delta}");
            assert_eq!(delta["object"], "chat.completion.chunk");
            assert_eq!(
                (&delta["backend"], &delta["model"]),
                (&json!(backend_of(kind)), &json!("thox-coder"))
            );
            assert!(
                delta.get("request_id").is_none(),
                "nobody gave one: {delta}"
            );
            assert!(
                delta["choices"].as_array().is_some_and(|c| !c.is_empty()),
                "{kind:?}: {delta}"
            );
        }
        assert_eq!(done["type"], "done", "{kind:?}");
        assert_eq!(
            (&done["backend"], &done["model"]),
            (&json!(backend_of(kind)), &json!("thox-coder"))
        );
        assert_eq!(done["finish_reason"], "stop", "{kind:?}");
        // Jetson's server is not asked to count.
        assert!(
            kind == Kind::TrtllmJetson
                || done["usage"]["total_tokens"]
                    .as_u64()
                    .is_some_and(|n| n > 0),
            "{kind:?}: {done}"
        );
    }
}

#[tokio::test]
async fn several_requests_share_a_connection_at_once() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|s| s.gap = Duration::from_millis(30));
    let mut socket = connect(&stage).await;
    for n in 0..5 {
        socket
            .send(&with_id(&format!("number {n} of five"), &format!("r{n}")))
            .await;
    }
    let mut all = Vec::new();
    let mut done = 0;
    while done < 5 {
        let message = socket.json().await;
        done += usize::from(message["type"] == "done");
        assert_ne!(message["type"], "error", "{message}");
        all.push(message);
    }
    for n in 0..5 {
        let ours: Vec<Value> = all
            .iter()
            .filter(|m| m["request_id"] == format!("r{n}"))
            .cloned()
            .collect();
        assert_eq!(
            text_of(&ours),
            format!("Hello! You said: number {n} of five")
        );
    }
    let first_done = all.iter().position(|m| m["type"] == "done").unwrap();
    let begun = (0..5)
        .filter(|n| {
            all[..first_done]
                .iter()
                .any(|m| m["request_id"] == format!("r{n}"))
        })
        .count();
    assert_eq!(begun, 5, "they run one after the other");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut socket = connect(&stage).await;
    for n in 0..10 {
        socket.send(&ask(&format!("number {n}"))).await;
        assert_eq!(
            text_of(&socket.answer(None).await),
            format!("Hello! You said: number {n}")
        );
    }
}

#[tokio::test]
async fn a_request_can_be_cancelled_and_the_others_go_on() {
    for kind in [Kind::Ollama, Kind::EdgeLlm] {
        let stage = Stage::of(kind).await;
        stage
            .script(|s| (s.answering, s.gap) = (Answering::Words(2000), Duration::from_millis(10)));
        let mut socket = connect(&stage).await;
        for round in 1..=10 {
            socket.send(&with_id("x", "long")).await;
            while socket.json().await["request_id"] != "long" {}
            let told = Instant::now();
            socket
                .send(&json!({"type": "cancel", "request_id": "long"}))
                .await;
            let cancelled = stage.wait_cancelled(round).await;
            assert!(
                cancelled.at - told < Duration::from_millis(100),
                "{kind:?}: {:?}",
                cancelled.at - told
            );
            assert_cancelled(&mut socket, "long").await;
        }
        stage.script(|s| (s.answering, s.gap) = (Answering::Natural, Duration::ZERO));
        socket.send(&with_id("still there?", "next")).await;
        assert_eq!(
            text_of(&socket.answer(Some("next")).await),
            "Hello! You said: still there?"
        );
    }
}

#[tokio::test]
async fn a_request_can_be_cancelled_before_its_first_token() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault(Fault::HangBeforeHead);
    let mut socket = connect(&stage).await;
    for round in 1..=5 {
        socket.send(&with_id("x", "quiet")).await;
        stage.wait_open(1).await;
        let told = Instant::now();
        socket
            .send(&json!({"type": "cancel", "request_id": "quiet"}))
            .await;
        let cancelled = stage.wait_cancelled(round).await;
        assert_eq!(cancelled.stage, Point::BeforeHead);
        assert!(
            cancelled.at - told < Duration::from_millis(100),
            "{:?}",
            cancelled.at - told
        );
        assert_cancelled(&mut socket, "quiet").await;
        stage.wait_open(0).await;
    }
}

/// A cancelled request ends in an error event that says so; its id is free from then on.
async fn assert_cancelled(socket: &mut Socket, id: &str) {
    let messages = socket.answer(Some(id)).await;
    let last = messages.last().unwrap();
    assert_eq!(
        (&last["type"], &last["error"]["code"]),
        (&json!("error"), &json!("cancelled")),
        "{last}"
    );
}

#[tokio::test]
async fn pings_are_answered_also_during_a_stream() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault(Fault::Hang { after: 1 });
    let mut socket = connect(&stage).await;
    socket.send(&ask("x")).await;
    socket.json().await;
    socket
        .0
        .send(Message::Ping(b"are you there".to_vec().into()))
        .await
        .unwrap();
    let pong = within("a pong", async {
        use futures_util::StreamExt;
        loop {
            if let Message::Pong(payload) = socket.0.next().await.unwrap().unwrap() {
                return payload;
            }
        }
    });
    assert_eq!(pong.await.as_ref(), b"are you there");
}

#[tokio::test]
async fn messages_that_are_no_request_are_answered_and_harm_nothing() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut socket = connect(&stage).await;
    for (text, code) in [
        ("", "invalid_request"),
        ("{", "invalid_request"),
        ("[]", "invalid_request"),
        ("42", "invalid_request"),
        (r#"{"messages":[]}"#, "invalid_request"),
        (r#"{"type":"surprise"}"#, "invalid_request"),
        (
            r#"{"model":"nobody-has-this","messages":[],"request_id":"r"}"#,
            "model_not_found",
        ),
    ] {
        socket.send_text(text).await;
        let error = socket.json().await;
        assert_eq!(
            (&error["type"], &error["error"]["code"]),
            (&json!("error"), &json!(code)),
            "{text}: {error}"
        );
        assert_error_object(&error["error"]);
        if text.contains("request_id") {
            assert_eq!(error["request_id"], "r");
        }
    }
    socket
        .send(&json!({"type": "cancel", "request_id": "never-was"}))
        .await;
    socket.send(&ask("still there?")).await;
    let messages = socket.answer(None).await;
    assert!(
        text_of(&messages).contains("still there?") || messages[0]["type"] == "error",
        "{messages:?}"
    );
}

#[tokio::test]
async fn an_engine_that_breaks_off_is_an_error_event() {
    for kind in KINDS {
        let stage = Stage::with(kind, |b| b.raw("router.circuit", "failures", "1000")).await;
        stage.script(|s| s.answering = Answering::Words(10));
        let mut socket = connect(&stage).await;
        for fault in [
            Fault::Close { after: 3 },
            Fault::Reset { after: 3 },
            Fault::CloseBeforeHead,
            Fault::Status(500),
        ] {
            stage.fault(fault);
            socket.send(&with_id("x", "r")).await;
            let messages = socket.answer(Some("r")).await;
            let last = messages.last().unwrap();
            assert_eq!(last["type"], "error", "{kind:?} {fault:?}: {last}");
            assert_eq!(last["error"]["code"], "engine_error", "{kind:?} {fault:?}");
            assert_error_object(&last["error"]);
            let finished = messages
                .iter()
                .any(|m| m["choices"][0]["finish_reason"].is_string());
            assert!(!finished, "{kind:?} {fault:?}: it looks finished");
        }
        stage.heal();
        socket.send(&with_id("x", "again")).await;
        assert_eq!(
            socket.answer(Some("again")).await.last().unwrap()["type"],
            "done",
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_with_1009() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.text("server", "websocket_max_message", "64KiB")
    })
    .await;
    let mut socket = connect(&stage).await;
    socket.send(&ask(&"x".repeat(30_000))).await;
    assert_eq!(socket.answer(None).await.last().unwrap()["type"], "done");
    // The server may close while we still send.
    let _ = socket
        .0
        .send(Message::text(ask(&"x".repeat(200_000)).to_string()))
        .await;
    match socket.next().await {
        Some(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Size),
        other => panic!("no close: {other:?}"),
    }
}

#[tokio::test]
async fn a_slow_reader_does_not_grow_memory() {
    let stage = Stage::of(Kind::Ollama).await;
    // 48 MB in pieces of 4 KB.
    let word = "x".repeat(4095);
    let text = std::iter::repeat_n(word.as_str(), 12_000)
        .collect::<Vec<_>>()
        .join(" ");
    stage.script(|s| s.answering = Answering::Fixed(text));
    let mut socket = connect(&stage).await;
    socket.send(&ask("warm up")).await;
    socket.json().await;
    let before = resident_bytes(stage.thoxd.process.pid());
    sleep(Duration::from_secs(2)).await;
    let after = resident_bytes(stage.thoxd.process.pid());
    assert!(
        after < before + (12 << 20),
        "{before} bytes became {after} while nobody read"
    );
    assert_eq!(stage.journal().open(), 1, "the engine waits");
    // And the rest is still there to be had.
    for _ in 0..200 {
        assert_eq!(socket.json().await["type"], "delta");
    }
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("thoxd runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        * 1024
}

#[tokio::test]
async fn a_closed_connection_ends_its_requests() {
    let stage = Stage::of(Kind::EdgeLlm).await;
    stage.fault(Fault::Hang { after: 2 });
    for round in 1..=10 {
        let mut socket = connect(&stage).await;
        socket.send(&ask("x")).await;
        socket.json().await;
        let gone = Instant::now();
        if round % 2 == 0 {
            let _ = socket.0.close(None).await;
        }
        drop(socket);
        let cancelled = stage.wait_cancelled(round).await;
        assert!(
            cancelled.at - gone < Duration::from_millis(100),
            "{:?}",
            cancelled.at - gone
        );
    }
}

#[tokio::test]
async fn a_plain_get_is_told_to_upgrade() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = get(stage.address(), "/v1/stream").await;
    assert!(matches!(reply.status, 400 | 426), "{}", reply.text());
    assert_error_object(&reply.json()["error"]);
}

#[tokio::test]
async fn an_upgrade_elsewhere_is_none() {
    let stage = Stage::of(Kind::Ollama).await;
    match Socket::connect(stage.address(), "/v1/models", &[]).await {
        Err(Error::Http(response)) => assert!(response.status() != 101),
        Err(_) => {}
        Ok(_) => panic!("it was upgraded"),
    }
}

#[tokio::test]
async fn tools_work_over_the_socket() {
    let stage = Stage::of(Kind::Trtllm).await;
    let mut socket = connect(&stage).await;
    let tools =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]);
    socket
        .send(&with(ask("the weather?"), "tools", tools))
        .await;
    let messages = socket.answer(None).await;
    let arguments: String = messages
        .iter()
        .filter_map(|m| m["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert_eq!(arguments, "{}");
    assert_eq!(messages.last().unwrap()["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn a_binary_message_is_refused_or_read_but_never_ignored() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut socket = connect(&stage).await;
    socket
        .0
        .send(Message::binary(ask("x").to_string().into_bytes()))
        .await
        .unwrap();
    assert!(
        timeout(Duration::from_secs(5), socket.next()).await.is_ok(),
        "no answer to a binary message"
    );
}
