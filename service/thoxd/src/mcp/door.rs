//! From an HTTP request to rmcp and back. The guard stands before it; Host and Origin were looked at before that.

use super::{
    body::{Answer, Coming, Reply, is_event_stream},
    handler::Handler,
    message::{self, Outline, Unreadable},
    refusal::{self, PARSE_ERROR},
    sessions::{Sessions, Visit},
};
use crate::{
    gateway::{Caller, Gateway},
    guard::body::must_be_json,
    lifetime::Lifetime,
    settings::{Mcp, Server},
};
use axum::{
    Extension,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::Full;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use std::{fmt, sync::Arc};
use thox_api::{ApiError, ErrorKind};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Who answers.
#[cfg(not(feature = "mcp-fixtures"))]
type Service = Handler;
#[cfg(feature = "mcp-fixtures")]
type Service = super::fixtures::Fixtures;

/// A session is free again when its client has had its answer.
const RETRY_SECONDS: u32 = 5;

/// What this door works with. Clones are the same door.
#[derive(Clone)]
pub struct Door {
    service: StreamableHttpService<Service, Sessions>,
    sessions: Arc<Sessions>,
    server: Arc<Server>,
    largest: usize,
    lifetime: Lifetime,
}

/// A request that rmcp does not get to see.
#[derive(Debug)]
pub struct Refused(Box<Response>);

impl From<ApiError> for Refused {
    /// Before it is known which request it is.
    fn from(error: ApiError) -> Self {
        Self(Box::new(refusal::respond(&error, &Value::Null)))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    /// A door to `gateway`.
    #[must_use]
    pub fn new(gateway: Gateway, server: Arc<Server>, mcp: &Mcp, lifetime: &Lifetime) -> Self {
        let largest = mcp.max_message.as_usize();
        let sessions = Sessions::new(mcp.clone(), lifetime);
        let handler = Handler::new(gateway, Arc::clone(&sessions));
        #[cfg(feature = "mcp-fixtures")]
        let handler = Service::new(handler);
        let config = StreamableHttpServerConfig::default()
            // Only because every connection's front has compared them with the device's names of this moment; rmcp's
            // list is fixed when it starts.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(largest)
            .with_sse_keep_alive(Some(server.keep_alive_comment_every));
        let service =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::clone(&sessions), config);
        Self {
            service,
            sessions,
            server,
            largest,
            lifetime: lifetime.clone(),
        }
    }

    /// The session that a request names, if it is the caller's; `None` inside where it names none.
    fn visit(&self, headers: &HeaderMap, caller: &Caller) -> Result<Option<Visit>, Refused> {
        let Some(id) = headers.get(SESSION) else {
            return Ok(None);
        };
        let visit = id
            .to_str()
            .ok()
            .and_then(|id| self.sessions.visit(id, caller));
        match visit {
            Some(visit) => Ok(Some(visit)),
            None => {
                let response = refusal::reworded(StatusCode::NOT_FOUND, &Value::Null);
                Err(Refused(Box::new(response.unwrap_or_default())))
            }
        }
    }

    fn ask(&self, request: http::Request<Full<Bytes>>) -> Coming {
        let service = self.service.clone();
        Box::pin(async move { service.handle(request).await })
    }
}

/// `POST /mcp`: a message; a request's reply is a document or a stream.
///
/// # Errors
/// A request that rmcp does not get to see.
pub async fn receive(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    must_be_json(&parts.headers)?;
    let body = message::read(body, door.largest, door.server.body_timeout).await?;
    let outline = match Outline::read(&body) {
        Ok(outline) => outline,
        Err(unreadable) => {
            let code = match unreadable {
                Unreadable::Batch => ErrorKind::UnsupportedMediaType.row().json_rpc,
                Unreadable::Broken { .. } => PARSE_ERROR,
            };
            let error = ApiError::new(ErrorKind::InvalidRequest, unreadable.to_string());
            let refused = refusal::respond_with(&error, code, &Value::Null);
            return Err(Refused(Box::new(refused)));
        }
    };
    let visit = door.visit(&parts.headers, &caller)?;
    let begins = visit.is_none() && outline.method.as_deref() == Some("initialize");
    let id = outline.into_id();
    let place = if begins {
        door.sessions.place().await
    } else {
        None
    };
    if begins && place.is_none() {
        let message = "all MCP sessions are in use (mcp.max_sessions). Try again when another client is done.";
        let error = ApiError::new(ErrorKind::QueueFull, message).retry_after(RETRY_SECONDS);
        return Err(Refused(Box::new(refusal::respond(&error, &id))));
    }
    let asked = door.ask(http::Request::from_parts(parts, Full::new(body)));
    // The place is the session's own once there is one.
    let mut coming: Coming = Box::pin(async move {
        let answer = asked.await;
        drop(place);
        answer
    });
    let soon = door.server.keep_alive_comment_after;
    match tokio::time::timeout(soon, &mut coming).await {
        Ok(answer) => Ok(finish(answer, &id, None, visit)),
        // Whatever is wrong at once has had its status; what takes longer is a queue or a model being loaded.
        Err(_) => {
            let every = door.server.keep_alive_comment_every;
            let mut response = Response::new(Reply::waiting(coming, every, visit));
            response.extensions_mut().insert(refusal::farewell(&id));
            let headers = response.headers_mut();
            for (name, value) in [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::CACHE_CONTROL, "no-cache"),
                (HeaderName::from_static("x-accel-buffering"), "no"),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
            Ok(response)
        }
    }
}

/// `GET /mcp`: a stream of what the device says unasked, or the rest of one that broke off.
///
/// # Errors
/// A request that rmcp does not get to see.
pub async fn listen(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refused> {
    let visit = door.visit(request.headers(), &caller)?;
    // The rest of an answer ends with the answer, for which shutdown waits.
    let is_endless = !request.headers().contains_key(LAST_EVENT);
    let lifetime = door.lifetime.clone();
    let answer = door.ask(request.map(|_| Full::default())).await;
    let stopping = is_endless
        .then(|| -> super::body::Stopping { Box::pin(async move { lifetime.stopping().await }) });
    Ok(finish(answer, &Value::Null, stopping, visit))
}

/// `DELETE /mcp`: the end of a session.
///
/// # Errors
/// A request that rmcp does not get to see.
pub async fn end(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refused> {
    let visit = door.visit(request.headers(), &caller)?;
    let answer = door.ask(request.map(|_| Full::default())).await;
    Ok(finish(answer, &Value::Null, None, visit))
}

/// An answer of rmcp's on its way out.
fn finish(
    answer: Answer,
    id: &Value,
    stopping: Option<super::body::Stopping>,
    visit: Option<Visit>,
) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !answer.status().is_success()
        && !is_json
        && let Some(response) = refusal::reworded(answer.status(), id)
    {
        return response;
    }
    let stopping = stopping.filter(|_| is_event_stream(&answer));
    let mut response = answer.map(|body| Reply::begun(body, stopping, visit));
    response.extensions_mut().insert(refusal::farewell(id));
    response
}
