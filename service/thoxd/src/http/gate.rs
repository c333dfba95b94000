//! Each route with what it is for. There is no other way to a route than through here: one that has no plane does not
//! exist, and the list of all of them is what the tests go by.

use super::{
    error::Refused,
    ways::{Direct, Handle},
};
use crate::{
    gateway::Caller,
    guard::{Arrival, Guard, Pass, Visitor, audit::Line, visitor::span},
};
use axum::{
    Router,
    extract::Request,
    handler::Handler,
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, on},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use thox_api::{ApiError, ErrorKind};
use thox_policy::{access::Plane, limits::Standing};

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is for.
    pub plane: Plane,
    /// Its method.
    pub method: &'static str,
    /// Its path, as the router has it.
    pub path: &'static str,
}

/// Routes, each with its plane.
#[derive(Debug)]
pub struct Routes<S> {
    guard: Arc<Guard>,
    router: Router<S>,
    direct: Vec<Direct<S>>,
    list: Vec<Listed>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    #[must_use]
    pub fn new(guard: Arc<Guard>) -> Self {
        Self {
            guard,
            router: Router::new(),
            direct: Vec::new(),
            list: Vec::new(),
        }
    }

    /// One more.
    #[must_use]
    pub fn route<H, T>(
        mut self,
        plane: Plane,
        method: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let gated = self.gated(plane, method, path, handler);
        self.list.push(gated.listed);
        self.router = self.router.route(path, on(method, gated));
        self
    }

    /// One more, at a path without parameters, that is also found without the router: [`super::Ways`].
    #[must_use]
    pub fn direct<H, T>(
        mut self,
        plane: Plane,
        method: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let gated = self.gated(plane, method, path, handler.clone());
        self.direct.push(Direct {
            listed: gated.listed,
            handle: Arc::new(move |request, state| {
                Box::pin(gated.clone().call(request, S::clone(state)))
            }),
        });
        self.route(plane, method, path, handler)
    }

    fn gated<H>(
        &self,
        plane: Plane,
        method: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Gated<H> {
        let listed = Listed {
            plane,
            method: name(method),
            path,
        };
        Gated {
            guard: Arc::clone(&self.guard),
            listed,
            handler,
        }
    }

    /// All routes.
    #[must_use]
    pub fn list(&self) -> &[Listed] {
        &self.list
    }

    /// The router, and what is found without it.
    pub(super) fn into_parts(self) -> (Router<S>, Vec<Direct<S>>) {
        (self.router, self.direct)
    }

    /// These and others.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.direct.extend(others.direct);
        self.list.extend(others.list);
        self
    }

    /// Gives the handlers their state.
    #[must_use]
    pub fn with_state<T>(self, state: S) -> Routes<T> {
        let direct = self.direct.into_iter().map(|Direct { listed, handle }| {
            let state = state.clone();
            Direct {
                listed,
                handle: Arc::new(move |request, _: &T| handle(request, &state)) as Handle<T>,
            }
        });
        Routes {
            guard: self.guard,
            direct: direct.collect(),
            router: self.router.with_state(state),
            list: self.list,
        }
    }
}

fn name(method: MethodFilter) -> &'static str {
    const NAMES: [(MethodFilter, &str); 5] = [
        (MethodFilter::GET, "GET"),
        (MethodFilter::POST, "POST"),
        (MethodFilter::PUT, "PUT"),
        (MethodFilter::PATCH, "PATCH"),
        (MethodFilter::DELETE, "DELETE"),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == method)
        .map_or("", |(_, name)| name)
}

/// A handler, and what stands in front of it.
#[derive(Clone)]
struct Gated<H> {
    guard: Arc<Guard>,
    listed: Listed,
    handler: H,
}

