//! Claiming, making, using and revoking keys.

use super::{ASK, Owned, chat, claim, claim_code, send, with_key};
use crate::stage::{Stage, assert_error};
use serde_json::json;
use std::time::{Duration, Instant};
use thox_tests::client::request;
use thox_tests::doubles::{Fault, Kind};
use thox_tests::websocket::Socket;

#[tokio::test]
async fn the_code_gives_the_first_key_once_and_guessing_is_slow() {
    let stage = Stage::of(Kind::Ollama).await;
    let address = stage.address();
    let code = claim_code(&stage);
    let mut statuses = Vec::new();
    for n in 0..7 {
        let wrong = json!({ "code": format!("0000-000{n}") });
        let reply = send(address, "POST", "/thox/v1/claim", Some(&wrong), &[]).await;
        statuses.push(reply.status);
        if reply.status == 429 {
            let seconds: u64 = reply.header("retry-after").parse().unwrap();
            assert!((1..=12).contains(&seconds));
        }
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
    let right = json!({ "code": code });
    let reply = send(address, "POST", "/thox/v1/claim", Some(&right), &[]).await;
    assert_eq!(reply.status, 429, "the right one has to wait as well");
    let again = Stage::of(Kind::Ollama).await;
    let key = claim(&again).await;
    assert!(key.starts_with("sk-") && key.len() == 46, "{key}");
    let reply = send(
        again.address(),
        "POST",
        "/thox/v1/claim",
        Some(&json!({ "code": code })),
        &[],
    )
    .await;
    assert_error(&reply, 409, "already_claimed");
    let reply = with_key(again.address(), "GET", "/thox/v1/keys", None, &key).await;
    assert_eq!(reply.json()["data"][0]["name"], "owner");
    assert!(!again.thoxd.process.log().contains(&key));
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let device = Owned::new().await;
    let (key, id) = device
        .key(&json!({ "name": "my-app", "expires_in": 7_776_000, "requests_per_minute": 60 }))
        .await;
    let list = device.admin("GET", "/thox/v1/keys", None).await;
    assert!(!list.text().contains(&key));
    let shown = list.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|shown| shown["id"] == id.as_str())
        .cloned()
        .unwrap();
    assert_eq!(shown["prefix"], key[..8]);
    assert!(shown["last_used"].is_null());
    let state = device.stage.thoxd.process.folder().join("state");
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [&key, &device.admin] {
                let found = bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!found, "{} holds a key", path.display());
            }
        }
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(state.join("keys.json"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let reply = with_key(device.address(), "POST", ASK, Some(&chat()), &key).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "60");
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "59");
    let rotated = device
        .admin("POST", &format!("/thox/v1/keys/{id}/rotate"), None)
        .await
        .json();
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(
        (&rotated["name"], &rotated["requests_per_minute"]),
        (&"my-app".into(), &60.into())
    );
    lock(&device).await;
    assert_error(
        &with_key(device.address(), "POST", ASK, Some(&chat()), &key).await,
        401,
        "invalid_api_key",
    );
    assert_eq!(
        with_key(device.address(), "POST", ASK, Some(&chat()), new)
            .await
            .status,
        200
    );
}

async fn lock(device: &Owned) {
    let reply = device
        .admin("PUT", "/thox/v1/auth", Some(&json!({ "enabled": true })))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn an_owner_who_rotates_or_revokes_the_own_key_is_told() {
    let device = Owned::new().await;
    let list = device.admin("GET", "/thox/v1/keys", None).await.json();
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    let rotated = device
        .admin("POST", &format!("/thox/v1/keys/{id}/rotate"), None)
        .await
        .json();
    let (key, id) = (
        rotated["key"].as_str().unwrap(),
        rotated["id"].as_str().unwrap(),
    );
    let path = format!("/thox/v1/keys/{id}");
    let gone = with_key(device.address(), "DELETE", &path, None, key).await;
    assert_eq!(gone.json()["deleted"], true);
    assert_error(
        &with_key(device.address(), "GET", "/thox/v1/keys", None, key).await,
        401,
        "invalid_api_key",
    );
}

#[tokio::test]
async fn authentication_is_switched_at_once_and_for_good() {
    let device = Owned::new().await;
    assert_eq!(
        send(device.address(), "POST", ASK, Some(&chat()), &[])
            .await
            .status,
        200
    );
    lock(&device).await;
    let reply = send(device.address(), "POST", ASK, Some(&chat()), &[]).await;
    assert_error(&reply, 401, "invalid_api_key");
    assert_eq!(
        send(device.address(), "GET", "/health", None, &[])
            .await
            .status,
        200
    );
    let file = device.stage.thoxd.process.folder().join("config.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    assert!(settings.contains("[auth]\nenabled = true"), "{settings}");
    let unlock = json!({ "enabled": false });
    assert_eq!(
        device
            .admin("PUT", "/thox/v1/auth", Some(&unlock))
            .await
            .status,
        200
    );
    assert_eq!(
        send(device.address(), "POST", ASK, Some(&chat()), &[])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn revoking_ends_what_is_under_way() {
    let device = Owned::new().await;
    device.stage.fault(Fault::Hang { after: 2 });
    let (key, id) = device.key(&json!({ "name": "a" })).await;
    let bearer = format!("Bearer {key}");
    let mut body = chat();
    body["stream"] = true.into();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut stream = request(
        device.address(),
        "POST",
        ASK,
        &headers,
        body.to_string().as_bytes(),
    )
    .await;
    assert_eq!(stream.status, 200);
    assert!(stream.next_event().await.is_some());
    let mut socket = Socket::connect(
        device.address(),
        "/v1/stream",
        &[("authorization", &bearer)],
    )
    .await
    .unwrap();
    socket.send(&chat()).await;
    assert_eq!(socket.json().await["type"], "delta");
    let started = Instant::now();
    let gone = device
        .admin("DELETE", &format!("/thox/v1/keys/{id}"), None)
        .await;
    assert_eq!(gone.status, 200);
    let mut last = None;
    while let Some(event) = stream.next_event().await {
        last = Some(event);
    }
    let last = last.expect("a last word");
    assert!(format!("{last:?}").contains("key_revoked"), "{last:?}");
    while socket.next().await.is_some() {}
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    device.stage.wait_open(0).await;
}
