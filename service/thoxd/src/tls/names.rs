//! What a certificate is for: the names and addresses under which clients find the device.

use rustls::pki_types::{DnsName, ServerName};
use std::{collections::BTreeSet, net::IpAddr};

/// Names in lower case and addresses, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<Name>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Dns(String),
    Address(IpAddr),
}

/// A certificate travels in every handshake; a host with more addresses than this (containers' bridges, IPv6) gets the
/// first.
const MOST: usize = 64;

impl Names {
    /// Names that no certificate can have, such as one with a blank in it, are left out. An empty list stands for
    /// `localhost`.
    #[must_use]
    pub fn new(names: &[String], addresses: &[IpAddr]) -> Self {
        let names = names.iter().filter_map(|name| {
            let plain = name.trim_end_matches('.').to_ascii_lowercase();
            if DnsName::try_from(plain.as_str()).is_err() {
                tracing::warn!(%name, "no certificate can have this name: it is left out");
                return None;
            }
            Some(Name::Dns(plain))
        });
        let addresses = addresses
            .iter()
            .filter(|address| !address.is_unspecified())
            .map(|address| Name::Address(address.to_canonical()));
        let mut all: BTreeSet<Name> = names.chain(addresses).take(MOST).collect();
        if all.is_empty() {
            all.insert(Name::Dns("localhost".to_owned()));
        }
        Self(all)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }
}

impl Name {
    /// As a client that connects would look for it.
    pub(super) fn as_server_name(&self) -> Option<ServerName<'_>> {
        match self {
            Self::Dns(name) => ServerName::try_from(name.as_str()).ok(),
            Self::Address(address) => Some(ServerName::IpAddress((*address).into())),
        }
    }
}