impl<H, T, S> Handler<T, S> for Gated<H>
where
    H: Handler<T, S>,
    T: 'static,
{
    type Future = Passing<H::Future>;

    fn call(self, mut request: Request, state: S) -> Passing<H::Future> {
        let Self {
            guard,
            listed,
            handler,
        } = self;
        let extensions = request.extensions_mut();
        // Without a visitor nobody has asked who comes: that is no way in.
        let Some(arrival) = extensions.remove::<Arrival>() else {
            return Passing::refused(no_visitor().into_response(), None);
        };
        let visitor = arrival.visitor;
        let line = guard.audit.is_on().then(|| Entry {
            guard: Arc::clone(&guard),
            listed,
            method: request.method().clone(),
            visitor,
            request_id: Arc::clone(&arrival.request_id),
        });
        match guard.admit(listed.plane, &visitor, request.headers()) {
            Ok(pass) => {
                let caller = Caller::new(arrival, pass.allowance.clone());
                request.extensions_mut().insert(caller);
                Passing {
                    way: Way::Inner {
                        future: handler.call(request, state),
                    },
                    plane: listed.plane,
                    pass: Some(pass),
                    line,
                }
            }
            Err(error) => Passing::refused(Refused(error).into_response(), line),
        }
    }
}

/// A request that came another way than through the front and this gate: a mistake of ours.
pub(super) fn no_visitor() -> Refused {
    let message = "thoxd made a mistake; its log says more, under the request's id.";
    Refused(ApiError::new(ErrorKind::Internal, message).cause("a request without an arrival"))
}

/// What the audit log will say.
struct Entry {
    guard: Arc<Guard>,
    listed: Listed,
    method: Method,
    visitor: Visitor,
    request_id: Arc<str>,
}

/// In place of a status where the client has gone before there was one: what it asked for may be done all the same.
const CLIENT_GONE: u16 = ErrorKind::Cancelled.row().status;

impl Entry {
    /// `key` is the key's first characters.
    fn write(&self, key: Option<&str>, status: u16) {
        self.guard.audit.write(&Line {
            route: self.listed.path,
            method: self.method.as_str(),
            client: self.visitor.address,
            key,
            user: None,
            status,
            request_id: &self.request_id,
        });
    }
}

pin_project! {
    /// A request on its way through a gate.
    pub struct Passing<F> {
        #[pin]
        way: Way<F>,
        plane: Plane,
        pass: Option<Pass>,
        line: Option<Entry>,
    }

    impl<F> PinnedDrop for Passing<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(entry) = this.line.take() {
                let key = this.pass.as_ref().and_then(|pass| pass.allowance.key());
                entry.write(key.map(|key| &*key.prefix), CLIENT_GONE);
            }
        }
    }
}

pin_project! {
    #[project = WayProjection]
    enum Way<F> {
        Inner { #[pin] future: F },
        Refused { response: Option<Response> },
    }
}

impl<F> Passing<F> {
    fn refused(response: Response, line: Option<Entry>) -> Self {
        Self {
            way: Way::Refused {
                response: Some(response),
            },
            plane: Plane::Public,
            pass: None,
            line,
        }
    }
}

impl<F: Future<Output = Response>> Future for Passing<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.way.project() {
            WayProjection::Inner { future } => ready!(future.poll(cx)),
            WayProjection::Refused { response } => response.take().unwrap_or_default(),
        };
        let mut key = None;
        if let Some(pass) = this.pass.take() {
            tell(response.headers_mut(), "requests", pass.requests);
            tell(response.headers_mut(), "tokens", pass.tokens);
            key = pass.allowance.key().cloned();
            // Whoever sends the reply watches over it. Changes of the device are short, and one that revokes or rotates
            // its own key has to tell of it.
            if let (Some(key), Plane::Inference) = (&key, *this.plane) {
                response.extensions_mut().insert(Arc::clone(key));
            }
        }
        if let Some(entry) = this.line.take() {
            let prefix = key.as_ref().map(|key| &*key.prefix);
            entry.write(prefix, response.status().as_u16());
        }
        Poll::Ready(response)
    }
}

/// OpenAI's rate-limit headers.
fn tell(headers: &mut HeaderMap, what: &str, standing: Option<Standing>) {
    let Some(standing) = standing else { return };
    let values = [
        ("limit", HeaderValue::from(standing.limit)),
        ("remaining", HeaderValue::from(standing.remaining)),
        (
            "reset",
            HeaderValue::try_from(span(standing.reset_after)).unwrap_or(HeaderValue::from(0)),
        ),
    ];
    for (word, value) in values {
        if let Ok(name) = HeaderName::try_from(format!("x-ratelimit-{word}-{what}")) {
            headers.insert(name, value);
        }
    }
}
