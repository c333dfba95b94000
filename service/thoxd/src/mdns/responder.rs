//! One link's responder: a thread of `mdns-sd` that answers and probes on this link alone. A link that comes back gets
//! a new one, which probes again, as RFC 6762 (8) wants it; the crate's own probes a name once.

use super::{
    names::Kind,
    records::{Records, kind},
};
use crate::lifetime::Lifetime;
use mdns_sd::{DaemonEvent, Error, IfKind, IfPredicate, Receiver, ServiceDaemon};
use std::time::Duration;
use thox_policy::discovery::Publication;
use tokio::{sync::mpsc::Sender, time::timeout};
use tokio_util::task::AbortOnDropHandle;

/// The goodbye is a few packets; a thread that hangs is not waited for.
const LONGEST_GOODBYE: Duration = Duration::from_millis(500);

/// Probing takes a second, a few where names are taken; after this nothing comes any more.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// Which responder: a link has one after the other, and what an old one said last may be read when its successor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The link's number.
    pub(super) link: u32,
    /// No two responders have the same.
    pub(super) turn: u64,
}

/// What a responder has to report.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) from: Origin,
    pub(super) said: Said,
}

/// What it says.
#[derive(Debug)]
pub(super) enum Said {
    /// A name is the device's on the link.
    Named(Kind, String),
    /// Nothing could be told on the link.
    Silent,
    /// The responder has ended by itself.
    Ended,
}

/// A responder that runs; [`Responder::stop`] ends it and waits for its goodbye, and its end is ordered too when it is
/// dropped: a thread that is left over would hold its names against its successor.
#[derive(Debug)]
pub(super) struct Responder {
    daemon: Daemon,
    origin: Origin,
    publication: Publication,
    has_looked: bool,
    _reader: AbortOnDropHandle<()>,
}

/// The handle shows nothing of itself, and the thread does not end with it.
struct Daemon(ServiceDaemon);

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already says so.
        let _ = self.0.shutdown();
    }
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceDaemon")
    }
}

impl Responder {
    /// One that reports as `turn`.
    pub(super) fn start(
        turn: u64,
        publication: Publication,
        records: &Records,
        lifetime: &Lifetime,
        reports: Sender<Report>,
    ) -> Result<Self, Error> {
        let link = publication.index;
        let origin = Origin { link, turn };
        let daemon = Daemon(ServiceDaemon::new()?);
        let others = IfPredicate::new(move |interface| interface.index != Some(link));
        daemon.0.disable_interface(IfKind::Predicate(others))?;
        // We are told of changes; it need not look for them.
        daemon.0.set_ip_check_interval(0)?;
        let events = daemon.0.monitor()?;
        for service in records.services(&publication.addresses)? {
            daemon.0.register(service)?;
        }
        Ok(Self {
            daemon,
            origin,
            publication,
            has_looked: false,
            _reader: lifetime.spawn_owned(read(origin, events, reports)),
        })
    }

    pub(super) fn publication(&self) -> &Publication {
        &self.publication
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it can take this up as it runs: nothing has gone, and only addresses have come.
    pub(super) fn can_become(&self, publication: &Publication) -> bool {
        let own = &self.publication;
        let stays = |address| publication.addresses.contains(address);
        own.index == publication.index
            && own.link == publication.link
            && own.addresses.iter().all(stays)
    }

    /// Tells further addresses beside those that it has told.
    pub(super) fn become_of(
        &mut self,
        publication: Publication,
        records: &Records,
    ) -> Result<(), Error> {
        // The one command that makes it look at the interfaces now and leaves nothing behind; Apple's direct links,
        // which it lets in and shuts out in turn, are none of this system's.
        self.has_looked = !self.has_looked;
        self.daemon.0.include_apple_p2p(self.has_looked)?;
        for service in records.services(&publication.addresses)? {
            self.daemon.0.register(service)?;
        }
        self.publication = publication;
        Ok(())
    }

    /// Says goodbye (RFC 6762, 10.1) and ends.
    pub(super) async fn stop(self) {
        let stopped = async {
            loop {
                match self.daemon.0.shutdown() {
                    Ok(done) => break drop(done.recv_async().await),
                    // Its commands' queue is full for a moment.
                    Err(Error::Again) => tokio::time::sleep(Duration::from_millis(10)).await,
                    Err(_) => break,
                }
            }
        };
        if timeout(LONGEST_GOODBYE, stopped).await.is_err() {
            tracing::warn!(link = %self.publication.link, "the mDNS responder does not end");
        }
    }
}

impl Origin {
    fn said(self, said: Said) -> Report {
        Report { from: self, said }
    }
}

/// Hands on what the thread tells of names, until the thread ends.
async fn read(origin: Origin, events: Receiver<DaemonEvent>, reports: Sender<Report>) {
    let mut is_heard = false;
    loop {
        let event = if is_heard {
            events.recv_async().await
        } else {
            match timeout(LONGEST_SILENCE, events.recv_async()).await {
                Ok(event) => event,
                Err(_) => {
                    is_heard = true;
                    let _ = reports.send(origin.said(Said::Silent)).await;
                    continue;
                }
            }
        };
        let report = match event {
            // "thox-2.local.:eth0"
            Ok(DaemonEvent::Announce(service, host_and_link)) => {
                let named = host_and_link
                    .split_once(".:")
                    .and_then(|(host, _)| Some((kind(&service)?, host.to_ascii_lowercase())));
                let Some((kind, name)) = named else { continue };
                is_heard = true;
                origin.said(Said::Named(kind, name))
            }
            Ok(DaemonEvent::NameChange(change)) => {
                tracing::info!(
                    from = change.original,
                    to = change.new_name,
                    link = change.intf_name,
                    "the name is taken on the network"
                );
                continue;
            }
            Ok(DaemonEvent::Error(error)) => {
                tracing::warn!(%error, "mDNS");
                continue;
            }
            Ok(_) => continue,
            Err(_ended) => {
                let _ = reports.send(origin.said(Said::Ended)).await;
                return;
            }
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdns_sd::DaemonStatus;
    use thox_policy::discovery::Ports;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn one_that_nobody_stops_ends_all_the_same() {
        let publication = Publication {
            index: u32::MAX,
            link: "nowhere".into(),
            addresses: vec!["192.0.2.7".parse().unwrap()],
        };
        let records = Records::new("thox", "k3mzq2xa", Ports::Encrypted(8443));
        let (reports, _reported) = mpsc::channel(1);
        let lifetime = Lifetime::default();
        let responder = Responder::start(1, publication, &records, &lifetime, reports).unwrap();
        let thread = responder.daemon.0.clone();
        // A thread that has ended answers nothing that was asked before it did.
        let has_ended = async || match thread.status() {
            Ok(status) => {
                let told = timeout(Duration::from_millis(100), status.recv_async()).await;
                matches!(told, Ok(Ok(DaemonStatus::Shutdown)))
            }
            Err(_) => false,
        };
        assert!(!has_ended().await);
        drop(responder);
        let ended = async {
            while !has_ended().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), ended).await.unwrap();
    }
}
