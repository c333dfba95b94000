//! HTTP/1.1 connections to one engine, kept open between requests.
//!
//! Written here and not taken from hyper-util because two promises need it: a connection that the engine has closed
//! while it lay idle must not become a client's 502, and dropping a reply must end the engine's request at once.

use super::{
    driven::Over,
    failure::{Failure, Trouble},
    spliced::Spliced,
    wire::{Link, Target},
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::{
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Engines close idle connections after 5 s (uvicorn's default) or later; younger ones are nearly always alive, and an
/// older one costs at worst the repeat below.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// More idle connections than this are closed: a burst is no reason to hold its sockets.
const MOST_IDLE: usize = 64;

/// One engine's connections.
#[derive(Debug)]
pub struct Pool {
    target: Target,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    connect_timeout: Duration,
    idle: Mutex<Vec<(Link, Instant)>>,
}

impl Pool {
    /// An empty pool. `authorization` is sent along with each request.
    #[must_use]
    pub fn new(
        target: Target,
        authorization: Option<HeaderValue>,
        connect_timeout: Duration,
    ) -> Self {
        let host =
            HeaderValue::from_str(target.host()).unwrap_or(HeaderValue::from_static("localhost"));
        Self {
            target,
            host,
            authorization,
            connect_timeout,
            idle: Mutex::default(),
        }
    }

    /// Where the engine is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a request and waits for the head of the reply; no time limit of its own beyond the connection's.
    ///
    /// A request that went out on a used connection and got no byte back is sent once more on a new one: the engine had
    /// closed it while it lay idle.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`], [`Trouble::NoReply`] or [`Trouble::Garbled`].
    pub async fn send(
        self: &Arc<Self>,
        method: Method,
        path: &'static str,
        body: Spliced,
    ) -> Result<Response<ReplyStream>, Failure> {
        if let Some(link) = self.take_idle() {
            match self
                .exchange(link, method.clone(), path, body.clone())
                .await
            {
                Err(Failure {
                    trouble: Trouble::NoReply,
                    ..
                }) => {}
                answered => return answered,
            }
        }
        let link = self.target.connect(self.connect_timeout).await?;
        self.exchange(link, method, path, body).await
    }

    /// A small request of thoxd's own: sends, reads the whole reply of at most `limit` bytes.
    ///
    /// # Errors
    /// Any [`Failure`], also when `patience` is over.
    pub async fn ask(
        self: &Arc<Self>,
        method: Method,
        path: &'static str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(http::StatusCode, Bytes), Failure> {
        let exchange = async {
            let reply = self.send(method, path, body.into()).await?;
            let status = reply.status();
            Ok((status, reply.into_body().read_all().await?))
        };
        match tokio::time::timeout(patience, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(
                Trouble::Silent,
                format!("{path} took longer than {patience:?}"),
            )),
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        mut link: Link,
        method: Method,
        path: &'static str,
        body: Spliced,
    ) -> Result<Response<ReplyStream>, Failure> {
        let mut request = Request::new(body.into_body());
        *request.method_mut() = method;
        *request.uri_mut() = http::Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        if request.method() == Method::POST {
            let headers = request.headers_mut();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, authorization.clone());
        }
        let Link { sender, connection } = &mut link;
        let mut sending = pin!(sender.send_request(request));
        let sent = match poll_fn(|cx| connection.poll_for(cx, |cx| sending.as_mut().poll(cx))).await
        {
            Ok(sent) => sent.map_err(|error| {
                let is_garbled = error.is_parse();
                Failure::of(
                    if is_garbled {
                        Trouble::Garbled
                    } else {
                        Trouble::NoReply
                    },
                    &error,
                )
            }),
            Err(Over) => Err(Failure::new(Trouble::NoReply, "the connection ended")),
        };
        match sent {
            Ok(reply) => {
                let pool = Arc::clone(self);
                Ok(reply.map(|incoming| ReplyStream {
                    incoming,
                    link: Some(link),
                    pool,
                }))
            }
            Err(failure) => Err(failure),
        }
    }

    fn take_idle(&self) -> Option<Link> {
        loop {
            let (mut link, since) = self.idle().pop()?;
            if since.elapsed() <= IDLE_FOR && link.is_usable() {
                return Some(link);
            }
        }
    }

    fn put_back(&self, mut link: Link) {
        if !link.is_usable() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push((link, Instant::now()));
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Link, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine's reply as it comes. Read to its end, its connection goes back to the pool; dropped before, the connection
/// is closed and with it the engine's work.
#[derive(Debug)]
pub struct ReplyStream {
    incoming: Incoming,
    link: Option<Link>,
    pool: Arc<Pool>,
}

impl ReplyStream {
    /// Reads the rest.
    ///
    /// # Errors
    /// [`Trouble::BrokeOff`], also when it is larger than [`LARGEST_REPLY`].
    pub async fn read_all(self) -> Result<Bytes, Failure> {
        match Limited::new(self, LARGEST_REPLY).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) => Err(Failure::of(Trouble::BrokeOff, error.as_ref())),
        }
    }
}

/// A reply that is no stream is held in memory once; 64 MiB is a batch of some thousand embeddings.
pub const LARGEST_REPLY: usize = 64 << 20;

/// A reply that ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BrokeOff {
    /// With the connection's own word.
    #[error(transparent)]
    Connection(hyper::Error),
    /// Without one.
    #[error("the connection ended")]
    Ended,
}

impl Body for ReplyStream {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        let Self { incoming, link, .. } = &mut *self;
        let Some(Link { connection, .. }) = link else {
            return Poll::Ready(None);
        };
        let next = connection.poll_for(cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
        let frame = match ready!(next) {
            Ok(frame) => frame.map(|frame| frame.map_err(BrokeOff::Connection)),
            Err(Over) => Some(Err(BrokeOff::Ended)),
        };
        if frame.is_none()
            && let Some(link) = self.link.take()
        {
            self.pool.put_back(link);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // Never early: the end has to be polled for the connection to go back.
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
