//! `/v1/stream` frame by frame against RFC 6455, in the order of Autobahn's groups.
//!
//! - `script`: what a case is, and how it is played against the real `thoxd`
//! - `framing`: 1 framing, 3 reserved bits, 4 reserved opcodes, 10 masking
//! - `pings`: 2 pings and pongs
//! - `fragments`: 5 fragmentation
//! - `text`: 6 UTF-8
//! - `closing`: 7 closing, also while a reply is on its way
//! - `sizes`: 9 limits on size
//! - `handshake`: the opening handshake, 4.2

mod closing;
mod fragments;
mod framing;
mod handshake;
mod pings;
mod script;
mod sizes;
mod text;

use crate::stage::Stage;
use script::Case;
use std::collections::BTreeSet;
use thox_tests::doubles::Kind;

/// Autobahn's groups with their cases.
fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("1 framing", framing::lengths()),
        ("2 pings and pongs", pings::cases()),
        ("3 reserved bits", framing::reserved_bits()),
        ("4 reserved opcodes", framing::reserved_opcodes()),
        ("5 fragmentation", fragments::cases()),
        ("6 UTF-8", text::cases()),
        ("7 closing", closing::cases()),
        ("9 sizes", sizes::cases()),
        ("10 masking", framing::masking()),
    ]
}

async fn play(group: &str) {
    let stage = Stage::of(Kind::Ollama).await;
    let (name, cases) = groups()
        .into_iter()
        .find(|(name, _)| name.starts_with(group))
        .unwrap();
    let count = cases.len();
    for case in cases {
        case.play(stage.address()).await;
    }
    println!("RFC 6455, {name}: {count} cases");
}

#[test]
fn the_cases_are_counted() {
    let handshakes = ("the handshake", handshake::cases().len());
    let (mut total, mut names) = (handshakes.1, BTreeSet::new());
    for (group, cases) in groups() {
        println!("RFC 6455, {group}: {} cases", cases.len());
        total += cases.len();
        for case in cases {
            assert!(
                names.insert(case.name.clone()),
                "{} is there twice",
                case.name
            );
        }
    }
    println!("RFC 6455, {}: {} cases", handshakes.0, handshakes.1);
    println!("RFC 6455: {total} cases");
}

#[tokio::test]
async fn messages_of_every_length_are_read_however_they_are_cut() {
    play("1 ").await;
}

#[tokio::test]
async fn pings_are_answered_exactly() {
    play("2 ").await;
}

#[tokio::test]
async fn reserved_bits_close_with_1002() {
    play("3 ").await;
}

#[tokio::test]
async fn reserved_opcodes_close_with_1002() {
    play("4 ").await;
}

#[tokio::test]
async fn fragments_are_joined_and_wrong_ones_close_with_1002() {
    play("5 ").await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007() {
    play("6 ").await;
}

#[tokio::test]
async fn a_close_is_answered_in_kind() {
    play("7 ").await;
}

#[tokio::test]
async fn sizes_are_limited_exactly() {
    play("9 ").await;
}

#[tokio::test]
async fn frames_without_a_mask_close_with_1002() {
    play("10 ").await;
}
