//! A future that is rarely ready beside one that is busy: polled only when it has been woken itself.
//!
//! A connection's task wakes for every token; its timers and the daemon's stop are of no interest then, and polling them
//! each time cost more than handing the token on.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// The future and what wakes it.
#[derive(Debug)]
pub struct Seldom<F> {
    future: F,
    bell: Arc<Bell>,
    waker: Waker,
}

#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F: Future + Unpin> Seldom<F> {
    /// To be polled once from the start.
    #[must_use]
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            has_rung: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// The future, to be changed: it is polled again after that.
    pub fn get_mut(&mut self) -> &mut F {
        self.bell.has_rung.store(true, Ordering::Relaxed);
        &mut self.future
    }

    /// Polls the future if it has been woken. The task of `cx` is woken with it.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        // Registered first: whoever rings in between is seen below or wakes the task.
        self.bell.task.register(cx.waker());
        if !self.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&self.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::pin,
        sync::atomic::AtomicUsize,
        time::{Duration, Instant},
    };

    #[tokio::test]
    async fn wakes_its_task_and_is_left_alone_until_then() {
        let polls = AtomicUsize::new(0);
        let mut sleep = pin!(tokio::time::sleep(Duration::from_millis(20)));
        let counted = std::future::poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            sleep.as_mut().poll(cx)
        });
        let mut seldom = Seldom::new(counted);
        let mut busy = 0;
        let started = Instant::now();
        std::future::poll_fn(|cx| {
            let over = seldom.poll(cx);
            if over.is_pending() && busy < 100 {
                busy += 1;
                cx.waker().wake_by_ref();
            }
            over
        })
        .await;
        assert!(started.elapsed() >= Duration::from_millis(20));
        assert_eq!(busy, 100);
        assert_eq!(
            polls.load(Ordering::Relaxed),
            2,
            "once to begin, once when it was due"
        );
    }

    #[tokio::test]
    async fn a_change_is_seen() {
        let sleep = Box::pin(tokio::time::sleep(Duration::from_secs(3600)));
        let mut seldom = Seldom::new(sleep);
        let first = std::future::poll_fn(|cx| Poll::Ready(seldom.poll(cx))).await;
        assert!(first.is_pending());
        let soon = tokio::time::Instant::now() + Duration::from_millis(5);
        seldom.get_mut().as_mut().reset(soon);
        let over = std::future::poll_fn(|cx| seldom.poll(cx));
        tokio::time::timeout(Duration::from_secs(5), over)
            .await
            .unwrap();
    }
}
