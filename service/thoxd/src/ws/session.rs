//! One connection: reads, requests and writes in one poll.
//!
//! A message is asked of a reply only when the one before has reached the kernel: a client that reads slowly holds the
//! engine back through TCP, and nothing grows here. Dropping the session ends every request on it.

use super::{
    closing::{self, Close},
    message::{self, Message},
};
use crate::{
    gateway::{Answer, Caller, Content, Framing, Gateway, Reply, Request, answer::error_message},
    lifetime::Lifetime,
    settings::Server,
};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use thox_api::{ApiError, ErrorKind};
use thox_policy::Endpoint;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Utf8Bytes,
        error::CapacityError,
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};

/// What a session works with.
pub(super) struct Terms {
    pub gateway: Gateway,
    pub server: Arc<Server>,
    pub lifetime: Lifetime,
    pub caller: Caller,
    pub wish: Option<Box<str>>,
}

/// A client that answers none of two pings has gone without a word: a laptop's lid, a cable.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Answers of ours that wait for the socket; while there are so many, nothing more is read.
const MOST_WAITING: usize = 16;

/// As much as one token's message several times over; more is buffered only for a single larger one.
const WRITE_BUFFER: usize = 4 << 10;

pub(super) struct Session {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    terms: Terms,
    requests: VecDeque<Active>,
    waiting: VecDeque<Bytes>,
    is_writing: bool,
    is_stopping: bool,
    pings: Interval,
    unanswered: u8,
    count: u64,
}

struct Active {
    id: Option<Box<str>>,
    /// Its last message has been given out: the id is free again while the engine's connection is still wound up.
    is_answered: bool,
    state: State,
}

enum State {
    Starting(Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>),
    Streaming(Box<Answer>),
    Over,
}

impl Session {
    pub(super) fn config(server: &Server) -> WebSocketConfig {
        let largest = server.websocket_max_message.as_usize();
        WebSocketConfig::default()
            .max_message_size(Some(largest))
            .max_frame_size(Some(largest))
            .write_buffer_size(WRITE_BUFFER)
    }

