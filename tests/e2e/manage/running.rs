//! The running daemon: its log, its restart.

use super::{device, device_with};
use crate::stage::{CHAT, ask_stream, assert_error};
use crate::trust::{Owned, with_key};
use serde_json::{Value, json};
use std::time::Duration;
use thox_tests::client::{begin, request};
use thox_tests::doubles::Double;
use thox_tests::doubles::Kind;
use thox_tests::patience::{LIMIT, within};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn the_last_lines_are_told_and_hold_no_secret() {
    let device = device().await;
    let reply = device.admin("GET", "/thox/v1/logs", None).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let all = lines(&reply.text());
    let up = all.iter().find(|line| {
        line["message"]
            .as_str()
            .unwrap()
            .starts_with("the engine is up")
    });
    let up = up.unwrap();
    assert_eq!(
        (&up["level"], &up["target"]),
        (&json!("info"), &json!("thoxd::world::scout"))
    );
    assert!(
        up["message"].as_str().unwrap().contains("engine=ollama"),
        "{up}"
    );
    let numbers: Vec<u64> = all
        .iter()
        .filter_map(|line| line["number"].as_u64())
        .collect();
    assert!(numbers.is_sorted() && numbers.len() == all.len());
    let two = lines(
        &device
            .admin("GET", "/thox/v1/logs?lines=2", None)
            .await
            .text(),
    );
    assert_eq!(two.len(), 2);
    let info = device
        .admin("GET", "/thox/v1/logs?level=info&lines=100000", None)
        .await
        .text();
    assert!(lines(&info).iter().all(|line| line["level"] != "debug"));
    for query in ["lines=-1", "level=loud", "follow=maybe"] {
        let reply = device
            .admin("GET", &format!("/thox/v1/logs?{query}"), None)
            .await;
        assert_error(&reply, 400, "invalid_request");
    }
    let (key, _) = device.key(&json!({ "name": "other" })).await;
    let secret = "a prompt that nobody may read";
    let mut chat = crate::trust::chat();
    chat["messages"][0]["content"] = json!(secret);
    with_key(device.address(), "POST", CHAT, Some(&chat), &key).await;
    let text = device
        .admin("GET", "/thox/v1/logs?lines=100000", None)
        .await
        .text();
    for hidden in [secret, &key, &device.admin] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn they_can_be_followed_until_the_key_is_revoked() {
    let device = device().await;
    let (other, id) = device
        .key(&json!({ "name": "other", "scope": "admin" }))
        .await;
    let bearer = format!("Bearer {other}");
    let headers = [("authorization", bearer.as_str())];
    let path = "/thox/v1/logs?lines=0&level=info&follow=true";
    let follower = request(device.address(), "GET", path, &headers, b"").await;
    assert_eq!(follower.status, 200);
    let reading = tokio::spawn(follower.whole());
    device.verb("load", "thox-coder").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    device
        .admin("DELETE", &format!("/thox/v1/keys/{id}"), None)
        .await;
    let told = within("the end of the log", reading).await.unwrap();
    let all = lines(&told.text());
    assert!(
        all.iter().any(|line| line["message"]
            .as_str()
            .unwrap()
            .contains("a model was changed")),
        "{}",
        told.text()
    );
}

/// A device on a port that it finds again.
async fn settled() -> (Owned, std::net::SocketAddr) {
    let port = Double::free_port().await;
    let listen = format!("127.0.0.1:{port}");
    let device = device_with(|builder| builder.list("server", "listen", &[&listen])).await;
    (device, listen.parse().unwrap())
}

/// Waits until another run of thoxd answers than this one.
async fn wait_other(device: &Owned, instance: &Value) {
    let other = async {
        loop {
            let open = tokio::net::TcpStream::connect(device.address()).await;
            if open.is_ok() {
                let status = device.admin("GET", "/thox/v1/status", None).await;
                if status.status == 200 && status.json()["instance"] != *instance {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, other).await.unwrap();
}

#[tokio::test]
async fn a_restart_takes_new_settings_up_and_finishes_what_is_under_way() {
    let (device, address) = settled().await;
    device
        .stage
        .script(|script| script.gap = Duration::from_millis(60));
    let pid = device.stage.thoxd.process.pid();
    let instance = device.admin("GET", "/thox/v1/status", None).await.json()["instance"].clone();
    let value = json!({ "value": ["localhost:5000"] });
    let set = device
        .admin(
            "PUT",
            "/thox/v1/settings/downloads.registries",
            Some(&value),
        )
        .await;
    assert_eq!(set.status, 200, "{}", set.text());
    let mut stream = begin(
        address,
        CHAT,
        &ask_stream("one two three four five six seven"),
    )
    .await;
    stream.first_content().await;
    let restart = device.admin("POST", "/thox/v1/restart", None).await;
    assert_eq!(restart.status, 202, "{}", restart.text());
    assert_eq!(restart.json()["instance"], instance);
    let streamed = stream.stream().await;
    assert!(streamed.is_done, "what was under way is finished");
    wait_other(&device, &instance).await;
    assert_eq!(
        device.stage.thoxd.process.pid(),
        pid,
        "the process is the same"
    );
    let now = device
        .admin("GET", "/thox/v1/settings/downloads.registries", None)
        .await
        .json();
    assert_eq!(
        (&now["value"], &now["restart_needed"]),
        (&json!(["localhost:5000"]), &json!(false))
    );
    device.stage.thoxd.wait_models(&["thox-coder"]).await;
    assert_error(&device.pull("llama3.2").await, 400, "registry_not_allowed");
}

#[tokio::test]
async fn a_signal_during_a_restart_ends_it() {
    let (mut device, address) = settled().await;
    device
        .stage
        .script(|script| script.gap = Duration::from_secs(5));
    let mut stream = begin(address, CHAT, &ask_stream("one two three")).await;
    stream.first_content().await;
    assert_eq!(
        device.admin("POST", "/thox/v1/restart", None).await.status,
        202
    );
    let process = &mut device.stage.thoxd.process;
    process.signal("TERM");
    assert!(process.wait_exit().await.success());
    assert_eq!(Kind::Ollama, device.stage.engine.kind());
}
