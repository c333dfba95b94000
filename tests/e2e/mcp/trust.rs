//! Keys, Host, Origin and privacy: this door is behind the same guard as the others.

use super::{Client, OLD, USUAL, answer, initialize, next, raw};
use crate::stage::Stage;
use crate::trust::Owned;
use serde_json::json;
use std::time::{Duration, Instant};
use thox_tests::client::request;
use thox_tests::doubles::{Answering, Fault, Kind};

async fn lock(device: &Owned) {
    let set = json!({"enabled": true});
    assert_eq!(
        device
            .admin("PUT", "/thox/v1/auth", Some(&set))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_locked_device_wants_a_key_for_every_method() {
    let device = Owned::new().await;
    lock(&device).await;
    let address = device.address();
    for method in ["POST", "GET", "DELETE"] {
        let body = if method == "POST" {
            initialize(OLD).to_string()
        } else {
            String::new()
        };
        assert_eq!(
            raw(address, method, &USUAL, &body).await.status,
            401,
            "{method}"
        );
    }
    let (key, _) = device.key(&json!({"name": "editor"})).await;
    let bearer = format!("Bearer {key}");
    let client = Client::session_with(address, OLD, &[("authorization", &bearer)]).await;
    client.done("thox_explain", json!({"code": "x"})).await;
    let mut client = Client::stateless(address);
    let (_, refused) = client.begin("tools/list", json!({})).await;
    assert_eq!(refused.status, 401);
    client.headers.push(("x-api-key".into(), key));
    client.done("thox_explain", json!({"code": "x"})).await;
}

#[tokio::test]
async fn a_session_is_its_keys_own() {
    let device = Owned::new().await;
    let (key, _) = device.key(&json!({"name": "mine"})).await;
    let bearer = format!("Bearer {key}");
    let mine = Client::session_with(device.address(), OLD, &[("authorization", &bearer)]).await;
    let (other, _) = device.key(&json!({"name": "other"})).await;
    let other = format!("Bearer {other}");
    for headers in [vec![], vec![("authorization", other.as_str())]] {
        let mut all = vec![USUAL[0], USUAL[1], ("mcp-session-id", mine.session_id())];
        all.extend(headers);
        let list = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
        assert_eq!(raw(device.address(), "POST", &all, list).await.status, 404);
        assert_eq!(raw(device.address(), "GET", &all, "").await.status, 404);
        assert_eq!(raw(device.address(), "DELETE", &all, "").await.status, 404);
    }
    mine.ask("tools/list", json!({})).await;
}

#[tokio::test]
async fn revoking_a_key_ends_its_calls_and_its_session() {
    let device = Owned::new().await;
    lock(&device).await;
    device.stage.fault(Fault::Hang { after: 2 });
    for is_stateless in [true, false] {
        let (key, id) = device.key(&json!({"name": "a"})).await;
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        let client = if is_stateless {
            let mut client = Client::stateless(device.address());
            client
                .headers
                .push(("authorization".into(), bearer.clone()));
            client
        } else {
            Client::session_with(device.address(), OLD, &headers).await
        };
        let params = json!({
            "name": "thox_explain", "arguments": {"code": "x"}, "_meta": {"progressToken": 1},
        });
        let (asked, mut receiving) = client.begin("tools/call", params).await;
        assert!(next(&mut receiving).await.is_some());
        let mut listening = if is_stateless {
            None
        } else {
            let about = [
                ("accept", "text/event-stream"),
                headers[0],
                ("mcp-session-id", client.session_id()),
            ];
            Some(request(device.address(), "GET", "/mcp", &about, b"").await)
        };
        device.stage.wait_open(1).await;
        let revoked = Instant::now();
        let path = format!("/thox/v1/keys/{id}");
        assert_eq!(device.admin("DELETE", &path, None).await.status, 200);
        let mut last = None;
        while let Some(message) = next(&mut receiving).await {
            last = Some(message);
        }
        let last = last.unwrap();
        assert_eq!(
            (&last["jsonrpc"], &last["id"]),
            (&json!("2.0"), &json!(asked))
        );
        assert_eq!(last["error"]["data"]["code"], "key_revoked", "{last}");
        // Nothing was asked there, so nothing is answered: only JSON-RPC, and the end.
        if let Some(listening) = &mut listening {
            assert_eq!(listening.status, 200);
            assert_eq!(next(listening).await, None);
        }
        assert!(revoked.elapsed() < Duration::from_secs(1));
        device.stage.wait_open(0).await;
        let (_, refused) = client.begin("tools/list", json!({})).await;
        assert_eq!(refused.status, 401);
    }
}

#[tokio::test]
async fn a_foreign_host_and_a_foreign_page_are_refused_before_anything_is_read() {
    let stage = Stage::of(Kind::Ollama).await;
    let body = initialize(OLD).to_string();
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let headers = [USUAL[0], USUAL[1], (name, value)];
        for method in ["POST", "GET", "DELETE"] {
            let sent = if method == "POST" { body.as_str() } else { "" };
            let reply = raw(stage.address(), method, &headers, sent).await;
            assert_eq!(reply.status, 403, "{method} {name}: {}", reply.text());
        }
        assert_eq!(
            raw(stage.address(), "POST", &headers, "{").await.status,
            403
        );
    }
    // The device's own names are more than loopback's.
    let own = [USUAL[0], USUAL[1], ("host", "thox.local:8080")];
    assert_eq!(raw(stage.address(), "POST", &own, &body).await.status, 200);
}

#[tokio::test]
async fn a_keys_limits_hold() {
    let device = Owned::new().await;
    let (key, _) = device
        .key(&json!({"name": "few", "requests_per_minute": 2}))
        .await;
    let mut client = Client::stateless(device.address());
    client
        .headers
        .push(("authorization".into(), format!("Bearer {key}")));
    client.ask("tools/list", json!({})).await;
    client.ask("tools/list", json!({})).await;
    let (_, limited) = client.begin("tools/list", json!({})).await;
    assert_eq!(limited.status, 429);
    assert!(limited.headers.get("retry-after").is_some());
}

#[tokio::test]
async fn nothing_of_what_is_asked_and_answered_is_logged() {
    let (asked, told) = ("zanzibar-canary-7431", "tiramisu-canary-9902");
    let stage = Stage::with(Kind::Ollama, |builder| builder.log("trace,rmcp=trace")).await;
    stage.script(|script| script.answering = Answering::Fixed(format!("```\n{told}\n```")));
    for client in Client::both(stage.address()).await {
        for (tool, arguments) in [
            ("thox_complete", json!({"before": asked, "after": asked})),
            ("thox_explain", json!({"code": asked, "question": asked})),
            ("thox_refactor", json!({"code": asked, "goal": asked})),
            ("thox_test", json!({"code": asked, "framework": asked})),
        ] {
            let result = client.call(tool, arguments).await;
            assert!(result.to_string().contains(told), "{result}");
        }
        client
            .call("thox_explain", json!({"code": asked, "level": asked}))
            .await;
        client.ask("prompts/get", json!({"name": asked})).await;
        let (_, receiving) = client.begin(asked, json!({"x": asked})).await;
        answer(receiving).await;
    }
    for body in [
        format!("{{{asked}"),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":["{asked}"]}}"#),
    ] {
        raw(stage.address(), "POST", &USUAL, &body).await;
    }
    let log = stage.thoxd.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"));
    for word in [asked, told] {
        assert!(!log.contains(word), "the log has {word}");
    }
}
