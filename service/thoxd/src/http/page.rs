//! What browsers are told: which pages may read a reply (Fetch, 3.2), and what a reply may not be used for.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use thox_policy::browser::Asker;

/// The answer to a page's question whether it may ask; nothing where the request is none.
pub fn preflight<B>(request: &Request<B>, asker: Asker) -> Option<Response> {
    let headers = request.headers();
    let method = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if request.method() != Method::OPTIONS || asker != Asker::ListedPage {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let told = response.headers_mut();
    told.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
    // SDKs send headers of their own; a page that may ask may send them.
    if let Some(names) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        told.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    told.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    Some(response)
}

/// Adds what a listed page needs to read the reply; `origin` is the request's.
pub fn share(told: &mut HeaderMap, origin: Option<&HeaderValue>, asker: Asker) {
    let (Asker::ListedPage, Some(origin)) = (asker, origin) else {
        return;
    };
    told.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    told.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("*"),
    );
    told.append(header::VARY, HeaderValue::from_static("origin"));
}

/// Adds what keeps a browser from taking JSON for a page, or from showing it in another's frame. A page of thoxd's own
/// says itself what it may do.
pub fn protect(told: &mut HeaderMap) {
    told.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    told.entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; connect-src 'self'; frame-ancestors 'none'",
        ));
}
