//! 9 limits on size: `server.websocket_max_message`, to the byte, and before the bytes are there.

use super::fragments::cut;
use super::framing::request_of;
use super::script::{Case, Step, joined};
use crate::stage::Stage;
use thox_tests::doubles::Kind;
use thox_tests::frames::{BINARY, CONTINUATION, Frame, TEXT};

/// The default.
const LARGEST: usize = 4 << 20;

pub(super) fn cases() -> Vec<Case> {
    at(LARGEST)
}

/// Just within and just beyond a limit.
fn at(limit: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let within = vec![b'x'; limit];
    let beyond = vec![b'x'; limit + 1];
    for size in [limit - 1, limit] {
        let frame = Frame::new(TEXT, &within[..size]).bytes();
        let name = format!("a message of {size} bytes");
        cases.push(Case::of(name, [Step::Send(frame), Step::Event]));
    }
    for pieces in [2, 64] {
        let frames = joined(&cut(&within, limit / pieces));
        let name = format!("a message of {limit} bytes in {pieces} fragments");
        cases.push(Case::of(name, [Step::Send(frames), Step::Event]));
        let frames = cut(&beyond, limit / pieces);
        let name = format!(
            "a message of {} bytes in {} fragments",
            beyond.len(),
            frames.len()
        );
        cases.push(Case::refused(name, &frames, 1009));
    }
    let name = format!("a message of {} bytes", beyond.len());
    cases.push(Case::refused(name, &[Frame::new(TEXT, &beyond)], 1009));
    let name = format!("a binary message of {} bytes", beyond.len());
    cases.push(Case::refused(name, &[Frame::new(BINARY, &beyond)], 1009));
    // The last fragment need not come.
    let open: Vec<Frame> = cut(&beyond, limit)
        .into_iter()
        .map(Frame::unfinished)
        .collect();
    let name = format!("{} bytes of fragments without an end", beyond.len());
    cases.push(Case::refused(name, &open, 1009));
    for announced in [limit as u64 + 1, u64::from(u32::MAX) + 1, i64::MAX as u64] {
        let head = Frame::new(TEXT, "").head(announced);
        let name = format!("{announced} bytes announced, above {limit}, and none sent");
        cases.push(Case::of(name, [Step::Send(head), Step::Close(Some(1009))]));
        let start = Frame::new(TEXT, "x").unfinished().bytes();
        let head = Frame::new(CONTINUATION, "").head(announced);
        let name = format!(
            "{announced} bytes announced by a second fragment, above {limit}, and none sent"
        );
        cases.push(Case::of(
            name,
            [Step::Send([start, head].concat()), Step::Close(Some(1009))],
        ));
    }
    let good = Step::Send(Frame::new(TEXT, "no request").bytes());
    let head = Frame::new(TEXT, "").head(limit as u64 + 1);
    cases.push(Case::of(
        format!("a message, then one above {limit} announced"),
        [good, Step::Event, Step::Send(head), Step::Close(Some(1009))],
    ));
    cases
}

#[tokio::test]
async fn the_setting_decides() {
    const LIMIT: usize = 64 << 10;
    let settings = ("server", "websocket_max_message", "64KiB");
    let stage = Stage::with(Kind::Ollama, |b| b.text(settings.0, settings.1, settings.2)).await;
    let (request, text) = request_of(LIMIT);
    let mut cases = at(LIMIT);
    cases.push(Case::of(
        "a request as large as may be",
        [
            Step::Send(Frame::new(TEXT, request).bytes()),
            Step::Answer(text),
        ],
    ));
    let count = cases.len();
    for case in cases {
        case.play(stage.address()).await;
    }
    println!("RFC 6455, 9 sizes with a limit of {LIMIT} bytes: {count} cases");
}
