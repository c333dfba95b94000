//! One question to a model on behalf of a tool: through the gateway as any other door's, with progress while tokens come.
//!
//! Whatever ends the call drops the reply, and that stops the engine.

use super::{progress::Progress, reader::Reader, size};
use crate::{
    gateway::{Answer, Caller, Content, Framing, Gateway, Reply, Request},
    keys::farewell,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::future::poll_fn;
use thox_api::{ApiError, ErrorKind};
use thox_policy::Endpoint;
use tokio_util::sync::CancellationToken;

/// Who asks, and until when.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub gateway: Gateway,
    pub caller: Caller,
    /// `x-thox-backend`
    pub wish: Option<Box<str>>,
    /// The client has cancelled, or has gone.
    pub cancelled: CancellationToken,
    /// The client of a session has been away for too long.
    pub absent: CancellationToken,
}

/// What a model is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub endpoint: Endpoint,
    /// The request but for what makes it a stream.
    pub body: Value,
    /// The answer is over after so many lines, whatever the model would add.
    pub most_lines: Option<usize>,
    /// The model as it was named.
    pub model: String,
    /// About how long the prompt is, in tokens.
    pub input: u64,
    /// How long it can be at most.
    pub most: u64,
    /// How long the answer may be.
    pub max_tokens: u64,
}

/// What comes of a question.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// An answer.
    Said(Said),
    /// None: the engine runs the model with a context that is too short for it, and was stopped.
    Shorter(u64),
}

/// What it said.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub text: String,
    /// Whether it was cut off by the limit of tokens.
    pub is_truncated: bool,
    pub model: String,
    pub backend: String,
    /// How long the prompt was by the engine's count.
    pub prompt_tokens: Option<u64>,
    /// The same of the answer, where it was heard to its end.
    pub tokens: Option<u64>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Missing {
    /// Nobody waits for it any more.
    Cancelled,
    /// Something went wrong; the text is for whoever called the tool.
    Failed { kind: ErrorKind, message: String },
}

impl From<ApiError> for Missing {
    fn from(error: ApiError) -> Self {
        Self::Failed {
            kind: error.kind,
            message: error.message.into_owned(),
        }
    }
}

impl Asker {
    /// Asks.
    pub(super) async fn ask(
        &self,
        question: &Question,
        progress: &mut Progress,
    ) -> Result<Heard, Missing> {
        let request = self.request(question);
        let asking = async {
            progress.waiting().await;
            let Reply { content, .. } = self.gateway.call(request).await?;
            // It was asked as a stream.
            let Content::Stream(answer) = content else {
                return Err(strange("a whole reply"));
            };
            let world = self.gateway.worlds().current();
            let reader = Reader::of(answer.engine(), &question.model, &world).await;
            let context = reader.as_ref().and_then(|reader| reader.context);
            if let Some(context) = context
                && !size::has_room(context, question.input, question.max_tokens)
            {
                return Ok(Heard::Shorter(context));
            }
            let said = hear(answer, question.most_lines, progress).await?;
            if let Some(reader) = reader {
                reader.must_have_read(question, &said, &self.caller).await?;
            }
            Ok(Heard::Said(said))
        };
        let revoked = async {
            match self.caller.allowance.key() {
                Some(key) => key.revoked().cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Missing::Cancelled),
            () = revoked => Err(farewell::revoked().into()),
            () = self.absent.cancelled() => {
                let message = "the client was away for longer than mcp.resume_within, so the engine was stopped. Call the tool again.";
                Err(ApiError::new(ErrorKind::Cancelled, message).into())
            }
            said = asking => said,
        }
    }

    /// Whether some engine can answer this, as far as is known before it is asked.
    pub(super) fn can(&self, question: &Question) -> bool {
        self.gateway.examine(&self.request(question)).is_ok()
    }

    fn request(&self, question: &Question) -> Request {
        let mut body = question.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("stream".to_owned(), json!(true));
            fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        Request {
            endpoint: question.endpoint,
            body: Bytes::from(body.to_string()),
            caller: self.caller.clone(),
            wish: self.wish.clone(),
            framing: Framing::Messages { request_id: None },
        }
    }
}

/// What is used of a message of the reply.
#[derive(Deserialize)]
struct Piece {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    backend: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Told>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

/// An error in mid-stream.
#[derive(Deserialize)]
struct Told {
    message: String,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

async fn hear(
    mut answer: Box<Answer>,
    most_lines: Option<usize>,
    progress: &mut Progress,
) -> Result<Said, Missing> {
    let mut said = Said::default();
    let mut pieces = 0;
    let mut written = None;
    while let Some(bytes) = poll_fn(|cx| answer.poll_next(cx)).await {
        let piece: Piece = serde_json::from_slice(&bytes).map_err(|error| {
            // Where, not what: the text is the model's.
            strange(format_args!("column {} of a message", error.column()))
        })?;
        if let Some(error) = piece.error {
            return Err(Missing::Failed {
                kind: ErrorKind::EngineError,
                message: error.message,
            });
        }
        let is_done = piece.kind.as_deref() == Some("done");
        let mut finish_reason = piece.finish_reason;
        said.model = piece.model.unwrap_or(said.model);
        said.backend = piece.backend.unwrap_or(said.backend);
        if let Some(usage) = piece.usage {
            said.prompt_tokens = usage.prompt_tokens.or(said.prompt_tokens);
            written = usage.completion_tokens.or(written);
        }
        for choice in piece.choices {
            let delta = choice.delta.and_then(|delta| delta.content);
            if let Some(text) = delta.or(choice.text) {
                said.text.push_str(&text);
            }
            finish_reason = finish_reason.or(choice.finish_reason);
        }
        said.is_truncated |= finish_reason.as_deref() == Some("length");
        if is_done {
            said.tokens = written;
            return Ok(said);
        }
        pieces += 1;
        progress.tokens(pieces, &said.model).await;
        let has_enough = |most| said.text.matches('\n').count() >= most;
        if most_lines.is_some_and(has_enough) {
            return Ok(said);
        }
    }
    Err(strange("no last message"))
}

fn strange(what: impl std::fmt::Display) -> Missing {
    let message = "thoxd made a mistake; its log says more, under the request's id.";
    tracing::error!("a reply to a tool cannot be read: {what}");
    ApiError::new(ErrorKind::Internal, message).into()
}
