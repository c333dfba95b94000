//! What a person at the terminal is told: where to point a client, which engines and models were found, how to get more.

use crate::keys::Keys;
use crate::world::{Worlds, refusal::GET_A_MODEL};
use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    net::SocketAddr,
};
use thox_policy::{EngineKind, world::EngineState};

/// The first words, once an address is bound.
pub(super) fn listening(address: SocketAddr) {
    say(&format!(
        "thoxd {} listening on http://{address}\n",
        env!("CARGO_PKG_VERSION")
    ));
    if address.ip().is_unspecified() {
        let port = address.port();
        say(&format!(
            "  point OpenAI clients at http://localhost:{port}/v1 (any api_key), from other hosts at this host's name\n"
        ));
    } else {
        say(&format!(
            "  point OpenAI clients at http://{address}/v1 (any api_key)\n"
        ));
    }
}

/// What the first look at the engines has found.
pub(super) fn found(worlds: &Worlds) {
    let snapshot = worlds.current();
    let mut text = String::new();
    let mut has_real = false;
    for (engine, state, seen) in snapshot.engines() {
        let target = engine.pool.target();
        let models = seen.report.models.len();
        let _ = match state {
            EngineState::Up if engine.kind == EngineKind::Starter => {
                writeln!(
                    text,
                    "  engine {}: a tiny model inside thoxd, for trying things out",
                    engine.name
                )
            }
            EngineState::Up => {
                has_real |= models > 0;
                writeln!(
                    text,
                    "  engine {} at {target}: {models} models",
                    engine.name
                )
            }
            EngineState::Unproven => {
                writeln!(text, "  engine {} at {target}: no answer yet", engine.name)
            }
            EngineState::Down(why) | EngineState::Resting(why) => {
                writeln!(
                    text,
                    "  engine {} at {target}: not there ({why}); found by itself when it starts",
                    engine.name
                )
            }
        };
    }
    let list = worlds.models();
    let names: Vec<&str> = list.data.iter().map(|model| model.id.as_str()).collect();
    let _ = writeln!(
        text,
        "  models: {}",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    );
    if !has_real {
        let _ = writeln!(text, "  for a real model: {GET_A_MODEL}");
    }
    say(&text);
}

/// How the device is claimed. For a person at a terminal alone: the code belongs into no journal.
pub(super) fn claim(keys: &Keys) {
    if let Some(code) = keys.claim_code()
        && std::io::stderr().is_terminal()
    {
        say(&format!(
            "  nobody owns this device yet: `thox claim {code}` makes the first admin key; asking models needs none\n"
        ));
    }
}

/// To standard error, where the log goes too; that it is closed is no reason to stop.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
