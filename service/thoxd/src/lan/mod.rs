//! What the device is called and where it stands on its networks: the one source of its names and addresses, for the
//! Host check, the certificate, and the question who is near.

use crate::lifetime::Lifetime;
use arc_swap::ArcSwap;
use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};
use thox_policy::{browser::Host, network::Prefix};
use tokio::sync::watch;

/// The device's surroundings, looked at anew every few seconds.
#[derive(Debug)]
pub struct Lan {
    own_names: Vec<String>,
    now: ArcSwap<Surroundings>,
    changes: watch::Sender<Arc<Surroundings>>,
}

/// Names and networks at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The names by which the device may be asked, in lower case.
    pub names: BTreeSet<Box<str>>,
    /// The networks of its interfaces, each with the device's own address in it.
    pub networks: Vec<Prefix>,
}

/// A cable that is plugged in, or a new address by DHCP, is known within this time.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The name by which a device is found on its network.
const DEVICE_NAME: &str = "thox.local";

impl Lan {
    /// The surroundings as they are. `further` are names that the settings add.
    #[must_use]
    pub fn new(further: &[String]) -> Arc<Self> {
        let mut own_names = vec!["localhost".to_owned(), DEVICE_NAME.to_owned()];
        own_names.extend(further.iter().cloned());
        let first = Arc::new(look(&own_names));
        Arc::new(Self {
            own_names,
            now: ArcSwap::new(Arc::clone(&first)),
            changes: watch::Sender::new(first),
        })
    }

    /// Keeps looking.
    pub fn follow(self: &Arc<Self>, lifetime: &Lifetime) {
        let lan = Arc::clone(self);
        lifetime.spawn_background(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                let seen = look(&lan.own_names);
                if seen != **lan.now.load() {
                    tracing::info!(addresses = ?seen.addresses().collect::<Vec<_>>(), "the device's names or addresses have changed");
                    let seen = Arc::new(seen);
                    lan.now.store(Arc::clone(&seen));
                    lan.changes.send_replace(seen);
                }
            }
        });
    }

    /// The name by which the device is found on its network.
    #[must_use]
    pub fn name(&self) -> &str {
        DEVICE_NAME
    }

    /// The newest look.
    #[must_use]
    pub fn now(&self) -> Arc<Surroundings> {
        self.now.load_full()
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Surroundings>> {
        self.changes.subscribe()
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

impl Surroundings {
    /// The device's own addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.iter().map(Prefix::address)
    }
}

fn look(own_names: &[String]) -> Surroundings {
    let mut names: BTreeSet<Box<str>> = own_names
        .iter()
        .map(|name| name.to_ascii_lowercase().into())
        .collect();
    let host_name = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    if let Some(Host::Name(name)) = host_name.as_deref().and_then(Host::of_name) {
        // The name alone, as hosts files and routers have it, and as mDNS responders publish it.
        let label = name.split('.').next().unwrap_or_default();
        names.insert(format!("{label}.local").into());
        names.insert(label.into());
        names.insert(name);
    }
    Surroundings {
        names,
        networks: networks(),
    }
}

/// The networks of all interfaces; none where the system does not say.
fn networks() -> Vec<Prefix> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut networks: Vec<Prefix> = interfaces
        .filter_map(|interface| {
            let address = ip(interface.address.as_ref()?)?;
            let bits = interface.netmask.as_ref().and_then(ip).map_or(
                if address.is_ipv4() { 32 } else { 128 },
                |mask| match mask {
                    IpAddr::V4(mask) => mask.to_bits().leading_ones(),
                    IpAddr::V6(mask) => mask.to_bits().leading_ones(),
                },
            );
            Prefix::new(address, u8::try_from(bits).ok()?)
        })
        .collect();
    // The kernel gives them in no order that means anything.
    networks.sort_unstable();
    networks.dedup();
    networks
}

fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address.as_sockaddr_in6().map(|v6| v6.ip().into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
