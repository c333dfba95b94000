//! What a request is refused with: OpenAI's error object and its status.

use http::{Method, Response, StatusCode};
use serde_json::json;

use super::MODEL_ID;
use super::body::Body;
use crate::error::Error;
use crate::run::RunError;

/// How to get a model that can do what the starter cannot.
const REAL_MODEL: &str = "ollama pull qwen2.5-coder:7b";

/// A refusal.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
}

impl Failure {
    /// A request that is wrong in itself.
    pub(super) fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            param,
            message,
        }
    }

    /// A request for what only a real model can do, `command` being how to get one.
    pub(super) fn unable(param: &'static str, what: &str, command: &str) -> Self {
        let message = format!(
            "the starter model cannot {what}: get a real model for that. Install Ollama from https://ollama.com and run \
             `{command}`; on a Thox device run `thox models pull NAME`."
        );
        Self {
            code: Some("unsupported_by_starter"),
            ..Self::invalid(Some(param), message)
        }
    }

    /// The same, for what a real chat model can do.
    pub(super) fn needs_real_model(param: &'static str, what: &str) -> Self {
        Self::unable(param, what, REAL_MODEL)
    }

    pub(super) fn not_found(method: &Method, path: &str) -> Self {
        let message = format!(
            "there is no {method} {path} here: see /v1/chat/completions, /v1/completions, /v1/models and /health"
        );
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("unknown_url"),
            ..Self::invalid(None, message)
        }
    }

    pub(super) fn method(method: &Method, path: &str) -> Self {
        let message = format!("{path} does not answer to {method}");
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: Some("method_not_allowed"),
            ..Self::invalid(None, message)
        }
    }

    pub(super) fn model(name: &str) -> Self {
        let message =
            format!("the model `{name}` is not here: the starter engine serves only `{MODEL_ID}`");
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("model_not_found"),
            ..Self::invalid(Some("model"), message)
        }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!(
            "the request's body is larger than {limit} bytes: shorten it, or use a real model"
        );
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: Some("request_too_large"),
            ..Self::invalid(None, message)
        }
    }

    /// A fault of the engine itself.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "server_error",
            code: Some("starter_failed"),
            param: None,
            message: message.into(),
        }
    }

    /// The error object, as it also stands in an event of a stream.
    pub(super) fn object(&self) -> serde_json::Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }

    pub(super) fn response(&self) -> Response<Body> {
        Body::json(self.status, &self.object())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::PromptTooLong { .. } => Self {
                code: Some("context_length_exceeded"),
                ..Self::invalid(Some("messages"), error.to_string())
            },
            RunError::EmptyPrompt => Self::invalid(Some("prompt"), error.to_string()),
            // A cancelled request has nobody left who would read this.
            RunError::Cancelled | RunError::UnknownToken(_) | RunError::NotANumber => {
                Self::internal(error.to_string())
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Run(error) => error.into(),
            Error::Chat(_) => Self::invalid(Some("messages"), error.to_string()),
            Error::Gguf(_) | Error::Model(_) | Error::Tokenizer(_) => {
                Self::internal(error.to_string())
            }
        }
    }
}
