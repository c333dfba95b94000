//! The task that has one responder on each link and takes up what the links do.
//!
//! ```text
//!   link comes, wakes up, loses an address ─▶ stop, start: probes, then tells (about a second)
//!   link gets one more address             ─▶ become_of: goes on telling
//!   link goes, cable pulled                ─▶ stop
//!   shutdown                               ─▶ stop all: goodbye
//! ```

use super::{
    names::Names,
    records::{Ports, Records},
    responder::{Report, Responder},
};
use crate::{lifetime::Lifetime, settings};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use thox_policy::discovery::{Called, Links, Publication, publications};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// What is announced.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The device's short id.
    pub id: String,
    /// Where the device is answered.
    pub ports: Ports,
    /// The addresses that are listened on.
    pub bound: Vec<SocketAddr>,
}

/// A responder that ended, or could not begin, is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Reports come one or two a second and are taken at once; a reader waits while there are so many.
const REPORTS: usize = 64;

/// Announces the device on `links`, from now until shutdown; gives what it is called there.
pub fn announce(
    announced: Announced,
    settings: &settings::Mdns,
    mut links: watch::Receiver<Links>,
    lifetime: &Lifetime,
) -> watch::Receiver<Called> {
    let records = Records::new(&settings.hostname.0, &announced.id, announced.ports);
    let mut names = Names::wanted(&records.main, &records.stable);
    let (called, told) = watch::channel(names.called(None));
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let mut announcer = Announcer {
        announced,
        choice: settings.choice.clone(),
        records,
        names,
        called,
        responders: BTreeMap::new(),
        silent: BTreeMap::new(),
        wakes: 0,
        retry: None,
        reports,
        lifetime: lifetime.clone(),
    };
    // Work, not background: shutdown waits for the goodbye.
    lifetime.spawn(async move {
        let lifetime = announcer.lifetime.clone();
        loop {
            let now = links.borrow_and_update().clone();
            announcer.take_up(&now).await;
            let retry = announcer.retry;
            tokio::select! {
                () = lifetime.stopping() => break,
                changed = links.changed() => if changed.is_err() { break },
                report = reported.recv() => if let Some(report) = report {
                    announcer.hear(report);
                },
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {
                    announcer.retry = None;
                }
            }
        }
        announcer.stop().await;
    });
    told
}

struct Announcer {
    announced: Announced,
    choice: thox_policy::discovery::Choice,
    records: Records,
    names: Names,
    called: watch::Sender<Called>,
    responders: BTreeMap<u32, Responder>,
    /// Links on which nothing could be told, with their names.
    silent: BTreeMap<u32, Box<str>>,
    wakes: u64,
    retry: Option<Instant>,
    reports: mpsc::Sender<Report>,
    lifetime: Lifetime,
}

impl Announcer {
    /// Makes the responders be as the links are. With nothing new it does nothing.
    async fn take_up(&mut self, links: &Links) {
        let mut wanted: BTreeMap<u32, Publication> =
            publications(&links.links, &self.choice, &self.announced.bound)
                .into_iter()
                .map(|publication| (publication.index, publication))
                .collect();
        let has_slept = std::mem::replace(&mut self.wakes, links.wakes) != links.wakes;
        for (link, mut responder) in std::mem::take(&mut self.responders) {
            let kept = match wanted.get(&link) {
                Some(_) if has_slept => false,
                Some(same) if same == responder.publication() => true,
                Some(more) if responder.can_become(more) => {
                    responder.become_of(more.clone(), &self.records).is_ok()
                }
                Some(_) => false,
                None => {
                    let name = &responder.publication().link;
                    tracing::info!(link = %name, "no longer announced: the link is gone or has no address");
                    self.forget(link);
                    false
                }
            };
            if kept {
                wanted.remove(&link);
                self.responders.insert(link, responder);
            } else {
                responder.stop().await;
            }
        }
        if self.retry.is_some() {
            return;
        }
        for (link, publication) in wanted {
            tracing::info!(link = %publication.link, addresses = ?publication.addresses, "announced on the network");
            let name = publication.link.clone();
            let reports = self.reports.clone();
            match Responder::start(publication, &self.records, &self.lifetime, reports) {
                Ok(responder) => drop(self.responders.insert(link, responder)),
                Err(error) => {
                    tracing::warn!(%error, link = %name, "mDNS cannot begin on this link; it is tried again");
                    self.silent.insert(link, name);
                    self.retry = Some(Instant::now() + RETRY_AFTER);
                    self.publish();
                }
            }
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Named { link, kind, name } => {
                // What a responder said before it was stopped.
                if self.responders.contains_key(&link) {
                    self.silent.remove(&link);
                    self.names.take(link, kind, &name);
                }
            }
            Report::Silent { link } => {
                if let Some(responder) = self.responders.get(&link) {
                    let name = responder.publication().link.clone();
                    tracing::warn!(link = %name, "nothing could be told by mDNS on this link");
                    self.silent.insert(link, name);
                }
            }
            Report::Ended { link } => {
                if let Some(responder) = self.responders.remove(&link) {
                    let name = responder.publication().link.clone();
                    tracing::warn!(link = %name, "the mDNS responder has ended; it is begun again");
                    self.silent.insert(link, name);
                    self.retry = Some(Instant::now() + RETRY_AFTER);
                }
            }
        }
        self.publish();
    }

    fn forget(&mut self, link: u32) {
        self.names.forget(link);
        self.silent.remove(&link);
        self.publish();
    }

    fn publish(&mut self) {
        let links: Vec<&str> = self.silent.values().map(|name| &**name).collect();
        let trouble = (!links.is_empty()).then(|| {
            format!(
                "the device cannot be found by its name on {}: mDNS says nothing there. `ss -lunp 'sport = :5353'` shows whether another program keeps the port to itself; the log says more.",
                links.join(", ")
            )
            .into()
        });
        let called = self.names.called(trouble);
        self.called.send_if_modified(|old| {
            let is_new = *old != called;
            *old = called;
            is_new
        });
    }

    async fn stop(&mut self) {
        let responders = std::mem::take(&mut self.responders);
        let stops = responders.into_values().map(Responder::stop);
        futures_util::future::join_all(stops).await;
    }
}