    pub(super) fn new(socket: WebSocketStream<TokioIo<Upgraded>>, terms: Terms) -> Self {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            terms,
            requests: VecDeque::new(),
            waiting: VecDeque::new(),
            is_writing: false,
            is_stopping: false,
            pings,
            unanswered: 0,
            count: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let lifetime = self.terms.lifetime.clone();
        let mut stopping = pin!(lifetime.stopping());
        let revoked = self
            .terms
            .caller
            .allowance
            .key()
            .map(|key| key.revoked().clone());
        let mut revoked = pin!(async move {
            match revoked {
                Some(revoked) => revoked.cancelled().await,
                None => std::future::pending().await,
            }
        });
        let close = poll_fn(|cx| {
            if revoked.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some((CloseCode::Policy, "the key has been revoked")));
            }
            if !self.is_stopping && stopping.as_mut().poll(cx).is_ready() {
                self.is_stopping = true;
            }
            self.poll(cx)
        })
        .await;
        self.requests.clear();
        closing::close(self.socket, self.waiting, close).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        loop {
            if self.is_writing {
                match Pin::new(&mut self.socket).poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.is_writing = false,
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Pending => {}
                }
            }
            if self.waiting.len() < MOST_WAITING
                && let Poll::Ready(read) = Pin::new(&mut self.socket).poll_next(cx)
            {
                match self.read(read) {
                    Ok(()) => continue,
                    Err(close) => return Poll::Ready(close),
                }
            }
            if self.pings.poll_tick(cx).is_ready() {
                if self.unanswered >= 2 {
                    return Poll::Ready(None);
                }
                self.unanswered += 1;
                if !self.is_writing {
                    match self.send(cx, tungstenite::Message::Ping(Bytes::new())) {
                        Ok(()) => continue,
                        Err(()) => return Poll::Ready(None),
                    }
                }
                continue;
            }
            if self.is_writing {
                return Poll::Pending;
            }
            let next = match self.waiting.pop_front() {
                Some(bytes) => Poll::Ready(bytes),
                None => self.poll_requests(cx),
            };
            match next {
                Poll::Ready(bytes) => {
                    let Ok(text) = Utf8Bytes::try_from(bytes) else {
                        return Poll::Ready(Some((CloseCode::Error, "thoxd made a mistake")));
                    };
                    if self.send(cx, tungstenite::Message::Text(text)).is_err() {
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending if self.is_stopping && self.requests.is_empty() => {
                    return Poll::Ready(Some((CloseCode::Away, "thoxd is stopping")));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, message: tungstenite::Message) -> Result<(), ()> {
        // Ready by construction: everything before has been flushed.
        let mut socket = Pin::new(&mut self.socket);
        match socket.as_mut().poll_ready(cx) {
            Poll::Ready(Ok(())) | Poll::Pending => {}
            Poll::Ready(Err(_)) => return Err(()),
        }
        self.is_writing = true;
        socket.start_send(message).map_err(|_| ())
    }

    /// The next message of any request, in turns.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        for _ in 0..self.requests.len() {
            let Some(mut active) = self.requests.pop_front() else {
                break;
            };
            match active.poll(cx) {
                Poll::Ready(Some(bytes)) => {
                    active.is_answered = match &active.state {
                        State::Over => true,
                        State::Streaming(answer) => answer.is_answered(),
                        State::Starting(_) => false,
                    };
                    self.requests.push_back(active);
                    return Poll::Ready(bytes);
                }
                Poll::Ready(None) => {}
                Poll::Pending => self.requests.push_back(active),
            }
        }
        Poll::Pending
    }

    fn read(
        &mut self,
        read: Option<Result<tungstenite::Message, tungstenite::Error>>,
    ) -> Result<(), Close> {
        self.unanswered = 0;
        match read {
            Some(Ok(tungstenite::Message::Text(text))) => {
                self.message(&text);
                Ok(())
            }
            Some(Ok(tungstenite::Message::Binary(_))) => {
                Err(Some((CloseCode::Unsupported, "send text messages of JSON")))
            }
            // Pings are answered by the codec.
            Some(Ok(tungstenite::Message::Ping(_))) => {
                self.is_writing = true;
                Ok(())
            }
            Some(Ok(tungstenite::Message::Pong(_) | tungstenite::Message::Frame(_))) => Ok(()),
            Some(Ok(tungstenite::Message::Close(_))) => {
                // The codec has queued the answer; the requests end now, the socket when the answer is out.
                self.requests.clear();
                self.waiting.clear();
                self.is_writing = true;
                Ok(())
            }
            Some(Err(tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                Err(Some((
                    CloseCode::Size,
                    "the message is larger than server.websocket_max_message",
                )))
            }
            Some(Err(tungstenite::Error::Protocol(_))) => {
                Err(Some((CloseCode::Protocol, "the frame breaks RFC 6455")))
            }
            Some(Err(tungstenite::Error::Utf8(_))) => {
                Err(Some((CloseCode::Invalid, "the text is not UTF-8")))
            }
            Some(Err(_)) | None => Err(None),
        }
    }

    fn message(&mut self, text: &Utf8Bytes) {
        match message::read(text) {
            Ok(Message::Chat { request_id }) => {
                if let Err(error) = self.begin(text, request_id.clone()) {
                    self.waiting
                        .push_back(error_message(&error, request_id.as_deref()));
                }
            }
            Ok(Message::Cancel { request_id }) => {
                let at = self
                    .requests
                    .iter()
                    .position(|active| !active.is_answered && active.id == request_id);
                let reply = match at.and_then(|at| self.requests.remove(at)) {
                    Some(_stopped) => {
                        ApiError::new(ErrorKind::Cancelled, "the request was cancelled, as asked.")
                    }
                    None => {
                        let message = "no request with this `request_id` is under way: it may have ended just now.";
                        ApiError::new(ErrorKind::InvalidRequest, message).param("request_id")
                    }
                };
                self.waiting
                    .push_back(error_message(&reply, request_id.as_deref()));
            }
            Err((error, id)) => self.waiting.push_back(error_message(&error, id.as_deref())),
        }
    }

    fn begin(&mut self, text: &Utf8Bytes, request_id: Option<Box<str>>) -> Result<(), ApiError> {
        if self.is_stopping {
            let message = "thoxd is stopping and takes no new requests. Connect again in a moment.";
            return Err(ApiError::new(ErrorKind::ShuttingDown, message));
        }
        let most = self.terms.server.websocket_max_requests;
        if self.requests.len() >= most {
            let message = format!(
                "{most} requests are under way on this connection. Wait for one to end, or open another connection."
            );
            return Err(ApiError::new(ErrorKind::QueueFull, message));
        }
        if self
            .requests
            .iter()
            .any(|active| !active.is_answered && active.id == request_id)
        {
            let message = "a request with this `request_id`, or none, is under way on this connection: give each its own.";
            return Err(ApiError::new(ErrorKind::InvalidRequest, message).param("request_id"));
        }
        self.count += 1;
        self.terms.caller.allowance.take()?;
        let caller = Caller {
            request_id: format!("{}-{}", self.terms.caller.request_id, self.count).into(),
            ..self.terms.caller.clone()
        };
        let request = Request {
            endpoint: Endpoint::Chat,
            body: Bytes::from(text.clone()),
            caller,
            wish: self.terms.wish.clone(),
            framing: Framing::Messages {
                request_id: request_id.clone(),
            },
        };
        let gateway = self.terms.gateway.clone();
        let call = Box::pin(async move { gateway.call(request).await });
        self.requests.push_back(Active {
            id: request_id,
            is_answered: false,
            state: State::Starting(call),
        });
        Ok(())
    }
}

impl Active {
    /// The next message; `None` at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let last = match &mut self.state {
                State::Over => return Poll::Ready(None),
                State::Streaming(answer) => return answer.poll_next(cx),
                State::Starting(call) => match std::task::ready!(call.as_mut().poll(cx)) {
                    Ok(Reply {
                        content: Content::Stream(answer),
                        ..
                    }) => {
                        self.state = State::Streaming(answer);
                        continue;
                    }
                    Ok(Reply {
                        content: Content::Whole(json),
                        ..
                    }) => json,
                    Err(error) => error_message(&error, self.id.as_deref()),
                },
            };
            self.state = State::Over;
            return Poll::Ready(Some(last));
        }
    }
}
