//! Every kind of failure with its HTTP status and its names in each protocol, in one table.
//!
//! `type` and `code` follow OpenAI's error object (API reference, "Error codes"), so that its SDKs raise their own
//! exception classes; the JSON-RPC codes follow JSON-RPC 2.0, 5.1.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed or asks for something that cannot be.
    InvalidRequest,
    /// A key is needed, or the given one is wrong, expired or revoked.
    Unauthorized,
    /// The key is good, but not for this.
    InsufficientScope,
    /// Nobody from there is answered without a key.
    Forbidden,
    /// The Host header is no name or address of this device.
    ForeignHost,
    /// A web page of another origin, which is not on the list.
    ForeignOrigin,
    /// Too many requests or tokens in a minute.
    RateLimited,
    /// The claim code is wrong.
    WrongClaimCode,
    /// The device has been claimed already.
    AlreadyClaimed,
    /// There is no key of that id.
    KeyNotFound,
    /// There is no download of that id.
    DownloadNotFound,
    /// There is no engine of that name.
    EngineNotFound,
    /// There is no setting of that key.
    SettingNotFound,
    /// The registry of a model is not on the list `downloads.registries`.
    RegistryNotAllowed,
    /// A setting cannot be changed as it is: a later source has it, or only whoever is on the device may.
    SettingFixed,
    /// The settings as they stand now are not valid.
    InvalidSettings,
    /// The key was revoked or authentication changed while the reply was on its way.
    KeyRevoked,
    /// No such route.
    UnknownPath,
    /// The route exists, but not for this method.
    MethodNotAllowed,
    /// The reply would be of a type that the client does not take.
    NotAcceptable,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The route takes a WebSocket handshake and nothing else.
    UpgradeRequired,
    /// The body is larger than `server.max_body`, or than a route of administration takes.
    BodyTooLarge,
    /// The client was too slow to send its request.
    RequestTimeout,
    /// HTTP/2 on the plain port.
    HttpVersion,
    /// No engine has the model.
    ModelNotFound,
    /// The model or its engine cannot do what was asked.
    CapabilityMissing,
    /// The engine's queue is full.
    QueueFull,
    /// The engine is limited in its requests and says so itself (429).
    EngineBusy,
    /// No engine that could answer is there.
    NoEngine,
    /// The engine could not be reached, answered 5xx or broke off.
    EngineError,
    /// The engine did not answer in time.
    EngineTimeout,
    /// The service manager of the machine cannot be asked, or refuses.
    NoServiceManager,
    /// This machine is not updated by thoxd, or what updates it does not answer.
    UpdateUnavailable,
    /// An update cannot be had now: another is under way, none is offered, or it failed here before.
    UpdateRefused,
    /// The bundle is not there, not signed for this device, or for another board.
    BundleRefused,
    /// The client asked for the end of its own request.
    Cancelled,
    /// thoxd is stopping.
    ShuttingDown,
    /// A mistake of thoxd's own.
    Internal,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// HTTP status.
    pub status: u16,
    /// OpenAI's `error.type`.
    pub kind: &'static str,
    /// OpenAI's `error.code`.
    pub code: &'static str,
    /// JSON-RPC error code (MCP).
    pub json_rpc: i32,
    /// D-Bus error name below `ai.thox.Error.`.
    pub dbus: &'static str,
}

const fn row(
    status: u16,
    kind: &'static str,
    code: &'static str,
    json_rpc: i32,
    dbus: &'static str,
) -> Row {
    Row {
        status,
        kind,
        code,
        json_rpc,
        dbus,
    }
}

