//! Pages: a foreign one cannot ask, a rebinding name is no name of ours, a listed one can do its work.

use super::{Owned, chat, filled, routes, send};
use crate::stage::Stage;
use serde_json::{Value, json};
use thox_tests::client::request;
use thox_tests::doubles::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Every route, asked under each name and by each page, with each kind of body.
#[tokio::test]
async fn every_route_with_every_host_and_origin() {
    let device = Owned::new().await;
    let address = device.address();
    let port = address.port();
    let own = address.to_string();
    let bearer = format!("Bearer {}", device.admin);
    let hosts = [
        (own.clone(), true),
        (format!("localhost:{port}"), true),
        (format!("thox.local:{port}"), true),
        (format!("[::1]:{port}"), true),
        ("evil.example".to_owned(), false),
        (format!("evil.local:{port}"), false),
        (format!("thox.local.evil.example:{port}"), false),
        ("0.0.0.0".to_owned(), false),
        ("169.254.169.254".to_owned(), false),
        (String::new(), false),
    ];
    let origins = |host: &str| {
        vec![
            (None, true),
            (Some(format!("http://{host}")), true),
            (Some("null".to_owned()), false),
            (Some("https://evil.example".to_owned()), false),
            (
                Some(format!("http://localhost:{}", port.wrapping_add(1))),
                false,
            ),
            (Some("file://".to_owned()), false),
        ]
    };
    let (mut asked, mut refused) = (0, 0);
    let before = device.admin("GET", "/thox/v1/keys", None).await.json();
    for (_, path, body) in routes(address).await {
        let path = filled(&path, "thox-coder");
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
            for (host, is_ours) in &hosts {
                for (origin, is_own_page) in origins(host) {
                    if *is_ours && is_own_page {
                        // A page of ours with the owner's key may do everything.
                        continue;
                    }
                    let mut headers =
                        vec![("host", host.as_str()), ("authorization", bearer.as_str())];
                    if let Some(origin) = &origin {
                        headers.push(("origin", origin));
                    }
                    headers.push(("content-type", "application/json"));
                    let text = body.as_ref().map(Value::to_string).unwrap_or_default();
                    let reply = request(address, method, &path, &headers, text.as_bytes())
                        .await
                        .whole()
                        .await;
                    asked += 1;
                    let case = format!(
                        "{method} {path} Host {host} Origin {origin:?}: {} {}",
                        reply.status,
                        reply.text()
                    );
                    // An empty Host is refused by the parser or by the guard.
                    assert!([403, 400].contains(&reply.status), "{case}");
                    assert_eq!(reply.header("access-control-allow-origin"), "", "{case}");
                    refused += 1;
                }
            }
        }
    }
    let mut after = device.admin("GET", "/thox/v1/keys", None).await.json();
    let mut before = before;
    for list in [&mut before, &mut after] {
        for key in list["data"].as_array_mut().unwrap() {
            key["last_used"] = Value::Null;
        }
    }
    assert_eq!(
        before, after,
        "nothing has changed, with the owner's key in every request"
    );
    assert!(asked > 4_000, "{asked}");
    println!(
        "{asked} requests under foreign names or by foreign pages: {refused} were refused, nothing changed"
    );
}

/// The same connection, now with a name of the device's, now with another.
#[tokio::test]
async fn every_request_of_a_connection_is_looked_at() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut stream = tokio::net::TcpStream::connect(stage.address())
        .await
        .unwrap();
    let mut statuses = Vec::new();
    for (host, origin) in [
        ("localhost", ""),
        ("localhost", ""),
        ("evil.example", ""),
        ("localhost", "origin: https://evil.example\r\n"),
        ("thox.local", ""),
        ("evil.example", ""),
        ("thox.local", ""),
    ] {
        let request = format!("GET /health HTTP/1.1\r\nhost: {host}\r\n{origin}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        while !text.contains("}}") && !text.contains("]}") {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).await.unwrap();
            assert!(length > 0, "closed after {statuses:?}");
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        statuses.push(text[9..12].to_owned());
    }
    assert_eq!(statuses, ["200", "200", "403", "403", "200", "403", "200"]);
}

#[tokio::test]
async fn what_is_no_json_changes_nothing() {
    let device = Owned::new().await;
    let bearer = format!("Bearer {}", device.admin);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
    ] {
        for (method, path) in [
            ("POST", "/thox/v1/keys"),
            ("PUT", "/thox/v1/auth"),
            ("POST", "/thox/v1/claim"),
            ("POST", super::ASK),
        ] {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            let body = json!({ "name": "a", "enabled": true, "code": "0" }).to_string();
            let reply = request(device.address(), method, path, &headers, body.as_bytes())
                .await
                .whole()
                .await;
            assert_eq!(
                reply.status,
                415,
                "{method} {path} {kind}: {}",
                reply.text()
            );
        }
    }
}

#[tokio::test]
async fn a_websocket_is_no_way_around() {
    let stage = Stage::of(Kind::Ollama).await;
    let own = stage.address().to_string();
    for (host, origin, status) in [
        (own.as_str(), None, 101),
        (own.as_str(), Some(format!("http://{own}")), 101),
        (own.as_str(), Some("https://evil.example".to_owned()), 403),
        (own.as_str(), Some("null".to_owned()), 403),
        ("evil.example", None, 403),
        ("evil.example", Some("http://evil.example".to_owned()), 403),
    ] {
        let mut headers = vec![
            ("host", host),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        if let Some(origin) = &origin {
            headers.push(("origin", origin));
        }
        let reply = request(stage.address(), "GET", "/v1/stream", &headers, b"").await;
        assert_eq!(reply.status, status, "{host} {origin:?}");
    }
}

#[tokio::test]
async fn a_listed_page_may_ask_and_read() {
    let listed = ["https://chat.example.org"];
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder.list("auth", "allowed_origins", &listed)
    })
    .await;
    let origin = ("origin", "https://chat.example.org");
    let asked = [
        origin,
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type,x-stainless-lang",
        ),
    ];
    let reply = send(stage.address(), "OPTIONS", super::ASK, None, &asked).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://chat.example.org"
    );
    assert_eq!(reply.header("access-control-allow-methods"), "POST");
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains("x-stainless-lang")
    );
    assert_eq!(reply.header("access-control-allow-private-network"), "");
    assert_eq!(reply.header("access-control-allow-credentials"), "");
    let reply = send(
        stage.address(),
        "POST",
        super::ASK,
        Some(&chat()),
        &[origin],
    )
    .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://chat.example.org"
    );
    assert!(reply.header("vary").contains("origin"));
    for header in ["x-content-type-options", "content-security-policy"] {
        assert!(!reply.header(header).is_empty(), "{header}");
    }
    let refused = send(
        stage.address(),
        "POST",
        "/v1/nothing",
        Some(&chat()),
        &[origin],
    )
    .await;
    assert_eq!(refused.status, 404);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://chat.example.org",
        "a page can read why"
    );
    let other = send(
        stage.address(),
        "POST",
        super::ASK,
        Some(&chat()),
        &[("origin", "https://other.example.org")],
    )
    .await;
    assert_eq!(other.status, 403);
}
