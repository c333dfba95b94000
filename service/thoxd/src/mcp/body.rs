//! How a reply leaves: comments while nothing has come, then what rmcp sends; a stream that only listens ends when thoxd
//! stops.

use super::sessions::Visit;
use axum::body::Body;
use bytes::Bytes;
use http::{Response, header};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// What rmcp answers with.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// An answer that has not begun. Dropping it cancels the request.
pub(super) type Coming = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The end of thoxd, for replies that would never end by themselves.
pub(super) type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A reply's body.
pub(super) struct Reply {
    state: State,
    stopping: Option<Stopping>,
    _visit: Option<Visit>,
}

enum State {
    Waiting {
        coming: Coming,
        comments: Interval,
    },
    Events(BoxBody<Bytes, Infallible>),
    /// A document that came too late to be one: it goes out as an event.
    Document(BoxBody<Bytes, Infallible>, Vec<u8>),
    Over,
}

/// A comment line of Server-sent events; clients have to ignore it (WHATWG HTML, 9.2.6).
const COMMENT: &[u8] = b": keep-alive\n\n";

impl Reply {
    /// An answer that takes long to begin: the status has gone out, comments follow until it does.
    pub(super) fn waiting(coming: Coming, comment_every: Duration, visit: Option<Visit>) -> Body {
        let mut comments = interval_at(Instant::now(), comment_every);
        comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Body::new(Self {
            state: State::Waiting { coming, comments },
            stopping: None,
            _visit: visit,
        })
    }

    /// An answer that has begun.
    pub(super) fn begun(
        body: BoxBody<Bytes, Infallible>,
        stopping: Option<Stopping>,
        visit: Option<Visit>,
    ) -> Body {
        Body::new(Self {
            state: State::Events(body),
            stopping,
            _visit: visit,
        })
    }
}

/// Whether an answer is a stream of events.
pub(super) fn is_event_stream(answer: &Answer) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(stopping) = &mut self.stopping
            && stopping.as_mut().poll(cx).is_ready()
        {
            self.stopping = None;
            self.state = State::Over;
        }
        loop {
            let next = match &mut self.state {
                State::Waiting { coming, comments } => match coming.as_mut().poll(cx) {
                    Poll::Ready(answer) if is_event_stream(&answer) => {
                        State::Events(answer.into_body())
                    }
                    Poll::Ready(answer) => State::Document(answer.into_body(), Vec::new()),
                    Poll::Pending => {
                        ready!(comments.poll_tick(cx));
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
                    }
                },
                State::Events(body) => return Pin::new(body).poll_frame(cx),
                State::Document(body, whole) => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            whole.extend_from_slice(&data);
                        }
                        continue;
                    }
                    None => {
                        let event = [b"data: ", whole.as_slice(), b"\n\n"].concat();
                        self.state = State::Over;
                        return Poll::Ready(Some(Ok(Frame::data(event.into()))));
                    }
                },
                State::Over => return Poll::Ready(None),
            };
            self.state = next;
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Events(body) => body.is_end_stream(),
            State::Over => true,
            State::Waiting { .. } | State::Document(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Events(body) if self.stopping.is_none() => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full};

    fn answer(kind: &str, text: &'static str) -> Answer {
        Response::builder()
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(Bytes::from_static(text.as_bytes())).boxed())
            .unwrap()
    }

    async fn late(kind: &'static str, text: &'static str) -> String {
        let coming = Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(25)).await;
            answer(kind, text)
        });
        let body = Reply::waiting(coming, Duration::from_millis(10), None);
        let bytes = body.collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn comments_come_before_a_late_answer_and_a_late_document_is_an_event() {
        let comment = ": keep-alive\n\n";
        for (kind, text, end) in [
            ("text/event-stream", "data: 1\n\n", "data: 1\n\n"),
            ("application/json", "{}", "data: {}\n\n"),
        ] {
            let whole = late(kind, text).await;
            let comments = whole.strip_suffix(end).unwrap();
            assert!(!comments.is_empty(), "{whole}");
            assert!(comments.replace(comment, "").is_empty(), "{whole}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_listens_ends_when_thoxd_stops() {
        let endless = http_body_util::StreamBody::new(futures_util::stream::pending());
        let body = BoxBody::new(endless);
        let stopping = Box::pin(tokio::time::sleep(Duration::from_millis(10)));
        let whole = Reply::begun(body, Some(stopping), None).collect().await;
        assert!(whole.unwrap().to_bytes().is_empty());
    }
}