impl ErrorKind {
    /// The kind's line of the table.
    #[must_use]
    pub const fn row(self) -> Row {
        const CLIENT: &str = "invalid_request_error";
        const SERVER: &str = "server_error";
        match self {
            Self::InvalidRequest => row(400, CLIENT, "invalid_request", -32602, "InvalidRequest"),
            // OpenAI's own code, by which its SDKs raise AuthenticationError.
            Self::Unauthorized => row(401, CLIENT, "invalid_api_key", -32001, "Unauthorized"),
            Self::InsufficientScope => row(
                403,
                CLIENT,
                "insufficient_scope",
                -32003,
                "InsufficientScope",
            ),
            Self::Forbidden => row(403, CLIENT, "forbidden", -32003, "Forbidden"),
            Self::ForeignHost => row(403, CLIENT, "foreign_host", -32003, "ForeignHost"),
            Self::ForeignOrigin => row(403, CLIENT, "foreign_origin", -32003, "ForeignOrigin"),
            Self::RateLimited => row(
                429,
                "rate_limit_error",
                "rate_limit_exceeded",
                -32029,
                "RateLimited",
            ),
            Self::WrongClaimCode => row(403, CLIENT, "wrong_claim_code", -32003, "WrongClaimCode"),
            Self::AlreadyClaimed => row(409, CLIENT, "already_claimed", -32009, "AlreadyClaimed"),
            Self::KeyNotFound => row(404, CLIENT, "key_not_found", -32602, "KeyNotFound"),
            Self::DownloadNotFound => row(
                404,
                CLIENT,
                "download_not_found",
                -32602,
                "DownloadNotFound",
            ),
            Self::EngineNotFound => row(404, CLIENT, "engine_not_found", -32602, "EngineNotFound"),
            Self::SettingNotFound => {
                row(404, CLIENT, "setting_not_found", -32602, "SettingNotFound")
            }
            Self::RegistryNotAllowed => row(
                400,
                CLIENT,
                "registry_not_allowed",
                -32602,
                "RegistryNotAllowed",
            ),
            Self::SettingFixed => row(409, CLIENT, "setting_fixed", -32009, "SettingFixed"),
            Self::InvalidSettings => {
                row(409, CLIENT, "invalid_settings", -32009, "InvalidSettings")
            }
            Self::KeyRevoked => row(401, CLIENT, "key_revoked", -32001, "KeyRevoked"),
            Self::UnknownPath => row(404, CLIENT, "not_found", -32601, "UnknownPath"),
            Self::MethodNotAllowed => row(
                405,
                CLIENT,
                "method_not_allowed",
                -32601,
                "MethodNotAllowed",
            ),
            Self::NotAcceptable => row(406, CLIENT, "not_acceptable", -32600, "NotAcceptable"),
            Self::UnsupportedMediaType => row(
                415,
                CLIENT,
                "unsupported_media_type",
                -32600,
                "UnsupportedMediaType",
            ),
            Self::UpgradeRequired => {
                row(426, CLIENT, "upgrade_required", -32600, "UpgradeRequired")
            }
            Self::BodyTooLarge => row(413, CLIENT, "body_too_large", -32600, "BodyTooLarge"),
            Self::RequestTimeout => row(408, CLIENT, "request_timeout", -32600, "RequestTimeout"),
            Self::HttpVersion => row(
                505,
                CLIENT,
                "http_version_not_supported",
                -32600,
                "HttpVersion",
            ),
            Self::ModelNotFound => row(404, CLIENT, "model_not_found", -32602, "ModelNotFound"),
            Self::CapabilityMissing => row(
                400,
                CLIENT,
                "capability_missing",
                -32602,
                "CapabilityMissing",
            ),
            Self::QueueFull => row(503, SERVER, "queue_full", -32000, "QueueFull"),
            Self::EngineBusy => row(429, "rate_limit_error", "engine_busy", -32000, "EngineBusy"),
            Self::NoEngine => row(503, SERVER, "no_engine", -32000, "NoEngine"),
            Self::EngineError => row(502, SERVER, "engine_error", -32000, "EngineError"),
            Self::EngineTimeout => row(504, SERVER, "engine_timeout", -32000, "EngineTimeout"),
            Self::NoServiceManager => row(
                503,
                SERVER,
                "no_service_manager",
                -32000,
                "NoServiceManager",
            ),
            Self::UpdateUnavailable => row(
                503,
                SERVER,
                "update_unavailable",
                -32000,
                "UpdateUnavailable",
            ),
            Self::UpdateRefused => row(409, CLIENT, "update_refused", -32009, "UpdateRefused"),
            Self::BundleRefused => row(400, CLIENT, "bundle_refused", -32602, "BundleRefused"),
            // 499 is nginx's number for it; none is registered.
            Self::Cancelled => row(499, CLIENT, "cancelled", -32800, "Cancelled"),
            Self::ShuttingDown => row(503, SERVER, "shutting_down", -32000, "ShuttingDown"),
            Self::Internal => row(500, SERVER, "internal_error", -32603, "Internal"),
        }
    }
}

/// A failure on its way to a client: what the client may read, and apart from it what only the log gets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// The kind.
    pub kind: ErrorKind,
    /// For people: the thing, the cause, the next step.
    pub message: Cow<'static, str>,
    /// The request's field at fault, OpenAI's `error.param`.
    pub param: Option<Cow<'static, str>>,
    /// For the log alone; never a prompt, a reply or a key.
    pub cause: Option<String>,
    /// Seconds after which a retry makes sense (`Retry-After`).
    pub retry_after: Option<u32>,
}

impl ApiError {
    /// An error with its public text.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            cause: None,
            retry_after: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Adds what only the log gets.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What the client reads.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let row = self.kind.row();
        ErrorBody {
            error: ErrorObject {
                message: self.message.clone().into_owned(),
                kind: row.kind.to_owned(),
                param: self.param.clone().map(Cow::into_owned),
                code: Some(row.code.to_owned()),
            },
        }
    }

    /// [`ApiError::body`] as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(&self.body()).unwrap_or_default()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// OpenAI's error envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorObject,
}

/// OpenAI's error object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// For people.
    pub message: String,
    /// The class.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field at fault.
    pub param: Option<String>,
    /// For programs.
    pub code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_openais_four_fields_and_never_the_cause() {
        let error = ApiError::new(ErrorKind::ModelNotFound, "no")
            .param("model")
            .cause("secret");
        assert_eq!(
            error.json(),
            r#"{"error":{"message":"no","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#
        );
    }
}
