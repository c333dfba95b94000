//! Tasks and their end: every task of the daemon runs on one tracker and hears of shutdown by one token.

use std::{future::Future, time::Duration};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

/// Who runs and until when. Clones are the same lifetime.
#[derive(Clone, Debug, Default)]
pub struct Lifetime {
    work: TaskTracker,
    background: TaskTracker,
    stopping: CancellationToken,
    ended: CancellationToken,
}

impl Lifetime {
    /// Runs a task that serves a client: shutdown waits for it until the drain's deadline, then cancels it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        self.work.spawn(async move {
            tokio::select! {
                biased;
                () = task => {}
                () = ended.cancelled() => {}
            }
        });
    }

    /// Runs a task that is ended when its handle is dropped.
    pub fn spawn_owned(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(self.background.spawn(task))
    }

    /// Runs a task that serves others and ends with the process: shutdown stops it after everything else.
    pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ended = self.ended.clone();
        self.background.spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Ready when the daemon begins to stop: accept nothing new, finish what is under way.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Ready when the time to finish is over as well.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether the daemon has begun to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Begins the stop.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Waits until every client is served, `deadline` at most; tells how many are not.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.work.close();
        let _ = tokio::time::timeout(deadline, self.work.wait()).await;
        self.work.len()
    }

    /// Ends what still runs and waits a moment until it has.
    pub async fn end(&self) {
        /// What is cancelled needs no more than a few polls; a task that blocks is left to the process's exit.
        const LAST_POLLS: Duration = Duration::from_secs(1);
        self.ended.cancel();
        self.work.close();
        self.background.close();
        let all = async { tokio::join!(self.work.wait(), self.background.wait()) };
        let _ = tokio::time::timeout(LAST_POLLS, all).await;
    }
}
