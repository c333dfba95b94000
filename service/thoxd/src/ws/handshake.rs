//! From a GET to an open socket (RFC 6455, 4.2).

use super::session::{Session, Terms};
use crate::{
    gateway::{Caller, Gateway},
    lifetime::Lifetime,
    settings::Server,
};
use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use thox_api::{ApiError, ErrorKind};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::server::create_response_with_body, protocol::Role},
};

/// What this door works with.
#[derive(Clone, Debug)]
pub struct Door {
    /// The path of a request.
    pub gateway: Gateway,
    /// Limits and times.
    pub server: Arc<Server>,
    /// Until when.
    pub lifetime: Lifetime,
}

/// `GET /v1/stream`: the handshake.
pub async fn open(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
) -> Response {
    let handshake = http::Request::from_parts(request_parts(&request), ());
    let response = match create_response_with_body(&handshake, Body::empty) {
        Ok(response) => response,
        Err(error) => return refused(&error),
    };
    let wish = request
        .headers()
        .get("x-thox-backend")
        .and_then(|wish| wish.to_str().ok())
        .map(Box::from);
    let upgrade = hyper::upgrade::on(&mut request);
    let terms = Terms {
        gateway: door.gateway,
        server: door.server,
        lifetime: door.lifetime.clone(),
        caller,
        wish,
    };
    door.lifetime.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let config = Session::config(&terms.server);
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config))
                .await;
        Session::new(socket, terms).run().await;
    });
    response
}

/// The request as tungstenite wants it: it takes one line of each header and no list for `Upgrade`, where both are lists
/// that may be spread over lines (RFC 6455, 4.2.1; RFC 9110, 5.3).
fn request_parts(request: &Request) -> http::request::Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = request.uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    for (name, token) in [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
    ] {
        if lists(&parts.headers, &name, token) {
            parts.headers.insert(name, HeaderValue::from_static(token));
        }
    }
    parts
}

fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|have| have.trim().eq_ignore_ascii_case(token))
}

fn refused(cause: &dyn std::error::Error) -> Response {
    let message = "/v1/stream is a WebSocket: open it with a WebSocket client, such as new WebSocket('ws://thox.local:8080/v1/stream'). For plain HTTP there is POST /v1/chat/completions with \"stream\": true.";
    let error = ApiError::new(ErrorKind::UpgradeRequired, message).cause(cause);
    let mut response = Response::new(Body::from(error.json()));
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    response
}
