//! A request's body as an engine gets it: the fields that are written anew, and between them the largest value of the
//! client's own bytes, which is sent from where it lies. A long conversation is not copied for the sake of a model's name.

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// A body in three parts, of which any may be empty.
#[derive(Clone, Debug, Default)]
pub struct Spliced {
    before: Bytes,
    value: Bytes,
    after: Bytes,
}

/// What is handed to hyper: the parts that are still to be sent. On the heap, since each connection to an engine has room
/// for 32 requests (tokio's channels grow by so many), whose bodies would lie in it.
#[derive(Debug)]
pub struct Body(Box<[Bytes; 3]>);

impl From<Bytes> for Spliced {
    fn from(whole: Bytes) -> Self {
        Self {
            before: whole,
            ..Self::default()
        }
    }
}

impl Spliced {
    /// `written`, with `value` put in at byte `at`.
    #[must_use]
    pub fn new(mut written: BytesMut, at: usize, value: Bytes) -> Self {
        let after = written.split_off(at.min(written.len())).freeze();
        Self {
            before: written.freeze(),
            value,
            after,
        }
    }

    /// The same in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if self.value.is_empty() && self.after.is_empty() {
            return self.before.clone();
        }
        [&self.before[..], &self.value, &self.after].concat().into()
    }

    /// The part that was not copied; empty where all was.
    #[must_use]
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// For sending.
    #[must_use]
    pub fn into_body(self) -> Body {
        Body(Box::new([self.before, self.value, self.after]))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(Frame::data(std::mem::take(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let length: usize = self.0.iter().map(Bytes::len).sum();
        SizeHint::with_exact(length as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn is_sent_in_its_parts_with_its_whole_length() {
        let value = Bytes::from_static(b"[1,2]");
        let spliced = Spliced::new(BytesMut::from(&b"{\"a\":}"[..]), 5, value.clone());
        assert_eq!(spliced.to_bytes(), "{\"a\":[1,2]}");
        let mut body = spliced.into_body();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(11));
        let mut sent = Vec::new();
        while let Some(frame) = body.frame().await {
            sent.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(sent, ["{\"a\":", "[1,2]", "}"]);
        assert!(std::ptr::eq(sent[1].as_ptr(), value.as_ptr()), "copied");
        let nothing = Spliced::default().into_body();
        assert!(http_body::Body::is_end_stream(&nothing));
    }
}
