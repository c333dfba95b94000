//! 6 UTF-8 (RFC 6455, 5.6 and 8.1).

use super::fragments::cut;
use super::script::{Case, Step, joined};
use crate::stage::ask;
use thox_tests::frames::{CONTINUATION, Frame, TEXT};

/// Characters of one to four bytes, the borders of each length, and the last that there is.
const VALID: [&str; 12] = [
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}",
];

/// What is wrong, and the bytes of it.
const INVALID: [(&str, &[u8]); 28] = [
    ("a continuation byte alone", b"\x80"),
    ("the last continuation byte alone", b"\xBF"),
    ("six continuation bytes", b"\x80\xBF\x80\xBF\x80\xBF"),
    ("a start of two bytes alone", b"\xC3"),
    ("a start of two bytes before a blank", b"\xC3 "),
    ("a start of three bytes alone", b"\xE2"),
    ("two of three bytes", b"\xE2\x82"),
    ("two of three bytes before a letter", b"\xE2\x82x"),
    ("a start of four bytes alone", b"\xF0"),
    ("three of four bytes", b"\xF0\x9F\x98"),
    ("three of four bytes before a letter", b"\xF0\x9F\x98x"),
    ("the byte FE", b"\xFE"),
    ("the byte FF", b"\xFF"),
    ("FE FE FF FF", b"\xFE\xFE\xFF\xFF"),
    ("a start of five bytes", b"\xF8\x88\x80\x80\x80"),
    ("a start of six bytes", b"\xFC\x84\x80\x80\x80\x80"),
    ("a slash in two bytes", b"\xC0\xAF"),
    ("a slash in three bytes", b"\xE0\x80\xAF"),
    ("a slash in four bytes", b"\xF0\x80\x80\xAF"),
    ("NUL in two bytes", b"\xC0\x80"),
    ("the longest overlong form of two bytes", b"\xC1\xBF"),
    ("the longest overlong form of three bytes", b"\xE0\x9F\xBF"),
    (
        "the longest overlong form of four bytes",
        b"\xF0\x8F\xBF\xBF",
    ),
    ("the first surrogate", b"\xED\xA0\x80"),
    ("the last surrogate", b"\xED\xBF\xBF"),
    ("a pair of surrogates", b"\xED\xA0\x80\xED\xB0\x80"),
    (
        "the first number above the last character",
        b"\xF4\x90\x80\x80",
    ),
    ("F5", b"\xF5\x80\x80\x80"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = valid();
    for (what, wrong) in INVALID {
        let bytes = [b"before ", wrong, b""].concat();
        cases.push(Case::refused(
            format!("{what}, at the end"),
            &[Frame::new(TEXT, &bytes)],
            1007,
        ));
        // Not to be taken for the rest of what was cut off.
        let bytes = [b"before ", wrong, b" after"].concat();
        cases.push(Case::refused(
            format!("{what}, in the middle"),
            &[Frame::new(TEXT, &bytes)],
            1007,
        ));
        cases.push(Case::refused(
            format!("{what}, in a frame for each byte"),
            &cut(&bytes, 1),
            1007,
        ));
    }
    // The peer need not wait for the end of the message.
    let early = Frame::new(TEXT, b"before \xFF after").unfinished();
    cases.push(Case::refused(
        "a wrong byte in the first of two fragments, without the second",
        &[early],
        1007,
    ));
    let late = [
        Frame::new(TEXT, "before ").unfinished(),
        Frame::new(CONTINUATION, b"\xED\xA0\x80").unfinished(),
    ];
    cases.push(Case::refused(
        "a surrogate in the second fragment, without the third",
        &late,
        1007,
    ));
    let before = [Frame::new(TEXT, "no request"), Frame::new(TEXT, b"\xFF")];
    cases.push(Case::of(
        "a message, then a wrong one",
        [
            Step::Send(joined(&before)),
            Step::Event,
            Step::Close(Some(1007)),
        ],
    ));
    cases
}

fn valid() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in VALID {
        let request = ask(text).to_string();
        let answer = || Step::Answer(text.to_owned());
        let name = format!("{text:?}");
        cases.push(Case::of(
            format!("{name} in one frame"),
            [Step::Send(Frame::new(TEXT, &request).bytes()), answer()],
        ));
        // Every character is cut in every place.
        let frames = joined(&cut(request.as_bytes(), 1));
        cases.push(Case::of(
            format!("{name} in a frame for each byte"),
            [Step::Send(frames), answer()],
        ));
    }
    cases
}
