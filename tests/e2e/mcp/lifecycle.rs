//! Beginning, versions, sessions and their end, what is refused.

use super::{Client, NEW, OLD, USUAL, answer, initialize, next, raw};
use crate::stage::Stage;
use serde_json::{Value, json};
use std::time::Duration;
use thox_tests::client::request;
use thox_tests::doubles::Kind;

#[tokio::test]
async fn a_client_of_each_revision_is_served_in_its_own() {
    let stage = Stage::of(Kind::Ollama).await;
    for version in ["2025-03-26", "2025-06-18", OLD] {
        let client = Client::session_with(stage.address(), version, &[]).await;
        let tools = client.ask("tools/list", json!({})).await;
        assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 4);
        assert_eq!(client.ask("ping", json!({})).await["result"], json!({}));
    }
    // Who begins with a revision that has no beginning, or with one that is none, gets the newest that has.
    for version in [NEW, "1999-01-01"] {
        let reply = raw(
            stage.address(),
            "POST",
            &USUAL,
            &initialize(version).to_string(),
        )
        .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains(OLD), "{}", reply.text());
    }
}

#[tokio::test]
async fn the_newest_revision_needs_no_session() {
    let stage = Stage::of(Kind::Ollama).await;
    let client = Client::stateless(stage.address());
    let found = client.ask("server/discover", json!({})).await;
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(
        versions.contains(&json!(NEW)) && versions.contains(&json!(OLD)),
        "{found}"
    );
    assert!(!versions.contains(&json!("2024-11-05")), "{found}");
    let (_, receiving) = client.begin("tools/list", json!({})).await;
    assert!(receiving.headers.get("mcp-session-id").is_none());
    assert_eq!(
        answer(receiving).await["result"]["tools"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn it_says_who_it_is_and_what_it_can() {
    let stage = Stage::of(Kind::Ollama).await;
    let reply = raw(
        stage.address(),
        "POST",
        &USUAL,
        &initialize(OLD).to_string(),
    )
    .await;
    let text = reply.text();
    assert!(!reply.header("x-request-id").is_empty());
    for word in [
        "\"name\":\"thox\"",
        "\"tools\"",
        "\"resources\"",
        "\"prompts\"",
        "instructions",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn a_session_ends_when_its_client_says_so() {
    let stage = Stage::of(Kind::Ollama).await;
    let client = Client::session(stage.address()).await;
    let session = [("mcp-session-id", client.session_id())];
    let mut listening = listen(&stage, &client).await;
    assert_eq!(listening.status, 200);
    assert_eq!(
        raw(stage.address(), "DELETE", &session, "").await.status,
        202
    );
    assert!(next(&mut listening).await.is_none(), "its stream ends");
    let (_, gone) = client.begin("tools/list", json!({})).await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.whole().await.json()["error"]["code"], -32001);
    assert_eq!(
        raw(stage.address(), "DELETE", &session, "").await.status,
        404
    );
}

async fn listen(stage: &Stage, client: &Client) -> thox_tests::client::Receiving {
    let headers = [
        ("mcp-session-id", client.session_id()),
        ("mcp-protocol-version", OLD),
        ("accept", "text/event-stream"),
    ];
    request(stage.address(), "GET", "/mcp", &headers, b"").await
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder.text("mcp", "session_idle_timeout", "300ms")
    })
    .await;
    let idle = Client::session(stage.address()).await;
    let listens = Client::session(stage.address()).await;
    let _stream = listen(&stage, &listens).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let (_, gone) = idle.begin("tools/list", json!({})).await;
    assert_eq!(gone.status, 404);
    let (_, kept) = listens.begin("tools/list", json!({})).await;
    assert_eq!(kept.status, 200, "who listens is there");
}

#[tokio::test]
async fn there_are_so_many_sessions_and_the_one_out_of_use_makes_room() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder.raw("mcp", "max_sessions", "2")
    })
    .await;
    let first = Client::session(stage.address()).await;
    let second = Client::session(stage.address()).await;
    first.ask("ping", json!({})).await;
    let third = Client::session(stage.address()).await;
    let (_, gone) = second.begin("ping", json!({})).await;
    assert_eq!(gone.status, 404, "the one that was used longest ago");
    let _streams = (listen(&stage, &first).await, listen(&stage, &third).await);
    let full = raw(
        stage.address(),
        "POST",
        &USUAL,
        &initialize(OLD).to_string(),
    )
    .await;
    assert_eq!(full.status, 503, "{}", full.text());
    assert_eq!(full.json()["error"]["data"]["code"], "queue_full");
    assert_eq!(full.json()["id"], 1);
    assert!(!full.header("retry-after").is_empty());
    // Who needs no session is served all the same.
    Client::stateless(stage.address())
        .ask("tools/list", json!({}))
        .await;
}

