//! Ends a reply under way when the key is revoked that it was asked with.

use crate::{
    keys::{Farewell, Key, farewell},
    lifetime::Seldom,
};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body as _, Frame};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// The watch over one reply.
pub struct Watch {
    revoked: Option<Seldom<Pin<Box<WaitForCancellationFutureOwned>>>>,
    is_event_stream: bool,
    /// Of a protocol that is not OpenAI's.
    farewell: Option<Farewell>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Over a reply with these headers; as a stream it ends with `farewell`, or else in OpenAI's shape.
    #[must_use]
    pub fn new(key: &Key, headers: &HeaderMap, farewell: Option<Farewell>) -> Self {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .map(|kind| kind.as_bytes());
        Self {
            revoked: Some(Seldom::new(Box::pin(
                key.revoked().clone().cancelled_owned(),
            ))),
            is_event_stream: kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")),
            farewell,
        }
    }

    /// The body's next frame. Once the key is revoked: for a stream of events one that says so, and the end; for
    /// anything else a broken connection, since half a document must not look like a whole one.
    pub fn poll_frame(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(revoked) = &mut self.revoked else {
            return Poll::Ready(None);
        };
        if revoked.poll(cx).is_pending() {
            let frame = ready!(Pin::new(body).poll_frame(cx));
            return Poll::Ready(frame);
        }
        self.revoked = None;
        // The engine's work ends now, and not when the client takes its leave.
        *body = Body::empty();
        let error = farewell::revoked();
        Poll::Ready(Some(match self.farewell.take() {
            Some(Farewell(event)) if self.is_event_stream => Ok(Frame::data(event)),
            None if self.is_event_stream => {
                Ok(Frame::data(format!("data: {}\n\n", error.json()).into()))
            }
            _ => Err(axum::Error::new(error)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use http::HeaderValue;
    use http_body_util::{BodyExt as _, StreamBody};
    use std::{convert::Infallible, future::poll_fn};

    async fn after_revoking(kind: &'static str, farewell: Option<Farewell>) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let (secret, info) = keys
            .make(&serde_json::from_str(r#"{"name":"a"}"#).unwrap())
            .unwrap();
        let key = keys.find(secret.reveal()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let mut watch = Watch::new(&key, &headers, farewell);
        let first = futures_util::stream::once(async {
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"data: 1\n\n")))
        });
        let endless = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        let mut body = Body::new(StreamBody::new(endless));
        let frame = poll_fn(|cx| watch.poll_frame(&mut body, cx)).await;
        assert_eq!(
            &*frame.unwrap().unwrap().into_data().unwrap(),
            b"data: 1\n\n"
        );
        let waiting = poll_fn(|cx| watch.poll_frame(&mut body, cx));
        let revoking = async {
            tokio::task::yield_now().await;
            keys.revoke(&info.id).unwrap();
        };
        let (frame, ()) = tokio::join!(waiting, revoking);
        let text = match frame.unwrap() {
            Ok(frame) => String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap(),
            Err(error) => format!("broken: {error}"),
        };
        assert!(body.frame().await.is_none(), "the engine is let go of");
        let end = poll_fn(|cx| watch.poll_frame(&mut body, cx)).await;
        (text, end.is_none())
    }

    #[tokio::test]
    async fn a_stream_says_why_and_a_document_breaks_off() {
        let (text, has_ended) = after_revoking("text/event-stream", None).await;
        assert!(
            text.starts_with("data: {") && text.contains("key_revoked"),
            "{text}"
        );
        assert!(has_ended);
        let farewell = || Some(Farewell(Bytes::from_static(b"data: bye\n\n")));
        let told = after_revoking("text/event-stream", farewell()).await;
        assert_eq!(told, ("data: bye\n\n".to_owned(), true));
        for farewell in [None, farewell()] {
            let (text, _) = after_revoking("application/json", farewell).await;
            assert!(text.starts_with("broken: "), "{text}");
        }
    }
}
