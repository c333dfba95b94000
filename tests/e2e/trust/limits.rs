//! Limits of keys: requests and tokens a minute, on every door.

use super::{ASK, Owned, chat, send, with_key};
use crate::stage::assert_error;
use serde_json::json;
use thox_tests::websocket::Socket;

#[tokio::test]
async fn requests_a_minute() {
    let device = Owned::new().await;
    let (key, _) = device
        .key(&json!({ "name": "a", "requests_per_minute": 3 }))
        .await;
    let (other, _) = device
        .key(&json!({ "name": "b", "requests_per_minute": 3 }))
        .await;
    for left in ["2", "1", "0"] {
        let reply = with_key(device.address(), "POST", ASK, Some(&chat()), &key).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), left);
        assert!(reply.header("x-ratelimit-reset-requests").ends_with('s'));
    }
    let reply = with_key(device.address(), "POST", ASK, Some(&chat()), &key).await;
    assert_error(&reply, 429, "rate_limit_exceeded");
    let seconds: u32 = reply.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(
        with_key(device.address(), "POST", ASK, Some(&chat()), &other)
            .await
            .status,
        200
    );
    assert_eq!(
        send(device.address(), "POST", ASK, Some(&chat()), &[])
            .await
            .status,
        200,
        "local clients have no limit"
    );
}

#[tokio::test]
async fn each_message_of_a_socket_counts() {
    let device = Owned::new().await;
    let (key, _) = device
        .key(&json!({ "name": "a", "requests_per_minute": 3 }))
        .await;
    let bearer = format!("Bearer {key}");
    let mut socket = Socket::connect(
        device.address(),
        "/v1/stream",
        &[("authorization", &bearer)],
    )
    .await
    .unwrap();
    let mut ends = Vec::new();
    for _ in 0..3 {
        socket.send(&chat()).await;
        loop {
            let message = socket.json().await;
            match message["type"].as_str() {
                Some("delta") => {}
                Some("error") => {
                    ends.push(message["error"]["code"].as_str().unwrap().to_owned());
                    break;
                }
                other => {
                    ends.push(other.unwrap_or_default().to_owned());
                    break;
                }
            }
        }
    }
    assert_eq!(
        ends,
        ["done", "done", "rate_limit_exceeded"],
        "the handshake is the first of three"
    );
}

#[tokio::test]
async fn tokens_a_minute() {
    let device = Owned::new().await;
    let (key, _) = device
        .key(&json!({ "name": "a", "tokens_per_minute": 5 }))
        .await;
    let first = with_key(device.address(), "POST", ASK, Some(&chat()), &key).await;
    assert_eq!(
        (first.status, first.header("x-ratelimit-remaining-tokens")),
        (200, "5")
    );
    let used = first.json()["usage"]["total_tokens"].as_u64().unwrap();
    assert!(used > 5, "{used}");
    let reply = with_key(device.address(), "POST", ASK, Some(&chat()), &key).await;
    assert_error(&reply, 429, "rate_limit_exceeded");
    assert!(reply.text().contains("tokens"), "{}", reply.text());
}

#[tokio::test]
async fn wrong_keys_are_slowed_down_and_good_ones_are_not() {
    let device = Owned::new().await;
    let mut statuses = Vec::new();
    for n in 0..13 {
        let wrong = format!("sk-{n:0>43}");
        statuses.push(
            with_key(device.address(), "GET", "/thox/v1/keys", None, &wrong)
                .await
                .status,
        );
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 3]);
    assert_eq!(device.admin("GET", "/thox/v1/keys", None).await.status, 200);
    assert_eq!(
        with_key(device.address(), "POST", ASK, Some(&chat()), "not-required")
            .await
            .status,
        200
    );
}
