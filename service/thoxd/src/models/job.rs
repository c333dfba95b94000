//! One download: queued → running → succeeded, failed or cancelled. It belongs to the daemon and not to whoever asked.

use super::{progress::Progress, target::Target};
use crate::{
    engine::{Pull, Step},
    world::Worlds,
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use thox_api::{ApiError, Download, DownloadState};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// A look takes milliseconds; one that hangs is no reason for a download never to end.
const LOOK: Duration = Duration::from_secs(5);

/// A download.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    target: Target,
    shown: watch::Sender<Download>,
    cancelled: CancellationToken,
}

enum End {
    Done,
    Failed(ApiError),
    Cancelled,
}

impl Job {
    pub(super) fn new(id: String, target: Target) -> Self {
        let shown = Download {
            id: id.clone(),
            object: "model.download".to_owned(),
            model: target.model.to_string(),
            engine: target.engine.name.to_string(),
            state: DownloadState::Queued,
            status: "waiting for other downloads".to_owned(),
            bytes: 0,
            total: None,
            bytes_per_second: None,
            created: unix_seconds(),
            finished: None,
            error: None,
        };
        Self {
            id,
            target,
            shown: watch::Sender::new(shown),
            cancelled: CancellationToken::new(),
        }
    }

    pub(super) fn now(&self) -> Download {
        self.shown.borrow().clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<Download> {
        self.shown.subscribe()
    }

    pub(super) fn is_over(&self) -> bool {
        self.shown.borrow().state.is_over()
    }

    pub(super) fn is_for(&self, target: &Target) -> bool {
        self.target.index == target.index && self.target.model.is_same(&target.model)
    }

    /// Ends it, if it is not over.
    pub(super) fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Waits for a place and fetches the model.
    pub(super) async fn run(self: Arc<Self>, places: Arc<Semaphore>, worlds: Arc<Worlds>) {
        let end = tokio::select! {
            biased;
            () = self.cancelled.cancelled() => End::Cancelled,
            end = self.fetch(&places) => end,
        };
        // Whoever sees that it is over finds the model.
        worlds.look_at(self.target.index, LOOK).await;
        self.finish(end);
    }

    async fn fetch(&self, places: &Semaphore) -> End {
        let Ok(_place) = places.acquire().await else {
            return End::Cancelled;
        };
        self.shown.send_modify(|shown| {
            shown.state = DownloadState::Running;
            shown.status = "asking the engine".to_owned();
        });
        let Target { engine, model, .. } = &self.target;
        tracing::info!(engine = %engine.name, %model, id = self.id, "a model is being fetched");
        let mut pull = match Pull::begin(engine, model).await {
            Ok(pull) => pull,
            Err(error) => return End::Failed(error),
        };
        let mut progress = Progress::default();
        loop {
            let step = match pull.next().await {
                Ok(Step::Done) => return End::Done,
                Ok(step) => step,
                Err(error) => return End::Failed(error),
            };
            progress.take_in(&step, Instant::now());
            self.shown.send_modify(|shown| {
                shown.bytes = progress.bytes();
                shown.total = progress.total();
                shown.bytes_per_second = progress.rate();
                shown.status = match step {
                    Step::Status(status) => status,
                    Step::Piece { .. } | Step::Done => "downloading".to_owned(),
                };
            });
        }
    }

    fn finish(&self, end: End) {
        let Target { engine, model, .. } = &self.target;
        let (state, status, error) = match end {
            End::Done => (DownloadState::Succeeded, "done", None),
            End::Failed(error) => (DownloadState::Failed, "failed", Some(error)),
            End::Cancelled => (DownloadState::Cancelled, "cancelled", None),
        };
        match &error {
            Some(error) => {
                tracing::warn!(engine = %engine.name, %model, id = self.id, %error, "a model could not be fetched");
            }
            None => {
                tracing::info!(engine = %engine.name, %model, id = self.id, status, "the end of a download");
            }
        }
        self.shown.send_modify(|shown| {
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
