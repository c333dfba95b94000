//! What a device tells of itself on its network: on which links, and which of its addresses.

use crate::{
    listening::{is_only_v6, stands_for},
    network::Prefix,
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

/// A network interface, as the system has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name, `eth0`.
    pub name: Box<str>,
    /// Whether it is switched on and its cable is plugged in.
    pub is_up: bool,
    /// Whether it can be multicast on, and leads to others: neither loopback nor point-to-point.
    pub is_shared: bool,
    /// Its networks, each with the device's own address in it.
    pub networks: Vec<Prefix>,
}

/// All links at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The links.
    pub links: Vec<Link>,
    /// How often the machine has woken up: what it knew of its neighbours before is old.
    pub wakes: u64,
}

/// What the device is called on its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// The name that people are shown.
    pub name: Box<str>,
    /// All its names there, in lower case.
    pub names: BTreeSet<Box<str>>,
    /// The name that it asked the network for. Where that is not among `names` it is another device's, whatever the
    /// system calls this one.
    pub wished: Box<str>,
    /// Why others do not find it, in words, with the next step.
    pub trouble: Option<Box<str>>,
}

/// The interfaces that the settings want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these; all where it is empty.
    pub only: Vec<LinkPattern>,
    /// None of these.
    pub exclude: Vec<LinkPattern>,
}

/// The ports at which the device is answered on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Plain HTTP, and HTTPS where that is answered there too.
    Plain {
        /// The plain port.
        port: u16,
        /// The encrypted one.
        tls: Option<u16>,
    },
    /// HTTPS and nothing else.
    Encrypted(u16),
}

/// What the network can reach of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where it is answered.
    pub ports: Ports,
    /// The addresses that are listened on there.
    pub bound: Vec<SocketAddr>,
}

/// An interface's name, or its beginning with `*` behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPattern(Box<str>);

/// What is told on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The link's number.
    pub index: u32,
    /// The link's name.
    pub link: Box<str>,
    /// The addresses; at least one.
    pub addresses: Vec<IpAddr>,
}

impl LinkPattern {
    /// A name of at most 15 bytes (`IFNAMSIZ`), and a `*` nowhere but at its end.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '/');
        let is_name = name.len() <= 15 && name.chars().all(is_plain) && !text.is_empty();
        is_name.then(|| Self(text.into()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, link: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => link.starts_with(beginning),
            None => *self.0 == *link,
        }
    }
}

impl Choice {
    fn has(&self, link: &str) -> bool {
        let is_among = |patterns: &[LinkPattern]| patterns.iter().any(|one| one.matches(link));
        (self.only.is_empty() || is_among(&self.only)) && !is_among(&self.exclude)
    }
}

/// What the network can reach, by where plain HTTP and HTTPS are listened for; none where only this machine can.
///
/// Where both are, the plain port's addresses count: it is the one that clients are told first.
#[must_use]
pub fn offer(plain: &[SocketAddr], encrypted: &[SocketAddr]) -> Option<Offer> {
    let reachable = |bound: &[SocketAddr]| -> Vec<SocketAddr> {
        let outside = bound.iter().filter(|address| !address.ip().is_loopback());
        outside.copied().collect()
    };
    let (plain, encrypted) = (reachable(plain), reachable(encrypted));
    let port = |bound: &[SocketAddr]| bound.first().map(SocketAddr::port);
    match (port(&plain), port(&encrypted)) {
        (Some(port), tls) => Some(Offer {
            ports: Ports::Plain { port, tls },
            bound: plain,
        }),
        (None, Some(tls)) => Some(Offer {
            ports: Ports::Encrypted(tls),
            bound: encrypted,
        }),
        (None, None) => None,
    }
}