#[tokio::test]
async fn what_is_no_message_is_told_so() {
    let stage = Stage::of(Kind::Ollama).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let batch = format!("[{list}]");
    let json = USUAL[0];
    let plain = ("content-type", "text/plain");
    let no_session = [
        USUAL[0],
        USUAL[1],
        ("mcp-session-id", "00000000-0000-4000-8000-000000000000"),
    ];
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Headers<'_>, &str, u16, i64); 9] = [
        (&USUAL, "{", 400, -32700),
        (&USUAL, "canary-77", 400, -32700),
        (&USUAL, &batch, 400, -32600),
        (&USUAL, r#"{"hello":"canary-77"}"#, 400, -32600),
        (&USUAL, list, 400, -32600),
        (&[json], list, 406, -32600),
        (&[plain, USUAL[1]], list, 415, -32600),
        (&[USUAL[1]], list, 415, -32600),
        (&no_session, list, 404, -32001),
    ];
    for (headers, body, status, code) in cases {
        let reply = raw(stage.address(), "POST", headers, body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "application/json", "{body}");
        let error: Value = reply.json();
        assert_eq!(error["jsonrpc"], "2.0");
        assert_eq!(error["error"]["code"], code, "{body}: {error}");
        assert!(error["error"]["message"].as_str().unwrap().len() > 20);
        assert!(!error.to_string().contains("canary-77"), "{error}");
    }
    let get = raw(
        stage.address(),
        "GET",
        &[("accept", "text/event-stream")],
        "",
    )
    .await;
    assert_eq!(get.status, 400, "{}", get.text());
    assert_eq!(raw(stage.address(), "PUT", &USUAL, list).await.status, 405);
}

#[tokio::test]
async fn a_body_has_its_limits() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder
            .text("mcp", "max_message", "64KiB")
            .text("server", "body_timeout", "300ms")
    })
    .await;
    let large =
        json!({"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"a": "x".repeat(70_000)}});
    let reply = raw(stage.address(), "POST", &USUAL, &large.to_string()).await;
    assert_eq!(reply.status, 413);
    assert_eq!(reply.json()["error"]["data"]["code"], "body_too_large");
    let mut slow = thox_tests::client::Connection::open(stage.address())
        .await
        .unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: 100\r\n\r\n{{",
        stage.address()
    );
    slow.write(head.as_bytes()).await.unwrap();
    assert_eq!(slow.receive().await.whole().await.status, 408);
}

#[tokio::test]
async fn an_unknown_method_is_a_protocol_error() {
    let stage = Stage::of(Kind::Ollama).await;
    for client in Client::both(stage.address()).await {
        let reply = client.ask("tools/dance", json!({})).await;
        assert_eq!(reply["error"]["code"], -32601, "{reply}");
        let reply = client
            .ask("tools/call", json!({"name": "thox_dance", "arguments": {}}))
            .await;
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
        assert!(
            reply["error"]["message"]
                .as_str()
                .unwrap()
                .contains("thox_explain")
        );
    }
}

#[tokio::test]
async fn it_stops_in_peace_while_clients_listen() {
    let mut stage = Stage::of(Kind::Ollama).await;
    let client = Client::session(stage.address()).await;
    let mut stream = listen(&stage, &client).await;
    let started = std::time::Instant::now();
    stage.thoxd.process.signal("TERM");
    assert!(next(&mut stream).await.is_none());
    assert!(stage.thoxd.process.wait_exit().await.success());
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}
