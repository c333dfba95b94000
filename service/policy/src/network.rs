//! Where a client is, seen from the device: on it, on one of its links, or somewhere else.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// An address and how many of its first bits name the network. Text form `10.8.0.0/16`, or an address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no network: write an address and the number of its network bits, such as 10.8.0.0/16 or fd00::/8"
)]
pub struct InvalidPrefix(String);

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A process of the device itself, over the network's loopback.
    Loopback,
    /// A host of the device's own network, or of one that the settings trust.
    OnLink,
    /// Anywhere else.
    Remote,
}

impl Prefix {
    /// The network of `address`; nothing where the number of bits is larger than the address.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let address = address.to_canonical();
        (bits <= width(address)).then_some(Self { address, bits })
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }

    /// The address that it was made of.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let invalid = || InvalidPrefix(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| invalid())?,
            None => width(address),
        };
        Self::new(address, bits).ok_or_else(invalid)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Where the client at `peer` is. `own` are the networks of the device's interfaces, `trusted` those of the settings.
///
/// A global address is remote also where it belongs to a network of the device's own: an address that the whole Internet
/// can route to needs a key. So is a private one of another network, whatever router leads to it.
#[must_use]
pub fn place(peer: IpAddr, own: &[Prefix], trusted: &[Prefix]) -> Place {
    let peer = peer.to_canonical();
    let is_within = |networks: &[Prefix]| networks.iter().any(|network| network.contains(peer));
    if peer.is_loopback() {
        Place::Loopback
    } else if is_link_local(peer) || (is_private(peer) && is_within(own)) || is_within(trusted) {
        Place::OnLink
    } else {
        Place::Remote
    }
}

/// 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291): never routed.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The ranges of RFC 1918, RFC 4193 (unique local), and RFC 6598 (shared, as carrier-grade NAT and overlay networks use it).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = address.to_bits() & 0xffc0_0000 == Ipv4Addr::new(100, 64, 0, 0).to_bits();
            address.is_private() || shared
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Who counts as one client: an IPv4 address, or the /64 of an IPv6 address, which any host of a link fills at will.
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn clients_are_where_they_are() {
        let own = [
            "192.168.1.7/24",
            "10.0.0.2/8",
            "2001:db8:1::7/64",
            "fd12::7/64",
            "8.8.4.1/24",
        ]
        .map(prefix);
        let trusted = ["172.20.0.0/16", "2001:db8:9::/48"].map(prefix);
        for (peer, expected) in [
            ("127.0.0.1", Place::Loopback),
            ("::1", Place::Loopback),
            ("::ffff:127.0.0.1", Place::Loopback),
            ("192.168.1.200", Place::OnLink),
            ("::ffff:192.168.1.200", Place::OnLink),
            ("192.168.2.1", Place::Remote),
            ("10.9.9.9", Place::OnLink),
            ("169.254.3.4", Place::OnLink),
            ("fe80::1", Place::OnLink),
            ("fd12::99", Place::OnLink),
            ("fd13::99", Place::Remote),
            ("2001:db8:1::99", Place::Remote),
            ("8.8.4.4", Place::Remote),
            ("172.20.9.9", Place::OnLink),
            ("172.21.9.9", Place::Remote),
            ("2001:db8:9:1::1", Place::OnLink),
            ("0.0.0.0", Place::Remote),
        ] {
            assert_eq!(
                place(peer.parse().unwrap(), &own, &trusted),
                expected,
                "{peer}"
            );
        }
    }

    #[test]
    fn networks_are_read() {
        for text in ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0", "10.1.2.3/32"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        assert_eq!(prefix("10.1.2.3").to_string(), "10.1.2.3/32");
        for text in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "box",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn a_network_contains_what_begins_like_it(address in any::<u32>(), other in any::<u32>(), bits in 0u8..=32) {
            let network = Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(address)), bits).unwrap();
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            prop_assert_eq!(network.contains(IpAddr::V4(Ipv4Addr::from_bits(other))), address & mask == other & mask);
        }
    }
}
