//! Requests to an engine on a connection in memory.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use thox_starter::Starter;
use tokio::time::timeout;

use crate::fixture::{F32, endless};

pub(crate) type Client = SendRequest<Full<Bytes>>;

/// Far more than anything here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn embedded() -> Arc<Starter> {
    Arc::new(Starter::embedded().unwrap())
}

pub(crate) fn endless_starter() -> Arc<Starter> {
    Arc::new(Starter::from_gguf(&endless(b'z', F32).bytes()).unwrap())
}

pub(crate) async fn connect(starter: &Arc<Starter>) -> Client {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(Arc::clone(starter).serve_connection(far));
    let (client, connection) = handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn request(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "starter")
        .body(Full::new(body.into()))
        .unwrap()
}

pub(crate) async fn send(
    starter: &Arc<Starter>,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> (StatusCode, Value) {
    let response = connect(starter)
        .await
        .send_request(request(method, path, body))
        .await
        .unwrap();
    let status = response.status();
    let body = timeout(PATIENCE, response.into_body().collect())
        .await
        .unwrap()
        .unwrap()
        .to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

pub(crate) async fn post(starter: &Arc<Starter>, path: &str, body: Value) -> (StatusCode, Value) {
    send(starter, Method::POST, path, body.to_string()).await
}

pub(crate) fn chat(text: &str) -> Value {
    json!({"model": "thox-starter", "messages": [{"role": "user", "content": text}]})
}

pub(crate) fn with(mut body: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("{fields} is no object");
    };
    body.as_object_mut().unwrap().extend(fields);
    body
}

pub(crate) async fn open_stream(
    client: &mut Client,
    path: &str,
    body: Value,
) -> Response<Incoming> {
    client
        .send_request(request(Method::POST, path, body.to_string()))
        .await
        .unwrap()
}

/// The events of a stream; the last is `[DONE]`.
pub(crate) async fn events(starter: &Arc<Starter>, path: &str, body: Value) -> Vec<String> {
    let response = open_stream(
        &mut connect(starter).await,
        path,
        with(body, json!({"stream": true})),
    )
    .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let body = timeout(PATIENCE, response.into_body().collect())
        .await
        .unwrap()
        .unwrap()
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.ends_with("\n\n"));
    text.trim_end()
        .split("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap().to_owned())
        .collect()
}

pub(crate) fn chunks(events: &[String]) -> Vec<Value> {
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last, "[DONE]");
    chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk).unwrap())
        .collect()
}
