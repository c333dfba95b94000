//! Reply bodies: a whole JSON document, or a stream whose end of life stops the computation behind it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde_json::Value;
use tokio::sync::mpsc::Receiver;

use crate::cancel::CancelOnDrop;

/// A reply's body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Events as they come; dropping it cancels what makes them.
    Events {
        /// From the computation.
        events: Receiver<Bytes>,
        /// Stops the computation when the client goes.
        _guard: CancelOnDrop,
    },
}

impl Body {
    pub(super) fn json(status: StatusCode, value: &Value) -> Response<Self> {
        let mut response = Response::new(Self::Whole(Some(value.to_string().into())));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    pub(super) fn events(events: Receiver<Bytes>, guard: CancelOnDrop) -> Response<Self> {
        let mut response = Response::new(Self::Events {
            events,
            _guard: guard,
        });
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events { events, .. } => events
                .poll_recv(context)
                .map(|event| event.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(
                bytes
                    .as_ref()
                    .map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            ),
            Self::Events { .. } => SizeHint::default(),
        }
    }
}
