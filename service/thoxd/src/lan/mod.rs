//! What the device is called and where it stands on its networks: the one source of its names and addresses, for the
//! Host check, the certificate, whoever tells others of it, and the question who is near.
//!
//! - `look`: what the system says at a moment; `watch`: when to look again.

mod look;
mod watch;

use crate::lifetime::Lifetime;
use arc_swap::ArcSwap;
use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use thox_policy::{
    browser::Host,
    discovery::{Called, Links},
    network::Prefix,
};
use tokio::sync::watch as channel;
use watch::{Event, TimeAsleep, Watch, time_asleep};

/// The device's surroundings, looked at anew whenever the kernel reports a change.
#[derive(Debug)]
pub struct Lan {
    known: Mutex<Known>,
    now: ArcSwap<Surroundings>,
    changes: channel::Sender<Arc<Surroundings>>,
    links: channel::Sender<Links>,
}

/// Names and networks at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The name by which people find the device on its network.
    pub name: Box<str>,
    /// The names by which the device may be asked, in lower case.
    pub names: BTreeSet<Box<str>>,
    /// The networks of its interfaces, each with the device's own address in it.
    pub networks: Vec<Prefix>,
    /// Why others do not find it, in words, with the next step.
    pub trouble: Option<Box<str>>,
}

/// What surroundings are made of.
#[derive(Debug)]
struct Known {
    /// Names that the settings add.
    further: BTreeSet<Box<str>>,
    called: Called,
    host_names: BTreeSet<Box<str>>,
    links: Links,
}

/// A cable that is plugged in makes several reports within milliseconds: one look for all of them.
const SETTLE: Duration = Duration::from_millis(30);

/// The name by which a device is found on its network, as long as nobody knows of another.
const DEVICE_NAME: &str = "thox.local";

impl Lan {
    /// The surroundings as they are. `further` are names that the settings add.
    #[must_use]
    pub fn new(further: &[String]) -> Arc<Self> {
        let known = Known {
            further: with_localhost(further),
            called: Called {
                name: DEVICE_NAME.into(),
                names: BTreeSet::from([DEVICE_NAME.into()]),
                wished: DEVICE_NAME.into(),
                trouble: None,
            },
            host_names: look::host_names(),
            links: Links {
                links: look::links(),
                wakes: 0,
            },
        };
        let first = Arc::new(known.surroundings());
        let links = channel::Sender::new(known.links.clone());
        Arc::new(Self {
            known: Mutex::new(known),
            now: ArcSwap::new(Arc::clone(&first)),
            changes: channel::Sender::new(first),
            links,
        })
    }

    /// Keeps looking.
    pub fn follow(self: &Arc<Self>, lifetime: &Lifetime) {
        self.follow_by(time_asleep, lifetime);
    }

    fn follow_by(self: &Arc<Self>, time_asleep: TimeAsleep, lifetime: &Lifetime) {
        let lan = Arc::clone(self);
        lifetime.spawn_restarting("following the device's networks", move || {
            Arc::clone(&lan).keep_looking(time_asleep)
        });
    }

    async fn keep_looking(self: Arc<Self>, time_asleep: TimeAsleep) {
        let mut watch = Watch::new(time_asleep);
        loop {
            // The first look is for what happened before the watch began.
            self.look();
            if watch.event().await == Event::Woke {
                tracing::info!("the machine has slept: its networks are looked at anew");
                self.change(|known| known.links.wakes += 1);
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    fn look(&self) {
        let (links, host_names) = (look::links(), look::host_names());
        self.change(|known| {
            known.links.links = links;
            known.host_names = host_names;
        });
    }

    /// Changes the names that the settings add.
    pub fn set_further(&self, further: &[String]) {
        self.change(|known| known.further = with_localhost(further));
    }

    /// What the device is called on its network, from whoever found that out.
    pub fn call(&self, called: Called) {
        self.change(|known| known.called = called);
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        // Held to the end, so that what is newer is not published first.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        self.links.send_if_modified(|links| {
            let is_new = *links != known.links;
            if is_new {
                links.clone_from(&known.links);
            }
            is_new
        });
        let seen = known.surroundings();
        if seen != **self.now.load() {
            tracing::info!(name = %seen.name, addresses = ?seen.addresses().collect::<Vec<_>>(), "the device's names or addresses have changed");
            let seen = Arc::new(seen);
            self.now.store(Arc::clone(&seen));
            self.changes.send_replace(seen);
        }
    }

    /// The name by which the device is found on its network.
    #[must_use]
    pub fn name(&self) -> String {
        self.now.load().name.to_string()
    }

    /// The newest look.
    #[must_use]
    pub fn now(&self) -> Arc<Surroundings> {
        self.now.load_full()
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> channel::Receiver<Arc<Surroundings>> {
        self.changes.subscribe()
    }

    /// Tells of every change of the interfaces: switched on, plugged in, another address, and of each waking up.
    #[must_use]
    pub fn links(&self) -> channel::Receiver<Links> {
        self.links.subscribe()
    }

    /// Whether `host` is one of the device's names or addresses.
    #[must_use]
    pub fn is_ours(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.now.load().names.contains(name),
            Host::Address(address) => {
                address.is_loopback() || self.now.load().addresses().any(|own| own == *address)
            }
        }
    }
}

fn with_localhost(further: &[String]) -> BTreeSet<Box<str>> {
    let further = further.iter().map(|name| name.to_ascii_lowercase().into());
    std::iter::once("localhost".into()).chain(further).collect()
}

impl Surroundings {
    /// The device's own addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.iter().map(Prefix::address)
    }
}

