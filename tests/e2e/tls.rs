//! The encrypted port: its certificates, HTTP/1.1, HTTP/2 and WebSocket over it; and how many connections one client
//! may have.

use crate::stage::{CHAT, Stage, ask, ask_stream, one};
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use thox_tests::client::{self, Connection};
use thox_tests::doubles::{Answering, Double, Kind};
use thox_tests::patience::{until, within};
use thox_tests::thoxd::{Builder, Thoxd};
use thox_tests::tls::{self, HTTP1, HTTP2, Http2};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

pub(crate) fn encrypted(builder: Builder) -> Builder {
    builder
        .raw("tls", "enabled", "true")
        .list("tls", "listen", &["127.0.0.1:0"])
}

pub(crate) async fn stage() -> Stage {
    Stage::with(Kind::OpenAi, encrypted).await
}

/// A thoxd without an engine.
async fn alone(settings: impl FnOnce(Builder) -> Builder) -> Thoxd {
    settings(encrypted(Thoxd::builder())).start().await
}

fn own(builder: Builder, pair: &(std::path::PathBuf, std::path::PathBuf)) -> Builder {
    builder
        .text("tls", "certificate", &pair.0.display().to_string())
        .text("tls", "key", &pair.1.display().to_string())
}

fn said(body: &[u8]) -> String {
    let reply: Value = serde_json::from_slice(body).expect("JSON");
    reply["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn code(body: &[u8]) -> String {
    let reply: Value = serde_json::from_slice(body).expect("JSON");
    reply["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// What is left to be read until the other side closes; a reset is an end too.
pub(crate) async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within("the end of the connection", stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn a_chat_over_http1_with_a_certificate_that_is_checked() {
    let stage = stage().await;
    let address = tls::address(&stage.thoxd);
    let kept = stage
        .thoxd
        .process
        .folder()
        .join("state/tls/certificate.pem");
    for name in ["localhost", "127.0.0.1", "thox.local"] {
        let mut stream = tls::connect_trusting(address, &kept, name).await.unwrap();
        assert_eq!(tls::protocol(&stream), None, "none was offered");
        for _ in 0..2 {
            let (status, headers, body) = tls::ask(&mut stream, CHAT, Some(&ask("Hello!")))
                .await
                .unwrap();
            assert_eq!(
                (status, said(&body).as_str()),
                (200, "Hello! You said: Hello!")
            );
            assert!(headers.get("x-request-id").is_some());
        }
    }
    let foreign = tls::connect_trusting(address, &kept, "thox.example").await;
    assert!(foreign.is_err(), "the certificate has no such name");
}

#[tokio::test]
async fn many_chats_at_once_over_http2() {
    let stage = stage().await;
    let stream = tls::connect(tls::address(&stage.thoxd), &[HTTP2, HTTP1])
        .await
        .unwrap();
    assert_eq!(tls::protocol(&stream).as_deref(), Some(HTTP2));
    let http2 = Http2::over(stream).await;
    let asked = (0..40).map(|number| {
        let http2 = &http2;
        async move {
            let text = format!("number {number}");
            let (whole, streamed) = (ask(&text), ask_stream(&text));
            let (status, body) = http2.ask(CHAT, Some(&whole)).await.unwrap();
            assert_eq!(status, 200);
            assert!(said(&body).contains(&text), "{body:?}");
            let (status, body) = http2.ask(CHAT, Some(&streamed)).await.unwrap();
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(
                status == 200 && body.ends_with("data: [DONE]\n\n"),
                "{body}"
            );
        }
    });
    futures_util::future::join_all(asked).await;
    let (status, body) = http2.ask("/v1/nothing", None).await.unwrap();
    assert_eq!((status, code(&body).as_str()), (404, "not_found"));
    let foreign = http2.ask("https://evil.example/v1/models", None).await;
    assert_eq!(foreign.unwrap().0, 403, "no name of this device");
    let metrics = client::get(stage.address(), "/metrics").await.text();
    assert!(
        metrics.contains("\nthox_connections 2\n"),
        "this one and the client's: {metrics}"
    );
}

#[tokio::test]
async fn the_client_chooses_the_protocol() {
    let thoxd = alone(|builder| builder).await;
    let address = tls::address(&thoxd);
    for (offered, agreed) in [
        (&[][..], None),
        (&[HTTP1], Some(HTTP1)),
        (&[HTTP2], Some(HTTP2)),
        (&[HTTP1, HTTP2], Some(HTTP2)),
    ] {
        let mut stream = tls::connect(address, offered).await.unwrap();
        assert_eq!(tls::protocol(&stream).as_deref(), agreed, "{offered:?}");
        if agreed == Some(HTTP2) {
            let (status, _) = Http2::over(stream)
                .await
                .ask("/v1/models", None)
                .await
                .unwrap();
            assert_eq!(status, 200);
        } else {
            let (status, ..) = tls::ask(&mut stream, "/v1/models", None).await.unwrap();
            assert_eq!(status, 200);
        }
    }
    assert!(
        tls::connect(address, &["h3"]).await.is_err(),
        "nothing in common"
    );

    // HTTP/2 that was not agreed on.
    let mut stream = tls::connect(address, &[HTTP1]).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let reply = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 505 ") && reply.contains("ALPN"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_websocket_over_tls() {
    let stage = stage().await;
    let address = tls::address(&stage.thoxd);
    let stream = tls::connect(address, &[HTTP1]).await.unwrap();
    let upgrade = client_async("wss://localhost/v1/stream", stream);
    let (mut socket, _) = within("the upgrade", upgrade).await.unwrap();
    for text in ["Hello!", "Again"] {
        socket
            .send(Message::text(ask(text).to_string()))
            .await
            .unwrap();
        let mut all = String::new();
        loop {
            let message = within("a message", socket.next()).await.unwrap().unwrap();
            let Message::Text(message) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&message).unwrap();
            if message["type"] == "done" {
                break;
            }
            all += message["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap_or_default();
        }
        assert!(all.contains(text), "{all}");
    }
}

#[tokio::test]
async fn leaving_over_http2_stops_the_engine() {
    let stage = stage().await;
    stage.script(|script| {
        script.answering = Answering::Words(2_000);
        script.gap = Duration::from_millis(5);
    });
    let stream = tls::connect(tls::address(&stage.thoxd), &[HTTP2])
        .await
        .unwrap();
    let http2 = Http2::over(stream).await;
    for round in 1..=5 {
        let mut response = http2.begin(CHAT, Some(&ask_stream("x"))).await.unwrap();
        let first = within("a piece", response.body_mut().frame()).await;
        assert!(first.is_some_and(|frame| frame.is_ok()));
        let left = Instant::now();
        drop(response);
        let cancelled = stage.wait_cancelled(round).await;
        let took = cancelled.at.saturating_duration_since(left);
        assert!(took < Duration::from_millis(100), "round {round}: {took:?}");
    }
    let (status, _) = http2.ask("/v1/models", None).await.unwrap();
    assert_eq!(status, 200, "the connection itself goes on");
    // And when the whole connection goes.
    let _response = http2.begin(CHAT, Some(&ask_stream("x"))).await.unwrap();
    stage.wait_open(1).await;
    http2.abort();
    stage.wait_cancelled(6).await;
}

#[tokio::test]
async fn nothing_of_the_wire_is_logged() {
    let stage = Stage::with(Kind::OpenAi, |builder| {
        encrypted(builder).log("trace,h2=trace,h2::codec=trace,rustls=trace")
    })
    .await;
    for protocol in [HTTP1, HTTP2] {
        let mut stream = tls::connect(tls::address(&stage.thoxd), &[protocol])
            .await
            .unwrap();
        let body = ask("tiramisu-canary");
        if protocol == HTTP2 {
            let (status, _) = Http2::over(stream)
                .await
                .ask(CHAT, Some(&body))
                .await
                .unwrap();
            assert_eq!(status, 200);
        } else {
            assert_eq!(
                tls::ask(&mut stream, CHAT, Some(&body)).await.unwrap().0,
                200
            );
        }
    }
    let log = stage.thoxd.log();
    for word in ["tiramisu", "frame", "StreamId", "Settings"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
    let key = stage.thoxd.process.folder().join("state/tls/key.pem");
    let key = std::fs::read_to_string(key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert!(
        !log.contains(secret) && !log.contains("PRIVATE KEY"),
        "{log}"
    );
}

#[tokio::test]
async fn the_pin_survives_a_restart_and_a_renewal() {
    let state = tempfile::tempdir().unwrap();
    let start = |hosts: &'static [&'static str]| {
        let state = format!("state_dir={:?}", state.path().display().to_string());
        alone(move |builder| {
            builder
                .list("auth", "allowed_hosts", hosts)
                .argument("--set")
                .argument(&state)
        })
    };
    let mut shown = Vec::new();
    // The third has a name that the first certificate lacks.
    for hosts in [&[][..], &[], &["box.example.org"]] {
        let thoxd = start(hosts).await;
        let address = tls::address(&thoxd);
        let stream = tls::connect(address, &[]).await.unwrap();
        shown.push((tls::fingerprint(&thoxd), tls::certificate(&stream)));
        let kept = state.path().join("tls/certificate.pem");
        let named = tls::connect_trusting(address, &kept, "box.example.org").await;
        assert_eq!(named.is_ok(), !hosts.is_empty(), "{hosts:?}");
    }
    assert_eq!(shown[0], shown[1], "a restart changes nothing");
    assert_ne!(shown[1].1, shown[2].1, "a new name is a new certificate");
    assert_eq!(shown[1].0, shown[2].0, "of the same key");
    assert_eq!(shown[0].0.len(), 64);
    let pinned = openssl_pin(&state.path().join("tls/certificate.pem"));
    assert!(
        pinned.is_none_or(|pin| pin == shown[2].0),
        "as openssl has it"
    );
}

/// SHA-256 over the public key by an independent hand; none where it is not installed.
fn openssl_pin(certificate: &Path) -> Option<String> {
    let script = "openssl x509 -in \"$1\" -pubkey -noout | openssl pkey -pubin -outform der | openssl sha256 -r";
    let output = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(certificate)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let digits = text.split_whitespace().next()?;
    (digits.len() == 64).then(|| digits.to_owned())
}

#[tokio::test]
async fn an_own_certificate_is_replaced_under_a_connection_that_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let pair = tls::pair(folder.path(), "one.example");
    let thoxd = alone(|builder| own(builder, &pair)).await;
    let address = tls::address(&thoxd);
    let mut old = tls::connect_trusting(address, &pair.0, "one.example")
        .await
        .unwrap();
    assert_eq!(tls::ask(&mut old, "/v1/models", None).await.unwrap().0, 200);
    assert!(
        !thoxd.process.folder().join("state/tls").exists(),
        "no key of its own is made"
    );

    // A broken one first: it is not taken up, and that is said once.
    let whole = std::fs::read(&pair.0).unwrap();
    std::fs::write(&pair.0, &whole[..whole.len() / 2]).unwrap();
    let complaint = "the old one stays in force";
    until("thoxd complains", || {
        thoxd.log().contains(complaint).then_some(())
    })
    .await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(thoxd.log().matches(complaint).count(), 1, "{}", thoxd.log());
    let stream = tls::connect(address, &[]).await.unwrap();
    assert_eq!(tls::certificate(&stream), tls::certificate(&old));

    let next = tls::pair(folder.path(), "two.example");
    std::fs::rename(&next.0, &pair.0).unwrap();
    std::fs::rename(&next.1, &pair.1).unwrap();
    until("the new one is in force", || {
        thoxd
            .log()
            .contains("a new certificate is in force")
            .then_some(())
    })
    .await;
    let mut new = tls::connect_trusting(address, &pair.0, "two.example")
        .await
        .unwrap();
    assert_eq!(tls::ask(&mut new, "/v1/models", None).await.unwrap().0, 200);
    let (status, ..) = tls::ask(&mut old, "/v1/models", None).await.unwrap();
    assert_eq!(status, 200, "the connection from before");
}

#[tokio::test]
async fn an_own_certificate_that_is_of_no_use_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::pair(folder.path(), "one.example");
    let (_, other) = tls::pair(folder.path(), "two.example");
    let nowhere = folder.path().join("nowhere.pem");
    for (what, pair, words) in [
        (
            "no certificate",
            (nowhere.clone(), key.clone()),
            ["tls.certificate", "No such file"],
        ),
        (
            "no key",
            (certificate.clone(), nowhere),
            ["tls.key", "No such file"],
        ),
        (
            "another's key",
            (certificate.clone(), other),
            ["tls.key", "not the key of"],
        ),
        (
            "no PEM",
            (key.clone(), key),
            ["tls.certificate", "there is none in it"],
        ),
    ] {
        let mut process = own(encrypted(Thoxd::builder()), &pair).spawn();
        let status = process.wait_exit().await;
        assert!(!status.success(), "{what}");
        for word in words {
            assert!(process.log().contains(word), "{what}: {}", process.log());
        }
    }
    let mut process = encrypted(Thoxd::builder())
        .text("tls", "certificate", "/c.pem")
        .spawn();
    assert!(!process.wait_exit().await.success());
    assert!(
        process.log().contains("tls.key is missing"),
        "{}",
        process.log()
    );
}

#[tokio::test]
async fn plain_http_on_the_encrypted_port_is_told_and_closed() {
    let thoxd = alone(|builder| builder).await;
    let mut stream = TcpStream::connect(tls::address(&thoxd)).await.unwrap();
    stream
        .write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let reply = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 400 ") && reply.contains("https://"),
        "{reply}"
    );

    let mut stream = TcpStream::connect(tls::address(&thoxd)).await.unwrap();
    stream
        .write_all(&[0x16, 3, 1, 0, 4, 9, 9, 9, 9])
        .await
        .unwrap();
    let reply = rest(&mut stream).await;
    assert!(
        reply.first().is_none_or(|first| *first == 21),
        "an alert at most: {reply:?}"
    );
    // Counted when the connection has been closed, which the client may see first.
    let counted = "thox_connections_refused_total{reason=\"handshake\"} 2";
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let metrics = client::get(thoxd.address, "/metrics").await.text();
        if metrics.contains(counted) {
            break;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn who_is_slow_or_silent_is_cut() {
    let thoxd = alone(|builder| {
        builder
            .text("server", "header_timeout", "400ms")
            .text("server", "idle_timeout", "700ms")
    })
    .await;
    let address = tls::address(&thoxd);
    let ended = |what: &'static str, started: Instant, after: u64| {
        let took = started.elapsed();
        let (least, most) = (
            Duration::from_millis(after),
            Duration::from_millis(after + 600),
        );
        assert!(took >= least && took < most, "{what}: {took:?}");
    };

    // A handshake that never begins, and one that never ends.
    for bytes in [&[][..], &[0x16, 3, 1, 2, 0, 1]] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert!(rest(&mut stream).await.is_empty());
        ended("handshake", started, 390);
    }
    // A head that never ends.
    let mut stream = tls::connect(address, &[HTTP1]).await.unwrap();
    let started = Instant::now();
    stream
        .write_all(b"GET /v1/models HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    let (status, _, body) = tls::receive(&mut stream).await.unwrap();
    assert_eq!((status, code(&body).as_str()), (408, "request_timeout"));
    assert!(rest(&mut stream).await.is_empty(), "closed, and properly");
    ended("head", started, 390);
    // Nothing more after a reply.
    let mut stream = tls::connect(address, &[HTTP1]).await.unwrap();
    assert_eq!(
        tls::ask(&mut stream, "/v1/models", None).await.unwrap().0,
        200
    );
    let started = Instant::now();
    assert!(rest(&mut stream).await.is_empty());
    ended("idle", started, 650);

    // HTTP/2: no request at all, and nothing more after one.
    let started = Instant::now();
    let http2 = Http2::over(tls::connect(address, &[HTTP2]).await.unwrap()).await;
    http2.ended().await.unwrap();
    ended("HTTP/2, no request", started, 390);
    let http2 = Http2::over(tls::connect(address, &[HTTP2]).await.unwrap()).await;
    assert_eq!(http2.ask("/v1/models", None).await.unwrap().0, 200);
    let started = Instant::now();
    http2.ended().await.unwrap();
    ended("HTTP/2, idle", started, 650);
}

#[tokio::test]
async fn one_client_has_so_many_connections_and_no_more() {
    let engine = Double::start(Kind::OpenAi).await;
    let thoxd = one(encrypted(Thoxd::builder()), &engine)
        .raw("server", "max_connections_per_client", "3")
        .start()
        .await;
    let mut first = Connection::open(thoxd.address).await.unwrap();
    first.send("GET", "/v1/models", &[], b"").await.unwrap();
    let (reply, first) = first.receive().await.whole_and_connection().await;
    assert_eq!(reply.status, 200);
    let second = tls::connect(tls::address(&thoxd), &[HTTP2]).await.unwrap();
    // One that has said nothing yet counts too.
    let third = TcpStream::connect(thoxd.address).await.unwrap();

    let mut fourth = TcpStream::connect(thoxd.address).await.unwrap();
    let reply = String::from_utf8(rest(&mut fourth).await).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").expect("a whole reply");
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert_eq!(code(body.as_bytes()), "rate_limit_exceeded");
    assert!(body.contains("server.max_connections_per_client"), "{body}");
    assert!(tls::connect(tls::address(&thoxd), &[]).await.is_err());

    drop((second, third));
    let deadline = Instant::now() + Duration::from_secs(5);
    let metrics = loop {
        let connection = Connection::open(thoxd.address).await.unwrap();
        let mut connection = connection;
        let _ = connection.send("GET", "/metrics", &[], b"").await;
        if let Some(receiving) = connection.try_receive().await
            && receiving.status == 200
        {
            break receiving.whole().await.text();
        }
        assert!(Instant::now() < deadline, "the places are not given back");
        sleep(Duration::from_millis(20)).await;
    };
    let counted = metrics
        .lines()
        .find_map(|line| {
            line.strip_prefix("thox_connections_refused_total{reason=\"too_many_of_client\"} ")
        })
        .and_then(|count| count.parse::<u64>().ok());
    assert!(counted.is_some_and(|count| count >= 2), "{metrics}");
    drop(first);
}
