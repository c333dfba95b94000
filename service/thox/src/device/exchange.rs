//! One request and its reply, over a connection of its own. Dropping what it gives closes the connection, and by that
//! stops what the device does for it.

use super::events::Events;
use crate::failure::{Exit, Failure};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use thox_api::ErrorBody;
use tokio::{net::TcpStream, task::JoinSet};

/// More than any reply that is read whole; a list of a thousand models has half a megabyte.
const MAX_REPLY: usize = 16 << 20;

/// A request that was answered, up to the head of the reply.
#[derive(Debug)]
pub(super) struct Exchange {
    response: Response<Incoming>,
    connection: JoinSet<()>,
}

/// A reply that has been read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// A reply that comes as events.
#[derive(Debug)]
pub(crate) struct Stream {
    body: Incoming,
    events: Events,
    ready: VecDeque<String>,
    _connection: JoinSet<()>,
}

impl Exchange {
    pub(super) async fn begin(
        stream: TcpStream,
        request: Request<Full<Bytes>>,
    ) -> Result<Self, hyper::Error> {
        let (mut sender, driver) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Belongs to the exchange, so that no connection outlives it.
        let mut connection = JoinSet::new();
        connection.spawn(async {
            // What goes wrong on the connection shows in the reply.
            let _ = driver.await;
        });
        let response = sender.send_request(request).await?;
        Ok(Self {
            response,
            connection,
        })
    }

    pub(super) async fn into_reply(self) -> Result<Reply, Failure> {
        let Self {
            response,
            connection: _connection,
        } = self;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_REPLY)
            .collect()
            .await
            .map_err(|error| broken(&*error))?;
        Ok(Reply {
            status: head.status,
            body: body.to_bytes(),
        })
    }

    pub(super) async fn into_stream(self) -> Result<Stream, Failure> {
        let kind = self.response.headers().get(header::CONTENT_TYPE);
        let kind = kind
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("nothing")
            .to_owned();
        if !self.response.status().is_success() || !kind.starts_with("text/event-stream") {
            self.into_reply().await?.check()?;
            let message = format!("the device sends {kind} where a stream of events was asked for");
            return Err(Failure::error(message).next("is it a Thox device? `thox status` tells"));
        }
        Ok(Stream {
            body: self.response.into_body(),
            events: Events::default(),
            ready: VecDeque::new(),
            _connection: self.connection,
        })
    }
}

impl Stream {
    /// The next event's data; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return Ok(Some(data));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let Ok(bytes) = frame.map_err(|error| broken(&error))?.into_data() else {
                continue;
            };
            let complete = self
                .events
                .push(&bytes)
                .map_err(|_| Failure::error("the device sends an event without end"))?;
            self.ready.extend(complete);
        }
    }
}

impl Reply {
    /// The failure that the status stands for, in the device's own words where it has some.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.status.is_success() {
            return Ok(());
        }
        let message = match serde_json::from_slice::<ErrorBody>(&self.body) {
            Ok(body) => body.error.message,
            Err(_) => format!("the device answers {}", self.status),
        };
        Err(match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Failure::with(Exit::Authentication, message)
                    .next("give a key of the device by --api-key or THOX_API_KEY")
            }
            StatusCode::NOT_FOUND => Failure::with(Exit::NotFound, message),
            _ => Failure::error(message),
        })
    }
}

fn broken(error: &(dyn std::error::Error + Send + Sync)) -> Failure {
    Failure::error(format!("the connection broke off: {error}"))
        .next("`thox status` tells how the device is")
}
