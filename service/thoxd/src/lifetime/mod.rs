//! Tasks and their end: every task of the daemon runs on one tracker and hears of shutdown by one token.
//!
//! What still runs when the drain's deadline is over is dropped with the runtime: every clean-up lives in `Drop`.
//!
//! - `tasks`: background tasks by what their end means; `ward`: what is known of them, heartbeats and troubles.
//! - `seldom`: a future that is rarely ready beside one that is busy.
//! - `planted`: a fault for tests.

#[cfg(test)]
pub(crate) mod planted;
mod seldom;
mod tasks;
mod ward;

pub use seldom::Seldom;
pub use tasks::BEAT_EVERY;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
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
    wants_another: Arc<AtomicBool>,
    ward: Arc<ward::Ward>,
}

impl Lifetime {
    /// Runs a task that serves a client: shutdown waits for it until the drain's deadline.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(boxed(task));
    }

    /// Runs a task that is ended when its handle is dropped.
    pub fn spawn_owned(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(self.background.spawn(boxed(task)))
    }

    /// Runs a task that serves others and ends with the process.
    pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(boxed(task));
    }

    /// Ready when the daemon begins to stop: accept nothing new, finish what is under way.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
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

    /// Begins a stop after which the program shall start anew.
    pub fn restart(&self) {
        self.wants_another.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Whether it shall.
    #[must_use]
    pub fn wants_another(&self) -> bool {
        self.wants_another.load(Ordering::SeqCst)
    }

    /// Waits until every client is served, `deadline` at most; tells how many are not.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.work.close();
        let _ = tokio::time::timeout(deadline, self.work.wait()).await;
        self.work.len()
    }
}

/// A task of any kind as one type: the runtime's part of a task is compiled once, and not for each of a hundred.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

fn boxed(task: impl Future<Output = ()> + Send + 'static) -> Task {
    Box::pin(task)
}
