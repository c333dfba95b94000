//! 7 closing (RFC 6455, 5.5.1 and 7.4).

use super::script::{Case, Step, assert_alive, closes, joined, next, open};
use crate::stage::{Stage, ask};
use std::time::{Duration, Instant};
use thox_tests::doubles::{Fault, Kind};
use thox_tests::frames::{CLOSE, CONTINUATION, Frame, PING, TEXT};

/// Those that RFC 6455, 7.4.1 lets an endpoint send, those registered with IANA, and the two open ranges.
const ALLOWED: [u16; 15] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999,
];

/// Reserved, not assigned, or below and above what is a code.
const FORBIDDEN: [u16; 15] = [
    0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 32_768, 65_535,
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for code in ALLOWED {
        for reason in ["", "bye: κόσμε"] {
            let close = Step::Send(Frame::close(code, reason).bytes());
            let name = format!("code {code} and {} bytes of reason", reason.len());
            cases.push(Case::of(name, [close, Step::CloseSaying(code, reason)]));
        }
    }
    for code in FORBIDDEN {
        for reason in ["", "bye"] {
            let name = format!(
                "code {code}, not to be sent, and {} bytes of reason",
                reason.len()
            );
            cases.push(Case::refused(name, &[Frame::close(code, reason)], 1002));
        }
    }
    let without = Step::Send(Frame::new(CLOSE, "").bytes());
    cases.push(Case::of("no code", [without, Step::Close(None)]));
    cases.push(Case::refused(
        "a payload of one byte",
        &[Frame::new(CLOSE, [0x03])],
        1002,
    ));
    cases.push(Case::of(
        "the longest reason",
        [
            Step::Send(Frame::close(1000, LONGEST).bytes()),
            Step::CloseSaying(1000, LONGEST),
        ],
    ));
    let longer = Frame::close(1000, format!("{LONGEST}x"));
    cases.push(Case::refused("a reason of 124 bytes", &[longer], 1002));
    for (what, reason) in [
        ("a wrong byte", &b"bye \xFF"[..]),
        ("a surrogate", b"\xED\xA0\x80"),
        ("half a character", b"bye \xE2\x82"),
        ("an overlong form", b"\xC0\xAF"),
    ] {
        let name = format!("{what} in the reason");
        cases.push(Case::refused(name, &[Frame::close(1000, reason)], 1007));
    }
    cases.push(Case::of(
        "a close byte by byte",
        [
            Step::Dribble(Frame::close(1001, "slowly").bytes()),
            Step::CloseSaying(1001, "slowly"),
        ],
    ));
    cases.extend(afterwards());
    cases
}

/// 125 bytes less the code.
const LONGEST: &str = "a reason that fills its frame to the last byte that a control frame may have: one hundred and twenty-five with its code too";

/// Nothing that follows a close is looked at.
fn afterwards() -> Vec<Case> {
    let request = ask("too late").to_string();
    let mut cases: Vec<Case> = [
        ("a request", Frame::new(TEXT, request)),
        ("a large message", Frame::new(TEXT, vec![b'x'; 1 << 20])),
        ("a ping", Frame::new(PING, "too late")),
        ("another close", Frame::close(1001, "again")),
        ("a broken frame", Frame::new(TEXT, "x").reserved(7)),
        ("a continuation", Frame::new(CONTINUATION, "x")),
    ]
    .into_iter()
    .map(|(what, frame)| {
        Case::of(
            format!("{what} after a close"),
            [
                Step::Send(joined(&[Frame::close(1000, "over"), frame])),
                Step::CloseSaying(1000, "over"),
            ],
        )
    })
    .collect();
    cases.push(Case::of(
        "a message before a close",
        [
            Step::Send(Frame::new(TEXT, "no request").bytes()),
            Step::Event,
            Step::Send(Frame::close(1000, "over").bytes()),
            Step::CloseSaying(1000, "over"),
        ],
    ));
    cases
}

/// Asked to stop, or cut off by a broken frame: the engine hears of it at once.
#[tokio::test]
async fn a_close_during_a_stream_ends_the_engines_request() {
    let stage = Stage::of(Kind::Ollama).await;
    let request = Frame::new(TEXT, ask("x").to_string()).bytes();
    for (round, (name, frame, code)) in [
        ("a close", Frame::close(1000, "enough"), 1000),
        (
            "a close with a code not to be sent",
            Frame::close(1005, ""),
            1002,
        ),
        (
            "a close that is not UTF-8",
            Frame::close(1000, b"\xFF"),
            1007,
        ),
        ("a broken frame", Frame::new(TEXT, "x").reserved(1), 1002),
    ]
    .into_iter()
    .enumerate()
    {
        stage.fault(Fault::Hang { after: 1 });
        let mut wire = open(stage.address()).await;
        wire.send(&request).await;
        assert_eq!(next(&mut wire, name).await.opcode, TEXT, "{name}");
        let told = Instant::now();
        wire.send(&frame.bytes()).await;
        let cancelled = stage.wait_cancelled(round + 1).await;
        let took = cancelled.at - told;
        assert!(took < Duration::from_millis(100), "{name}: {took:?}");
        closes(&mut wire, name, Some(code), None).await;
        stage.heal();
        assert_alive(stage.address()).await;
    }
}

/// The close reaches a client that is still sending: a connection that is dropped with bytes unread would be reset.
#[tokio::test]
async fn a_close_is_not_overtaken_by_a_reset() {
    let stage = Stage::of(Kind::Ollama).await;
    let broken = Frame::new(TEXT, "x").reserved(1);
    for round in 0..20 {
        let mut wire = open(stage.address()).await;
        wire.send(&broken.bytes()).await;
        for _ in 0..50 {
            let more = Frame::new(TEXT, vec![b'x'; 16 << 10]).bytes();
            assert!(wire.send(&more).await, "round {round}: reset while sending");
        }
        closes(&mut wire, "still sending", Some(1002), None).await;
    }
    assert_alive(stage.address()).await;
}
