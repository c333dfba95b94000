//! HTTP/2 (RFC 9113), inside TLS only: many requests at once on one connection.
//!
//! Each bound is per connection. Floods of resets (CVE-2023-44487) and of continuations are h2's own limits, which stay
//! as they are.

use super::{Event, LARGEST_HEAD, Opened, Order, Peer, Terms, event, orders};
use crate::{
    http::{entrance::Place, front::Front, socket::Stream},
    lifetime::{Lifetime, Seldom},
};
use http::{HeaderValue, Request, header};
use hyper::{body::Incoming, rt::Executor, server::conn::http2::Builder, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{future::Future, pin::pin, time::Duration};
use tokio::time::timeout;

/// As RFC 9113, 6.5.2 recommends at least; a client with more to ask waits or opens another connection.
const MOST_STREAMS: u32 = 100;

/// What a slow reader lets pile up for one request; with the default of 400 KiB it would be 40 MiB for a connection.
const SEND_BUFFER: usize = 64 << 10;

/// A client that answers no ping has gone without a word; the same time as on a WebSocket.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// The goodbye is one frame each way; a client that does not answer it is not waited for.
const CLOSING: Duration = Duration::from_secs(1);

/// Serves HTTP/2 until the connection ends, nobody wants anything of it, or the daemon stops.
pub(super) async fn serve<S: Stream>(stream: S, peer: Peer, place: Place, terms: Terms) {
    let Opened {
        front,
        line,
        server,
        lifetime,
    } = Opened::new(peer, place, terms);
    let front = Addressed(front);
    let mut builder = Builder::new(Streams(lifetime.clone()));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), front));
    let mut is_stopping = false;
    loop {
        let until = (!is_stopping).then_some(&lifetime);
        let orders = pin!(orders(&line, &server, until));
        let mut orders = Seldom::new(orders);
        match event(connection.as_mut(), &mut orders).await {
            Event::Over(_) => return,
            Event::Order(Order::Finish) => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            // The line sees no bytes here: a head that never ends is a connection without a request.
            Event::Order(Order::Close | Order::RefuseSlowHead) => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(CLOSING, connection).await;
                return;
            }
        }
    }
}

/// Runs the requests of a connection; shutdown waits for them as for the connection itself.
#[derive(Clone)]
struct Streams(Lifetime);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// The same for both protocols: the address that a client asked for stands in Host.
struct Addressed(Front);

impl Service<Request<Incoming>> for Addressed {
    type Response = <Front as Service<Request<Incoming>>>::Response;
    type Error = <Front as Service<Request<Incoming>>>::Error;
    type Future = <Front as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        name_host(&mut request);
        self.0.call(request)
    }
}

/// Where `:authority` is there, a Host beside it is not to be believed (RFC 9113, 8.3.1).
fn name_host<B>(request: &mut Request<B>) {
    let authority = request.uri().authority();
    if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_host_whatever_else_is_said() {
        for (uri, given, expected) in [
            (
                "https://thox.local:8443/v1/models",
                None,
                Some("thox.local:8443"),
            ),
            (
                "https://thox.local/",
                Some("evil.example"),
                Some("thox.local"),
            ),
            ("/v1/models", Some("thox.local"), Some("thox.local")),
            ("/v1/models", None, None),
        ] {
            let mut request = Request::get(uri).body(()).unwrap();
            if let Some(given) = given {
                let headers = request.headers_mut();
                headers.insert(header::HOST, HeaderValue::from_static(given));
                headers.append(header::HOST, HeaderValue::from_static(given));
            }
            name_host(&mut request);
            let host = request.headers().get(header::HOST);
            assert_eq!(host.and_then(|host| host.to_str().ok()), expected, "{uri}");
            if uri.starts_with("https") {
                assert_eq!(request.headers().get_all(header::HOST).iter().count(), 1);
            }
        }
    }
}
