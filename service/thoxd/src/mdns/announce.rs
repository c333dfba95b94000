//! The task that has one responder on each link and takes up what the links do.
//!
//! ```text
//!   link comes, wakes up, loses an address ─▶ stop, start: probes, then tells (about a second)
//!   link gets one more address             ─▶ become_of: goes on telling
//!   link goes, cable pulled                ─▶ stop
//!   shutdown                               ─▶ stop all: goodbye
//! ```

use super::{
    names::{Names, wanted},
    records::Records,
    responder::{Report, Responder, Said},
};
use crate::{lifetime::Lifetime, settings};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use thox_policy::discovery::{Called, Choice, Links, Offer, Publication, publications};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

#[cfg(test)]
mod tests;

/// What is announced.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The device's short id.
    pub id: String,
    /// Where the device is answered.
    pub offer: Offer,
}

/// A responder that ended, or could not begin, is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Reports come one or two a second and are taken at once; a reader waits while there are so many.
const REPORTS: usize = 64;

/// Announces the device on `links`, from now until shutdown; gives what it is called there.
pub fn announce(
    announced: Announced,
    settings: &settings::Mdns,
    links: watch::Receiver<Links>,
    lifetime: &Lifetime,
) -> watch::Receiver<Called> {
    let records = Records::new(&settings.hostname.0, &announced.id, announced.offer.ports);
    let (called, told) = watch::channel(wanted(&records.main, &records.stable));
    let called = Arc::new(called);
    let (choice, of_daemon) = (settings.choice.clone(), lifetime.clone());
    // Work, not background: shutdown waits for the goodbye.
    lifetime.spawn_restarting_work("telling the network of the device", move || {
        let (reports, reported) = mpsc::channel(REPORTS);
        let announcer = Announcer {
            announced: announced.clone(),
            choice: choice.clone(),
            records: records.clone(),
            // One that is begun again goes on with the names that its predecessor found.
            names: Names::so_far(called.borrow().clone()),
            called: Arc::clone(&called),
            responders: BTreeMap::new(),
            turns: 0,
            silent: BTreeMap::new(),
            wakes: 0,
            retry: None,
            reports,
            lifetime: of_daemon.clone(),
        };
        announcer.run(links.clone(), reported)
    });
    told
}

struct Announcer {
    announced: Announced,
    choice: Choice,
    records: Records,
    names: Names,
    called: Arc<watch::Sender<Called>>,
    responders: BTreeMap<u32, Responder>,
    /// How many responders there have been.
    turns: u64,
    /// Links on which nothing could be told, with their names.
    silent: BTreeMap<u32, Box<str>>,
    wakes: u64,
    retry: Option<Instant>,
    reports: mpsc::Sender<Report>,
    lifetime: Lifetime,
}

impl Announcer {
    async fn run(
        mut self,
        mut links: watch::Receiver<Links>,
        mut reported: mpsc::Receiver<Report>,
    ) {
        let lifetime = self.lifetime.clone();
        loop {
            let now = links.borrow_and_update().clone();
            self.take_up(&now).await;
            let retry = self.retry;
            tokio::select! {
                () = lifetime.stopping() => break,
                changed = links.changed() => if changed.is_err() { break },
                report = reported.recv() => if let Some(report) = report {
                    self.hear(report);
                },
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {
                    self.retry = None;
                }
            }
        }
        self.stop().await;
    }

    /// Makes the responders be as the links are. With nothing new it does nothing.
    async fn take_up(&mut self, links: &Links) {
        let mut wanted: BTreeMap<u32, Publication> =
            publications(&links.links, &self.choice, &self.announced.offer.bound)
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
            self.turns += 1;
            match Responder::start(
                self.turns,
                publication,
                &self.records,
                &self.lifetime,
                self.reports.clone(),
            ) {
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

    fn hear(&mut self, Report { from, said }: Report) {
        let responder = self.responders.get(&from.link);
        // What a responder said before it was stopped is nothing that its successor has said.
        let Some(responder) = responder.filter(|responder| responder.origin() == from) else {
            return;
        };
        let on = responder.publication().link.clone();
        match said {
            Said::Named(kind, name) => {
                self.silent.remove(&from.link);
                self.names.take(from.link, kind, &name);
            }
            Said::Silent => {
                tracing::warn!(link = %on, "nothing could be told by mDNS on this link");
                self.silent.insert(from.link, on);
            }
            Said::Ended => {
                tracing::warn!(link = %on, "the mDNS responder has ended; it is begun again");
                self.responders.remove(&from.link);
                self.silent.insert(from.link, on);
                self.retry = Some(Instant::now() + RETRY_AFTER);
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
