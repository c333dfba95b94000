//! Tells the network that the device is there, and takes up what it is called there.

use crate::{
    http::Listener,
    lan::Lan,
    lifetime::Lifetime,
    mdns::{self, Announced},
    settings::Settings,
};
use std::{net::SocketAddr, sync::Arc};
use thox_policy::discovery::{Called, offer};
use tokio::sync::watch;

/// Announces what listens on the network, plain or encrypted, unless that is switched off or nothing does.
pub(super) fn announce(
    settings: &Settings,
    lan: &Arc<Lan>,
    plain: &[Listener],
    encrypted: &[Listener],
    lifetime: &Lifetime,
) {
    let addresses = |listeners: &[Listener]| -> Vec<SocketAddr> {
        listeners.iter().flat_map(Listener::addresses).collect()
    };
    let offered = offer(&addresses(plain), &addresses(encrypted));
    let Some(offer) = offered.filter(|_| settings.mdns.enabled) else {
        let name: Box<str> = format!("{}.local", settings.mdns.hostname.0).into();
        // Nobody is told, but whoever calls it by that name all the same means this device.
        lan.call(Called {
            names: [name.clone()].into(),
            wished: name.clone(),
            name,
            trouble: None,
        });
        return;
    };
    let announced = Announced {
        id: mdns::identity::of_machine(&settings.state_dir),
        offer,
    };
    let called = mdns::announce(announced, &settings.mdns, lan.links(), lifetime);
    take_up(called, lan, lifetime);
}

/// Has the device go by the names that it is called.
fn take_up(called: watch::Receiver<Called>, lan: &Arc<Lan>, lifetime: &Lifetime) {
    // Not by the task: a name that is in force is known before the first request.
    lan.call(called.borrow().clone());
    let lan = Arc::clone(lan);
    lifetime.spawn_restarting("taking up the device's names", move || {
        let (lan, mut called) = (Arc::clone(&lan), called.clone());
        async move {
            loop {
                let now = called.borrow_and_update().clone();
                lan.call(now);
                if called.changed().await.is_err() {
                    // Nobody announces any more: the names stay.
                    std::future::pending::<()>().await;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::planted;
    use std::{sync::atomic::Ordering, time::Duration};

    #[tokio::test]
    async fn a_panic_is_told_of_and_the_names_are_taken_up_again() {
        let lan = Lan::new(&[]);
        let lifetime = Lifetime::default();
        let (sender, called) = watch::channel(Called {
            name: "thox.local".into(),
            names: ["thox.local".into()].into(),
            wished: "thox.local".into(),
            trouble: None,
        });
        take_up(called, &lan, &lifetime);
        tokio::task::yield_now().await;
        let (times, _planted) = planted::panic_at("names or addresses have changed");
        sender.send_modify(|called| called.name = "thox-2.local".into());
        let until = async |name: &str, reached: usize| {
            let reached = async {
                while lan.name() != name || times.load(Ordering::SeqCst) < reached {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let waited = tokio::time::timeout(Duration::from_secs(10), reached).await;
            assert!(waited.is_ok(), "{name}: {:?}", lan.now());
        };
        until("thox-2.local", 2).await;
        let troubles = lifetime.troubles();
        assert!(
            troubles[0].contains("taking up the device's names panicked"),
            "{troubles:?}"
        );
        sender.send_modify(|called| called.name = "thox-3.local".into());
        until("thox-3.local", 3).await;
    }
}
