//! How a stream leaves: comments while the engine has not begun, then its answer.

use crate::gateway::{Answer, Content, Reply, answer::COMMENT};
use bytes::Bytes;
use http_body::{Body, Frame};
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use thox_api::ApiError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// A call whose reply has not begun.
pub type Starting = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// The body of a stream. Dropping it is the cancellation.
pub struct StreamBody(State);

enum State {
    Waiting { call: Starting, comments: Interval },
    Started(Box<Answer>),
    Last(Bytes),
    Over,
}

impl StreamBody {
    /// A reply that takes long to begin: the status has gone out, comments follow until it does.
    #[must_use]
    pub fn waiting(call: Starting, comment_every: Duration) -> Self {
        let mut comments = interval_at(Instant::now(), comment_every);
        comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(State::Waiting { call, comments })
    }

    /// A reply that has begun.
    #[must_use]
    pub fn started(answer: Box<Answer>) -> Self {
        Self(State::Started(answer))
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let next = match &mut self.0 {
                State::Waiting { call, comments } => match call.as_mut().poll(cx) {
                    Poll::Ready(Ok(Reply {
                        content: Content::Stream(answer),
                        ..
                    })) => State::Started(answer),
                    Poll::Ready(Ok(Reply {
                        content: Content::Whole(json),
                        ..
                    })) => State::Last(
                        [b"data: ", &json[..], b"\n\ndata: [DONE]\n\n"]
                            .concat()
                            .into(),
                    ),
                    Poll::Ready(Err(error)) => {
                        State::Last(format!("data: {}\n\n", error.json()).into())
                    }
                    Poll::Pending => {
                        ready!(comments.poll_tick(cx));
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
                    }
                },
                State::Started(answer) => {
                    let bytes = ready!(answer.poll_next(cx));
                    return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
                }
                State::Last(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.0 = State::Over;
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                State::Over => return Poll::Ready(None),
            };
            self.0 = next;
        }
    }
}
