//! Settings over the network: told, changed all or nothing, taken back.

use super::{device, device_with};
use crate::stage::{CHAT, assert_error};
use crate::trust::{Owned, chat, send};
use serde_json::{Value, json};
use std::fs;
use thox_tests::client::Reply;

const SETTINGS: &str = "/thox/v1/settings";

async fn set(device: &Owned, key: &str, value: &Value) -> Reply {
    let path = format!("{SETTINGS}/{key}");
    device
        .admin("PUT", &path, Some(&json!({ "value": value })))
        .await
}

async fn get(device: &Owned, key: &str) -> Value {
    let reply = device
        .admin("GET", &format!("{SETTINGS}/{key}"), None)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn file(device: &Owned) -> String {
    let path = device.stage.thoxd.process.folder().join("config.toml");
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn all_are_told_with_where_they_are_from() {
    let device = device().await;
    let list = device.admin("GET", SETTINGS, None).await.json();
    let all = list["data"].as_array().unwrap();
    assert!(all.len() > 40, "{}", all.len());
    let of = |key: &str| all.iter().find(|one| one["key"] == key).unwrap();
    assert_eq!(of("server.max_body")["value"], "32MiB");
    assert_eq!(of("server.max_body")["source"], "the built-in default");
    assert!(
        of("log.level")["source"]
            .as_str()
            .unwrap()
            .contains("config.toml:")
    );
    assert_eq!(of("auth.enabled")["effect"], "at_once");
    assert_eq!(of("tls.certificate")["value"], Value::Null);
    for one in all {
        assert!(one["documentation"].as_str().unwrap().len() > 10, "{one}");
        assert_eq!(one["restart_needed"], false, "{one}");
    }
    let quoted = "engines.ollama.url";
    assert_eq!(get(&device, quoted).await, *of(quoted));
}

#[tokio::test]
async fn a_change_is_written_waits_for_a_restart_and_is_taken_back() {
    let device = device().await;
    let before = file(&device);
    let reply = set(&device, "server.max_connections", &json!(77)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        (&reply.json()["value"], &reply.json()["restart_needed"]),
        (&json!(77), &json!(true))
    );
    assert!(file(&device).contains("max_connections = 77"));
    for (key, value) in [
        ("server.listen", json!(["127.0.0.1:0", "[::1]:0"])),
        ("log.level", json!("info,thoxd=debug")),
        ("models.%22qwen2.5:7b%22.ollama", json!("qwen2.5:7b")),
        ("tls.enabled", json!(true)),
    ] {
        let reply = set(&device, key, &value).await;
        assert_eq!(reply.status, 200, "{key}: {}", reply.text());
        assert_eq!(get(&device, key).await["value"], value, "{key}");
    }
    let path = format!("{SETTINGS}/server.max_connections");
    let back = device.admin("DELETE", &path, None).await.json();
    assert_eq!(
        (&back["value"], &back["source"], &back["restart_needed"]),
        (&json!(1024), &json!("the built-in default"), &json!(false))
    );
    assert!(!file(&device).contains("max_connections = 77"));
    assert!(
        before
            .lines()
            .next()
            .is_some_and(|first| file(&device).starts_with(first))
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_nothing_is_written() {
    let device = device_with(|builder| {
        builder
            .argument("--set")
            .argument("limits.remote_requests_per_minute=5")
    })
    .await;
    let before = file(&device);
    for (key, value, status, code, words) in [
        (
            "server.max_body",
            json!("much"),
            400,
            "invalid_request",
            "expected a size",
        ),
        (
            "server.max_body",
            json!(null),
            400,
            "invalid_request",
            "send a text",
        ),
        (
            "server.max_body",
            json!({"a": 1}),
            400,
            "invalid_request",
            "send a text",
        ),
        (
            "server.listen",
            json!([]),
            400,
            "invalid_request",
            "at least one address",
        ),
        (
            "server.max_bdy",
            json!("1MiB"),
            400,
            "invalid_request",
            "did you mean server.max_body?",
        ),
        (
            "server",
            json!(1),
            400,
            "invalid_request",
            "expected a table",
        ),
        (
            "auth.enabled",
            json!("true"),
            400,
            "invalid_request",
            "true or false",
        ),
        (
            "a%20b",
            json!(1),
            400,
            "invalid_request",
            "no key of a setting",
        ),
        (
            "limits.remote_requests_per_minute",
            json!(7),
            409,
            "setting_fixed",
            "--set limits",
        ),
    ] {
        let message = assert_error(&set(&device, key, &value).await, status, code);
        assert!(message.contains(words), "{key}: {message}");
        assert_eq!(file(&device), before, "{key}");
    }
    let missing = device
        .admin("GET", &format!("{SETTINGS}/server.max_bdy"), None)
        .await;
    assert_error(&missing, 404, "setting_not_found");
    let missing = device
        .admin("DELETE", &format!("{SETTINGS}/server.max_bdy"), None)
        .await;
    assert_error(&missing, 404, "setting_not_found");
    // What somebody broke by hand is told as that.
    fs::write(
        device.stage.thoxd.process.folder().join("config.toml"),
        "[server\n",
    )
    .unwrap();
    assert_error(
        &set(&device, "log.level", &json!("info")).await,
        409,
        "invalid_settings",
    );
    let restart = device.admin("POST", "/thox/v1/restart", None).await;
    assert_error(&restart, 409, "invalid_settings");
    assert_eq!(device.stage.chat(&chat()).await.status, 200, "it runs on");
}

#[tokio::test]
async fn files_of_the_device_are_named_on_the_device_alone() {
    let device = device().await;
    let before = file(&device);
    for (key, value) in [
        ("engines.ollama.api_key_file", "/etc/shadow"),
        ("state_dir", "/tmp/x"),
        ("tls.key", "/etc/shadow"),
        ("tls.certificate", "/etc/shadow"),
        ("server.control_socket", "/tmp/x"),
        ("engines.%22ollama%22.%22api_key_file%22", "/etc/shadow"),
    ] {
        let message = assert_error(
            &set(&device, key, &json!(value)).await,
            409,
            "setting_fixed",
        );
        assert!(
            message.contains("is not changed over the network"),
            "{key}: {message}"
        );
    }
    assert_eq!(file(&device), before);
}

#[tokio::test]
async fn authentication_changes_at_once_by_its_key_too() {
    let device = device().await;
    let ask = || async {
        send(device.address(), "POST", CHAT, Some(&chat()), &[])
            .await
            .status
    };
    assert_eq!(ask().await, 200);
    let reply = set(&device, "auth.enabled", &json!(true)).await;
    assert_eq!(
        (reply.status, &reply.json()["restart_needed"]),
        (200, &json!(false))
    );
    assert_eq!(ask().await, 401);
    let path = format!("{SETTINGS}/auth.enabled");
    assert_eq!(device.admin("DELETE", &path, None).await.status, 200);
    assert_eq!(ask().await, 200);
    let on = device
        .admin("PUT", "/thox/v1/auth", Some(&json!({ "enabled": true })))
        .await;
    assert_eq!(on.status, 200, "{}", on.text());
    assert_eq!(get(&device, "auth.enabled").await["value"], true);
}

#[tokio::test]
async fn of_many_changes_at_once_none_is_lost() {
    let device = device().await;
    let keys = [
        "header_timeout",
        "body_timeout",
        "send_timeout",
        "idle_timeout",
        "drain_deadline",
    ];
    let changes = keys.map(|key| {
        let device = &device;
        async move {
            set(device, &format!("server.{key}"), &json!("33s"))
                .await
                .status
        }
    });
    assert_eq!(futures_util::future::join_all(changes).await, [200; 5]);
    for key in keys {
        assert_eq!(
            get(&device, &format!("server.{key}")).await["value"],
            "33s",
            "{key}"
        );
    }
}
