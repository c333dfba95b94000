//! Whoever cancels a tool, or goes, stops the engine within 100 ms; in a session who comes back soon gets the result.

use super::{Client, OLD, answer, next};
use crate::stage::Stage;
use serde_json::json;
use std::time::{Duration, Instant};
use thox_tests::client::{Receiving, request};
use thox_tests::doubles::{Answering, Fault, Kind, Stage as Point};
use tokio::time::sleep;

const ROUNDS: usize = 10;
const LIMIT: Duration = Duration::from_millis(100);

const POINTS: [(Fault, Point); 3] = [
    (Fault::HangBeforeHead, Point::BeforeHead),
    (Fault::HangAfterHead, Point::BeforeFirstToken),
    (Fault::Hang { after: 3 }, Point::InStream),
];

async fn begin(stage: &Stage, client: &Client) -> (u64, Receiving) {
    let params = json!({
        "name": "thox_explain", "arguments": {"code": "x"}, "_meta": {"progressToken": 1},
    });
    let begun = client.begin("tools/call", params).await;
    stage.wait_open(1).await;
    sleep(Duration::from_millis(20)).await;
    begun
}

async fn assert_stopped(stage: &Stage, count: usize, since: Instant, point: Point) {
    let cancelled = stage.wait_cancelled(count).await;
    let took = cancelled.at.saturating_duration_since(since);
    assert!(
        took < LIMIT,
        "{point:?} {count}: the engine went on for {took:?}"
    );
    assert_eq!(cancelled.stage, point);
    stage.wait_open(0).await;
}

#[tokio::test]
async fn a_cancelled_notification_stops_the_engine() {
    for (fault, point) in POINTS {
        let stage = Stage::of(Kind::EdgeLlm).await;
        stage.fault(fault);
        let client = Client::session(stage.address()).await;
        for round in 1..=ROUNDS {
            let (id, mut receiving) = begin(&stage, &client).await;
            let params = json!({"requestId": id, "reason": "changed my mind"});
            let message =
                json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
            let cancelled = Instant::now();
            assert_eq!(client.post(&message).await.status, 202);
            assert_stopped(&stage, round, cancelled, point).await;
            while let Some(message) = next(&mut receiving).await {
                assert!(
                    message.get("id").is_none(),
                    "nothing is answered: {message}"
                );
            }
        }
        stage.heal();
        client.done("thox_explain", json!({"code": "x"})).await;
    }
}

#[tokio::test]
async fn a_client_without_a_session_stops_the_engine_by_leaving() {
    for (fault, point) in POINTS {
        let stage = Stage::of(Kind::EdgeLlm).await;
        stage.fault(fault);
        let client = Client::stateless(stage.address());
        for round in 1..=ROUNDS {
            let (_, receiving) = begin(&stage, &client).await;
            let left = Instant::now();
            let connection = receiving.into_connection();
            if round % 2 == 0 {
                connection.reset();
            } else {
                drop(connection);
            }
            assert_stopped(&stage, round, left, point).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_anything_has_come_stops_the_engine_too() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder.text("server", "keep_alive_comment_after", "200ms")
    })
    .await;
    stage.fault(Fault::HangBeforeHead);
    let client = Client::stateless(stage.address());
    let params = json!({"name": "thox_explain", "arguments": {"code": "x"}});
    let message = client.message(1, "tools/call", params).to_string();
    for (round, wait) in [(1, 20), (2, 500)] {
        let mut connection = thox_tests::client::Connection::open(stage.address())
            .await
            .unwrap();
        let headers = [
            super::USUAL[0],
            super::USUAL[1],
            ("mcp-protocol-version", super::NEW),
            ("mcp-method", "tools/call"),
            ("mcp-name", "thox_explain"),
        ];
        connection
            .send("POST", "/mcp", &headers, message.as_bytes())
            .await
            .unwrap();
        stage.wait_open(1).await;
        sleep(Duration::from_millis(wait)).await;
        let left = Instant::now();
        drop(connection);
        assert_stopped(&stage, round, left, Point::BeforeHead).await;
    }
}

#[tokio::test]
async fn in_a_session_who_comes_back_gets_the_result() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|script| {
        script.answering = Answering::Words(40);
        script.gap = Duration::from_millis(20);
    });
    let client = Client::session(stage.address()).await;
    let (id, receiving) = begin(&stage, &client).await;
    drop(receiving);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.journal().open(), 1, "it works on");
    let headers = [
        ("mcp-session-id", client.session_id()),
        ("mcp-protocol-version", OLD),
        ("accept", "text/event-stream"),
        // The first event of the session's first reply.
        ("last-event-id", "0/0"),
    ];
    let resumed = request(stage.address(), "GET", "/mcp", &headers, b"").await;
    assert_eq!(resumed.status, 200);
    let result = answer(resumed).await;
    assert_eq!(result["id"], id);
    assert_eq!(result["result"]["isError"], false, "{result}");
    assert!(stage.journal().cancelled().is_empty());
}

#[tokio::test]
async fn in_a_session_who_stays_away_stops_the_engine() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder.text("mcp", "resume_within", "400ms")
    })
    .await;
    stage.fault(Fault::Hang { after: 2 });
    let client = Client::session(stage.address()).await;
    let (_, receiving) = begin(&stage, &client).await;
    let left = Instant::now();
    drop(receiving);
    let cancelled = stage.wait_cancelled(1).await;
    let took = cancelled.at.saturating_duration_since(left);
    assert!(took >= Duration::from_millis(380), "{took:?}");
    assert!(took < Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn the_end_of_a_session_stops_its_tools() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault(Fault::Hang { after: 2 });
    let client = Client::session(stage.address()).await;
    let (_, _receiving) = begin(&stage, &client).await;
    let session = [("mcp-session-id", client.session_id())];
    let ended = Instant::now();
    assert_eq!(
        super::raw(stage.address(), "DELETE", &session, "")
            .await
            .status,
        202
    );
    assert_stopped(&stage, 1, ended, Point::InStream).await;
}
