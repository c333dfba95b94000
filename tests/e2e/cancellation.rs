//! Behaviour under trouble, 1: when a client goes away, the engine stops within 100 ms, every time.

use crate::stage::{CHAT, Stage, ask, ask_stream, name_of};
use serde_json::Value;
use std::time::{Duration, Instant};
use thox_tests::client::Connection;
use thox_tests::doubles::{Answering, Fault, Kind, Script, Stage as Point};
use tokio::time::sleep;

const ROUNDS: usize = 20;
const LIMIT: Duration = Duration::from_millis(100);
const KINDS: [Kind; 3] = [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm];

/// How a client leaves.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Close,
    Reset,
}

fn leave(connection: Connection, how: Leaving) -> Instant {
    match how {
        Leaving::Close => drop(connection),
        Leaving::Reset => connection.reset(),
    }
    Instant::now()
}

/// Sends `body` again and again, leaves as soon as the engine has begun (or, with `reads`, after that many chunks), and
/// checks each time that the engine's request ended at `point`.
async fn run(
    kind: Kind,
    script: impl FnOnce(&mut Script),
    fault: Option<Fault>,
    body: Value,
    reads: usize,
    point: Point,
) {
    let stage = Stage::of(kind).await;
    stage.script(script);
    if let Some(fault) = fault {
        stage.fault(fault);
    }
    let mut worst = Duration::ZERO;
    for round in 1..=ROUNDS {
        let how = if round % 2 == 0 {
            Leaving::Close
        } else {
            Leaving::Reset
        };
        let mut connection = Connection::open(stage.address()).await.unwrap();
        connection.post(CHAT, &body).await.unwrap();
        if reads > 0 {
            let mut receiving = connection.receive().await;
            for _ in 0..reads {
                receiving.next_chunk().await.expect("a chunk");
            }
            connection = receiving.into_connection();
        } else {
            stage.wait_open(1).await;
            // The engine has the request; give it a moment to be in the middle of it.
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(stage.journal().open(), 1);
        let left = leave(connection, how);
        let cancelled = stage.wait_cancelled(round).await;
        let took = cancelled.at.saturating_duration_since(left);
        assert!(
            took < LIMIT,
            "{kind:?} {how:?} round {round}: the engine went on for {took:?}"
        );
        assert_eq!(cancelled.stage, point, "{kind:?} {how:?} round {round}");
        worst = worst.max(took);
        stage.wait_open(0).await;
    }
    println!("{kind:?} {point:?}: the slowest of {ROUNDS} took {worst:?}");
}

#[tokio::test]
async fn before_the_first_byte_of_a_whole_reply() {
    for kind in KINDS {
        run(
            kind,
            |_| {},
            Some(Fault::HangBeforeHead),
            ask("x"),
            0,
            Point::BeforeHead,
        )
        .await;
    }
}

#[tokio::test]
async fn before_the_first_byte_of_a_stream() {
    for kind in KINDS {
        run(
            kind,
            |_| {},
            Some(Fault::HangBeforeHead),
            ask_stream("x"),
            0,
            Point::BeforeHead,
        )
        .await;
    }
}

#[tokio::test]
async fn in_prefill_when_the_head_is_there_and_no_token() {
    for kind in KINDS {
        run(
            kind,
            |_| {},
            Some(Fault::HangAfterHead),
            ask_stream("x"),
            0,
            Point::BeforeFirstToken,
        )
        .await;
    }
}

#[tokio::test]
async fn in_a_stream_that_has_gone_silent() {
    for kind in KINDS {
        run(
            kind,
            |_| {},
            Some(Fault::Hang { after: 3 }),
            ask_stream("x"),
            2,
            Point::InStream,
        )
        .await;
    }
}

#[tokio::test]
async fn in_a_live_stream() {
    for kind in KINDS {
        let script = |s: &mut Script| {
            (s.answering, s.gap) = (Answering::Words(1000), Duration::from_millis(20));
        };
        run(kind, script, None, ask_stream("x"), 2, Point::InStream).await;
    }
}

#[tokio::test]
async fn in_the_middle_of_a_whole_reply() {
    for kind in KINDS {
        run(
            kind,
            |_| {},
            Some(Fault::Hang { after: 0 }),
            ask("x"),
            0,
            Point::BeforeFirstToken,
        )
        .await;
    }
}

#[tokio::test]
async fn while_it_waits_for_a_slot_it_never_reaches_the_engine() {
    let stage = Stage::with(Kind::Ollama, |b| b.raw("engines.ollama", "slots", "1")).await;
    stage.fault(Fault::HangBeforeHead);
    let mut first = Connection::open(stage.address()).await.unwrap();
    first.post(CHAT, &ask("first")).await.unwrap();
    stage.wait_open(1).await;
    for _ in 0..ROUNDS {
        let mut waiting = Connection::open(stage.address()).await.unwrap();
        waiting.post(CHAT, &ask_stream("waiting")).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        drop(waiting);
    }
    stage.heal();
    drop(first);
    stage.wait_cancelled(1).await;
    let reply = stage.chat(&ask("last")).await;
    assert_eq!(reply.status, 200, "the slot is free again");
    let texts: Vec<Value> = stage
        .journal()
        .generations()
        .iter()
        .map(|g| g.json()["messages"][0]["content"].clone())
        .collect();
    assert_eq!(
        texts,
        ["first", "last"],
        "{} on {}",
        texts.len(),
        name_of(Kind::Ollama)
    );
}

#[tokio::test]
async fn many_at_once() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.fault(Fault::Hang { after: 2 });
    let mut connections = Vec::new();
    for _ in 0..50 {
        let mut connection = Connection::open(stage.address()).await.unwrap();
        connection.post(CHAT, &ask_stream("x")).await.unwrap();
        connections.push(connection);
    }
    stage.wait_open(50).await;
    let left = Instant::now();
    drop(connections);
    let last = stage.wait_cancelled(50).await;
    let took = last.at.saturating_duration_since(left);
    assert!(took < LIMIT, "the last of 50 ended after {took:?}");
    assert_eq!(stage.journal().open(), 0);
}

/// A client that is there and reads nothing holds its engine no longer than it may.
#[tokio::test]
async fn who_reads_nothing_is_left() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        // A connection looks at its times when the next of them is due.
        builder
            .text("server", "send_timeout", "1s")
            .text("server", "header_timeout", "1s")
    })
    .await;
    let word = "x".repeat(4095);
    let words = vec![word; 12_000].join(" ");
    stage.script(|s| s.answering = Answering::Fixed(words));
    let mut connection = Connection::open(stage.address()).await.unwrap();
    connection.post(CHAT, &ask_stream("x")).await.unwrap();
    stage.wait_open(1).await;
    let begun = Instant::now();
    stage.wait_cancelled(1).await;
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop(connection);
}
