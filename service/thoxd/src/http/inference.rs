//! Chat, completions and embeddings: a request's body in, the gateway's reply out.

use super::{
    body::{Starting, StreamBody},
    error::{ROUTE, Refused},
    gate::no_visitor,
    routes::{Door, SharedDoor},
};
use crate::{
    gateway::{Caller, Content, Examined, Framing, Reply, Request},
    guard::body,
};
use axum::{
    body::Body,
    extract::{self, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use thox_api::{ApiError, ErrorKind};
use thox_policy::{Endpoint, Reason};

// Constants, since a name that is a literal is parsed at every use.
const BACKEND_WISH: HeaderName = HeaderName::from_static("x-thox-backend");
const QUEUE_MS: HeaderName = HeaderName::from_static("x-thox-queue-ms");
/// Room for a whole reply's headers with those that the front adds: made once, and no larger, since malloc is slow above
/// a kilobyte.
const WHOLE_HEADERS: usize = 6;
/// The same for a stream.
const STREAM_HEADERS: usize = 8;
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `POST /v1/chat/completions`
pub async fn chat(door: State<SharedDoor>, request: extract::Request) -> Result<Response, Refused> {
    answer(door, request, Endpoint::Chat).await
}

/// `POST /v1/completions`
pub async fn completions(
    door: State<SharedDoor>,
    request: extract::Request,
) -> Result<Response, Refused> {
    answer(door, request, Endpoint::Completions).await
}

/// `POST /v1/embeddings`
pub async fn embeddings(
    door: State<SharedDoor>,
    request: extract::Request,
) -> Result<Response, Refused> {
    answer(door, request, Endpoint::Embeddings).await
}

/// The request is taken apart here: axum's extractors would copy its headers.
async fn answer(
    State(door): State<SharedDoor>,
    mut request: extract::Request,
    endpoint: Endpoint,
) -> Result<Response, Refused> {
    let caller = request
        .extensions_mut()
        .remove::<Caller>()
        .ok_or_else(no_visitor)?;
    body::must_be_json(request.headers())?;
    let wish = request
        .headers()
        .get(BACKEND_WISH)
        .and_then(|wish| wish.to_str().ok())
        .map(Box::from);
    let body = read(request.into_body(), Limit::Setting, &door).await?;
    let comment_every = door.server.keep_alive_comment_every;
    let request = Request {
        endpoint,
        body,
        caller,
        wish,
        framing: Framing::EventStream { comment_every },
    };
    // Only looked at again when the reply takes long; all of it is shared, not copied.
    let again = request.clone();
    let gateway = door.gateway.clone();
    let mut call: Starting = Box::pin(async move { gateway.call(request).await });
    let soon = door.server.keep_alive_comment_after;
    match tokio::time::timeout(soon, &mut call).await {
        Ok(reply) => Ok(respond(reply?)),
        // Whatever is wrong at once has had its proper status; what takes longer is a queue or a model being loaded.
        Err(_) => match door.gateway.examine(&again) {
            Ok(Examined {
                is_stream: true,
                backend,
                reason,
            }) => {
                let stream = StreamBody::waiting(call, comment_every);
                Ok(event_stream(Body::new(stream), &backend, reason, None))
            }
            Ok(Examined {
                is_stream: false, ..
            })
            | Err(_) => Ok(respond(call.await?)),
        },
    }
}

/// How large a body may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// `server.max_body`.
    Setting,
    /// The route's own, in bytes.
    Route(usize),
}

pub(super) async fn read(body: Body, limit: Limit, door: &Door) -> Result<Bytes, ApiError> {
    let most = door.server.max_body.as_usize();
    let (limit, next) = match limit {
        Limit::Route(own) if own <= most => (own, "the most that this route takes"),
        Limit::Route(_) | Limit::Setting => (most, "Send less, or raise server.max_body"),
    };
    let patience = door.server.body_timeout;
    match tokio::time::timeout(patience, body::collect(body, limit)).await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => {
            let gap = if limit == most { "." } else { "," };
            let message = format!("the body is larger than {limit} bytes{gap} {next}.");
            Err(ApiError::new(ErrorKind::BodyTooLarge, message))
        }
        Ok(Err(error)) => Err(body::broken(&error)),
        Err(_) => Err(body::late(patience)),
    }
}

fn respond(reply: Reply) -> Response {
    let queue_ms = Some(reply.queue_ms);
    match reply.content {
        Content::Whole(json) => {
            let mut response = Response::new(Body::from(json));
            let headers = response.headers_mut();
            headers.reserve(WHOLE_HEADERS);
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            mark(headers, &reply.backend, reply.reason, queue_ms);
            response
        }
        Content::Stream(answer) => event_stream(
            Body::new(StreamBody::started(answer)),
            &reply.backend,
            reply.reason,
            queue_ms,
        ),
    }
}

fn event_stream(body: Body, backend: &str, reason: Reason, queue_ms: Option<u64>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(STREAM_HEADERS);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx in front would hold tokens back until it has a buffer full.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    mark(headers, backend, reason, queue_ms);
    response
}

fn mark(headers: &mut HeaderMap, backend: &str, reason: Reason, queue_ms: Option<u64>) {
    if let Ok(route) = HeaderValue::try_from([backend, "; reason=", reason.as_str()].concat()) {
        headers.insert(ROUTE, route);
    }
    if let Some(ms) = queue_ms {
        headers.insert(QUEUE_MS, HeaderValue::from(ms));
    }
}
