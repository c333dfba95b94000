//! 2 pings and pongs (RFC 6455, 5.5.2 and 5.5.3).

use super::script::{Case, Step, joined};
use crate::stage::ask;
use thox_tests::frames::{CONTINUATION, Frame, PING, PONG, TEXT};

fn ping(payload: &[u8]) -> [Step; 2] {
    [
        Step::Send(Frame::new(PING, payload).bytes()),
        Step::Pong(payload.to_vec()),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    // Every byte value that there is, text or not.
    let bytes: Vec<u8> = (0..125).map(|n: u8| n.wrapping_mul(37) ^ 0xA5).collect();
    let mut cases: Vec<Case> = (0..=125)
        .map(|length| Case::of(format!("a ping of {length} bytes"), ping(&bytes[..length])))
        .collect();
    for length in [126, 127, 65_536] {
        for (kind, opcode) in [("ping", PING), ("pong", PONG)] {
            let frame = Frame::new(opcode, vec![0xFE; length]);
            cases.push(Case::refused(
                format!("a {kind} of {length} bytes"),
                &[frame],
                1002,
            ));
        }
    }
    let frame = Frame::new(PING, &bytes).bytes();
    cases.push(Case::of(
        "a ping byte by byte",
        [Step::Dribble(frame), Step::Pong(bytes.clone())],
    ));
    for payload in ["", "nobody asked"] {
        let name = format!("a pong of {} bytes that nobody asked for", payload.len());
        let pong = Step::Send(Frame::new(PONG, payload).bytes());
        cases.push(Case::of(name, [pong].into_iter().chain(ping(b"next"))));
    }
    cases.push(Case::of(
        "a pong that answers another ping, between two pings",
        [
            Step::Send(joined(&[
                Frame::new(PING, "one"),
                Frame::new(PONG, "two"),
                Frame::new(PING, "three"),
            ])),
            Step::Pong(b"one".to_vec()),
            Step::Pong(b"three".to_vec()),
        ],
    ));
    let burst: Vec<Frame> = (0..10)
        .map(|n| Frame::new(PING, format!("ping {n}")))
        .collect();
    let pongs = || (0..10).map(|n| Step::Pong(format!("ping {n}").into_bytes()));
    let at_once = [Step::Send(joined(&burst))].into_iter().chain(pongs());
    cases.push(Case::of("ten pings in a burst", at_once));
    let dribbled = [Step::Dribble(joined(&burst))].into_iter().chain(pongs());
    cases.push(Case::of("ten pings in a burst, byte by byte", dribbled));
    let request = ask("cut").to_string();
    let (start, end) = request.as_bytes().split_at(40);
    let [sent, answered] = ping(b"between");
    cases.push(Case::of(
        "a ping between two fragments is answered before the second comes",
        [
            Step::Send(Frame::new(TEXT, start).unfinished().bytes()),
            sent,
            answered,
            Step::Send(Frame::new(CONTINUATION, end).bytes()),
            Step::Answer("cut".to_owned()),
        ],
    ));
    cases
}
