//! What is left after everything has been said at every door: no word of a prompt or a reply, no key, no claim code, in
//! the log at its loudest, the audit log, the metrics, the status, the errors and the whole state folder.

use super::{CANARY, REPLY_CANARY, body};
use crate::stage::{CHAT, Stage, ask, with};
use crate::trust::{claim_code, routes, send};
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use thox_tests::client::Reply;
use thox_tests::doubles::{Answering, Fault, Kind};
use thox_tests::websocket::Socket;

/// Keys that are none: one of the right form, one of no form, and a claim code of the right form.
const WRONG_KEY: &str = "sk-canaryCANARYcanaryCANARYcanaryCANARYcanary0";
const NO_KEY: &str = "parrot-canary-key-6620";
const WRONG_CODE: &str = "KNRY-7K3M";

/// What is shown of a key and may be kept (`sk-` and five characters); the rest of it is the secret.
const PREFIX: usize = 8;

#[tokio::test]
async fn nothing_that_was_said_is_left_anywhere() {
    let stage = Stage::with(Kind::Ollama, |b| {
        b.log("trace")
            .raw("audit", "enabled", "true")
            .raw("router.circuit", "failures", "1000")
    })
    .await;
    stage.script(|s| {
        s.answering = Answering::Fixed(format!("{REPLY_CANARY} and more {REPLY_CANARY}"));
        s.reasoning = Some(format!("thinking {REPLY_CANARY}"));
    });
    let address = stage.address();
    let code = claim_code(&stage);
    let wrong = json!({ "code": WRONG_CODE });
    let refused = send(address, "POST", "/thox/v1/claim", Some(&wrong), &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let right = json!({ "code": code });
    let claimed = send(address, "POST", "/thox/v1/claim", Some(&right), &[]).await;
    let admin = key_of(&claimed);
    let asked = json!({ "name": "a", "scope": "inference" });
    let inference =
        key_of(&admin_asks(address, "POST", "/thox/v1/keys", Some(&asked), &admin).await);
    let keys = [admin.as_str(), inference.as_str(), WRONG_KEY, NO_KEY];
    for key in keys {
        everywhere(address, key).await;
    }
    failures(&stage, &inference).await;
    // Last: it ends the key that it is asked with.
    let own = admin_asks(address, "GET", "/thox/v1/keys", None, &admin).await;
    let id = own.json()["data"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let rotate = format!("/thox/v1/keys/{id}/rotate");
    let rotated = key_of(&admin_asks(address, "POST", &rotate, None, &admin).await);

    let secrets: Vec<(&str, &str)> = [
        ("a prompt", CANARY),
        ("a reply", REPLY_CANARY),
        ("a claim code", &code),
        ("a wrong claim code", WRONG_CODE),
    ]
    .into_iter()
    .chain(
        keys.into_iter()
            .chain([rotated.as_str()])
            .map(|key| ("a key", &key[PREFIX..])),
    )
    .collect();
    for path in [
        "/metrics",
        "/health",
        "/router/status",
        "/v1/models",
        "/thox/v1/status",
        "/thox/v1/auth",
        "/thox/v1/keys",
        "/thox/v1/logs?lines=100000",
        "/thox/v1/settings",
        "/thox/v1/models/downloads",
        "/thox/v1/router/explain?model=thox-coder",
    ] {
        let reply = admin_asks(address, "GET", path, None, &rotated).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_free_of(&secrets, &reply.body, path);
    }
    stage.thoxd.process.signal("TERM");
    let Stage { mut thoxd, .. } = stage;
    assert!(thoxd.process.wait_exit().await.success());
    let log = thoxd.log();
    assert!(log.contains("DEBUG"), "the log is not at its loudest");
    assert_free_of(&secrets, log.as_bytes(), "the log");
    let folder = thoxd.process.folder();
    let audit = fs::read_to_string(folder.join("state/audit.log")).expect("an audit log");
    assert!(
        audit.contains(CHAT) && audit.contains(&inference[..PREFIX]),
        "the audit log has what was asked: {audit}"
    );
    assert!(
        files(folder, &secrets) >= 3,
        "config.toml, keys.json, audit.log"
    );
}

/// Each route of the device with this key, in every place where somebody may put one, and with prompts where it takes a
/// body.
async fn everywhere(address: SocketAddr, key: &str) {
    let bearer = format!("Bearer {key}");
    let basic = format!("Basic {key}");
    for (method, path, example) in routes(address).await {
        // What changes the device would end the keys; what it answers with stands in the tests of trust.
        if path == "/thox/v1/restart" {
            // It would come back on another free port.
            continue;
        }
        let changes = path.starts_with("/thox/v1/") && method != "GET";
        let body = example.map(|_| {
            if changes {
                json!({ "secret": CANARY })
            } else {
                body()
            }
        });
        let path = path.replace("{id}", key).replace("{key}", key);
        for headers in [
            vec![("authorization", bearer.as_str())],
            vec![("authorization", basic.as_str()), ("x-api-key", key)],
            vec![("authorization", key), ("cookie", key)],
        ] {
            if changes && headers.len() == 1 && method == "DELETE" {
                continue;
            }
            send(address, &method, &path, body.as_ref(), &headers).await;
        }
        let queried = format!("{path}?api_key={key}&prompt={CANARY}");
        send(
            address,
            &method,
            &queried,
            body.as_ref(),
            &[("referer", key)],
        )
        .await;
    }
    for path in [
        format!("/{key}"),
        format!("/v1/{CANARY}"),
        format!("/v1/models/{key}"),
    ] {
        send(address, "GET", &path, None, &[]).await;
    }
    let path = format!("/v1/stream?api_key={key}");
    for headers in [
        vec![("authorization", bearer.as_str())],
        vec![("sec-websocket-protocol", key)],
    ] {
        if let Ok(mut socket) = Socket::connect(address, &path, &headers).await {
            socket.send(&ask(CANARY)).await;
            socket.answer(None).await;
            socket.send_text(&format!("{{ {CANARY} {key}")).await;
            socket.json().await;
        }
    }
}

/// Replies that break, whole and streamed, with a good key.
async fn failures(stage: &Stage, key: &str) {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let streamed = with(body(), "stream", json!(true));
    let answer = send(stage.address(), "POST", CHAT, Some(&body()), &headers).await;
    assert!(answer.text().contains(REPLY_CANARY), "{}", answer.text());
    for fault in [
        Fault::Status(400),
        Fault::Status(500),
        Fault::Close { after: 2 },
        Fault::BadEvent { after: 2 },
        Fault::ErrorEvent { after: 2 },
        Fault::Garbage,
    ] {
        stage.fault(fault);
        for body in [&body(), &streamed] {
            send(stage.address(), "POST", CHAT, Some(body), &headers).await;
        }
    }
    stage.heal();
}

async fn admin_asks(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&serde_json::Value>,
    key: &str,
) -> Reply {
    crate::trust::with_key(address, method, path, body, key).await
}

#[track_caller]
fn key_of(reply: &Reply) -> String {
    let key = reply.json()["key"].as_str().map(str::to_owned);
    key.unwrap_or_else(|| panic!("no key: {}", reply.text()))
}

/// Searches each file below a folder; gives how many there are.
fn files(folder: &Path, secrets: &[(&str, &str)]) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            count += files(&path, secrets);
        } else if path.is_file() {
            let bytes = fs::read(&path).expect("a file");
            assert_free_of(secrets, &bytes, &path.display().to_string());
            count += 1;
        }
    }
    count
}

#[track_caller]
fn assert_free_of(secrets: &[(&str, &str)], bytes: &[u8], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    for (what, secret) in secrets {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("{place} holds {what}: {line}");
        }
    }
}
