//! Clients that go before their answer has come.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{PATIENCE, connect, endless_starter, post, request};

/// Three long requests at once, all left by their client: only if each computation stops is there a slot for the next.
/// Each would take half a minute, so that the test ends also where nothing stops them.
async fn is_free_after_leaving(body: Value, read_a_little: bool) {
    let starter = endless_starter();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = connect(&starter).await;
        let reply = client.send_request(request(Method::POST, "/v1/completions", body.to_string()));
        let mut reply = tokio::spawn(reply);
        if read_a_little && clients.len() < 2 {
            let mut response = timeout(PATIENCE, &mut reply)
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            assert!(
                timeout(PATIENCE, response.body_mut().frame())
                    .await
                    .unwrap()
                    .is_some()
            );
        } else {
            tokio::time::sleep(Duration::from_millis(30)).await;
            reply.abort();
        }
        clients.push(client);
    }
    drop(clients);
    let next = post(
        &starter,
        "/v1/completions",
        json!({"model": "thox-starter", "prompt": "hi", "max_tokens": 1}),
    );
    let (status, _) = timeout(Duration::from_secs(5), next)
        .await
        .expect("the computations went on without their clients");
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_live_stream_stops_with_its_client() {
    is_free_after_leaving(
        json!({"model": "thox-starter", "prompt": "hi", "stream": true, "max_tokens": 30_000}),
        true,
    )
    .await;
}

#[tokio::test]
async fn a_whole_answer_stops_with_its_client() {
    is_free_after_leaving(
        json!({"model": "thox-starter", "prompt": "hi", "max_tokens": 30_000}),
        false,
    )
    .await;
}

#[tokio::test]
async fn the_prefill_stops_with_its_client() {
    let prompt = "word ".repeat(6_000);
    for stream in [true, false] {
        is_free_after_leaving(
            json!({"model": "thox-starter", "prompt": prompt, "stream": stream}),
            false,
        )
        .await;
    }
}
