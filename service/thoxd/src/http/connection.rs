//! One connection from its first byte to its last: here HTTP/1.1, plain and inside TLS.
//!
//! - [`handshake`]: TLS, and which protocol the client wants in it; `http2`: the other one.

pub mod handshake;
mod http2;

use super::{
    entrance::Place,
    front::Front,
    socket::{Line, SharedStream, Socket, Stream, Verdict},
    ways::Ways,
};
use crate::{
    guard::{Guard, Visitor},
    lifetime::{Lifetime, Seldom},
    observe::metrics::ConnectionsRefused,
    settings::Server,
};
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use thox_api::{ApiError, ErrorKind};
use thox_policy::access::Source;
use tokio::time::{sleep, sleep_until};

/// Enough for a head with long cookies and tokens; hyper answers 431 above it.
const LARGEST_HEAD: usize = 64 << 10;

/// So long after it came a connection may still begin its first request when the daemon stops: some rounds of a slow
/// wireless network. A browser that connects in advance and says nothing holds the stop no longer.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// The last replies under way take longer than this.
const LOOK_FOR_REQUEST: Duration = Duration::from_millis(10);

/// What all connections share.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The ways to the routes of every door.
    pub ways: Ways,
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// Limits and times.
    pub server: Arc<Server>,
    /// Until when.
    pub lifetime: Lifetime,
    /// How many connections are open.
    pub open: Gauge,
    /// How many were refused, and why.
    pub refused: ConnectionsRefused,
}

/// Whom a connection is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; one of IPv4 is never written as IPv6.
    pub address: IpAddr,
    /// How it comes.
    pub via: Via,
}

/// How a connection comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// TCP: whoever is on the way can read it.
    Plain,
    /// TLS.
    Tls,
    /// The control socket; the kernel has named its peer, who may change the device.
    ControlSocket,
}

/// Serves HTTP/1.1 until the connection ends, its client is too slow, or the daemon stops.
pub async fn serve<S: Stream>(stream: S, peer: Peer, place: Place, terms: Terms) {
    let Opened {
        front,
        line,
        server,
        lifetime,
    } = Opened::new(peer, place, terms);
    let stream = SharedStream::new(stream);
    let io = TokioIo::new(Socket::new(stream.clone(), Arc::clone(&line)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    // Its own timeout stays off: `Line` tells a slow head from an idle connection.
    builder.header_read_timeout(None).max_buf_size(LARGEST_HEAD);
    let mut connection = pin!(builder.serve_connection(io, front).with_upgrades());
    let mut is_stopping = false;
    loop {
        let until = (!is_stopping).then_some(&lifetime);
        let orders = pin!(orders(&line, &server, until));
        let mut orders = Seldom::new(orders);
        match event(connection.as_mut(), &mut orders).await {
            Event::Over(Err(_)) if line.speaks_http2() => {
                let message = if peer.via == Via::Tls {
                    "HTTP/2 begins with the handshake here: offer `h2` by ALPN, or speak HTTP/1.1."
                } else {
                    "this port speaks HTTP/1.1. HTTP/2 comes with TLS; leave `--http2-prior-knowledge` or its like out."
                };
                return last_word(&stream, &ApiError::new(ErrorKind::HttpVersion, message));
            }
            Event::Over(_) | Event::Order(Order::Close) => return,
            Event::Order(Order::Finish) => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            Event::Order(Order::RefuseSlowHead) => {
                let limit = server.header_timeout;
                let message = format!(
                    "the request's head did not arrive within {limit:?}. Send it again, or raise server.header_timeout."
                );
                return last_word(&stream, &ApiError::new(ErrorKind::RequestTimeout, message));
            }
        }
    }
}

impl Peer {
    /// What the guard makes of it.
    pub(super) fn visitor(&self, guard: &Guard) -> Visitor {
        match self.via {
            Via::Plain => guard.visitor(self.address, false),
            Via::Tls => guard.visitor(self.address, true),
            Via::ControlSocket => Visitor {
                address: self.address,
                source: Source::ControlSocket,
                is_encrypted: true,
            },
        }
    }
}

/// What a connection works with, whichever protocol it speaks.
struct Opened {
    front: Front,
    line: Arc<Line>,
    server: Arc<Server>,
    lifetime: Lifetime,
}

impl Opened {
    fn new(peer: Peer, place: Place, terms: Terms) -> Self {
        let Terms {
            ways,
            guard,
            server,
            lifetime,
            open,
            ..
        } = terms;
        let line = Line::new(place, open);
        let visitor = peer.visitor(&guard);
        Self {
            front: Front::new(ways, guard, visitor, Arc::clone(&line)),
            line,
            server,
            lifetime,
        }
    }
}

enum Event {
    Over(hyper::Result<()>),
    Order(Order),
}

/// What comes first. The connection is asked first, since it is what is busy.
async fn event(
    mut connection: Pin<&mut impl Future<Output = hyper::Result<()>>>,
    orders: &mut Seldom<impl Future<Output = Order> + Unpin>,
) -> Event {
    poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Event::Over(result)),
        Poll::Pending => orders.poll(cx).map(Event::Order),
    })
    .await
}

/// What a connection has to do that its client did not ask for.
enum Order {
    /// Nobody wants anything of it.
    Close,
    /// Its client does not get its request's head out.
    RefuseSlowHead,
    /// The daemon stops: the reply under way is the last.
    Finish,
}

/// Waits for the next order; `lifetime` is left out once its end is known.
async fn orders(line: &Line, server: &Server, lifetime: Option<&Lifetime>) -> Order {
    loop {
        let look_again = match line.verdict(server) {
            Verdict::Until(then) => then,
            Verdict::Idle => return Order::Close,
            Verdict::SlowHead => return Order::RefuseSlowHead,
        };
        let until = sleep_until(look_again);
        match lifetime {
            None => until.await,
            Some(lifetime) => tokio::select! {
                () = until => {}
                () = lifetime.stopping() => {
                    expect_first_request(line).await;
                    return Order::Finish;
                }
            },
        }
    }
}

/// Whoever has just been let in is about to ask: at the stop hyper would close the connection, and the question that is
/// on its way would be lost without an answer.
async fn expect_first_request(line: &Line) {
    while line.is_new() && line.age() < FIRST_REQUEST {
        sleep(LOOK_FOR_REQUEST).await;
    }
}

/// Writes an error past hyper, which has nothing more to say, and ends the connection.
fn last_word<S: Stream>(stream: &SharedStream<S>, error: &ApiError) {
    stream.last_word(&reply(error));
}

/// An error as a whole reply of HTTP/1.1.
pub(super) fn reply(error: &ApiError) -> Vec<u8> {
    let row = error.kind.row();
    let status = http::StatusCode::from_u16(row.status).ok();
    let reason = status
        .and_then(|status| status.canonical_reason())
        .unwrap_or("");
    let body = error.json();
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        row.status,
        body.len()
    )
    .into_bytes()
}
