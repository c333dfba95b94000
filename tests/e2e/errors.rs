//! Requests that are wrong, and engines that refuse: each its status, in OpenAI's shape.

use crate::stage::{CHAT, KINDS, Stage, ask, assert_error, name_of, with};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use thox_tests::client::{Connection, Reply, get, post, request};
use thox_tests::doubles::{Fault, Kind};

async fn post_text(stage: &Stage, content_type: &str, body: &[u8]) -> Reply {
    request(
        stage.address(),
        "POST",
        CHAT,
        &[("content-type", content_type)],
        body,
    )
    .await
    .whole()
    .await
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let stage = Stage::of(Kind::Ollama).await;
    for path in [
        "/nothing",
        "/v1",
        "/v1/nothing",
        "/v1/chat",
        "/v2/models",
        "/v1/chat/completions/x",
    ] {
        let reply = get(stage.address(), path).await;
        assert_error(&reply, 404, "not_found");
        assert_eq!(reply.header("x-thox-route"), "none; reason=not_found");
    }
    assert_error(
        &post(stage.address(), "/v1/nothing", &json!({})).await,
        404,
        "not_found",
    );
    for (method, path) in [
        ("GET", CHAT),
        ("DELETE", CHAT),
        ("POST", "/v1/models"),
        ("PUT", "/health"),
        ("GET", "/v1/embeddings"),
    ] {
        let reply = request(stage.address(), method, path, &[], b"")
            .await
            .whole()
            .await;
        assert_error(&reply, 405, "method_not_allowed");
        assert!(
            !reply.header("allow").is_empty(),
            "{method} {path}: no Allow"
        );
    }
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let stage = Stage::of(Kind::Ollama).await;
    let json = "application/json";
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        assert_error(
            &post_text(&stage, kind, ask("x").to_string().as_bytes()).await,
            415,
            "unsupported_media_type",
        );
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 11] = [
        b"",
        b"{",
        b"{\"model\":\"thox-coder\",}",
        b"[]",
        b"null",
        b"\"text\"",
        b"42",
        b"{\"model\":\"thox-coder\"} more",
        b"{\"model\":\"thox-coder\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}",
        b"{\"model\":\"a\",\"model\":\"thox-coder\",\"messages\":[]}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let reply = post_text(&stage, json, body).await;
        assert_eq!(
            reply.status,
            400,
            "{} : {}",
            String::from_utf8_lossy(&body[..body.len().min(60)]),
            reply.text()
        );
        assert_error(&reply, 400, "invalid_request");
    }
    assert!(
        stage.journal().generations().is_empty(),
        "none of them reached the engine"
    );
    // Deep inside a field it is the engine's to refuse; thoxd itself must survive it.
    let inside = format!(r#"{{"model":"thox-coder","messages":[{deep}],"tools":[{deep}]}}"#);
    assert_eq!(post_text(&stage, json, inside.as_bytes()).await.status, 400);
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(
            post_text(&stage, kind, ask("x").to_string().as_bytes())
                .await
                .status,
            200,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_missing_model_names_the_field() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut without = ask("x");
    without.as_object_mut().unwrap().remove("model");
    for body in [
        without,
        with(ask("x"), "model", Value::Null),
        with(ask("x"), "model", json!(7)),
    ] {
        let reply = stage.chat(&body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert_error(&reply, 400, "invalid_request");
        assert_eq!(reply.json()["error"]["param"], "model", "{}", reply.text());
    }
}

#[tokio::test]
async fn an_unknown_model_says_what_there_is() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = stage
        .chat(&with(ask("x"), "model", json!("thox-codr")))
        .await;
    let message = assert_error(&reply, 404, "model_not_found");
    assert!(
        message.contains("thox-codr") && message.contains("thox-coder"),
        "{message}"
    );
    assert_eq!(reply.json()["error"]["param"], "model");
    // In the default catalog, but nothing has it.
    let reply = stage
        .chat(&with(ask("x"), "model", json!("thox-coder-large")))
        .await;
    let message = assert_error(&reply, 404, "model_not_found");
    assert!(
        message.contains("qwen2.5-coder:14b"),
        "it says what to install: {message}"
    );
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let stage = Stage::with(Kind::Ollama, |b| b.text("server", "max_body", "1MiB")).await;
    let large = ask(&"x".repeat(2 << 20)).to_string();
    assert_error(
        &post_text(&stage, "application/json", large.as_bytes()).await,
        413,
        "body_too_large",
    );
    // Without a length, by chunks.
    let mut connection = Connection::open(stage.address()).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.write(head.as_bytes()).await.unwrap();
    for piece in large.as_bytes().chunks(64 << 10) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        // The refusal may come before all is sent.
        if connection.write(&chunk).await.is_err() {
            break;
        }
    }
    let _ = connection.write(b"0\r\n\r\n").await;
    assert_error(
        &connection.receive().await.whole().await,
        413,
        "body_too_large",
    );
    let small = ask(&"x".repeat(500_000)).to_string();
    assert_eq!(
        post_text(&stage, "application/json", small.as_bytes())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn clients_that_are_too_slow() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.text("server", "header_timeout", "400ms")
            .text("server", "body_timeout", "400ms")
    })
    .await;
    let started = Instant::now();
    let mut connection = Connection::open(stage.address()).await.unwrap();
    connection
        .write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n")
        .await
        .unwrap();
    // A status or just the end, but soon: what counts is that the connection does not stay.
    if let Some(receiving) = connection.try_receive().await {
        assert_eq!(receiving.status, 408);
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );

    let mut connection = Connection::open(stage.address()).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    connection.write(head.as_bytes()).await.unwrap();
    assert_error(
        &connection.receive().await.whole().await,
        408,
        "request_timeout",
    );
    // A slow client that does send is served.
    let mut connection = Connection::open(stage.address()).await.unwrap();
    let body = ask("x").to_string();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write(head.as_bytes()).await.unwrap();
    for piece in body.as_bytes().chunks(body.len() / 4) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        connection.write(piece).await.unwrap();
    }
    assert_eq!(connection.receive().await.whole().await.status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_harms_nobody() {
    let stage = Stage::of(Kind::Ollama).await;
    for _ in 0..20 {
        let mut connection = Connection::open(stage.address()).await.unwrap();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"model\""
        );
        connection.write(head.as_bytes()).await.unwrap();
        connection.reset();
    }
    assert_eq!(stage.chat(&ask("x")).await.status, 200);
    assert_eq!(stage.journal().generations().len(), 1);
}

