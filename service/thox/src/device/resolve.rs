//! The addresses of a host: by the system, and by multicast DNS for a name of this network where the system knows nothing
//! of such names, as without Avahi and systemd-resolved, or in a build of `thox` that has no part of the system in it.

use mdns_sd::{HostnameResolutionEvent, IfKind, ScopedIp, ServiceDaemon};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// A system that knows the network's names answers within that, mostly; another one costs each connection so much.
const HEAD_START: Duration = Duration::from_millis(100);

/// Answers come within 120 ms (RFC 6762, 6); the query is sent again after a second, in case one was lost.
const MULTICAST: Duration = Duration::from_secs(2);

/// Where to connect to.
///
/// # Errors
/// Nobody knows the host.
pub(super) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let by_system = async {
        let found = tokio::net::lookup_host((host, port)).await?;
        Ok(found.collect())
    };
    if !is_of_this_network(host) {
        return by_system.await;
    }
    let by_multicast = async {
        sleep(HEAD_START).await;
        let asked = timeout(MULTICAST, ask(host));
        let found = asked.await.unwrap_or_default();
        if found.is_empty() {
            let text = format!("no host of this network has the name {host}");
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let at = |address| SocketAddr::new(address, port);
        Ok(found.into_iter().map(at).collect())
    };
    let ways: [futures_util::future::BoxFuture<'_, _>; 2] =
        [Box::pin(by_system), Box::pin(by_multicast)];
    let (found, _) = futures_util::future::select_ok(ways).await?;
    Ok(found)
}

/// Whether a name is one that multicast DNS is for (RFC 6762, 3).
fn is_of_this_network(host: &str) -> bool {
    host.strip_suffix(".local")
        .is_some_and(|name| !name.is_empty())
}

/// Asks everybody on the network; IPv4 first.
async fn ask(host: &str) -> Vec<IpAddr> {
    // Its end is the end of the search, also where nobody waits for it any more.
    struct Asking(ServiceDaemon);
    impl Drop for Asking {
        fn drop(&mut self) {
            let _ = self.0.shutdown();
        }
    }
    let begun = ServiceDaemon::new().and_then(|daemon| {
        let asking = Asking(daemon);
        let loopback = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
        asking.0.disable_interface(loopback)?;
        let events = asking.0.resolve_hostname(&format!("{host}."), None)?;
        Ok((asking, events))
    });
    let Ok((_asking, events)) = begun else {
        return Vec::new();
    };
    while let Ok(event) = events.recv_async().await {
        if let HostnameResolutionEvent::AddressesFound(_, found) = event {
            let mut all: Vec<IpAddr> = found.iter().map(ScopedIp::to_ip_addr).collect();
            // Without its link such an address leads nowhere.
            all.retain(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
            all.sort_unstable();
            if !all.is_empty() {
                return all;
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_network_end_in_local() {
        for (host, is_one) in [
            ("thox.local", true),
            ("a.b.local", true),
            (".local", false),
            ("local", false),
            ("thox.local.example", false),
            ("localhost", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_of_this_network(host), is_one, "{host}");
        }
    }

    #[tokio::test]
    async fn addresses_are_their_own() {
        let found = lookup("127.0.0.1", 80).await.unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
    }
}
