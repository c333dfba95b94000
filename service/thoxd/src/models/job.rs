//! One download or build: queued → running → succeeded, failed or cancelled. It belongs to the daemon and not to whoever
//! asked.

use super::{shown::Shown, work::Work};
use crate::world::Worlds;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use thox_api::{ApiError, Download, DownloadState};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// A look takes milliseconds; one that hangs is no reason for a download never to end.
const LOOK: Duration = Duration::from_secs(5);

/// A download or a build.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    work: Work,
    shown: Shown,
    cancelled: CancellationToken,
}

enum End {
    Done,
    Failed(ApiError),
    Cancelled,
}

impl Job {
    pub(super) fn new(id: String, work: Work, news: Arc<watch::Sender<u64>>) -> Self {
        let shown = Download {
            id: id.clone(),
            object: work.object().to_owned(),
            model: work.model(),
            engine: work.engine().name.to_string(),
            state: DownloadState::Queued,
            status: work.waits_for().to_owned(),
            bytes: 0,
            total: None,
            bytes_per_second: None,
            created: unix_seconds(),
            finished: None,
            error: None,
        };
        Self {
            id,
            work,
            shown: Shown::new(shown, news),
            cancelled: CancellationToken::new(),
        }
    }

    pub(super) fn now(&self) -> Download {
        self.shown.now()
    }

    pub(super) fn changes(&self) -> watch::Receiver<Download> {
        self.shown.changes()
    }

    pub(super) fn is_over(&self) -> bool {
        self.shown.now().state.is_over()
    }

    pub(super) fn is_for(&self, work: &Work) -> bool {
        self.work.is_same(work)
    }

    /// Ends it, if it is not over.
    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Waits for a place and does its work.
    pub(super) async fn run(self: Arc<Self>, places: Arc<Semaphore>, worlds: Arc<Worlds>) {
        let end = tokio::select! {
            biased;
            () = self.cancelled.cancelled() => End::Cancelled,
            end = self.work(&places, &worlds) => end,
        };
        let has_begun = self.shown.now().state == DownloadState::Running;
        if matches!(end, End::Cancelled) && has_begun {
            self.work.withdraw(&worlds).await;
        }
        // Whoever sees that it is over finds the model.
        worlds.look_at(self.work.index(), LOOK).await;
        self.finish(end);
    }

    async fn work(&self, places: &Semaphore, worlds: &Worlds) -> End {
        let Ok(_place) = places.acquire().await else {
            return End::Cancelled;
        };
        self.shown
            .change(|shown| shown.state = DownloadState::Running);
        let (engine, model) = (&self.work.engine().name, self.work.model());
        let what = self.work.object();
        tracing::info!(%engine, %model, id = self.id, what, "a job has begun");
        match self.work.run(worlds, &self.shown).await {
            Ok(()) => End::Done,
            Err(error) => End::Failed(error),
        }
    }

    fn finish(&self, end: End) {
        let (engine, model) = (&self.work.engine().name, self.work.model());
        let what = self.work.object();
        let (state, status, error) = match end {
            End::Done => (DownloadState::Succeeded, "done", None),
            End::Failed(error) => (DownloadState::Failed, "failed", Some(error)),
            End::Cancelled => (DownloadState::Cancelled, "cancelled", None),
        };
        match &error {
            Some(error) => {
                // An engine's own words stay out of the log: the first line is thoxd's.
                let said = error.to_string();
                let error = said.lines().next().unwrap_or_default();
                tracing::warn!(%engine, %model, id = self.id, what, error, "a job has failed");
            }
            None => {
                tracing::info!(%engine, %model, id = self.id, what, status, "the end of a job");
            }
        }
        self.shown.change(|shown| {
            shown.state = state;
            shown.status = status.to_owned();
            shown.bytes_per_second = None;
            shown.finished = Some(unix_seconds());
            shown.error = error.map(|error| error.body().error);
        });
    }
}

pub(super) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
