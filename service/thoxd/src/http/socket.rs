//! A TCP stream that knows what its client is waiting for.
//!
//! hyper has one timeout for a request's head, which also ends idle connections, and closes without a word. Told apart
//! here: a client too slow with its head gets 408, an idle connection is closed silently, HTTP/2 on this port gets 505.
//! The stream is shared so that such a word can be written after hyper has given up.

use prometheus_client::metrics::gauge::Gauge;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::Instant,
};

/// What a connection is doing, seen from its bytes.
#[derive(Debug)]
pub struct Line {
    phase: AtomicU8,
    since_ms: AtomicU64,
    opened: Instant,
    _place: OwnedSemaphorePermit,
    open: Gauge,
}

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const HTTP2: u8 = 3;

/// How long a connection may go on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again then.
    Until(Instant),
    /// A request's head takes too long.
    SlowHead,
    /// Nobody wants anything.
    Idle,
}

impl Line {
    /// A new connection; `_place` is given back when its last user has gone, an upgraded one too.
    #[must_use]
    pub fn new(place: OwnedSemaphorePermit, open: Gauge) -> Arc<Self> {
        open.inc();
        Arc::new(Self {
            phase: AtomicU8::new(IDLE),
            since_ms: AtomicU64::new(0),
            opened: Instant::now(),
            _place: place,
            open,
        })
    }

    /// A request's head is complete: busy until the reply is written or dropped.
    pub fn request(self: &Arc<Self>) -> Busy {
        self.phase.store(BUSY, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// What to do with the connection.
    #[must_use]
    pub fn verdict(&self, header_timeout: Duration, idle_timeout: Duration) -> Verdict {
        let now = Instant::now();
        let since = self.opened + Duration::from_millis(self.since_ms.load(Ordering::Relaxed));
        let (deadline, over) = match self.phase.load(Ordering::Relaxed) {
            HEAD | HTTP2 => (since + header_timeout, Verdict::SlowHead),
            // The first request's head is due from the start: a client that connects and says nothing is slow too.
            IDLE if self.since_ms.load(Ordering::Relaxed) == 0 => {
                (since + header_timeout, Verdict::Idle)
            }
            IDLE => (since + idle_timeout, Verdict::Idle),
            _ => return Verdict::Until(now + header_timeout),
        };
        if deadline <= now {
            over
        } else {
            Verdict::Until(deadline)
        }
    }

    /// Whether the client began with HTTP/2's preface.
    #[must_use]
    pub fn speaks_http2(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == HTTP2
    }

    fn got(&self, bytes: &[u8]) {
        if self.phase.load(Ordering::Relaxed) == IDLE && !bytes.is_empty() {
            let is_http2 = self.since_ms.load(Ordering::Relaxed) == 0
                && b"PRI * HTTP/2.0".starts_with(bytes.get(..14).unwrap_or(bytes));
            self.set(if is_http2 { HTTP2 } else { HEAD });
        }
    }

    fn set(&self, phase: u8) {
        // At least 1: 0 stands for "nothing yet".
        let ms = u64::try_from(self.opened.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        self.since_ms.store(ms, Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Busy(Arc<Line>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(IDLE);
    }
}

/// The stream as hyper uses it. The lock is never waited for: both users live in the connection's own task.
#[derive(Debug)]
pub struct Socket {
    stream: SharedStream,
    line: Arc<Line>,
}

/// A stream that hyper owns and that can still be written to when hyper has given up.
#[derive(Clone, Debug)]
pub struct SharedStream(Arc<Mutex<TcpStream>>);

impl SharedStream {
    /// Shares a stream.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Writes past hyper and ends the connection. One attempt without waiting: a reply of some hundred bytes fits the
    /// socket's empty buffer.
    pub fn last_word(&self, bytes: &[u8]) {
        let stream = self.lock();
        let _ = stream.try_write(bytes);
        let _ = socket2::SockRef::from(&*stream).shutdown(std::net::Shutdown::Write);
    }

    fn lock(&self) -> MutexGuard<'_, TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// A shared stream and what is known of it.
    #[must_use]
    pub fn new(stream: SharedStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.stream.lock()).poll_read(cx, buf))?;
        self.line
            .got(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream.lock()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream.lock()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_shutdown(cx)
    }
}
