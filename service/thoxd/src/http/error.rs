//! Errors as replies, in OpenAI's shape.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use thox_api::{ApiError, ErrorKind};

/// Backend and reason; a constant, since a name that is a literal is parsed at every use.
pub(super) const ROUTE: HeaderName = HeaderName::from_static("x-thox-route");

/// An error on its way out.
#[derive(Debug)]
pub struct Refused(pub ApiError);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0.json()));
        *response.status_mut() = StatusCode::from_u16(self.0.kind.row().status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        // Every reply says which way it went; this one went none.
        let code = self.0.kind.row().code;
        if let Ok(route) = HeaderValue::try_from(["none; reason=", code].concat()) {
            headers.insert(ROUTE, route);
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The rest of a body that nobody reads would be taken for the next request.
        if matches!(
            self.0.kind,
            ErrorKind::BodyTooLarge | ErrorKind::RequestTimeout
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The answer to a path that is none.
pub async fn unknown_path(method: Method, uri: Uri) -> Refused {
    let message = format!(
        "there is no {method} {}. The API's base is /v1, such as POST /v1/chat/completions; GET /openapi.json lists all of it.",
        uri.path()
    );
    ApiError::new(ErrorKind::UnknownPath, message).into()
}

/// The answer to a path's wrong method; `Allow` is set by the router.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Refused {
    let message = format!(
        "{} does not take {method}: see the header Allow for what it takes.",
        uri.path()
    );
    ApiError::new(ErrorKind::MethodNotAllowed, message).into()
}
