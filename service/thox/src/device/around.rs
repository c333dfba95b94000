//! The devices of the network, as they tell of themselves by multicast DNS, and the one that `--host auto` means.

use super::{Certificate, Device, PROBE_TIMEOUT, Reply, address::Address, resolve};
use crate::{
    credentials::Credentials,
    failure::{Exit, Failure},
    output,
};
use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent};
use serde::Serialize;
use std::{collections::BTreeMap, net::IpAddr, time::Duration};
use thox_api::{Health, OverallStatus};
use tokio::time::{Instant, timeout, timeout_at};

/// What a device calls itself in DNS-SD.
const SERVICE: &str = "_thox._tcp.local.";

/// Answers come within 120 ms (RFC 6762, 6); the query is sent again after a second, in case one was lost.
const TIME_FOR_AUTO: Duration = Duration::from_secs(2);

/// For a name that was told a moment ago.
const TIME_FOR_A_NAME: Duration = Duration::from_secs(1);

/// A device of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Neighbour {
    /// The name that people use; where it did not tell, the one that stays.
    pub(crate) name: String,
    /// The name that stays, with the device's id in it.
    pub(crate) stable_name: String,
    /// IPv4 first.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) port: u16,
    /// Where it has the port above, that one speaks TLS and there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// None where it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<OverallStatus>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Neighbour {
    /// Whether it is spoken to over TLS alone.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls_port == Some(self.port)
    }

    /// Its first address, as `--host` wants it where that is not the usual way.
    pub(crate) fn first_address(&self) -> Option<String> {
        let address = self.addresses.first()?.to_string();
        Some(if self.is_encrypted() {
            self.at(&address).to_string()
        } else {
            address
        })
    }

    /// Where it is, by one of its names or addresses.
    fn at(&self, host: &str) -> Address {
        let address = Address::of_neighbour(host, self.port);
        if self.is_encrypted() {
            address.over_tls()
        } else {
            address
        }
    }
}

/// All devices that answer within a time, those that are well first.
pub(crate) async fn look(time: Duration) -> Result<Vec<Neighbour>, Failure> {
    let found = browse(time)
        .await
        .map_err(|error| Failure::error(format!("the network cannot be asked: {error}")))?;
    let asked = found.into_values().map(|service| ask(told(&service)));
    let mut neighbours = futures_util::future::join_all(asked).await;
    neighbours.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(neighbours)
}

async fn browse(time: Duration) -> mdns_sd::Result<BTreeMap<String, ResolvedService>> {
    let end = Instant::now() + time;
    let daemon = ServiceDaemon::new()?;
    daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    let events = daemon.browse(SERVICE)?;
    let mut found = BTreeMap::new();
    while let Ok(Ok(event)) = timeout_at(end, events.recv_async()).await {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                found.insert(service.fullname.clone(), *service);
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                found.remove(&name);
            }
            _ => {}
        }
    }
    // The process ends soon, and the thread with it.
    let _ = daemon.shutdown();
    Ok(found)
}

fn told(service: &ResolvedService) -> Neighbour {
    let scoped = service.addresses.iter();
    let mut addresses: Vec<IpAddr> = scoped.map(mdns_sd::ScopedIp::to_ip_addr).collect();
    addresses.sort_unstable();
    let name = service.host.trim_end_matches('.').to_ascii_lowercase();
    let tls_port = service.get_property_val_str("tls");
    Neighbour {
        name: name.clone(),
        stable_name: name,
        addresses,
        port: service.port,
        tls_port: tls_port.and_then(|port| port.parse().ok()),
        version: None,
        status: None,
        reason: None,
    }
}

/// Asks it how it is, without a key: nobody knows yet who it is.
async fn ask(mut neighbour: Neighbour) -> Neighbour {
    let mut reason = "it told no address".to_owned();
    for address in &neighbour.addresses {
        let device = Device::stranger(neighbour.at(&address.to_string()));
        match timeout(PROBE_TIMEOUT, health(device, neighbour.is_encrypted())).await {
            Ok(Ok((_, health))) => {
                let Health {
                    name,
                    version,
                    status,
                    ..
                } = health;
                neighbour.name = name.unwrap_or(neighbour.name);
                neighbour.version = Some(version);
                neighbour.status = Some(status);
                return neighbour;
            }
            Ok(Err(Failure::Told { message, .. })) => reason = message,
            Ok(Err(_)) | Err(_) => reason = format!("no answer from {address}"),
        }
    }
    neighbour.reason = Some(reason);
    neighbour
}

