//! A stream that knows what its client is waiting for, whatever carries it.
//!
//! hyper has one timeout for a request's head, which also ends idle connections, and closes without a word. Told apart
//! here: a client too slow with its head gets 408, an idle connection is closed silently, HTTP/2 on this port gets 505.
//! The stream is shared so that such a word can be written after hyper has given up.

use super::entrance::Place;
use crate::settings::Server;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    io::{self, IoSlice, Write as _},
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::Instant,
};
use tokio_rustls::server::TlsStream;

/// What a connection runs on.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Writes past hyper and ends the connection. One attempt without waiting: a reply of some hundred bytes fits the
    /// socket's empty buffer.
    fn last_word(&mut self, bytes: &[u8]);
}

impl Stream for TcpStream {
    fn last_word(&mut self, bytes: &[u8]) {
        let _ = self.try_write(bytes);
        let _ = socket2::SockRef::from(&*self).shutdown(Shutdown::Write);
    }
}

impl Stream for UnixStream {
    fn last_word(&mut self, bytes: &[u8]) {
        let _ = self.try_write(bytes);
        let _ = socket2::SockRef::from(&*self).shutdown(Shutdown::Write);
    }
}

impl Stream for TlsStream<TcpStream> {
    fn last_word(&mut self, bytes: &[u8]) {
        let (tcp, tls) = self.get_mut();
        let _ = tls.writer().write_all(bytes);
        tls.send_close_notify();
        let mut wire = AtOnce(tcp);
        while tls.wants_write() && tls.write_tls(&mut wire).is_ok_and(|written| written > 0) {}
        let _ = socket2::SockRef::from(&*tcp).shutdown(Shutdown::Write);
    }
}

/// Writes what the socket takes without waiting.
struct AtOnce<'a>(&'a TcpStream);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a connection is doing, seen from its bytes.
#[derive(Debug)]
pub struct Line {
    phase: AtomicU8,
    since_ms: AtomicU64,
    /// Since when the client takes nothing of what is there for it; 0 while it does.
    stuck_ms: AtomicU64,
    /// Requests under way; on HTTP/1.1 one at most.
    busy: AtomicUsize,
    opened: Instant,
    _place: Place,
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
    pub fn new(place: Place, open: Gauge) -> Arc<Self> {
        open.inc();
        Arc::new(Self {
            phase: AtomicU8::new(IDLE),
            since_ms: AtomicU64::new(0),
            stuck_ms: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            opened: Instant::now(),
            _place: place,
            open,
        })
    }

    /// A request's head is complete: busy until the reply is written or dropped.
    pub fn request(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.phase.store(BUSY, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// What to do with the connection.
    #[must_use]
    pub fn verdict(&self, server: &Server) -> Verdict {
        let Server {
            header_timeout,
            idle_timeout,
            send_timeout,
            ..
        } = *server;
        let now = Instant::now();
        // Not by the phase: on HTTP/2 the end of one request may meet the beginning of the next.
        if self.busy.load(Ordering::Relaxed) > 0 {
            // Whoever takes nothing of a reply holds a slot of the engine's as well.
            let stuck = self.stuck_ms.load(Ordering::Relaxed);
            let deadline = self.opened + Duration::from_millis(stuck) + send_timeout;
            return match stuck {
                0 => Verdict::Until(now + send_timeout.min(header_timeout)),
                _ if deadline <= now => Verdict::Idle,
                _ => Verdict::Until(deadline),
            };
        }
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

    /// Whether the client has said nothing yet; on HTTP/2 whether it has asked nothing yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == IDLE && self.since_ms.load(Ordering::Relaxed) == 0
    }

    /// How long it has been open.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    fn got(&self, bytes: &[u8]) {
        if self.phase.load(Ordering::Relaxed) == IDLE && !bytes.is_empty() {
            let is_http2 = self.since_ms.load(Ordering::Relaxed) == 0
                && b"PRI * HTTP/2.0".starts_with(bytes.get(..14).unwrap_or(bytes));
            self.set(if is_http2 { HTTP2 } else { HEAD });
        }
    }

    fn set(&self, phase: u8) {
        self.since_ms.store(self.age_ms(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// At least 1: 0 stands for "nothing yet".
    fn age_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Whether the client takes what is written.
    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        let is_stuck = self.stuck_ms.load(Ordering::Relaxed) > 0;
        if written.is_pending() && !is_stuck {
            self.stuck_ms.store(self.age_ms(), Ordering::Relaxed);
        } else if written.is_ready() && is_stuck {
            self.stuck_ms.store(0, Ordering::Relaxed);
        }
        written
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
        if self.0.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.set(IDLE);
        }
    }
}

/// The stream as hyper uses it. The lock is never waited for: both users live in the connection's own task.
#[derive(Debug)]
pub struct Socket<S> {
    stream: SharedStream<S>,
    line: Arc<Line>,
}

/// A stream that hyper owns and that can still be written to when hyper has given up.
#[derive(Debug)]
pub struct SharedStream<S>(Arc<Mutex<S>>);

impl<S> Clone for SharedStream<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Stream> SharedStream<S> {
    /// Shares a stream.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Writes past hyper and ends the connection.
    pub fn last_word(&self, bytes: &[u8]) {
        self.lock().last_word(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Socket<S> {
    /// A shared stream and what is known of it.
    #[must_use]
    pub fn new(stream: SharedStream<S>, line: Arc<Line>) -> Self {
        Self { stream, line }
    }
}

impl<S: Stream> AsyncRead for Socket<S> {
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

impl<S: Stream> AsyncWrite for Socket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream.lock()).poll_write(cx, bytes);
        self.line.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream.lock()).poll_write_vectored(cx, slices);
        self.line.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.lock()).poll_shutdown(cx)
    }
}
