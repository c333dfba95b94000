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

/// What a responder has to report.
#[derive(Debug)]
pub(super) enum Report {
    /// A name is the device's on the link.
    Named { link: u32, kind: Kind, name: String },
    /// Nothing could be told on the link.
    Silent { link: u32 },
    /// The responder has ended by itself.
    Ended { link: u32 },
}

/// A responder that runs; [`Responder::stop`] ends it, and nothing else does.
#[derive(Debug)]
pub(super) struct Responder {
    daemon: Daemon,
    publication: Publication,
    has_looked: bool,
    _reader: AbortOnDropHandle<()>,
}

/// The handle shows nothing of itself.
struct Daemon(ServiceDaemon);

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceDaemon")
    }
}

impl Responder {
    pub(super) fn start(
        publication: Publication,
        records: &Records,
        lifetime: &Lifetime,
        reports: Sender<Report>,
    ) -> Result<Self, Error> {
        let link = publication.index;
        let daemon = ServiceDaemon::new()?;
        let others = IfPredicate::new(move |interface| interface.index != Some(link));
        daemon.disable_interface(IfKind::Predicate(others))?;
        // We are told of changes; it need not look for them.
        daemon.set_ip_check_interval(0)?;
        let events = daemon.monitor()?;
        for service in records.services(&publication.addresses)? {
            daemon.register(service)?;
        }
        Ok(Self {
            daemon: Daemon(daemon),
            publication,
            has_looked: false,
            _reader: lifetime.spawn_owned(read(link, events, reports)),
        })
    }

    pub(super) fn publication(&self) -> &Publication {
        &self.publication
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

/// Hands on what the thread tells of names, until the thread ends.
async fn read(link: u32, events: Receiver<DaemonEvent>, reports: Sender<Report>) {
    let mut is_heard = false;
    loop {
        let event = if is_heard {
            events.recv_async().await
        } else {
            match timeout(LONGEST_SILENCE, events.recv_async()).await {
                Ok(event) => event,
                Err(_) => {
                    is_heard = true;
                    let _ = reports.send(Report::Silent { link }).await;
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
                Report::Named { link, kind, name }
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
                let _ = reports.send(Report::Ended { link }).await;
                return;
            }
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}
