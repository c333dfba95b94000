//! The opening handshake (RFC 6455, 4.2), line by line.

use super::script::assert_alive;
use crate::stage::Stage;
use std::net::SocketAddr;
use thox_tests::doubles::Kind;
use thox_tests::frames::{CLOSE, Frame, Wire};

/// The example of RFC 6455, 1.3, and the answer that it gives.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a case changes of a good handshake.
pub(super) struct Offer {
    name: &'static str,
    line: &'static str,
    /// A header and its value in the place of the good one; no value for none at all.
    change: Option<(&'static str, Option<&'static str>)>,
    status: u16,
}

const GOOD: &str = "GET /v1/stream HTTP/1.1";

fn offer(name: &'static str, change: (&'static str, Option<&'static str>), status: u16) -> Offer {
    Offer {
        name,
        line: GOOD,
        change: Some(change),
        status,
    }
}

fn line(name: &'static str, line: &'static str, status: u16) -> Offer {
    Offer {
        name,
        line,
        change: None,
        status,
    }
}

pub(super) fn cases() -> Vec<Offer> {
    vec![
        line("a good handshake", GOOD, 101),
        line("a query", "GET /v1/stream?any=thing HTTP/1.1", 101),
        offer("no version", ("sec-websocket-version", None), 426),
        offer("version 8", ("sec-websocket-version", Some("8")), 426),
        offer("version 0", ("sec-websocket-version", Some("0")), 426),
        offer("version 14", ("sec-websocket-version", Some("14")), 426),
        offer(
            "a version that is no number",
            ("sec-websocket-version", Some("thirteen")),
            426,
        ),
        offer("no key", ("sec-websocket-key", None), 426),
        offer("an empty key", ("sec-websocket-key", Some("")), 426),
        offer(
            "a key of 15 bytes",
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25j")),
            426,
        ),
        offer(
            "a key that is not Base64",
            ("sec-websocket-key", Some("!!!!!!!!!!!!!!!!!!!!!!==")),
            426,
        ),
        offer("no upgrade", ("upgrade", None), 426),
        offer(
            "an upgrade to something else",
            ("upgrade", Some("h2c")),
            426,
        ),
        offer(
            "WebSocket in other letters",
            ("upgrade", Some("WebSocket")),
            101,
        ),
        offer("no connection", ("connection", None), 426),
        offer(
            "a connection that is kept alive only",
            ("connection", Some("keep-alive")),
            426,
        ),
        offer(
            "a list of connection options",
            ("connection", Some("keep-alive, Upgrade")),
            101,
        ),
        offer(
            "connection options with a tab between",
            ("connection", Some("keep-alive,\tUpgrade")),
            101,
        ),
        offer(
            "connection options in two lines",
            ("connection", Some("keep-alive\r\nconnection: Upgrade")),
            101,
        ),
        offer(
            "a list of protocols to upgrade to",
            ("upgrade", Some("h2c, websocket")),
            101,
        ),
        offer(
            "a protocol whose name begins alike",
            ("upgrade", Some("websockets")),
            426,
        ),
        offer(
            "upgrade in small letters",
            ("connection", Some("upgrade")),
            101,
        ),
        line("POST", "POST /v1/stream HTTP/1.1", 405),
        line("PUT", "PUT /v1/stream HTTP/1.1", 405),
        line("HTTP/1.0", "GET /v1/stream HTTP/1.0", 426),
        line("another path", "GET /v1/streams HTTP/1.1", 404),
        offer(
            "a foreign origin",
            ("origin", Some("http://evil.example")),
            403,
        ),
        offer("a foreign host", ("host", Some("evil.example")), 403),
        offer(
            "a subprotocol",
            ("sec-websocket-protocol", Some("chat, superchat")),
            101,
        ),
        offer(
            "compression",
            (
                "sec-websocket-extensions",
                Some("permessage-deflate; client_max_window_bits"),
            ),
            101,
        ),
        offer(
            "an extension nobody knows",
            ("sec-websocket-extensions", Some("x-nobody-knows; a=1")),
            101,
        ),
    ]
}

fn text(address: SocketAddr, offer: &Offer) -> String {
    let host = address.to_string();
    let mut headers = vec![
        ("host", host.as_str()),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    if let Some((name, value)) = offer.change {
        headers.retain(|(have, _)| *have != name);
        headers.extend(value.map(|value| (name, value)));
    }
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{}\r\n{headers}\r\n", offer.line)
}

#[tokio::test]
async fn the_handshake_is_the_rfcs() {
    let stage = Stage::of(Kind::Ollama).await;
    for offer in cases() {
        let name = offer.name;
        let mut wire = Wire::connect(stage.address()).await;
        wire.send(text(stage.address(), &offer).as_bytes()).await;
        let head = wire.head().await;
        assert_eq!(head.status, offer.status, "{name}: {head:?}");
        let header = |name: &str| head.headers.get(name);
        if offer.status == 101 {
            assert_eq!(header("sec-websocket-accept"), Some(ACCEPT), "{name}");
            let says = |name: &str, value: &str| {
                header(name).is_some_and(|v| v.eq_ignore_ascii_case(value))
            };
            assert!(
                says("upgrade", "websocket") && says("connection", "upgrade"),
                "{name}: {head:?}"
            );
            for not_agreed in ["sec-websocket-protocol", "sec-websocket-extensions"] {
                assert_eq!(header(not_agreed), None, "{name}");
            }
            wire.send(&Frame::close(1000, "").bytes()).await;
            let close = wire.frame().await.unwrap();
            assert_eq!(
                (close.opcode, close.payload),
                (CLOSE, vec![0x03, 0xE8]),
                "{name}"
            );
        } else {
            assert_eq!(header("sec-websocket-accept"), None, "{name}");
            if offer.status == 426 {
                assert_eq!(header("sec-websocket-version"), Some("13"), "{name}");
                assert_eq!(header("upgrade"), Some("websocket"), "{name}");
            }
        }
        assert_alive(stage.address()).await;
    }
    println!("RFC 6455, the handshake: {} cases", cases().len());
}

/// Another key, so that the answer is worked out and not known by heart.
#[tokio::test]
async fn the_accept_key_is_worked_out() {
    let stage = Stage::of(Kind::Ollama).await;
    let good = line("another key", GOOD, 101);
    let request = text(stage.address(), &good).replace(KEY, "x3JJHMbDL1EzLkh9GBhXDw==");
    let mut wire = Wire::connect(stage.address()).await;
    wire.send(request.as_bytes()).await;
    let head = wire.head().await;
    assert_eq!(
        head.headers.get("sec-websocket-accept"),
        Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk=")
    );
}

/// What a client sends without waiting for the answer belongs to the socket.
#[tokio::test]
async fn frames_may_come_with_the_handshake() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut bytes = text(stage.address(), &line("", GOOD, 101)).into_bytes();
    bytes.extend(Frame::close(1000, "at once").bytes());
    let mut wire = Wire::connect(stage.address()).await;
    wire.send(&bytes).await;
    assert_eq!(wire.head().await.status, 101);
    let close = wire.frame().await.unwrap();
    assert_eq!(close.payload, b"\x03\xE8at once");
    assert_alive(stage.address()).await;
}
