//! The ways to the routes: those on which models are asked are found at once, all others by axum's router.
//!
//! A router tries the paths of the whole device, boxes its handler twice and notes what it matched: about a sixteenth of
//! the code that a short request runs through (169 of 2,911 cache lines, callgrind), which is not in the cache when a
//! request comes after a pause.

use super::{
    error,
    gate::{Listed, Routes},
};
use axum::{BoxError, Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use std::{fmt, future::Future, pin::Pin, sync::Arc};
use tower::Service as _;

/// A request that is being answered.
pub type Handled = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler with its gate.
pub(super) type Handle<S> = Arc<dyn Fn(Request, &S) -> Handled + Send + Sync>;

/// A route that is found without the router.
pub(super) struct Direct<S> {
    pub(super) listed: Listed,
    pub(super) handle: Handle<S>,
}

impl<S> fmt::Debug for Direct<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listed.fmt(f)
    }
}

/// All routes, ready to be asked. Clones are the same.
#[derive(Clone, Debug)]
pub struct Ways {
    direct: Arc<[Direct<()>]>,
    router: Router,
}

impl Ways {
    /// The ways to these routes; what is none of them is refused.
    #[must_use]
    pub fn new(routes: Routes<()>) -> Self {
        let (router, direct) = routes.into_parts();
        Self {
            direct: direct.into(),
            router: router
                .fallback(error::unknown_path)
                .method_not_allowed_fallback(error::method_not_allowed),
        }
    }

    /// Answers a request.
    pub fn answer<B>(&self, request: http::Request<B>) -> Handled
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (method, path) = (request.method().as_str(), request.uri().path());
        let is_asked = |way: &&Direct<()>| way.listed.path == path && way.listed.method == method;
        if let Some(way) = self.direct.iter().find(is_asked) {
            return (way.handle)(request.map(Body::new), &());
        }
        let mut router = self.router.clone();
        Box::pin(async move {
            match router.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}