/// What is told on which link, by the link's number. `bound` are the addresses at which the device is listened on: one
/// that nobody answers at is not told.
///
/// Of two links into one network the first tells: over the second the device would hear itself, take that for another
/// device with its name, and give the name up.
#[must_use]
pub fn publications(links: &[Link], choice: &Choice, bound: &[SocketAddr]) -> Vec<Publication> {
    let mut candidates: Vec<&Link> = links
        .iter()
        .filter(|link| link.is_up && link.is_shared && choice.has(&link.name))
        .collect();
    candidates.sort_by_key(|link| link.index);
    let mut known: Vec<&Prefix> = Vec::new();
    let mut publications = Vec::new();
    for link in candidates {
        let routed = |prefix: &&Prefix| !is_link_local(prefix.address());
        let is_known = |own: &Prefix| known.iter().any(|other| other.contains(own.address()));
        if link.networks.iter().filter(routed).any(is_known) {
            continue;
        }
        let addresses = addresses(link, bound);
        if addresses.is_empty() {
            continue;
        }
        known.extend(link.networks.iter().filter(routed));
        publications.push(Publication {
            index: link.index,
            link: link.name.clone(),
            addresses,
        });
    }
    publications
}

/// Those that clients can use. An IPv6 address of the link alone needs the link's name beside it, which few clients put
/// there: it is told only where there is no other.
fn addresses(link: &Link, bound: &[SocketAddr]) -> Vec<IpAddr> {
    let answered = link
        .networks
        .iter()
        .map(Prefix::address)
        .filter(|address| is_answered(*address, bound));
    let (mut usable, of_the_link): (Vec<IpAddr>, Vec<IpAddr>) =
        answered.partition(|address| address.is_ipv4() || !is_link_local(*address));
    if usable.is_empty() {
        usable = of_the_link;
    }
    usable.sort_unstable();
    usable.dedup();
    usable
}

