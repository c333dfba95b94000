//! 1 framing, 3 reserved bits, 4 reserved opcodes, 10 masking (RFC 6455, 5.1 and 5.2).

use super::script::{Case, Step, joined};
use crate::stage::ask;
use thox_tests::frames::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};

/// A chat request of exactly so many bytes, and what it asks.
pub(super) fn request_of(length: usize) -> (String, String) {
    let text = "x".repeat(length - ask("").to_string().len());
    let request = ask(&text).to_string();
    assert_eq!(request.len(), length);
    (request, text)
}

fn answered(name: String, request: &str, text: String) -> Case {
    Case::of(
        name,
        [
            Step::Send(Frame::new(TEXT, request).bytes()),
            Step::Answer(text),
        ],
    )
}

/// Around the borders of the three forms of a length, and how the bytes come.
pub(super) fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        let frame = Frame::new(TEXT, "*".repeat(length)).bytes();
        let name = format!("a text of {length} bytes that is no request");
        cases.push(Case::of(name, [Step::Send(frame), Step::Event]));
    }
    for length in [125, 126, 127, 128, 65_535, 65_536] {
        let (request, text) = request_of(length);
        cases.push(answered(
            format!("a request of {length} bytes"),
            &request,
            text,
        ));
    }
    for length in [125, 126, 2000] {
        let (request, text) = request_of(length);
        let frame = Frame::new(TEXT, request).bytes();
        let name = format!("a request of {length} bytes, byte by byte");
        cases.push(Case::of(name, [Step::Dribble(frame), Step::Answer(text)]));
    }
    let (request, text) = request_of(65_536);
    let frame = Frame::new(TEXT, request).bytes();
    let pieces = frame.chunks(997).map(|piece| Step::Send(piece.to_vec()));
    let steps = pieces.chain([Step::Answer(text)]);
    cases.push(Case::of("a request of 65536 bytes in pieces of 997", steps));
    let many = vec![Frame::new(TEXT, "no request"); 5];
    let steps = [Step::Send(joined(&many))]
        .into_iter()
        .chain((0..5).map(|_| Step::Event));
    cases.push(Case::of("five frames in one segment", steps));
    let (request, text) = request_of(300);
    cases.push(Case::of(
        "a ping and a request in one segment",
        [
            Step::Send(joined(&[
                Frame::new(PING, "first"),
                Frame::new(TEXT, request),
            ])),
            Step::Pong(b"first".to_vec()),
            Step::Answer(text),
        ],
    ));
    for length in [0, 1, 126, 65_536] {
        let name = format!("a binary message of {length} bytes");
        cases.push(Case::refused(
            name,
            &[Frame::new(BINARY, vec![0xFE; length])],
            1003,
        ));
    }
    cases
}

/// Each of the seven patterns, in frames of every kind, alone and after a good message.
pub(super) fn reserved_bits() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 1..=7 {
        for (kind, opcode) in [
            ("text", TEXT),
            ("binary", BINARY),
            ("ping", PING),
            ("pong", PONG),
            ("close", CLOSE),
        ] {
            let payload: &[u8] = if opcode == CLOSE {
                &[0x03, 0xE8]
            } else {
                b"any"
            };
            let frame = Frame::new(opcode, payload).reserved(bits);
            let name = format!("a {kind} frame with the reserved bits {bits:03b}");
            cases.push(Case::refused(name, &[frame], 1002));
        }
        cases.push(after_a_message(
            format!("a message, then one with the reserved bits {bits:03b}, then a ping"),
            &Frame::new(TEXT, "any").reserved(bits),
        ));
        let fragments = [
            Frame::new(TEXT, "a").unfinished(),
            Frame::new(CONTINUATION, "b").reserved(bits),
        ];
        let name = format!("a continuation with the reserved bits {bits:03b}");
        cases.push(Case::refused(name, &fragments, 1002));
    }
    cases
}

/// What came before is answered, what comes after is not.
fn after_a_message(name: String, wrong: &Frame) -> Case {
    let frames = [
        Frame::new(TEXT, "no request"),
        wrong.clone(),
        Frame::new(PING, "late"),
    ];
    Case::of(
        name,
        [
            Step::Send(joined(&frames)),
            Step::Event,
            Step::Close(Some(1002)),
        ],
    )
}

/// 3 to 7 and 11 to 15.
pub(super) fn reserved_opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in (3..=7).chain(11..=15) {
        for payload in ["", "any payload"] {
            let name = format!("opcode {opcode} with {} bytes", payload.len());
            cases.push(Case::refused(name, &[Frame::new(opcode, payload)], 1002));
        }
        cases.push(after_a_message(
            format!("a message, then opcode {opcode}, then a ping"),
            &Frame::new(opcode, "any"),
        ));
        let name = format!("opcode {opcode} inside a fragmented message");
        let frames = [Frame::new(TEXT, "a").unfinished(), Frame::new(opcode, "b")];
        cases.push(Case::refused(name, &frames, 1002));
    }
    cases
}

/// A client masks every frame.
pub(super) fn masking() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, frame) in [
        ("text", Frame::new(TEXT, ask("x").to_string())),
        ("empty text", Frame::new(TEXT, "")),
        ("binary", Frame::new(BINARY, "any")),
        ("ping", Frame::new(PING, "any")),
        ("pong", Frame::new(PONG, "any")),
        ("close", Frame::close(1000, "bye")),
    ] {
        let name = format!("a {kind} frame without a mask");
        cases.push(Case::refused(name, &[frame.unmasked()], 1002));
    }
    let fragments = [
        Frame::new(TEXT, "a").unfinished(),
        Frame::new(CONTINUATION, "b").unmasked(),
    ];
    cases.push(Case::refused(
        "a continuation without a mask",
        &fragments,
        1002,
    ));
    cases.push(after_a_message(
        "a message, then one without a mask, then a ping".to_owned(),
        &Frame::new(TEXT, "any").unmasked(),
    ));
    cases
}
