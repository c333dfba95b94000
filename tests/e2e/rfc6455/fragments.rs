//! 5 fragmentation (RFC 6455, 5.4).

use super::script::{Case, Step, joined};
use crate::stage::ask;
use thox_tests::frames::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};

/// A text in frames of so many bytes.
pub(super) fn cut(text: &[u8], size: usize) -> Vec<Frame> {
    let count = text.len().div_ceil(size);
    text.chunks(size)
        .enumerate()
        .map(|(n, piece)| {
            let opcode = if n == 0 { TEXT } else { CONTINUATION };
            let frame = Frame::new(opcode, piece);
            if n + 1 == count {
                frame
            } else {
                frame.unfinished()
            }
        })
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = joined_ones();
    cases.extend(with_control_frames());
    cases.extend(wrong_ones());
    cases
}

fn joined_ones() -> Vec<Case> {
    let request = ask("in-fragments").to_string();
    let answer = || Step::Answer("in-fragments".to_owned());
    let mut cases = Vec::new();
    for size in [request.len() / 2 + 1, 20, 7, 1] {
        let frames = cut(request.as_bytes(), size);
        let count = frames.len();
        cases.push(Case::of(
            format!("a request in {count} frames in one segment"),
            [Step::Send(joined(&frames)), answer()],
        ));
        let each = frames.iter().map(|frame| Step::Send(frame.bytes()));
        let name = format!("a request in {count} frames, each a segment");
        cases.push(Case::of(name, each.chain([answer()])));
        let name = format!("a request in {count} frames, byte by byte");
        cases.push(Case::of(name, [Step::Dribble(joined(&frames)), answer()]));
    }
    let empty = [
        Frame::new(TEXT, "").unfinished(),
        Frame::new(CONTINUATION, &request).unfinished(),
        Frame::new(CONTINUATION, "").unfinished(),
        Frame::new(CONTINUATION, ""),
    ];
    cases.push(Case::of(
        "a request with empty fragments around it",
        [Step::Send(joined(&empty)), answer()],
    ));
    let nothing = [
        Frame::new(TEXT, "").unfinished(),
        Frame::new(CONTINUATION, ""),
    ];
    let name = "an empty message in two fragments";
    cases.push(Case::of(name, [Step::Send(joined(&nothing)), Step::Event]));
    let twice: Vec<Frame> = [cut(request.as_bytes(), 30), cut(b"no request", 3)].concat();
    cases.push(Case::of(
        "two fragmented messages in a row",
        [
            Step::Send(joined(&twice[..request.len().div_ceil(30)])),
            answer(),
            Step::Send(joined(&twice[request.len().div_ceil(30)..])),
            Step::Event,
        ],
    ));
    let binary = [
        Frame::new(BINARY, [0xFE]).unfinished(),
        Frame::new(CONTINUATION, [0xFF]),
    ];
    cases.push(Case::refused(
        "a binary message in two fragments",
        &binary,
        1003,
    ));
    cases
}

fn with_control_frames() -> Vec<Case> {
    let request = ask("between").to_string();
    let mut frames = Vec::new();
    let mut pongs = Vec::new();
    for (n, frame) in cut(request.as_bytes(), 10).into_iter().enumerate() {
        let payload = format!("ping {n}");
        frames.extend([
            frame,
            Frame::new(PONG, "unasked"),
            Frame::new(PING, &payload),
        ]);
        pongs.push(Step::Pong(payload.into_bytes()));
    }
    // The last ping would race with the answer.
    frames.pop();
    pongs.pop();
    let answer = || [Step::Answer("between".to_owned())];
    let (start, end) = request.as_bytes().split_at(20);
    vec![
        Case::of(
            "pings and pongs between all fragments",
            [Step::Send(joined(&frames))]
                .into_iter()
                .chain(pongs)
                .chain(answer()),
        ),
        Case::of(
            "a pong between two fragments",
            [
                Step::Send(joined(&[
                    Frame::new(TEXT, start).unfinished(),
                    Frame::new(PONG, "unasked"),
                    Frame::new(CONTINUATION, end),
                ])),
                Step::Answer("between".to_owned()),
            ],
        ),
        Case::of(
            "a close between two fragments",
            [
                Step::Send(joined(&[
                    Frame::new(TEXT, start).unfinished(),
                    Frame::close(1000, "enough"),
                    Frame::new(CONTINUATION, end),
                ])),
                Step::CloseSaying(1000, "enough"),
            ],
        ),
    ]
}

fn wrong_ones() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, opcode, payload) in [
        ("ping", PING, &b"any"[..]),
        ("pong", PONG, b"any"),
        ("close", CLOSE, &[0x03, 0xE8]),
    ] {
        let start = Frame::new(opcode, payload).unfinished();
        cases.push(Case::refused(
            format!("a {kind} without FIN"),
            std::slice::from_ref(&start),
            1002,
        ));
        let rest = [start, Frame::new(CONTINUATION, "more")];
        cases.push(Case::refused(
            format!("a {kind} in two fragments"),
            &rest,
            1002,
        ));
    }
    let whole = Frame::new(CONTINUATION, "from nowhere");
    let part = whole.clone().unfinished();
    let good = Frame::new(TEXT, "no request");
    for (form, wrong) in [("last", whole), ("further", part)] {
        let name = format!("a {form} continuation without a start");
        cases.push(Case::refused(name, &[wrong.clone(), good.clone()], 1002));
        let frames = [good.clone(), wrong.clone()];
        let name = format!("a {form} continuation after a whole message");
        let steps = [
            Step::Send(joined(&frames)),
            Step::Event,
            Step::Close(Some(1002)),
        ];
        cases.push(Case::of(name, steps));
        let frames: Vec<Frame> = [cut(b"in two", 3), vec![wrong]].concat();
        let name = format!("a {form} continuation after the end of a fragmented message");
        let steps = [
            Step::Send(joined(&frames)),
            Step::Event,
            Step::Close(Some(1002)),
        ];
        cases.push(Case::of(name, steps));
    }
    for (kind, opcode) in [("text", TEXT), ("binary", BINARY)] {
        let start = Frame::new(TEXT, "a").unfinished();
        let inside = Frame::new(opcode, "b");
        for (form, frame) in [("whole", inside.clone()), ("started", inside.unfinished())] {
            let name = format!("a {form} {kind} message inside a fragmented one");
            let frames = [start.clone(), frame, Frame::new(CONTINUATION, "c")];
            cases.push(Case::refused(name, &frames, 1002));
        }
    }
    cases
}
