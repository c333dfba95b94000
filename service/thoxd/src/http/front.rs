//! What is true of every request, whatever its route: it is us who are asked, by a page of ours or none; it has an id
//! and a visitor; its connection is busy; and its reply ends when the key is revoked that it was asked with.

use super::{
    error::Refused,
    page,
    socket::{Busy, Line},
    watch::Watch,
    ways::Ways,
};
use crate::{
    guard::{Arrival, Guard, Visitor},
    keys::{Farewell, Key},
};
use axum::{
    body::Body,
    response::{IntoResponse as _, Response as BoxedResponse},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    convert::Infallible,
    future::Future,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};
use thox_policy::browser::Asker;

/// Constants, since a name that is a literal is parsed at every use.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The service of one connection.
#[derive(Clone, Debug)]
pub struct Front {
    ways: Ways,
    guard: Arc<Guard>,
    visitor: Visitor,
    line: Arc<Line>,
}

impl Front {
    /// The ways to the routes for the connection of a visitor.
    #[must_use]
    pub fn new(ways: Ways, guard: Arc<Guard>, visitor: Visitor, line: Arc<Line>) -> Self {
        Self {
            ways,
            guard,
            visitor,
            line,
        }
    }

    /// What can be said of a request before its route is known.
    fn early(&self, request: &Request<Incoming>) -> Result<Asker, Box<BoxedResponse>> {
        let asker = match self.guard.look(request.uri(), request.headers()) {
            Ok(asker) => asker,
            Err(error) => return Err(Box::new(Refused(error).into_response())),
        };
        match page::preflight(request, asker) {
            Some(mut answer) => {
                let origin = request.headers().get(header::ORIGIN);
                page::share(answer.headers_mut(), origin, asker);
                Err(Box::new(answer))
            }
            None => Ok(asker),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let busy = self.line.request();
        let request_id = id_of(&request);
        let id_header = HeaderValue::from_str(&request_id).ok();
        let asker = match self.early(&request) {
            Ok(asker) => asker,
            Err(answer) => return Box::pin(async move { Ok(finish(*answer, id_header, busy)) }),
        };
        let origin = match asker {
            Asker::ListedPage => request.headers().get(header::ORIGIN).cloned(),
            Asker::NoPage | Asker::OwnPage | Asker::ForeignPage => None,
        };
        request.extensions_mut().insert(Arrival {
            visitor: self.visitor,
            request_id,
        });
        let handled = self.ways.answer(request);
        Box::pin(async move {
            let mut response = handled.await;
            page::share(response.headers_mut(), origin.as_ref(), asker);
            Ok(finish(response, id_header, busy))
        })
    }
}

fn finish(
    mut response: BoxedResponse,
    request_id: Option<HeaderValue>,
    busy: Busy,
) -> Response<Reply> {
    let headers = response.headers_mut();
    if let Some(id) = request_id {
        headers.insert(REQUEST_ID, id);
    }
    page::protect(headers);
    let key = response.extensions_mut().remove::<Arc<Key>>();
    let farewell = response.extensions_mut().remove::<Farewell>();
    let watch = key.map(|key| Watch::new(&key, response.headers(), farewell));
    response.map(|body| Reply {
        body,
        watch,
        _busy: busy,
    })
}

/// The client's own id if it is short and plain, else one of ours.
fn id_of(request: &Request<Incoming>) -> Arc<str> {
    /// OpenAI's own limit for a client's id.
    const LONGEST: usize = 128;
    let given = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    given.filter(is_plain).map_or_else(new_id, Arc::from)
}

/// Unique, not secret: a counter, mixed so that ids of one process do not look alike, under a random start.
fn new_id() -> Arc<str> {
    static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Multiplying by an odd number is a bijection: no two counts give one id.
    let mixed = START.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut id = [0; 24];
    for (place, byte) in id.iter_mut().zip(hex(mixed).into_iter().chain(hex(*START))) {
        *place = byte;
    }
    std::str::from_utf8(&id).unwrap_or_default().into()
}

/// The 16 digits of a number.
fn hex(number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for (place, shift) in digits.iter_mut().zip((0..64).step_by(4).rev()) {
        let digit = u32::try_from(number >> shift & 0xf).unwrap_or_default();
        *place = char::from_digit(digit, 16).map_or(b'0', |digit| digit as u8);
    }
    digits
}

/// A reply's body; while it lives its connection is busy.
#[derive(Debug)]
pub struct Reply {
    body: Body,
    watch: Option<Watch>,
    _busy: Busy,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, watch, .. } = &mut *self;
        match watch {
            None => Pin::new(body).poll_frame(cx),
            Some(watch) => watch.poll_frame(body, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
