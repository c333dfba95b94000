//! An engine's stream: events wherever the network cuts them, and each chunk as the client is promised it.
//!
//! The first bytes say where to cut; the rest is the stream.
#![no_main]

use bytes::BytesMut;
use serde_json::Value;
use thoxd::engine::chunk::{Edits, Front, Piece, Seen, edit};
use thoxd::engine::shape::Shape;
use thoxd::engine::sse::{Events, NoEvent};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&settings, input)) = input.split_first() else { return };
    let Some((&step, stream)) = input.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    let pieces = read(stream, usize::from(step % 16) + 1);
    assert_eq!(whole, pieces, "where the stream is cut is nobody's business");

    let edits = Edits {
        front: Front::new(&[], Some("chatcmpl-1"), "ollama", "thox-coder"),
        keeps_usage: settings & 1 != 0,
        is_stream: settings & 2 != 0,
        repairs_tool_calls: settings & 4 != 0,
        supplies_finish_reason: settings & 8 != 0,
    };
    let (mut seen, mut shaped) = (Seen::default(), Seen::default());
    let mut shape: Option<Shape> = None;
    for event in whole.0 {
        let mut out = BytesMut::from(&b"kept"[..]);
        match edit(&event, &edits, &mut seen, &mut out) {
            Err(_) => {
                assert_eq!(out, &b"kept"[..], "a chunk that cannot be read leaves nothing behind");
                // The stream ends here.
                return;
            }
            Ok(Piece::Error) => return,
            Ok(Piece::Content | Piece::Count) => check(&out[4..], &event),
        }
        // The short way, by the shape of the piece before, comes to the same.
        let mut short = BytesMut::from(&b"kept"[..]);
        if shape.as_ref().and_then(|shape| shape.apply(&event, &mut short)).is_none() {
            assert_eq!(short, &b"kept"[..]);
            let _ = edit(&event, &edits, &mut shaped, &mut short);
            shape = shaped.is_plain.then(|| Shape::learn(&event, &short[4..])).flatten();
        }
        assert_eq!(String::from_utf8_lossy(&short), String::from_utf8_lossy(&out));
    }
});

fn check(out: &[u8], event: &str) {
    if out.is_empty() || serde_json::from_str::<Value>(event).is_err() {
        return;
    }
    let text = std::str::from_utf8(out).expect("a chunk is text");
    let json: Value = serde_json::from_str(text).expect("a chunk is JSON");
    assert_eq!(json["backend"], "ollama");
    assert_eq!(json["model"], "thox-coder");
    assert_eq!(json["id"], "chatcmpl-1");
}

/// All events, and the error that ended them.
fn read(stream: &[u8], step: usize) -> (Vec<String>, Option<NoEvent>) {
    let mut events = Events::default();
    let mut seen = Vec::new();
    for piece in stream.chunks(step) {
        if let Err(error) = events.push(piece, |event| seen.push(event.to_owned())) {
            return (seen, Some(error));
        }
    }
    (seen, None)
}
