//! Factory reset of the real thoxd: by an admin key, by the control socket, and after a kill in the middle of it.

use super::{Owned, claim_code, claim_code_of, person::Person, send, with_key};
use crate::stage::{Stage, ask_stream};
use serde_json::{Value, json};
use std::fs;
use thox_tests::client;
use thox_tests::doubles::{Answering, Kind};
use thox_tests::patience::until;
use thox_tests::thoxd::{Builder, Thoxd, binary};

const RESET: &str = "/thox/v1/reset";

#[tokio::test]
async fn a_reset_over_the_network_ends_every_key_and_brings_a_new_code() {
    let device = Owned::new().await;
    let address = device.address();
    let old = fs::read_to_string(keys_file(&device.stage.thoxd)).unwrap();
    let (inference, _) = device.key(&json!({ "name": "app" })).await;
    for confirm in ["", "localhost", "other.local", "127.0.0.1"] {
        let body = json!({ "confirm": confirm });
        let refused = device.admin("POST", RESET, Some(&body)).await;
        assert_eq!(refused.status, 400, "{confirm}: {}", refused.text());
        assert_eq!(refused.json()["error"]["param"], "confirm");
    }
    let body = json!({ "confirm": "Thox.local" });
    for key in [inference.as_str(), "sk-none"] {
        let refused = with_key(address, "POST", RESET, Some(&body), key).await;
        assert!([401, 403].contains(&refused.status), "{}", refused.text());
    }
    assert_eq!(device.admin("GET", "/thox/v1/keys", None).await.status, 200);

    let reply = device.admin("POST", RESET, Some(&body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let done = reply.json();
    assert_eq!(
        (&done["keys"], &done["name"]),
        (&json!(2), &json!("thox.local"))
    );
    let marker = fs::read_to_string(done["left_to_system"].as_str().unwrap()).unwrap();
    assert!(marker.contains("\nMODELS=delete\n"), "{marker}");
    for key in [&device.admin, &inference] {
        let refused = with_key(address, "GET", "/thox/v1/keys", None, key).await;
        assert_eq!(refused.status, 401);
    }
    let new = fs::read_to_string(keys_file(&device.stage.thoxd)).unwrap();
    assert!(new != old && !new.contains("sha256"), "{new}");
    // The next owner.
    let next = super::claim(&device.stage).await;
    assert_eq!(
        with_key(address, "GET", "/thox/v1/keys", None, &next)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_reset_ends_a_stream_that_was_asked_with_a_key() {
    let device = Owned::new().await;
    device.stage.script(|script| {
        script.answering = Answering::Words(2_000);
        script.gap = std::time::Duration::from_millis(5);
    });
    let bearer = format!("Bearer {}", device.admin);
    let body = ask_stream("x").to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let streaming = client::request(
        device.address(),
        "POST",
        super::ASK,
        &headers,
        body.as_bytes(),
    );
    let mut streaming = streaming.await;
    streaming.next_event().await;
    let body = json!({ "confirm": "thox.local", "keep_models": true });
    assert_eq!(device.admin("POST", RESET, Some(&body)).await.status, 200);
    device.stage.wait_cancelled(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_on_the_device_needs_no_key_and_tells_the_new_code() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder.raw("audit", "enabled", "true")
    })
    .await;
    let old = claim_code(&stage);
    let owner = Person::on(&stage.thoxd);
    owner.says(&["auth", "generate-key", "--name", "app"]);
    let log = stage.thoxd.process.folder().join("state/audit.log");
    assert!(log.exists());
    let refused = owner.fails(&["reset"]);
    assert!(refused.contains("--yes thox.local"), "{refused}");
    assert_eq!(claim_code(&stage), old);
    let done = owner.thox(&["reset", "--yes", "thox.local", "--keep-models"]);
    let said = String::from_utf8(done.stderr).unwrap();
    let new = claim_code(&stage);
    assert!(
        done.status.success() && new != old && said.contains(&new),
        "{said}"
    );
    assert_eq!(owner.says(&["claim-code"]), new);
    assert!(!log.exists(), "not even the reset itself is in it");
    let state = stage.thoxd.process.folder().join("state");
    let marker = fs::read_to_string(state.join("factory-reset")).unwrap();
    assert!(marker.contains("\nMODELS=keep\n") && !state.join("factory-reset.begun").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_a_kill_cut_short_is_finished_by_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let kept = |builder: Builder| {
        let path = format!("state_dir={}", state.path().display());
        builder.argument("--set").argument(&path)
    };
    let first = kept(Thoxd::builder()).start().await;
    let text = fs::read_to_string(state.path().join("keys.json")).unwrap();
    let content: Value = serde_json::from_str(&text).unwrap();
    let body = json!({ "code": content["claim_code"] });
    let claimed = send(first.address, "POST", "/thox/v1/claim", Some(&body), &[]).await;
    let key = claimed.json()["key"].as_str().unwrap().to_owned();
    first.process.signal("KILL");
    drop(first);
    // As a power cut leaves it right after the beginning.
    let begun = state.path().join("factory-reset.begun");
    fs::write(&begun, "MODELS=delete\n").unwrap();
    let second = kept(Thoxd::builder()).start().await;
    assert!(!begun.exists() && state.path().join("factory-reset").exists());
    let refused = with_key(second.address, "GET", "/thox/v1/keys", None, &key).await;
    assert_eq!(refused.status, 401);
    let again = send(second.address, "POST", "/thox/v1/claim", Some(&body), &[]).await;
    assert_eq!(
        again.status,
        403,
        "the old code is none any more: {}",
        again.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_gets_to_the_console_whenever_thoxd_starts() {
    let folder = tempfile::tempdir().unwrap();
    let (console, socket) = (
        folder.path().join("console"),
        folder.path().join("control.sock"),
    );
    fs::write(&console, "").unwrap();
    let mut waiting = std::process::Command::new(binary("thox"))
        .args(["claim-code", "--wait", "30s", "--console"])
        .arg(&console)
        .env_remove("THOX_HOST")
        .env("THOX_CONTROL_SOCKET", &socket)
        .spawn()
        .unwrap();
    let thoxd = Thoxd::builder()
        .text("server", "control_socket", &socket.display().to_string())
        .raw("tls", "enabled", "true")
        .list("tls", "listen", &["127.0.0.1:0"])
        .start()
        .await;
    let ended = until("the command ends", || waiting.try_wait().unwrap()).await;
    assert!(ended.success());
    let shown = fs::read_to_string(&console).unwrap();
    let code = claim_code_of(&thoxd);
    let port = thox_tests::tls::address(&thoxd).port();
    let page = format!("https://thox.local:{port}/#claim={code}\r\n");
    for part in [&page, &thox_tests::tls::fingerprint(&thoxd)] {
        assert!(shown.contains(part.as_str()), "{part} is missing: {shown}");
    }
    assert!(!thoxd.log().contains(&code), "it is in no log");
}

fn keys_file(thoxd: &Thoxd) -> std::path::PathBuf {
    thoxd.process.folder().join("state/keys.json")
}
