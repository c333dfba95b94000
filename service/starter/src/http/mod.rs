//! The engine behind HTTP: routes and nothing else; what they mean stands in the other modules.

mod ask;
mod body;
mod failure;
mod generate;
mod wire;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::model::Model;
use body::Body;
use failure::Failure;

/// The name of the one model that the engine serves.
pub const MODEL_ID: &str = "thox-starter";

/// Answers that are computed at once; others wait. Each takes a core, and nobody needs the starter in a hurry.
const AT_ONCE: usize = 2;

/// The largest request body in bytes. The longest prompt that fits the model is a few thousand characters.
const BODY_LIMIT: usize = 1 << 20;

/// The starter engine: a model that answers HTTP requests on connections which its owner brings.
#[derive(Debug)]
pub struct Starter {
    model: Arc<Model>,
    slots: Arc<Semaphore>,
    created: u64,
}

impl Starter {
    /// The engine with the model that the crate brings along.
    ///
    /// # Errors
    /// None with an untouched build.
    pub fn embedded() -> Result<Self, Error> {
        Self::from_gguf(crate::embedded_gguf())
    }

    /// The engine with the model of a GGUF file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn from_gguf(file: &[u8]) -> Result<Self, Error> {
        let model = Arc::new(Model::parse(file)?);
        Ok(Self {
            model,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            created: now(),
        })
    }

    /// The model that it serves.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Serves HTTP/1.1 on a connection until the peer closes it. When the peer goes, its requests' computations stop.
    pub async fn serve_connection<I>(self: Arc<Self>, io: I)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(move |request| {
            let starter = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(starter.route(request).await) }
        });
        // An error here is a peer that went away or spoke no HTTP: nobody is left to tell.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .await;
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (path, method) = (path.as_str(), request.method());
        let reply = match (path, method) {
            ("/health", &Method::GET) => Ok(Body::json(StatusCode::OK, &json!({}))),
            ("/v1/models", &Method::GET) => Ok(Body::json(
                StatusCode::OK,
                &json!({"object": "list", "data": [self.item()]}),
            )),
            ("/v1/models/thox-starter", &Method::GET) => {
                Ok(Body::json(StatusCode::OK, &self.item()))
            }
            ("/v1/chat/completions", &Method::POST) => self.chat(request).await,
            ("/v1/completions", &Method::POST) => self.completion(request).await,
            ("/v1/embeddings", &Method::POST) => Err(Failure::unable(
                "input",
                "make embeddings",
                "ollama pull nomic-embed-text",
            )),
            (
                "/health"
                | "/v1/models"
                | "/v1/models/thox-starter"
                | "/v1/chat/completions"
                | "/v1/completions"
                | "/v1/embeddings",
                _,
            ) => Err(Failure::method(method, path)),
            _ => Err(Failure::not_found(method, path)),
        };
        reply.unwrap_or_else(|failure| failure.response())
    }

    /// The model as an item of `/v1/models`.
    fn item(&self) -> Value {
        json!({
            "id": MODEL_ID,
            "object": "model",
            "created": self.created,
            "owned_by": "thox",
            "meta": {
                "n_params": self.model.parameters(),
                "n_ctx_train": self.model.context_length(),
                "size": self.model.file_bytes(),
            },
        })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// Reads a request's body whole, as far as the limit goes.
async fn read_body(request: Request<Incoming>) -> Result<Bytes, Failure> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    let body = Limited::new(request.into_body(), BODY_LIMIT)
        .collect()
        .await;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::too_large(BODY_LIMIT)),
        Err(_) => Err(Failure::invalid(None, "the request's body broke off")),
    }
}
