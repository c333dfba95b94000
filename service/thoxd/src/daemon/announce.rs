//! Tells the network that the device is there, and takes up what it is called there.

use super::start::first_on_network;
use crate::{
    http::{Encrypted, Listener},
    lan::Lan,
    lifetime::Lifetime,
    mdns::{self, Announced, Ports},
    settings::Settings,
};
use std::sync::Arc;
use thox_policy::discovery::Called;

/// Announces what listens on the network, unless that is switched off or nothing does.
pub(super) fn announce(
    settings: &Settings,
    lan: &Arc<Lan>,
    listeners: &[Listener],
    encrypted: Option<&Encrypted>,
    lifetime: &Lifetime,
) {
    let reachable = first_on_network(listeners).filter(|first| !first.ip().is_loopback());
    let Some(plain) = reachable.filter(|_| settings.mdns.enabled) else {
        let name: Box<str> = format!("{}.local", settings.mdns.hostname.0).into();
        // Nobody is told, but whoever calls it by that name all the same means this device.
        lan.call(Called {
            names: [name.clone()].into(),
            name,
            trouble: None,
        });
        return;
    };
    let announced = Announced {
        id: mdns::identity::of_machine(&settings.state_dir),
        ports: Ports {
            plain: plain.port(),
            tls: encrypted.and_then(|encrypted| encrypted.ports.first().copied()),
        },
        bound: listeners.iter().flat_map(Listener::addresses).collect(),
    };
    let mut called = mdns::announce(announced, &settings.mdns, lan.links(), lifetime);
    lan.call(called.borrow_and_update().clone());
    let lan = Arc::clone(lan);
    lifetime.spawn_background(async move {
        while called.changed().await.is_ok() {
            let called = called.borrow_and_update().clone();
            lan.call(called);
        }
    });
}
