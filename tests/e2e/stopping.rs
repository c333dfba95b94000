//! What becomes of connections when the daemon stops: streams are finished, who has just come in is answered, and nobody
//! is waited for without end.

use crate::stage::{CHAT, Stage, ask_stream};
use crate::tls::{encrypted, rest, stage};
use std::time::{Duration, Instant};
use thox_tests::doubles::{Answering, Kind};
use thox_tests::patience::until;
use thox_tests::tls::{self, HTTP1, HTTP2, Http2};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

#[tokio::test]
async fn a_long_stream_is_not_idle_and_outlives_the_stop() {
    let stage = Stage::with(Kind::OpenAi, |builder| {
        encrypted(builder)
            .text("server", "header_timeout", "300ms")
            .text("server", "idle_timeout", "300ms")
    })
    .await;
    stage.script(|script| {
        script.answering = Answering::Words(100);
        script.gap = Duration::from_millis(15);
    });
    let address = tls::address(&stage.thoxd);
    let http2 = Http2::over(tls::connect(address, &[HTTP2]).await.unwrap()).await;
    let mut http1 = tls::connect(address, &[HTTP1]).await.unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    let body = ask_stream("x");
    let over_http2 = http2.ask(CHAT, Some(&body));
    let over_http1 = tls::ask(&mut http1, CHAT, Some(&body));
    let short = async {
        // A request beside the long one begins and ends: the connection stays busy.
        sleep(Duration::from_millis(100)).await;
        assert_eq!(http2.ask("/v1/models", None).await.unwrap().0, 200);
        sleep(Duration::from_millis(500)).await;
        stage.thoxd.process.signal("TERM");
    };
    let (long2, long1, ()) = tokio::join!(over_http2, over_http1, short);
    let (status, body) = long2.unwrap();
    assert_eq!(status, 200);
    assert!(body.ends_with(b"data: [DONE]\n\n"), "cut over HTTP/2");
    let (status, _, body) = long1.unwrap();
    assert_eq!(status, 200);
    assert!(body.ends_with(b"data: [DONE]\n\n"), "cut over HTTP/1.1");
    http2.ended().await.unwrap();
    assert!(rest(&mut http1).await.is_empty());
    let Stage { mut thoxd, .. } = stage;
    assert!(thoxd.process.wait_exit().await.success());
    drop(silent);
}

#[tokio::test]
async fn who_has_just_come_in_is_answered_at_the_stop() {
    let stage = stage().await;
    let (plain, address) = (stage.address(), tls::address(&stage.thoxd));
    let mut first = TcpStream::connect(plain).await.unwrap();
    let mut over_http1 = tls::connect(address, &[HTTP1]).await.unwrap();
    let over_http2 = Http2::over(tls::connect(address, &[HTTP2]).await.unwrap()).await;
    let silent = TcpStream::connect(plain).await.unwrap();
    stage.thoxd.process.signal("TERM");
    until("it stops", || {
        stage.thoxd.log().contains("stopping").then_some(())
    })
    .await;
    // Time for each connection to hear of it.
    sleep(Duration::from_millis(150)).await;
    first
        .write_all(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let reply = String::from_utf8(rest(&mut first).await).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply:?}");
    let asked = tls::ask(&mut over_http1, "/v1/models", None).await;
    assert_eq!(asked.unwrap().0, 200);
    assert_eq!(over_http2.ask("/v1/models", None).await.unwrap().0, 200);
    let waited = Instant::now();
    let Stage { mut thoxd, .. } = stage;
    assert!(thoxd.process.wait_exit().await.success());
    assert!(
        waited.elapsed() < Duration::from_secs(5),
        "who says nothing is not waited for: {:?}",
        waited.elapsed()
    );
    drop(silent);
}
