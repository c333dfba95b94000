//! A connection without a task of its own: it makes progress while somebody waits for what comes out of it.
//!
//! hyper's connection and the reply that comes out of it are two futures. Run by two tasks, every token would be handed
//! from one to the other through the scheduler. Here whoever wants the reply polls both: the connection first does what
//! it can, then what it has got is taken. Since nothing comes out unless the connection is polled, the reply needs no
//! waker; what wakes the connection is kept from waking the task that is polling it already.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// What makes the connection's progress.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The connection and what wakes it.
pub struct Driven {
    /// Nothing once it has ended.
    work: Option<Work>,
    /// Nothing has come out since the connection last worked.
    is_dry: bool,
    bell: Arc<Bell>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Bell {
    has_rung: AtomicBool,
    /// Somebody is polling and will look at `has_rung` before leaving.
    is_watched: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order, as `settle` has it in the other: one of both sees the other's.
        self.has_rung.store(true, SeqCst);
        if !self.is_watched.load(SeqCst) {
            self.task.wake();
        }
    }
}

/// The connection has ended, and nothing more comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

impl Driven {
    /// A connection that has not been polled.
    #[must_use]
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let bell = Arc::new(Bell::default());
        bell.has_rung.store(true, SeqCst);
        Self {
            work: Some(Box::pin(work)),
            is_dry: false,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Lets the connection work until `take` gets something out of it. `take` is polled with a waker that does nothing.
    ///
    /// # Errors
    /// The connection has ended and `take` got nothing.
    pub fn poll_for<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Over>> {
        /// tokio lets a task that has done much do no more until it has let others run, and wakes it at once: who
        /// takes that for progress spins.
        const MOST_ROUNDS: usize = 16;
        self.bell.task.register(cx.waker());
        if self.is_dry && !self.bell.has_rung.load(SeqCst) {
            return Poll::Pending;
        }
        self.bell.is_watched.store(true, SeqCst);
        for _ in 0..MOST_ROUNDS {
            if !self.is_dry
                && let Poll::Ready(taken) = take(&mut Context::from_waker(Waker::noop()))
            {
                self.bell.is_watched.store(false, SeqCst);
                return Poll::Ready(Ok(taken));
            }
            self.is_dry = true;
            if self.work.is_none() {
                return Poll::Ready(Err(Over));
            }
            if !self.work_if_woken() && self.settle() {
                return Poll::Pending;
            }
        }
        self.bell.is_watched.store(false, SeqCst);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets the connection do what it can without waiting, for nobody: whoever waited last is forgotten. Tells whether
    /// it lives.
    pub fn is_alive(&mut self) -> bool {
        drop(self.bell.task.take());
        // What is done may set off more; a connection that never comes to rest is none to keep.
        for _ in 0..4 {
            if !self.work_if_woken() {
                return self.work.is_some();
            }
        }
        false
    }

    /// Tells whether there was something to do.
    fn work_if_woken(&mut self) -> bool {
        let Some(work) = &mut self.work else {
            return false;
        };
        if !self.bell.has_rung.swap(false, SeqCst) {
            return false;
        }
        let mut cx = Context::from_waker(&self.waker);
        if work.as_mut().poll(&mut cx).is_ready() {
            self.work = None;
        }
        self.is_dry = false;
        true
    }

    /// Leaves off watching, unless there is something to do.
    fn settle(&self) -> bool {
        self.bell.is_watched.store(false, SeqCst);
        let is_settled = !self.bell.has_rung.load(SeqCst);
        if !is_settled {
            self.bell.is_watched.store(true, SeqCst);
        }
        is_settled
    }
}

impl fmt::Debug for Driven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driven")
            .field("is_over", &self.work.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::poll_fn,
        sync::{Mutex, atomic::AtomicUsize},
        time::Duration,
    };
    use tokio::time::timeout;

    type Slot<T> = Arc<Mutex<Option<T>>>;

    fn take<T>(slot: &Slot<T>) -> Poll<T> {
        slot.lock()
            .unwrap()
            .take()
            .map_or(Poll::Pending, Poll::Ready)
    }

    #[tokio::test]
    async fn what_the_connection_gets_is_taken_without_a_waker() {
        let slot = Slot::default();
        let out = Arc::clone(&slot);
        let mut driven = Driven::new(async move {
            for number in 0..3 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                *out.lock().unwrap() = Some(number);
                // The reader has to come back before there is more.
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    match out.lock().unwrap().is_none() {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
                .await;
            }
        });
        for expected in 0..3 {
            let next = poll_fn(|cx| driven.poll_for(cx, |_| take(&slot)));
            let got = timeout(Duration::from_secs(5), next).await.unwrap();
            assert_eq!(got, Ok(expected));
        }
        let next = poll_fn(|cx| driven.poll_for(cx, |_| take(&slot)));
        assert_eq!(
            timeout(Duration::from_secs(5), next).await.unwrap(),
            Err(Over)
        );
        assert!(!driven.is_alive());
    }

    #[tokio::test]
    async fn is_left_alone_until_it_is_woken() {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let mut sleep = Box::pin(tokio::time::sleep(Duration::from_millis(20)));
        let mut driven = Driven::new(poll_fn(move |cx| {
            counted.fetch_add(1, SeqCst);
            sleep.as_mut().poll(cx)
        }));
        let mut busy = 0;
        let over = poll_fn(|cx| {
            let over = driven.poll_for(cx, |_| Poll::<()>::Pending);
            if over.is_pending() && busy < 100 {
                busy += 1;
                cx.waker().wake_by_ref();
            }
            over
        });
        assert_eq!(
            timeout(Duration::from_secs(5), over).await.unwrap(),
            Err(Over)
        );
        assert_eq!(busy, 100);
        assert_eq!(polls.load(SeqCst), 2, "once to begin, once when it was due");
    }

    #[tokio::test]
    async fn one_that_never_rests_lets_others_run() {
        let mut driven = Driven::new(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        assert!(!driven.is_alive());
        let endless = poll_fn(|cx| driven.poll_for(cx, |_| Poll::<()>::Pending));
        let result = timeout(Duration::from_millis(20), endless).await;
        assert!(result.is_err(), "it spins without letting the timer run");
    }

    /// Wakes from another thread, again and again, while this one polls: none may be lost.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_is_lost() {
        const ROUNDS: usize = 20_000;
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<usize>(1);
        let slot = Slot::default();
        let out = Arc::clone(&slot);
        let mut driven = Driven::new(async move {
            while let Some(number) = receiver.recv().await {
                *out.lock().unwrap() = Some(number);
                poll_fn(|cx| match out.lock().unwrap().is_none() {
                    true => Poll::Ready(()),
                    false => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                })
                .await;
            }
        });
        let sending = tokio::spawn(async move {
            for number in 0..ROUNDS {
                sender.send(number).await.unwrap();
            }
        });
        for expected in 0..ROUNDS {
            let next = poll_fn(|cx| driven.poll_for(cx, |_| take(&slot)));
            let got = timeout(Duration::from_secs(5), next).await;
            assert_eq!(got, Ok(Ok(expected)), "a wake was lost");
        }
        sending.await.unwrap();
    }
}
