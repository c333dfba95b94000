//! A request's body as an engine gets it: the fields that are written anew, and between them the largest value of the
//! client's own bytes, which is sent from where it lies. A long conversation is not copied for the sake of a model's name.

use bytes::{Buf, Bytes, BytesMut, buf::Chain};
use http_body_util::Full;

/// A body in three parts, of which any may be empty.
#[derive(Clone, Debug, Default)]
pub struct Spliced {
    before: Bytes,
    value: Bytes,
    after: Bytes,
}

/// What is handed to hyper.
pub type Body = Full<Chain<Chain<Bytes, Bytes>, Bytes>>;

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
        Full::new(self.before.chain(self.value).chain(self.after))
    }
}
