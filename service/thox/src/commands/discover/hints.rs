//! Why no device may be seen, as far as this machine can tell.

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use std::{collections::BTreeMap, fs, path::Path};

/// What is known of this machine's way to the network.
#[derive(Debug, Default)]
pub(super) struct Machine {
    links: Vec<Link>,
    firewall: Option<Firewall>,
}

/// A link that is up and has an address.
#[derive(Debug)]
struct Link {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cable,
    Wireless,
    Tunnel,
}

/// Those that say of themselves, to whomever asks, that they are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Firewall {
    Ufw,
    Firewalld,
}

/// How tunnels of usual VPNs are called; most are point-to-point links besides.
const TUNNELS: [&str; 7] = ["tun", "tap", "wg", "ppp", "tailscale", "zt", "nordlynx"];

impl Machine {
    /// Looks.
    pub(super) fn look() -> Self {
        let mut links: BTreeMap<String, Kind> = BTreeMap::new();
        for interface in getifaddrs().into_iter().flatten() {
            let flags = interface.flags;
            let has_address = interface.address.as_ref().is_some_and(|address| {
                address.as_sockaddr_in().is_some() || address.as_sockaddr_in6().is_some()
            });
            let is_up = flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING);
            if !is_up || !has_address || flags.contains(InterfaceFlags::IFF_LOOPBACK) {
                continue;
            }
            let name = interface.interface_name;
            let is_named_so = TUNNELS.iter().any(|tunnel| name.starts_with(tunnel));
            let kind = if is_named_so || flags.contains(InterfaceFlags::IFF_POINTOPOINT) {
                Kind::Tunnel
            } else if Path::new("/sys/class/net")
                .join(&name)
                .join("wireless")
                .exists()
            {
                Kind::Wireless
            } else {
                Kind::Cable
            };
            links.insert(name, kind);
        }
        let links = links.into_iter().map(|(name, kind)| Link { name, kind });
        Self {
            links: links.collect(),
            firewall: firewall(),
        }
    }
}

fn firewall() -> Option<Firewall> {
    let ufw = fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
    if ufw.lines().any(|line| line.trim() == "ENABLED=yes") {
        Some(Firewall::Ufw)
    } else if Path::new("/run/firewalld").exists() {
        Some(Firewall::Firewalld)
    } else {
        None
    }
}

/// The reasons, the likeliest first.
pub(super) fn of(machine: &Machine) -> Vec<String> {
    let names = |kind: Kind| {
        let links = machine.links.iter().filter(|link| link.kind == kind);
        let names: Vec<&str> = links.map(|link| link.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let (cable, wireless, tunnel) = (
        names(Kind::Cable),
        names(Kind::Wireless),
        names(Kind::Tunnel),
    );
    let mut hints = Vec::new();
    if cable.is_none() && wireless.is_none() {
        hints.push(
            "this machine is on no network: plug in a cable or join the device's Wi-Fi".to_owned(),
        );
    }
    if let Some(tunnel) = tunnel {
        hints.push(format!(
            "a VPN seems to be on ({tunnel}): many keep this machine from its own network; switch it off and try again"
        ));
    }
    if let Some(wireless) = wireless {
        hints.push(format!(
            "this machine is on Wi-Fi ({wireless}): a guest network, or an access point that isolates its clients, keeps devices from each other; use the main network, or switch the isolation off"
        ));
    }
    hints.push(match machine.firewall {
        Some(Firewall::Ufw) => {
            "ufw is on here: `sudo ufw allow 5353/udp` lets the devices' answers in".to_owned()
        }
        Some(Firewall::Firewalld) => {
            "firewalld is on here: `sudo firewall-cmd --add-service=mdns` lets the devices' answers in".to_owned()
        }
        None => "a firewall, on this machine or between the networks, has to let UDP port 5353 through".to_owned(),
    });
    hints.push(
        "the device is off, still starting, in another network, or has mdns.enabled = false: `thox --host ADDRESS status` asks it by its address, which the router lists".to_owned(),
    );
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(links: &[(&str, Kind)], firewall: Option<Firewall>) -> Machine {
        let links = links.iter().map(|(name, kind)| Link {
            name: (*name).to_owned(),
            kind: *kind,
        });
        Machine {
            links: links.collect(),
            firewall,
        }
    }

    #[test]
    fn what_can_be_told_is_told() {
        for (machine, beginnings) in [
            (
                machine(&[], None),
                &[
                    "this machine is on no network",
                    "a firewall",
                    "the device is off",
                ][..],
            ),
            (
                machine(&[("eth0", Kind::Cable)], Some(Firewall::Ufw)),
                &["ufw is on here", "the device is off"],
            ),
            (
                machine(
                    &[("wlan0", Kind::Wireless), ("wg0", Kind::Tunnel)],
                    Some(Firewall::Firewalld),
                ),
                &[
                    "a VPN seems to be on (wg0)",
                    "this machine is on Wi-Fi (wlan0)",
                    "firewalld is on here",
                    "the device is off",
                ],
            ),
        ] {
            let hints = of(&machine);
            assert_eq!(hints.len(), beginnings.len(), "{hints:?}");
            for (hint, beginning) in hints.iter().zip(beginnings) {
                assert!(hint.starts_with(beginning), "{hint}");
            }
        }
    }
}
