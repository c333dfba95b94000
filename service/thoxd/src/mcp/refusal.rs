//! What is refused before or beside rmcp: JSON-RPC errors with the HTTP status of their kind.

use crate::keys::{Farewell, farewell};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use rmcp::model::{ErrorCode, ErrorData};
use serde_json::{Value, json};
use thox_api::{ApiError, ErrorKind};

/// JSON-RPC 2.0, 5.1: the text is no JSON.
pub(super) const PARSE_ERROR: i32 = -32700;

/// An error as a reply to the request `id`; `null` where it cannot be told.
pub(super) fn respond(error: &ApiError, id: &Value) -> Response {
    respond_with(error, error.kind.row().json_rpc, id)
}

/// The same with another code than its kind's.
pub(super) fn respond_with(error: &ApiError, code: i32, id: &Value) -> Response {
    let row = error.kind.row();
    let mut response = Response::new(Body::from(message(error, code, id)));
    *response.status_mut() =
        StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // The rest of a body that nobody reads would be taken for the next request.
    if matches!(
        error.kind,
        ErrorKind::BodyTooLarge | ErrorKind::RequestTimeout
    ) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn message(error: &ApiError, code: i32, id: &Value) -> String {
    let data = json!({"code": error.kind.row().code});
    let error = json!({"code": code, "message": error.message, "data": data});
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}

/// The same as [`farewell()`] says it, for rmcp to send.
pub(super) fn data(kind: ErrorKind, message: String) -> ErrorData {
    let row = kind.row();
    let data = json!({"code": row.code});
    ErrorData::new(ErrorCode(row.json_rpc), message, Some(data))
}

/// The end of a reply whose key is revoked: the request's answer; the stream's mere end where nobody has asked anything.
pub(super) fn farewell(id: &Value) -> Farewell {
    if id.is_null() {
        return Farewell(Bytes::new());
    }
    let error = farewell::revoked();
    let message = message(&error, error.kind.row().json_rpc, id);
    Farewell(format!("data: {message}\n\n").into())
}

/// What rmcp refuses in plain words, as JSON-RPC: its clients read the body as that.
pub(super) fn reworded(status: StatusCode, id: &Value) -> Option<Response> {
    let (kind, code, message) = match status {
        StatusCode::BAD_REQUEST => (
            ErrorKind::InvalidRequest,
            -32600,
            "the request needs the header Mcp-Session-Id of an open session, or a Mcp-Protocol-Version that thoxd knows: 2025-03-26, 2025-06-18, 2025-11-25 or 2026-07-28. Begin with `initialize`.",
        ),
        StatusCode::NOT_FOUND => (
            ErrorKind::UnknownPath,
            -32001,
            "there is no such session: it has ended, or thoxd has been started anew. Begin with `initialize`.",
        ),
        StatusCode::NOT_ACCEPTABLE => (
            ErrorKind::NotAcceptable,
            -32600,
            "the header Accept has to name both application/json and text/event-stream for POST, and text/event-stream for GET.",
        ),
        // The body is known to be JSON: it is no message of MCP's.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            ErrorKind::InvalidRequest,
            -32600,
            "the body is no JSON-RPC message of MCP's: it needs \"jsonrpc\": \"2.0\" and a method, a result or an error.",
        ),
        StatusCode::INTERNAL_SERVER_ERROR => (
            ErrorKind::Internal,
            -32603,
            "thoxd made a mistake; its log says more, under the request's id.",
        ),
        _ => return None,
    };
    let mut response = respond_with(&ApiError::new(kind, message), code, id);
    // The status is the transport's own: clients go by it.
    *response.status_mut() = if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        StatusCode::BAD_REQUEST
    } else {
        status
    };
    Some(response)
}
