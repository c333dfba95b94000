//! One connection from its first byte to its last.

use super::{
    front::Front,
    socket::{Line, SharedStream, Socket, Verdict},
};
use crate::{
    guard::Guard,
    lifetime::{Lifetime, Seldom},
    settings::Server,
};
use axum::Router;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
};
use thox_api::{ApiError, ErrorKind};
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time::sleep_until};

/// Enough for a head with long cookies and tokens; hyper answers 431 above it.
const LARGEST_HEAD: usize = 64 << 10;

/// What all connections share.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The routes of every door.
    pub router: Router,
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// Limits and times.
    pub server: Arc<Server>,
    /// Until when.
    pub lifetime: Lifetime,
    /// How many connections are open.
    pub open: Gauge,
}

/// Serves a connection until it ends, its client is too slow, or the daemon stops.
pub async fn serve(stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit, terms: Terms) {
    let Terms {
        router,
        guard,
        server,
        lifetime,
        open,
    } = terms;
    // Without it a token waits up to 40 ms for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let stream = SharedStream::new(stream);
    let line = Line::new(place, open);
    let visitor = guard.visitor(peer.ip(), false);
    let front = Front::new(router, guard, visitor, Arc::clone(&line));
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
        let event = poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Event::Over(result)),
            Poll::Pending => orders.poll(cx).map(Event::Order),
        });
        match event.await {
            Event::Over(Err(_)) if line.speaks_http2() => {
                let message = "this port speaks HTTP/1.1. HTTP/2 comes with TLS; leave `--http2-prior-knowledge` or its like out.";
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

enum Event {
    Over(hyper::Result<()>),
    Order(Order),
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
        let look_again = match line.verdict(server.header_timeout, server.idle_timeout) {
            Verdict::Until(then) => then,
            Verdict::Idle => return Order::Close,
            Verdict::SlowHead => return Order::RefuseSlowHead,
        };
        let sleep = sleep_until(look_again);
        match lifetime {
            None => sleep.await,
            Some(lifetime) => tokio::select! {
                () = sleep => {}
                () = lifetime.stopping() => return Order::Finish,
            },
        }
    }
}

/// Writes an error past hyper, which has nothing more to say, and ends the connection.
fn last_word(stream: &SharedStream, error: &ApiError) {
    let row = error.kind.row();
    let status = http::StatusCode::from_u16(row.status).ok();
    let reason = status
        .and_then(|status| status.canonical_reason())
        .unwrap_or("");
    let body = error.json();
    let reply = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        row.status,
        body.len()
    );
    stream.last_word(reply.as_bytes());
}
