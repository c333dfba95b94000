//! What the settings make of the sockets that the service manager has opened.
//!
//! Nobody has named addresses: whatever was opened is served, so that a socket unit alone decides. Somebody has: then
//! only these are answered, also where a socket takes more, and what no socket takes is opened beside it. A unit that
//! cannot be changed, as on the image, thus takes away nobody's choice.

use std::net::{IpAddr, SocketAddr};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each socket that was handed over, in their order, whom it serves.
    pub adopted: Vec<Serves>,
    /// What the daemon opens itself.
    pub opened: Vec<Opened>,
}

/// Of the connections that a socket takes, which are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// All.
    All,
    /// Those to one of these addresses of the device, 0.0.0.0 for any of IPv4; none where there is none.
    To(Vec<IpAddr>),
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// It, with its port.
    pub address: SocketAddr,
    /// IPv4 has a socket of its own on that port.
    pub only_v6: bool,
}

/// Does who listens on `listened` take connections to `address`? Of both an unspecified one stands for all of its kind, and
/// that of IPv6 for IPv4's too, as Linux has it.
#[must_use]
pub fn stands_for(listened: IpAddr, address: IpAddr) -> bool {
    listened == address || listened.is_unspecified() && (listened.is_ipv6() || address.is_ipv4())
}

/// Whether IPv4 has a socket of its own on the port of `address`, so that IPv6 has to be without it there.
#[must_use]
pub fn is_only_v6<'a>(
    address: &SocketAddr,
    beside: impl IntoIterator<Item = &'a SocketAddr>,
) -> bool {
    let has_v4 = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
    address.is_ipv6() && beside.into_iter().any(has_v4)
}

/// `passed` are the addresses of the sockets that were handed over, `wanted` the setting, `usual` its default.
#[must_use]
pub fn plan(passed: &[SocketAddr], wanted: &[SocketAddr], usual: &[SocketAddr]) -> Plan {
    let is_chosen = passed.is_empty() || wanted != usual;
    let adopted = passed.iter().map(|socket| {
        let here = || wanted.iter().filter(|one| one.port() == socket.port());
        if !is_chosen || here().any(|one| stands_for(one.ip(), socket.ip())) {
            return Serves::All;
        }
        let within = here().filter(|one| stands_for(socket.ip(), one.ip()));
        Serves::To(within.map(SocketAddr::ip).collect())
    });
    let is_taken = |one: &&SocketAddr| {
        let covers =
            |socket: &SocketAddr| socket.port() == one.port() && stands_for(socket.ip(), one.ip());
        passed.iter().any(covers)
    };
    let opened = wanted
        .iter()
        .filter(|one| is_chosen && !is_taken(one))
        .map(|one| Opened {
            address: *one,
            only_v6: is_only_v6(one, passed.iter().chain(wanted)),
        });
    Plan {
        adopted: adopted.collect(),
        opened: opened.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that are handed over and wanted; who is served by the first, and what is opened.
    fn decide(passed: &[&str], wanted: &[&str]) -> (Vec<String>, Vec<String>) {
        let parsed = |all: &[&str]| -> Vec<SocketAddr> {
            all.iter().map(|one| one.parse().unwrap()).collect()
        };
        let plan = plan(&parsed(passed), &parsed(wanted), &parsed(&["0.0.0.0:8080"]));
        let adopted = plan.adopted.iter().map(|serves| match serves {
            Serves::All => "all".to_owned(),
            Serves::To(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                format!("to {}", addresses.join(" "))
            }
        });
        let opened = plan.opened.iter().map(|one| {
            let only = if one.only_v6 { " v6" } else { "" };
            format!("{}{only}", one.address)
        });
        (adopted.collect(), opened.collect())
    }

    #[test]
    fn a_table_of_sockets_and_settings() {
        let all = "0.0.0.0:8080";
        for (passed, wanted, adopted, opened) in [
            // Without a service manager.
            (&[][..], &[all][..], &[][..], &[all][..]),
            (&[], &["127.0.0.1:9"], &[], &["127.0.0.1:9"]),
            (&[], &[all, "[::]:8080"], &[], &[all, "[::]:8080 v6"]),
            (&[], &["[::]:8080"], &[], &["[::]:8080"]),
            (&[], &[all, "[::]:9"], &[], &[all, "[::]:9"]),
            // The unit's choice stands while nobody has made another.
            (&[all], &[all], &["all"], &[]),
            (&["0.0.0.0:80"], &[all], &["all"], &[]),
            (&["[::]:8080"], &[all], &["all"], &[]),
            (
                &["10.0.0.1:80", "10.0.0.2:80"],
                &[all],
                &["all", "all"],
                &[],
            ),
            // The setting's, once somebody has.
            (&[all], &["127.0.0.1:8080"], &["to 127.0.0.1"], &[]),
            (&[all], &["[::]:8080"], &["all"], &["[::]:8080 v6"]),
            (&[all], &[all, "[::]:8080"], &["all"], &["[::]:8080 v6"]),
            (
                &[all],
                &["[fe80::1]:8080"],
                &["to "],
                &["[fe80::1]:8080 v6"],
            ),
            (
                &["[::]:8080"],
                &["[::1]:8080", "10.0.0.1:8080"],
                &["to ::1 10.0.0.1"],
                &[],
            ),
            (&["[::]:8080"], &[all, all], &["to 0.0.0.0 0.0.0.0"], &[]),
            (
                &["10.0.0.1:8080"],
                &["[::]:8080"],
                &["all"],
                &["[::]:8080 v6"],
            ),
            (&[all], &["0.0.0.0:9090"], &["to "], &["0.0.0.0:9090"]),
            (&[all, "[::]:9090"], &["[::]:9090"], &["to ", "all"], &[]),
        ] {
            let decided = decide(passed, wanted);
            assert_eq!(
                (decided.0, decided.1),
                (
                    adopted.iter().map(|one| (*one).to_owned()).collect(),
                    opened.iter().map(|one| (*one).to_owned()).collect()
                ),
                "{passed:?} {wanted:?}"
            );
        }
    }
}
