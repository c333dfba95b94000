//! One request and its reply, over a connection of its own. Dropping what it gives closes the connection, and by that
//! stops what the device does for it.

use super::{events::Events, lines::Lines};
use crate::failure::{Exit, Failure};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::{collections::VecDeque, fmt};
use thox_api::ErrorBody;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};

/// More than any reply that is read whole; a list of a thousand models has half a megabyte.
const MAX_REPLY: usize = 16 << 20;

/// A request that was answered, up to the head of the reply.
#[derive(Debug)]
pub(super) struct Exchange {
    response: Response<Incoming>,
    connection: JoinSet<()>,
}

/// A reply that has been read to its end.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Without the body: a new key may be in it.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status, self.body.len())
    }
}

/// A reply of whatever kind, with its headers.
#[derive(Debug)]
pub(crate) enum Spoken {
    /// One that has been read to its end.
    Whole { reply: Reply, headers: HeaderMap },
    /// One that comes as events.
    Events {
        events: Stream,
        headers: HeaderMap,
        status: StatusCode,
    },
}

impl Spoken {
    pub(crate) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Whole { headers, .. } | Self::Events { headers, .. } => headers,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Whole { reply, .. } => reply.status,
            Self::Events { status, .. } => *status,
        }
    }
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
    pub(super) async fn begin<S>(
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
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

    pub(super) async fn into_spoken(self) -> Result<Spoken, Failure> {
        let headers = self.response.headers().clone();
        let status = self.response.status();
        let kind = headers.get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            let events = self.into_events();
            return Ok(Spoken::Events {
                events,
                headers,
                status,
            });
        }
        let reply = self.into_reply().await?;
        Ok(Spoken::Whole { reply, headers })
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
        Ok(self.into_events())
    }

    fn into_events(self) -> Stream {
        Stream {
            body: self.response.into_body(),
            events: Events::default(),
            ready: VecDeque::new(),
            _connection: self.connection,
        }
    }
}

impl Exchange {
    pub(super) async fn into_lines(self) -> Result<Lines, Failure> {
        if !self.response.status().is_success() {
            self.into_reply().await?.check()?;
            return Err(Failure::error("the device answers without any document"));
        }
        Ok(Lines::new(self.response.into_body(), self.connection))
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
        let error = serde_json::from_slice::<ErrorBody>(&self.body).map(|body| body.error);
        let (message, code) = match error {
            Ok(error) => (error.message, error.code),
            Err(_) => (format!("the device answers {}", self.status), None),
        };
        Err(match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let failure = Failure::with(Exit::Authentication, message);
                match step(code.as_deref()) {
                    Some(step) => failure.next(step),
                    None => failure,
                }
            }
            StatusCode::NOT_FOUND => Failure::with(Exit::NotFound, message),
            StatusCode::CONFLICT if code.as_deref() == Some("already_claimed") => {
                Failure::error(message).next(ALREADY_CLAIMED)
            }
            _ => Failure::error(message),
        })
    }
}

/// What to do about a device that has its admin already.
pub(crate) const ALREADY_CLAIMED: &str = "ask for a key whoever claimed it; on the device itself no key is needed: thox auth generate-key --name NAME --scope admin";

/// What to do about a refusal, by the code of the error (`ErrorKind`).
fn step(code: Option<&str>) -> Option<&'static str> {
    match code {
        Some("wrong_claim_code") => Some("the device shows its code itself: thox claim-code there"),
        Some("insufficient_scope") => Some(
            "this takes a key of the scope admin, or is done on the device itself, where no key is needed",
        ),
        Some("foreign_host" | "foreign_origin") => None,
        _ => Some(
            "give a key of the device by --api-key or THOX_API_KEY, or store it: thox config set api.key -",
        ),
    }
}

pub(super) fn broken(error: &(dyn std::error::Error + Send + Sync)) -> Failure {
    Failure::error(format!("the connection broke off: {error}"))
        .next("`thox status` tells how the device is")
}
