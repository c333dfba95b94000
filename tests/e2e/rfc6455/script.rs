//! A case: what is sent, and what has to come for it.

use crate::stage::ask;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use thox_tests::frames::{CLOSE, Frame, PONG, TEXT, Wire};

/// A step of a case.
pub(super) enum Step {
    /// These bytes in one write; the server may have closed before it took all of them.
    Send(Vec<u8>),
    /// These bytes one by one.
    Dribble(Vec<u8>),
    /// An `error` event that says the message is no request.
    Event,
    /// A reply that echoes this, from the engine.
    Answer(String),
    /// A pong with this payload.
    Pong(Vec<u8>),
    /// A close frame with this code, or none, then the end.
    Close(Option<u16>),
    /// A close frame with this code and reason, then the end.
    CloseSaying(u16, &'static str),
}

/// A case.
pub(super) struct Case {
    /// What is tried.
    pub(super) name: String,
    /// In their order. Where none of them is a close, the connection has to be in order in the end.
    steps: Vec<Step>,
}

/// A server that fails a connection sends its close and ends at once: well below the time for which it would wait.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A connection after the handshake.
pub(super) async fn open(address: SocketAddr) -> Wire {
    let mut wire = Wire::connect(address).await;
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    wire.send(request.as_bytes()).await;
    assert_eq!(wire.head().await.status, 101);
    wire
}

/// The bytes of frames in a row.
pub(super) fn joined(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// Whether a good request on a new connection is answered.
pub(super) async fn assert_alive(address: SocketAddr) {
    let case = Case::of(
        "a good request on a new connection",
        [
            Step::Send(Frame::new(TEXT, ask("still-there?").to_string()).bytes()),
            Step::Answer("still-there?".to_owned()),
        ],
    );
    case.run(address).await;
}

impl Case {
    pub(super) fn of(name: impl Into<String>, steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            name: name.into(),
            steps: steps.into_iter().collect(),
        }
    }

    /// Frames in one segment that have to be answered with this close code.
    pub(super) fn refused(name: impl Into<String>, frames: &[Frame], code: u16) -> Self {
        Self::of(name, [Step::Send(joined(frames)), Step::Close(Some(code))])
    }

    /// Plays it, and sees that thoxd is none the worse for it.
    pub(super) async fn play(self, address: SocketAddr) {
        self.run(address).await;
        assert_alive(address).await;
    }

    async fn run(self, address: SocketAddr) {
        let name = self.name;
        let mut wire = open(address).await;
        for step in self.steps {
            match step {
                Step::Send(bytes) => {
                    wire.send(&bytes).await;
                }
                Step::Dribble(bytes) => {
                    for byte in bytes {
                        assert!(wire.send(&[byte]).await, "{name}: the connection ended");
                    }
                }
                Step::Event => {
                    let event = event(&mut wire, &name).await;
                    let is_refusal =
                        event["type"] == "error" && event["error"]["code"] == "invalid_request";
                    assert!(is_refusal, "{name}: {event}");
                }
                Step::Answer(text) => {
                    let said = answer(&mut wire, &name).await;
                    assert!(
                        said == format!("Hello! You said: {text}"),
                        "{name}: {said:.200}"
                    );
                }
                Step::Pong(payload) => {
                    let frame = next(&mut wire, &name).await;
                    assert_eq!((frame.opcode, &frame.payload), (PONG, &payload), "{name}");
                }
                Step::Close(code) => return closes(&mut wire, &name, code, None).await,
                Step::CloseSaying(code, reason) => {
                    return closes(&mut wire, &name, Some(code), Some(reason)).await;
                }
            }
        }
        wire.send(&Frame::close(1000, "").bytes()).await;
        closes(&mut wire, &name, Some(1000), Some("")).await;
    }
}

/// The next frame, which has to be one that a server may send.
pub(super) async fn next(wire: &mut Wire, name: &str) -> Frame {
    let frame = wire.frame().await;
    let frame = frame.unwrap_or_else(|| panic!("{name}: the connection ended without a word"));
    let is_plain = frame.is_final && frame.reserved == 0 && !frame.is_masked;
    assert!(is_plain, "{name}: {frame:?}");
    frame
}

async fn event(wire: &mut Wire, name: &str) -> Value {
    let frame = next(wire, name).await;
    assert_eq!(frame.opcode, TEXT, "{name}: {frame:?}");
    serde_json::from_slice(&frame.payload).expect("an event is JSON")
}

async fn answer(wire: &mut Wire, name: &str) -> String {
    let mut text = String::new();
    loop {
        let event = event(wire, name).await;
        match event["type"].as_str() {
            Some("delta") => {
                text += event["choices"][0]["delta"]["content"]
                    .as_str()
                    .unwrap_or_default();
            }
            Some("done") => return text,
            _ => panic!("{name}: {event}"),
        }
    }
}

/// The server's close frame, and that the connection ends with it.
pub(super) async fn closes(wire: &mut Wire, name: &str, code: Option<u16>, reason: Option<&str>) {
    let frame = next(wire, name).await;
    assert_eq!(frame.opcode, CLOSE, "{name}: {frame:?}");
    let said = frame.payload.split_first_chunk();
    assert_eq!(
        said.map(|(code, _)| u16::from_be_bytes(*code)),
        code,
        "{name}: {frame:?}"
    );
    let text = said.map_or(&[][..], |(_, reason)| reason);
    let text = std::str::from_utf8(text).expect("a reason is UTF-8");
    assert!(reason.is_none_or(|reason| reason == text), "{name}: {text}");
    let closed = Instant::now();
    assert_eq!(
        wire.frame().await,
        None,
        "{name}: something follows the close"
    );
    assert!(
        closed.elapsed() < AT_ONCE,
        "{name}: {:?} until the end",
        closed.elapsed()
    );
}
