//! Downloads: each belongs to the device, is told of as it goes on, and can be cancelled.

use super::{DOWNLOADS, device, device_with};
use crate::stage::assert_error;
use serde_json::{Value, json};
use std::time::Duration;
use thox_tests::client::{Connection, get, request};
use thox_tests::doubles::Fault;
use thox_tests::patience::within;

#[tokio::test]
async fn a_model_is_fetched_counted_and_there_at_once() {
    let device = device().await;
    let begun = device.pull("llama3.2:3b").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let begun = begun.json();
    assert_eq!(
        (&begun["model"], &begun["engine"]),
        (&json!("llama3.2:3b"), &json!("ollama"))
    );
    let id = begun["id"].as_str().unwrap();
    let done = device.wait_download(id, "succeeded").await;
    assert_eq!(
        (&done["bytes"], &done["total"]),
        (&json!(1024), &json!(1024))
    );
    assert!(done["finished"].as_u64() >= done["created"].as_u64());
    assert_eq!(
        (&done["error"], &done["bytes_per_second"]),
        (&Value::Null, &Value::Null)
    );
    // The engine is looked at once an hour: without a look of its own it would not be listed.
    let names = device.stage.thoxd.model_names().await;
    assert!(names.contains(&"llama3.2:3b".to_owned()), "{names:?}");
    let seen = device.stage.engine.journal().to("/api/pull");
    assert_eq!(
        seen[0].json(),
        json!({ "model": "llama3.2:3b", "stream": true, "insecure": false })
    );
    let list = device.admin("GET", DOWNLOADS, None).await.json();
    assert_eq!(list["data"][0]["id"], id);
}

#[tokio::test]
async fn a_public_name_is_fetched_as_the_catalog_says() {
    let device = device_with(|builder| {
        builder.model("small", &[("ollama", "hf.co/Owner/small-GGUF:Q4_K_M")])
    })
    .await;
    let id = device.begin("small").await;
    let done = device.wait_download(&id, "succeeded").await;
    assert_eq!(done["model"], "hf.co/Owner/small-GGUF:Q4_K_M");
    let names = device.stage.thoxd.model_names().await;
    assert!(names.contains(&"small".to_owned()), "{names:?}");
}

#[tokio::test]
async fn it_is_told_of_line_by_line_until_it_is_over() {
    let device = device().await;
    device
        .stage
        .script(|script| script.pull_gap = Duration::from_millis(150));
    let id = device.begin("llama3.2").await;
    let path = format!("{DOWNLOADS}/{id}?follow=true");
    let reply = device.admin("GET", &path, None).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = reply
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() >= 3, "{lines:?}");
    let bytes: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["bytes"].as_u64())
        .collect();
    assert!(
        bytes.is_sorted() && bytes.last() == Some(&1024),
        "{bytes:?}"
    );
    assert!(
        lines.iter().any(|line| line["bytes_per_second"].is_u64()),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap()["state"], "succeeded");
    // One that is over is told of once.
    let again = device.admin("GET", &path, None).await.text();
    assert_eq!(again.lines().count(), 1);
}

#[tokio::test]
async fn it_goes_on_without_its_client_and_is_done_once() {
    let device = device().await;
    device
        .stage
        .script(|script| script.pull_gap = Duration::from_millis(60));
    let id = device.begin("llama3.2").await;
    // The one who follows leaves, by a reset, and so does one who has asked and not read.
    let bearer = format!("Bearer {}", device.admin);
    let headers = [("authorization", bearer.as_str())];
    let path = format!("{DOWNLOADS}/{id}?follow=true");
    let follower = request(device.address(), "GET", &path, &headers, b"").await;
    assert_eq!(follower.status, 200);
    follower.into_connection().reset();
    let mut asker = Connection::open(device.address()).await.unwrap();
    let json = [headers[0], ("content-type", "application/json")];
    let body = br#"{"model":"registry.ollama.ai/library/LLAMA3.2:latest"}"#;
    asker.send("POST", DOWNLOADS, &json, body).await.unwrap();
    asker.reset();
    // The same model under other spellings is the same download.
    assert_eq!(device.begin("library/llama3.2:latest").await, id);
    device.wait_download(&id, "succeeded").await;
    assert_eq!(device.stage.engine.journal().to("/api/pull").len(), 1);
    assert_eq!(device.stage.engine.journal().pulls_cancelled(), 0);
    // Later it is another one: a newer version may be there.
    let later = device.begin("llama3.2").await;
    assert_ne!(later, id);
    device.wait_download(&later, "succeeded").await;
}

