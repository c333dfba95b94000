//! Names that want something else: none of them reaches an engine.

use super::{DOWNLOADS, device, device_with, named};
use crate::stage::assert_error;
use serde_json::{Value, json};
use thox_tests::client::request;

#[tokio::test]
async fn no_hostile_name_reaches_the_engine() {
    let device = device().await;
    let long = "a".repeat(300);
    let names = [
        "",
        " ",
        ".",
        "..",
        "/",
        "../../etc/passwd",
        "a/../b",
        "..%2f..%2fetc",
        "/etc/passwd",
        "C:\\x",
        "a\\..\\b",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "https://a/b/c",
        "a\u{0}b",
        "a\nb",
        "a\r\nHost: x",
        "\u{1b}[2J",
        "a b",
        "a?insecure=true",
        "a#x",
        "a@sha256:00",
        "u:p@h/a/b",
        "[::1]/a/b",
        "a/b/c/d",
        "a:b:c",
        "-rf",
        "~root/x",
        "$(id)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
        "\"a\"",
        "{}",
        "ä",
        "a\u{202e}b",
        &long,
    ];
    let mut tried = 0;
    for name in names {
        for path in [
            DOWNLOADS,
            "/thox/v1/models/load",
            "/thox/v1/models/unload",
            "/thox/v1/models/delete",
        ] {
            let reply = device.admin("POST", path, Some(&named(name))).await;
            let message = assert_error(&reply, 400, "invalid_request");
            assert!(
                message.contains("is no model's name"),
                "{name:?}: {message}"
            );
            assert!(!message.chars().any(char::is_control), "{message:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, names.len() * 4);
    for body in [
        json!({}),
        json!({ "model": null }),
        json!({ "model": ["a"] }),
        json!({ "model": "a", "insecure": true }),
        json!({ "name": "a" }),
        json!([]),
    ] {
        for path in [DOWNLOADS, "/thox/v1/models/delete"] {
            assert_error(
                &device.admin("POST", path, Some(&body)).await,
                400,
                "invalid_request",
            );
        }
    }
    let log = device.stage.thoxd.log();
    assert!(
        !log.contains('\u{1b}') || !log.contains("[2J"),
        "nothing steers a terminal"
    );
    let journal = device.stage.engine.journal();
    for path in ["/api/pull", "/api/generate", "/api/embed", "/api/delete"] {
        assert!(journal.to(path).is_empty(), "{path}");
    }
}

#[tokio::test]
async fn only_listed_registries_are_spoken_to() {
    let device = device().await;
    for name in [
        "evil.example/library/llama3.2",
        "127.0.0.1:5000/a/b",
        "localhost/a/b",
        "169.254.169.254/a/b",
        "hf.co:8443/a/b",
        "registry.ollama.ai.evil.example/library/a",
        "xregistry.ollama.ai/library/a",
    ] {
        let message = assert_error(&device.pull(name).await, 400, "registry_not_allowed");
        assert!(message.contains("downloads.registries"), "{message}");
    }
    let elsewhere = assert_error(
        &device.pull("gpt-oss:120b-cloud").await,
        400,
        "registry_not_allowed",
    );
    assert!(elsewhere.contains("leave this device"), "{elsewhere}");
    assert!(device.stage.engine.journal().to("/api/pull").is_empty());
    let id = device.begin("HF.co/Owner/model:Q4").await;
    assert_eq!(
        device.wait_download(&id, "succeeded").await["model"],
        "hf.co/Owner/model:Q4"
    );

    let own =
        device_with(|builder| builder.list("downloads", "registries", &["10.0.0.1:5000"])).await;
    assert_error(&own.pull("llama3.2").await, 400, "registry_not_allowed");
    own.begin("10.0.0.1:5000/team/model").await;
}

#[tokio::test]
async fn administration_takes_small_bodies_and_asking_large_ones() {
    let device = device().await;
    let large = "x".repeat(70 << 10);
    let bearer = format!("Bearer {}", device.admin);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    for (method, path) in [
        ("POST", DOWNLOADS),
        ("POST", "/thox/v1/models/builds"),
        ("POST", "/thox/v1/models/load"),
        ("POST", "/thox/v1/models/unload"),
        ("POST", "/thox/v1/models/delete"),
        ("PUT", "/thox/v1/settings/log.level"),
        ("PUT", "/thox/v1/auth"),
        ("POST", "/thox/v1/keys"),
        ("POST", "/thox/v1/claim"),
    ] {
        let body = json!({ "model": large, "value": large, "name": large }).to_string();
        let reply = request(device.address(), method, path, &headers, body.as_bytes()).await;
        let reply = reply.whole().await;
        let message = assert_error(&reply, 413, "body_too_large");
        assert!(
            message.contains("65536 bytes"),
            "{method} {path}: {message}"
        );
    }
    let mut chat: Value = crate::trust::chat();
    chat["messages"][0]["content"] = json!(large);
    assert_eq!(device.stage.chat(&chat).await.status, 200);
}
