//! What this user has of each device: its key and the fingerprint of its TLS key.
//!
//! - [`document`]: the file's text.
//! - [`store`]: where the file is, who may read it, and how it is changed without ever being half written.

mod document;
mod store;

use crate::{failure::Failure, fingerprint::Fingerprint, secret::Secret};
use std::{collections::BTreeMap, path::PathBuf};

pub(crate) use store::{change, prepare};

/// All that is stored, by `host:port`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials(BTreeMap<String, Entry>);

/// What is stored of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key that it gets.
    pub(crate) key: Option<Secret>,
    /// The TLS key that it must show.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// The port of the same host on which it is spoken to instead, over TLS.
    pub(crate) tls_port: Option<u16>,
}

/// One thing to store of a device.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Another key, or none any more.
    Key(Option<Secret>),
    /// The TLS key that it must show from now on.
    Fingerprint(Fingerprint),
    /// Where it is spoken to instead.
    TlsPort(u16),
    /// Nothing of it any more.
    Forget,
}

impl Credentials {
    /// What the user's file holds; nothing where there is none.
    pub(crate) fn load() -> Result<Self, Failure> {
        store::path().map_or_else(|| Ok(Self::default()), |path| store::read(&path))
    }

    /// What is stored of a device.
    pub(crate) fn of(&self, device: &str) -> Entry {
        self.0.get(device).cloned().unwrap_or_default()
    }

    /// The ports of a host for which a TLS key is pinned.
    pub(crate) fn pinned_ports(&self, host: &str) -> Vec<u16> {
        let of_host = |device: &str| {
            let (name, port) = split(device)?;
            (name == host).then_some(port)
        };
        let pinned = self
            .0
            .iter()
            .filter(|(_, entry)| entry.fingerprint.is_some());
        pinned.filter_map(|(device, _)| of_host(device)).collect()
    }

    /// The plain addresses in whose place a device is spoken to at this one.
    pub(crate) fn leading_to(&self, device: &str) -> Vec<String> {
        let Some((host, port)) = split(device) else {
            return Vec::new();
        };
        let leads = |(other, entry): &(&String, &Entry)| {
            entry.tls_port == Some(port) && split(other).is_some_and(|(name, _)| name == host)
        };
        let found = self.0.iter().filter(leads);
        found.map(|(device, _)| device.clone()).collect()
    }

    /// The devices whose key begins so.
    pub(crate) fn with_key_like(&self, prefix: &str) -> Vec<String> {
        let has = |entry: &Entry| {
            let key = entry.key.as_ref();
            key.is_some_and(|key| key.expose().starts_with(prefix))
        };
        let found = self.0.iter().filter(|(_, entry)| has(entry));
        found.map(|(device, _)| device.clone()).collect()
    }
}

/// The host, without the brackets of an IPv6 address, and the port.
fn split(device: &str) -> Option<(&str, u16)> {
    let (host, port) = device.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
impl Credentials {
    /// With nothing but these stored.
    pub(crate) fn with(changes: &[(String, Change)]) -> Self {
        let text = document::changed("", changes).unwrap();
        document::read(&text).unwrap()
    }
}

/// The file, for messages.
pub(crate) fn shown_path() -> String {
    let path = store::path().unwrap_or_else(|| PathBuf::from("credentials.toml"));
    path.display().to_string()
}
