//! One look at the interfaces and the host's name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};
use thox_policy::{browser::Host, discovery::Link, network::Prefix};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
    sys::socket::SockaddrStorage,
};

/// All interfaces in the order of their numbers; none where the system does not say.
pub(super) fn links() -> Vec<Link> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for interface in interfaces {
        let link = links
            .entry(interface.interface_name.clone())
            .or_insert_with(|| of(&interface));
        // One entry has the link's own address, the others those of its networks.
        if let Some(number) = interface
            .address
            .as_ref()
            .and_then(SockaddrStorage::as_link_addr)
            .and_then(|address| u32::try_from(address.ifindex()).ok())
        {
            link.index = number;
        }
        link.networks.extend(network(&interface));
    }
    let mut links: Vec<Link> = links.into_values().collect();
    for link in &mut links {
        // The kernel gives them in no order that means anything.
        link.networks.sort_unstable();
        link.networks.dedup();
    }
    links.sort_by_key(|link| link.index);
    links
}

fn of(interface: &InterfaceAddress) -> Link {
    let flags = interface.flags;
    let leads_nowhere = InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_POINTOPOINT;
    Link {
        index: 0,
        name: interface.interface_name.as_str().into(),
        is_up: flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING),
        is_shared: flags.contains(InterfaceFlags::IFF_MULTICAST)
            && !flags.intersects(leads_nowhere),
        networks: Vec::new(),
    }
}

fn network(interface: &InterfaceAddress) -> Option<Prefix> {
    let address = ip(interface.address.as_ref()?)?;
    let bits = interface.netmask.as_ref().and_then(ip).map_or(
        if address.is_ipv4() { 32 } else { 128 },
        |mask| match mask {
            IpAddr::V4(mask) => mask.to_bits().leading_ones(),
            IpAddr::V6(mask) => mask.to_bits().leading_ones(),
        },
    );
    Prefix::new(address, u8::try_from(bits).ok()?)
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address.as_sockaddr_in6().map(|v6| v6.ip().into())
}

/// The names that the system has for this host.
pub(super) fn host_names() -> BTreeSet<Box<str>> {
    let mut names = BTreeSet::new();
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
    names
}