fn is_answered(address: IpAddr, bound: &[SocketAddr]) -> bool {
    bound.iter().any(|one| {
        let is_left_out = address.is_ipv4() && is_only_v6(one, bound);
        stands_for(one.ip(), address) && !is_left_out
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// How many characters of a device's short id there are.
const ID_CHARACTERS: usize = 8;

/// A device's short id, `k3mzq2xa`, out of a hash's first bytes: 40 bits in RFC 4648's base32, in lower case.
#[must_use]
pub fn short_id(hash: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = hash
        .iter()
        .take(5)
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..ID_CHARACTERS)
        .rev()
        .filter_map(|place| {
            let five = usize::try_from(bits >> (place * 5) & 31).ok()?;
            ALPHABET.get(five).map(|letter| char::from(*letter))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, networks: &[&str]) -> Link {
        Link {
            index,
            name: name.into(),
            is_up: true,
            is_shared: true,
            networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn patterns(texts: &[&str]) -> Vec<LinkPattern> {
        let pattern = |text: &&str| LinkPattern::new(text).unwrap();
        texts.iter().map(pattern).collect()
    }

    fn told(links: &[Link], choice: &Choice, bound: &[&str]) -> String {
        let bound: Vec<SocketAddr> = bound.iter().map(|text| text.parse().unwrap()).collect();
        publications(links, choice, &bound)
            .iter()
            .map(|one| format!("{} {:?}", one.link, one.addresses))
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn what_this_machine_alone_reaches_is_not_offered() {
        let (lan, tls) = ("0.0.0.0:8080", "0.0.0.0:8443");
        let (here, tls_here) = ("127.0.0.1:8080", "[::1]:8443");
        let (plain, both, encrypted) = (
            Ports::Plain {
                port: 8080,
                tls: None,
            },
            Ports::Plain {
                port: 8080,
                tls: Some(8443),
            },
            Ports::Encrypted(8443),
        );
        for (at, at_tls, expected) in [
            (&[][..], &[][..], None),
            (&[here], &[], None),
            (&[here], &[tls_here], None),
            (&[lan], &[], Some((plain, lan))),
            (&[here, lan], &[tls_here], Some((plain, lan))),
            (&[lan], &[tls_here, tls], Some((both, lan))),
            (&[here], &[tls_here, tls], Some((encrypted, tls))),
            (&[], &[tls], Some((encrypted, tls))),
        ] {
            let parsed = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let expected = expected.map(|(ports, bound)| Offer {
                ports,
                bound: parsed(&[bound]),
            });
            let offered = offer(&parsed(at), &parsed(at_tls));
            assert_eq!(offered, expected, "{at:?} {at_tls:?}");
        }
    }

    const ALL4: &[&str] = &["0.0.0.0:8080"];
    const ALL: &[&str] = &["0.0.0.0:8080", "[::]:8080"];

    #[test]
    fn what_is_listened_on_is_told() {
        let eth = [link(
            2,
            "eth0",
            &["192.168.1.7/24", "fd12::7/64", "fe80::7/64"],
        )];
        let choice = Choice::default();
        assert_eq!(told(&eth, &choice, ALL4), "eth0 [192.168.1.7]");
        assert_eq!(told(&eth, &choice, ALL), "eth0 [192.168.1.7, fd12::7]");
        assert_eq!(
            told(&eth, &choice, &["[::]:1"]),
            "eth0 [192.168.1.7, fd12::7]"
        );
        assert_eq!(told(&eth, &choice, &["127.0.0.1:8080"]), "");
        assert_eq!(
            told(&eth, &choice, &["192.168.1.7:80", "10.0.0.1:80"]),
            "eth0 [192.168.1.7]"
        );
        // IPv6's socket leaves IPv4 to the one that is bound beside it.
        let beside = &["10.0.0.1:80", "[::]:80"];
        assert_eq!(told(&eth, &choice, beside), "eth0 [fd12::7]");
        let bare = [link(2, "eth0", &["fe80::7/64"])];
        assert_eq!(told(&bare, &choice, ALL), "eth0 [fe80::7]");
        assert_eq!(told(&bare, &choice, ALL4), "");
        let makeshift = [link(2, "eth0", &["169.254.1.2/16"])];
        assert_eq!(told(&makeshift, &choice, ALL4), "eth0 [169.254.1.2]");
    }

    #[test]
    fn some_links_say_nothing() {
        let mut links = [
            link(1, "lo", &["127.0.0.1/8"]),
            link(2, "eth0", &["192.168.1.7/24"]),
            link(3, "docker0", &["172.17.0.1/16"]),
            link(4, "wlan0", &["10.0.0.7/24"]),
        ];
        links[0].is_shared = false;
        let mut choice = Choice {
            only: Vec::new(),
            exclude: patterns(&["docker*"]),
        };
        let both = "eth0 [192.168.1.7]; wlan0 [10.0.0.7]";
        assert_eq!(told(&links, &choice, ALL4), both);
        choice.only = patterns(&["wl*", "docker0"]);
        assert_eq!(told(&links, &choice, ALL4), "wlan0 [10.0.0.7]");
        choice.only.clear();
        links[3].is_up = false;
        assert_eq!(told(&links, &choice, ALL4), "eth0 [192.168.1.7]");
    }

    #[test]
    fn of_two_links_into_one_network_one_tells() {
        let links = [
            link(4, "wlan0", &["192.168.1.8/24"]),
            link(2, "eth0", &["192.168.1.7/24"]),
            link(5, "eth1", &["169.254.3.3/16"]),
            link(6, "eth2", &["169.254.4.4/16"]),
        ];
        assert_eq!(
            told(&links, &Choice::default(), ALL4),
            "eth0 [192.168.1.7]; eth1 [169.254.3.3]; eth2 [169.254.4.4]"
        );
    }

    #[test]
    fn patterns_are_names_or_beginnings() {
        for text in ["eth0", "br-*", "*", "enp0s31f6"] {
            assert!(LinkPattern::new(text).is_some(), "{text}");
        }
        for text in ["", "*0", "et*h", "a name", "a/b", "sixteencharacter"] {
            assert!(LinkPattern::new(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_id_is_the_base32_of_40_bits() {
        // RFC 4648, 10: BASE32("fooba") = "MZXW6YTB".
        assert_eq!(short_id(b"foobar"), "mzxw6ytb");
        assert_eq!(short_id(&[0xff; 32]), "77777777");
        assert_eq!(short_id(&[0; 5]), "aaaaaaaa");
    }
}