#[tokio::test]
async fn a_client_may_ask_whether_to_go_on() {
    let stage = Stage::of(Kind::Ollama).await;
    let body = ask("x").to_string();
    let headers = [
        ("content-type", "application/json"),
        ("expect", "100-continue"),
    ];
    let receiving = request(stage.address(), "POST", CHAT, &headers, body.as_bytes()).await;
    assert!(
        matches!(receiving.status, 100 | 200),
        "{}",
        receiving.status
    );
}

#[tokio::test]
async fn what_an_engine_refuses_is_told_in_our_words() {
    for kind in KINDS {
        let stage = Stage::with(kind, |b| b.raw("router.circuit", "failures", "1000")).await;
        for (said, status, code) in [
            (400, 400, "invalid_request"),
            (404, 404, "model_not_found"),
            (429, 429, "engine_busy"),
            (500, 502, "engine_error"),
            (503, 503, "queue_full"),
        ] {
            stage.fault(Fault::Status(said));
            for body in [ask("x"), with(ask("x"), "stream", json!(true))] {
                let reply = stage.chat(&body).await;
                let message = assert_error(&reply, status, code);
                assert!(
                    message.contains(name_of(kind)),
                    "{kind:?}: the engine is not named: {message}"
                );
                assert!(
                    !message.contains("{\""),
                    "{kind:?}: raw JSON in a message: {message}"
                );
                if status == 429 || status == 503 {
                    assert!(
                        reply.header("retry-after").parse::<u32>().is_ok(),
                        "{kind:?} {status}: no Retry-After"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn an_engine_that_speaks_no_http_or_no_json() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault(Fault::Garbage);
    assert_error(&stage.chat(&ask("x")).await, 502, "engine_error");
    stage.fault(Fault::BadEvent { after: 0 });
    assert_error(&stage.chat(&ask("x")).await, 502, "engine_error");
    stage.heal();
    assert_eq!(stage.chat(&ask("x")).await.status, 200);
}

#[tokio::test]
async fn a_key_that_an_engine_wants_is_sent_and_the_clients_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-engine\n").unwrap();
    let stage = Stage::with(Kind::EdgeLlm, |b| {
        b.text("engines.edge", "api_key_file", file.to_str().unwrap())
    })
    .await;
    stage.script(|s| s.api_key = Some("sk-engine".into()));
    let headers = [("authorization", "Bearer sk-client"), ("cookie", "a=b")];
    let reply = thox_tests::client::post_with(stage.address(), CHAT, &headers, &ask("x")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = &stage.journal().generations()[0];
    assert_eq!(seen.headers.get("authorization"), Some("Bearer sk-engine"));
    assert!(seen.headers.get("cookie").is_none());
    stage.script(|s| s.api_key = Some("sk-other".into()));
    let reply = stage.chat(&ask("x")).await;
    let message = assert_error(&reply, 502, "engine_error");
    assert!(!message.contains("sk-"), "{message}");
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_back() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.raw("engines.ollama", "slots", "1")
            .raw("engines.ollama", "queue", "1")
    })
    .await;
    stage.fault(Fault::HangBeforeHead);
    let mut waiting = Vec::new();
    for count in 1..=2 {
        let mut connection = Connection::open(stage.address()).await.unwrap();
        connection.post(CHAT, &ask("x")).await.unwrap();
        waiting.push(connection);
        stage.wait_open(1).await;
        if count == 2 {
            wait_queued(&stage, 1).await;
        }
    }
    let reply = stage.chat(&ask("x")).await;
    assert_error(&reply, 503, "queue_full");
    assert!(reply.header("retry-after").parse::<u32>().is_ok());
    assert_eq!(stage.journal().generations().len(), 1, "one at a time");
}

async fn wait_queued(stage: &Stage, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let status = get(stage.address(), "/router/status").await.json();
        let queued: u64 = status["backends"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|b| b["queued"].as_u64())
            .sum();
        if queued == count {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{queued} requests are queued, not {count}"
        );
    }
}

#[tokio::test]
async fn error_bodies_never_carry_what_only_the_log_may() {
    let stage = Stage::of(Kind::Ollama).await;
    for reply in [
        stage.chat(&json!({"model": "x"})).await,
        get(stage.address(), "/nothing").await,
        post_text(&stage, "text/plain", b"x").await,
    ] {
        let error: Value = reply.json()["error"].clone();
        crate::stage::assert_error_object(&error);
        let text = error.to_string();
        assert!(!text.contains("src/") && !text.contains(".rs"), "{text}");
    }
}