impl Known {
    fn surroundings(&self) -> Surroundings {
        let Called {
            name,
            names,
            wished,
            trouble,
        } = &self.called;
        // What the system calls this host is of no account for a name that the network gives to one of several.
        let of_host = self.host_names.iter().filter(|name| *name != wished);
        let all = self.further.iter().chain(names).chain(of_host);
        let links = self.links.links.iter();
        let mut networks: Vec<Prefix> = links.flat_map(|link| &link.networks).copied().collect();
        networks.sort_unstable();
        networks.dedup();
        Surroundings {
            name: name.clone(),
            names: all.cloned().collect(),
            networks,
            trouble: trouble.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn the_device_knows_itself() {
        let lan = Lan::new(&["Box.example.org".to_owned()]);
        for host in [
            "localhost",
            "thox.local:8080",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]:80",
            "box.example.org",
        ] {
            assert!(lan.is_ours(&Host::of_authority(host).unwrap()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.local",
            "thox.local.evil.example",
            "8.8.8.8",
            "0.0.0.0",
            "[::]",
        ] {
            assert!(!lan.is_ours(&Host::of_authority(host).unwrap()), "{host}");
        }
        for own in lan.now().addresses() {
            assert!(lan.is_ours(&Host::Address(own)), "{own}");
        }
        assert!(
            lan.now().addresses().any(|address| address.is_loopback()),
            "every host has one"
        );
    }

    #[test]
    fn names_that_the_settings_add_change_while_it_runs() {
        let lan = Lan::new(&["one.example.org".to_owned()]);
        let ours = |name: &str| lan.is_ours(&Host::of_authority(name).unwrap());
        lan.set_further(&["Two.example.org".to_owned()]);
        assert!(ours("two.example.org") && ours("localhost") && ours("thox.local"));
        assert!(!ours("one.example.org"));
    }

    #[test]
    fn a_new_name_takes_the_place_of_the_old_one() {
        let lan = Lan::new(&[]);
        let mut changes = lan.changes();
        let ours = |name: &str| lan.is_ours(&Host::of_authority(name).unwrap());
        lan.call(Called {
            name: "thox-2.local".into(),
            names: ["thox-2.local", "thox-abcd.local"].map(Into::into).into(),
            wished: "thox.local".into(),
            trouble: None,
        });
        assert_eq!(lan.name(), "thox-2.local");
        assert!(ours("thox-2.local:8080") && ours("thox-abcd.local") && ours("localhost"));
        assert!(!ours("thox.local"), "another device's");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        lan.look();
        assert!(!changes.has_changed().unwrap(), "nothing is new");
    }

    #[test]
    fn a_name_of_the_network_is_the_devices_while_it_has_it() {
        let mut known = Known {
            further: BTreeSet::new(),
            called: Called {
                name: "thox.local".into(),
                names: ["thox.local".into()].into(),
                wished: "thox.local".into(),
                trouble: None,
            },
            host_names: ["thox", "thox.local", "thox.example.org"]
                .map(Into::into)
                .into(),
            links: Links::default(),
        };
        let names = |known: &Known| {
            let names = known.surroundings().names;
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&known), "thox thox.example.org thox.local");
        known.called.names = ["thox-2.local".into()].into();
        assert_eq!(names(&known), "thox thox-2.local thox.example.org");
        // On somebody's PC another responder gives the host's own name.
        known.host_names = ["anna", "anna.local"].map(Into::into).into();
        assert_eq!(names(&known), "anna anna.local thox-2.local");
    }

    #[tokio::test(start_paused = true)]
    async fn each_time_the_machine_wakes_is_told() {
        static ASLEEP: AtomicU64 = AtomicU64::new(0);
        let lan = Lan::new(&[]);
        let lifetime = Lifetime::default();
        let links = lan.links();
        lan.follow_by(
            || Duration::from_secs(ASLEEP.load(Ordering::SeqCst)),
            &lifetime,
        );
        for (asleep, wakes) in [(0, 0), (3600, 1), (3600, 1), (3601, 2)] {
            ASLEEP.store(asleep, Ordering::SeqCst);
            // Nobody reports it here: the next look comes by itself.
            tokio::time::sleep(Duration::from_secs(61)).await;
            assert_eq!(links.borrow().wakes, wakes, "after {asleep} s asleep");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_told_of_and_the_networks_are_followed_again() {
        static LOOKS: AtomicU64 = AtomicU64::new(0);
        let lan = Lan::new(&[]);
        let lifetime = Lifetime::default();
        lan.follow_by(
            || {
                assert!(LOOKS.fetch_add(1, Ordering::SeqCst) != 1, "on purpose");
                Duration::ZERO
            },
            &lifetime,
        );
        tokio::time::sleep(Duration::from_secs(31)).await;
        let troubles = lifetime.troubles();
        assert!(
            troubles[0].contains("following the device's networks panicked"),
            "{troubles:?}"
        );
        tokio::time::sleep(Duration::from_secs(180)).await;
        assert!(LOOKS.load(Ordering::SeqCst) > 4, "it goes on");
        assert!(lifetime.troubles().is_empty(), "and is well");
    }
}
