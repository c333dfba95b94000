//! What is told of a job: to those who follow it, and to those who follow all.

use std::sync::Arc;
use thox_api::Download;
use tokio::sync::watch;

/// How a job stands.
#[derive(Debug)]
pub(super) struct Shown {
    now: watch::Sender<Download>,
    /// Counts what happens to any job.
    news: Arc<watch::Sender<u64>>,
}

impl Shown {
    pub(super) fn new(first: Download, news: Arc<watch::Sender<u64>>) -> Self {
        Self {
            now: watch::Sender::new(first),
            news,
        }
    }

    pub(super) fn now(&self) -> Download {
        self.now.borrow().clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<Download> {
        self.now.subscribe()
    }

    pub(super) fn change(&self, how: impl FnOnce(&mut Download)) {
        self.now.send_modify(how);
        self.news.send_modify(|count| *count += 1);
    }
}
