//! The bodies that the upstream sends: a paced stream that may fall silent, and the count of what is open.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

/// Counts a chat request from its head to the end of its reply, or to the end of its connection.
pub(crate) struct Open(Arc<AtomicUsize>);

impl Open {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What follows the last event of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished,
    Silence,
}

/// Sends one event at once and the others a fixed gap apart.
pub(crate) struct Paced {
    events: VecDeque<Bytes>,
    gap: Duration,
    /// `None` before the first event: a timer's tick would be most of the time to the first byte.
    next: Option<Pin<Box<Sleep>>>,
    ending: Ending,
    _open: Open,
}

impl Paced {
    pub(crate) fn new(events: Vec<Bytes>, gap: Duration, ending: Ending, open: Open) -> Self {
        Self {
            events: events.into(),
            gap,
            next: None,
            ending,
            _open: open,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.events.is_empty() {
            return match this.ending {
                Ending::Finished => Poll::Ready(None),
                // Nothing wakes this up again but the end of the connection.
                Ending::Silence => Poll::Pending,
            };
        }
        if let Some(next) = &mut this.next {
            ready!(next.as_mut().poll(cx));
            // From the planned time, not from now: lateness must not add up.
            let then = next.deadline() + this.gap;
            next.as_mut().reset(then);
        } else {
            this.next = Some(Box::pin(sleep_until(Instant::now() + this.gap)));
        }
        Poll::Ready(this.events.pop_front().map(|event| Ok(Frame::data(event))))
    }
}
