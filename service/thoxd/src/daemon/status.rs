//! What goes on, in words, for whoever asks the service manager: `systemctl status thoxd`.

use crate::{systemd::Manager, world::Worlds};
use std::{net::SocketAddr, sync::Arc};
use thox_policy::world::EngineState;

/// Tells at each change.
pub(super) async fn follow(worlds: Arc<Worlds>, addresses: Vec<SocketAddr>, manager: Arc<Manager>) {
    if !manager.is_there() {
        return std::future::pending().await;
    }
    let mut changes = worlds.changes();
    loop {
        changes.borrow_and_update();
        manager.status(words(&worlds, &addresses));
        // The worlds last as long as the process.
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn words(worlds: &Worlds, addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let snapshot = worlds.current();
    let engines: Vec<String> = snapshot
        .engines()
        .map(|(engine, state, seen)| match state {
            EngineState::Up => format!("{} up ({} models)", engine.name, seen.report.models.len()),
            EngineState::Unproven => format!("{} not asked yet", engine.name),
            EngineState::Resting(_) => format!("{} rests after failures", engine.name),
            EngineState::Down(_) => format!("{} not there", engine.name),
        })
        .collect();
    let engines = if engines.is_empty() {
        "none".to_owned()
    } else {
        engines.join(", ")
    };
    format!("listening on {}; engines: {engines}", addresses.join(", "))
}