/// Its health, whatever TLS key it shows: what it says is as good as what it told of itself.
async fn health(device: Device, is_encrypted: bool) -> Result<(Reply, Health), Failure> {
    let device = if is_encrypted {
        let Certificate { fingerprint, .. } = device.certificate().await?;
        device.pinned(fingerprint)
    } else {
        device
    };
    device.health().await
}

/// The one to choose first: it is well, has the name that devices come with, and then by name.
fn order(neighbour: &Neighbour) -> (u8, bool, &str) {
    let health = match neighbour.status {
        Some(OverallStatus::Healthy) => 0,
        Some(OverallStatus::Degraded) => 1,
        Some(OverallStatus::Unhealthy) => 2,
        None => 3,
    };
    (health, neighbour.name != "thox.local", &neighbour.name)
}

/// What `--host auto` stands for: the only device of the network.
pub(crate) async fn only(has_key: bool) -> Result<String, Failure> {
    let neighbours = look(TIME_FOR_AUTO).await?;
    let (first, others) = match neighbours.split_first() {
        Some((first, others)) => (first, others),
        None => {
            return Err(Failure::with(
                Exit::Unreachable,
                "no Thox device tells of itself on this network",
            )
            .next("`thox discover` says what may be in the way; --host NAME or --host ADDRESS names a device"));
        }
    };
    if !others.is_empty() {
        let names: Vec<String> = neighbours.iter().map(shown).collect();
        let message = format!(
            "there are {} Thox devices on this network: {}",
            names.len(),
            names.join(", ")
        );
        return Err(Failure::with(Exit::Usage, message).next(format!(
            "name the one that is meant, such as --host {}, which would be the first choice",
            first.name
        )));
    }
    let way = way(first).await?;
    let host = if first.is_encrypted() {
        way.to_string()
    } else {
        way.authority()
    };
    if has_key {
        let entry = Credentials::load()?.of(&way.authority());
        let is_known =
            entry.key.is_some() || entry.fingerprint.is_some() || entry.tls_port.is_some();
        if !is_known {
            // Whoever is on the network can tell that he is a device.
            let message = format!(
                "no key is given to {}, which is not known here",
                shown(first)
            );
            return Err(Failure::error(message)
                .next(format!("if it is the right one, name it: --host {host}")));
        }
    }
    output::remark(&format!("the device is {}", shown(first)));
    Ok(host)
}

fn shown(neighbour: &Neighbour) -> String {
    match neighbour.addresses.first() {
        Some(address) => format!("{} ({address})", neighbour.name),
        None => neighbour.name.clone(),
    }
}

/// By a name where this machine finds it by that, since what is stored of a device is stored under its name.
async fn way(neighbour: &Neighbour) -> Result<Address, Failure> {
    for name in [&neighbour.name, &neighbour.stable_name] {
        let looked_up = resolve::lookup(name, neighbour.port);
        if let Ok(Ok(found)) = timeout(TIME_FOR_A_NAME, looked_up).await
            && found
                .iter()
                .any(|found| neighbour.addresses.contains(&found.ip()))
        {
            return Ok(neighbour.at(name));
        }
    }
    let address = neighbour.addresses.first().ok_or_else(|| {
        let message = format!("{} told no address", neighbour.name);
        Failure::with(Exit::Unreachable, message)
    })?;
    Ok(neighbour.at(&address.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_that_is_told_twice_speaks_tls() {
        let at = |tls_port| {
            let neighbour = Neighbour {
                name: "thox.local".to_owned(),
                stable_name: "thox-k3mzq2xa.local".to_owned(),
                addresses: Vec::new(),
                port: 9443,
                tls_port,
                version: None,
                status: None,
                reason: None,
            };
            neighbour.at("fd00::1").to_string()
        };
        assert_eq!(at(None), "http://[fd00::1]:9443");
        assert_eq!(at(Some(8443)), "http://[fd00::1]:9443");
        assert_eq!(at(Some(9443)), "https://[fd00::1]:9443");
    }

    #[test]
    fn the_first_choice_is_well_and_has_the_usual_name() {
        let neighbour = |name: &str, status| Neighbour {
            name: name.to_owned(),
            stable_name: name.to_owned(),
            addresses: Vec::new(),
            port: 8080,
            tls_port: None,
            version: None,
            status,
            reason: None,
        };
        let mut all = [
            neighbour("thox.local", None),
            neighbour("a.local", Some(OverallStatus::Unhealthy)),
            neighbour("b.local", Some(OverallStatus::Degraded)),
            neighbour("a.local", Some(OverallStatus::Degraded)),
            neighbour("thox.local", Some(OverallStatus::Degraded)),
            neighbour("z.local", Some(OverallStatus::Healthy)),
        ];
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "z.local",
                "thox.local",
                "a.local",
                "b.local",
                "a.local",
                "thox.local"
            ]
        );
    }
}
