//! Behaviour under trouble, 7: prompts and replies are in no log, at any level, and in no error.
//!
//! - `artefacts`: nor are keys and claim codes, and none of it is in any file or status either

mod artefacts;

use crate::stage::{CHAT, KINDS, Stage, ask, ask_stream, with};
use serde_json::{Value, json};
use thox_tests::client::{Connection, begin, post, request};
use thox_tests::doubles::{Answering, Fault, Kind};
use thox_tests::websocket::Socket;

/// Words that stand nowhere but in prompts and replies.
const CANARY: &str = "zanzibar-canary-7431";
const REPLY_CANARY: &str = "tiramisu-canary-9902";

fn body() -> Value {
    let tools = json!([{"type": "function", "function": {"name": "f", "description": CANARY, "parameters": {}}}]);
    let messages = json!([{"role": "system", "content": CANARY}, {"role": "user", "content": [{"type": "text", "text": CANARY}]}]);
    json!({"model": "thox-coder", "messages": messages, "tools": tools, "metadata": {"secret": CANARY}})
}

#[tokio::test]
async fn no_word_of_a_prompt_or_a_reply_is_logged_or_told_in_an_error() {
    for kind in KINDS {
        let settings = |b: thox_tests::thoxd::Builder| {
            b.log("trace")
                .raw("router.circuit", "failures", "1000")
                .text(
                    &format!("engines.{}", crate::stage::name_of(kind)),
                    "stall_timeout",
                    "300ms",
                )
        };
        let stage = Stage::with(kind, settings).await;
        stage.script(|s| {
            s.answering = Answering::Fixed(format!("{REPLY_CANARY} and more {REPLY_CANARY}"));
            s.reasoning = (kind != Kind::TrtllmJetson).then(|| format!("thinking {REPLY_CANARY}"));
        });
        let plain = body();
        let stream = with(body(), "stream", json!(true));
        let reply = stage.chat(&plain).await;
        assert!(
            reply.status == 200 && reply.text().contains(REPLY_CANARY),
            "{kind:?}: {}",
            reply.text()
        );
        let streamed = stage.stream(&stream).await;
        assert!(streamed.text().contains(REPLY_CANARY));
        for fault in [
            Fault::Status(400),
            Fault::Status(500),
            Fault::Close { after: 2 },
            Fault::Hang { after: 2 },
            Fault::Truncate { after: 2 },
            Fault::BadEvent { after: 2 },
            Fault::ErrorEvent { after: 2 },
            Fault::Garbage,
            Fault::CloseBeforeHead,
        ] {
            stage.fault(fault);
            let reply = stage.chat(&plain).await;
            if reply.status != 200 {
                assert_silent(&reply.text(), &format!("{kind:?} {fault:?}"));
            }
            let receiving = begin(stage.address(), CHAT, &stream).await;
            if receiving.status == 200 {
                let error = receiving
                    .stream()
                    .await
                    .error
                    .unwrap_or_default()
                    .to_string();
                assert_silent(&error, &format!("{kind:?} {fault:?}"));
            } else {
                assert_silent(
                    &receiving.whole().await.text(),
                    &format!("{kind:?} {fault:?}"),
                );
            }
        }
        stage.heal();
        other_doors(&stage).await;
        let log = stage.thoxd.log();
        assert!(
            log.contains("TRACE") || log.contains("DEBUG"),
            "the log is not at trace level:\n{log}"
        );
        assert_silent(&log, &format!("{kind:?}, the log"));
    }
}

/// What a client sends otherwise: completions, embeddings, a socket, broken and refused requests, one that leaves.
async fn other_doors(stage: &Stage) {
    let address = stage.address();
    for (path, body) in [
        (
            "/v1/completions",
            json!({"model": "thox-coder", "prompt": CANARY}),
        ),
        (
            "/v1/embeddings",
            json!({"model": "nomic-embed-text", "input": CANARY}),
        ),
        (CHAT, with(ask(CANARY), "model", json!("nobody"))),
        // What an engine refuses, with a message that repeats what it got.
        (CHAT, json!({"model": "thox-coder", "messages": CANARY})),
        (
            CHAT,
            json!({"model": "thox-coder", "messages": [{"role": "user", "content": {"odd": CANARY}}]}),
        ),
        (
            CHAT,
            with(ask(CANARY), "response_format", json!({"type": CANARY})),
        ),
        (
            CHAT,
            with(ask(CANARY), "tool_choice", json!({"type": CANARY})),
        ),
    ] {
        let reply = post(address, path, &body).await;
        if reply.status != 200 {
            assert_silent(&reply.text(), path);
        }
    }
    for text in [
        format!("{{\"model\": {CANARY}"),
        format!("{CANARY} is no JSON"),
        format!("[\"{CANARY}\"]"),
    ] {
        let reply = request(
            address,
            "POST",
            CHAT,
            &[("content-type", "application/json")],
            text.as_bytes(),
        );
        assert_silent(&reply.await.whole().await.text(), "broken JSON");
    }
    let mut socket = Socket::connect(address, "/v1/stream", &[])
        .await
        .expect("the upgrade");
    socket.send(&ask(CANARY)).await;
    socket.answer(None).await;
    socket.send_text(&format!("{{ {CANARY}")).await;
    assert_silent(&socket.json().await.to_string(), "a broken message");
    drop(socket);
    stage.fault(Fault::Hang { after: 2 });
    let mut connection = Connection::open(address).await.unwrap();
    connection.post(CHAT, &ask_stream(CANARY)).await.unwrap();
    stage.wait_open(1).await;
    drop(connection);
    stage.wait_open(0).await;
}

#[track_caller]
fn assert_silent(text: &str, what: &str) {
    for canary in [CANARY, REPLY_CANARY] {
        if let Some(at) = text.find(canary) {
            let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
            let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
            panic!(
                "{what} repeats what a client or a model said: {}",
                &text[start..end]
            );
        }
    }
}

#[tokio::test]
async fn no_key_is_logged() {
    let stage = Stage::with(Kind::Ollama, |b| b.log("trace")).await;
    let headers = [
        ("authorization", "Bearer sk-secret-5531"),
        ("cookie", "session=secret-5531"),
    ];
    thox_tests::client::post_with(stage.address(), CHAT, &headers, &ask("x")).await;
    assert!(!stage.thoxd.log().contains("secret-5531"));
}