#[tokio::test]
async fn a_cancelled_one_stops_the_engine() {
    let device = device().await;
    device.stage.fault_verbs(Fault::Hang { after: 3 });
    let id = device.begin("llama3.2:3b").await;
    device.wait_download(&id, "running").await;
    let path = format!("{DOWNLOADS}/{id}");
    let over = device.admin("DELETE", &path, None).await;
    assert_eq!(
        (over.status, &over.json()["state"]),
        (200, &json!("cancelled"))
    );
    device.stage.engine.wait_pulls_cancelled(1).await;
    let names = device.stage.thoxd.model_names().await;
    assert!(!names.contains(&"llama3.2:3b".to_owned()), "{names:?}");
    // Again: it stays as it is.
    assert_eq!(
        device.admin("DELETE", &path, None).await.json(),
        over.json()
    );
    device.stage.heal();
    let id = device.begin("llama3.2:3b").await;
    device.wait_download(&id, "succeeded").await;
    let missing = device
        .admin("GET", &format!("{DOWNLOADS}/dl_0"), None)
        .await;
    assert_error(&missing, 404, "download_not_found");
}

#[tokio::test]
async fn two_run_at_once_others_wait_and_there_is_an_end_to_waiting() {
    let device = device().await;
    device.stage.fault_verbs(Fault::Hang { after: 1 });
    for number in 0..32 {
        device.begin(&format!("model{number}")).await;
    }
    let list = || async { device.admin("GET", DOWNLOADS, None).await.json() };
    let of = |list: &Value, state: &str| {
        let all = list["data"].as_array().unwrap().iter();
        let those = all.filter(|one| one["state"] == state);
        those
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let two = async { while of(&list().await, "running").len() < 2 {} };
    within("two run", two).await;
    let queued = of(&list().await, "queued");
    assert_eq!(queued.len(), 30, "and no more than two");
    let full = device.pull("one-more").await;
    assert_error(&full, 503, "queue_full");
    assert!(!full.header("retry-after").is_empty());
    // Whoever waits can be cancelled too, and makes room.
    let waiting = device
        .admin("DELETE", &format!("{DOWNLOADS}/{}", queued[0]), None)
        .await;
    assert_eq!(waiting.json()["state"], "cancelled");
    device.begin("one-more").await;
}

#[tokio::test]
async fn what_goes_wrong_is_said() {
    let device = device().await;
    let id = device.begin("missing:1b").await;
    let failed = device.wait_download(&id, "failed").await;
    assert_eq!(failed["error"]["code"], "model_not_found", "{failed}");
    assert!(
        failed["error"]["message"]
            .as_str()
            .unwrap()
            .contains("file does not exist")
    );
    for fault in [
        Fault::CloseBeforeHead,
        Fault::Status(500),
        Fault::Close { after: 2 },
        Fault::Reset { after: 2 },
        Fault::Truncate { after: 4 },
        Fault::BadEvent { after: 1 },
        Fault::Garbage,
    ] {
        device.stage.fault_verbs(fault);
        let id = device.begin("llama3.2:3b").await;
        let failed = device.wait_download(&id, "failed").await;
        assert_eq!(
            failed["error"]["code"], "engine_error",
            "{fault:?}: {failed}"
        );
        let message = failed["error"]["message"].as_str().unwrap();
        assert!(message.contains("`ollama`"), "{message}");
    }
}

#[tokio::test]
async fn a_follower_does_not_keep_the_daemon_from_stopping() {
    let mut device = device_with(|builder| builder.text("server", "drain_deadline", "30s")).await;
    device.stage.fault_verbs(Fault::Hang { after: 2 });
    let id = device.begin("llama3.2:3b").await;
    let bearer = format!("Bearer {}", device.admin);
    let path = format!("{DOWNLOADS}/{id}?follow=true");
    let follower = request(
        device.address(),
        "GET",
        &path,
        &[("authorization", &bearer)],
        b"",
    )
    .await;
    assert_eq!(get(device.address(), "/health").await.status, 200);
    let process = &mut device.stage.thoxd.process;
    process.signal("TERM");
    assert!(process.wait_exit().await.success());
    drop(follower.whole().await);
}
