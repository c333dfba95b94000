//! The path itself: route, admit, call, answer; another engine only before the first byte and only where it helps.

use super::{
    answer::{Answer, Framing, Terms},
    peek::{Peek, peek},
    record::{Ledger, Record},
    reply::{Content, Reply},
};
use crate::{
    engine::{
        Adapter, Engine, Failure, ReplyStream, Trouble,
        adapter::{EndMark, Variant, adapter},
        chunk::{self, Edits, Front},
        refusal,
        request::Changes,
        slots::Client,
        spliced::Spliced,
    },
    guard::{Allowance, Arrival},
    observe::EngineMetrics,
    world::{Snapshot, Worlds, refusal::to_api},
};
use bytes::{Bytes, BytesMut};
use http::{Method, Response, StatusCode};
use std::{sync::Arc, time::Instant};
use thox_api::{ApiError, Class, ErrorKind};
use thox_policy::{
    Ask, Endpoint, EngineKind, Reason,
    admit::Urgency,
    circuit::{Change, Outcome},
    route,
    route::Candidate,
};

/// What the path works with. Clones are the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What answers on their way need too.
#[derive(Debug)]
pub struct Shared {
    /// The snapshots.
    pub worlds: Arc<Worlds>,
    /// Where records go.
    pub ledger: Arc<Ledger>,
    metrics: Vec<Arc<EngineMetrics>>,
}

/// Who asks: what every door finds out about a connection and a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `x-request-id`, the client's or one of ours.
    pub request_id: Arc<str>,
    /// For fairness.
    pub client: Client,
    /// What is charged with the tokens.
    pub allowance: Allowance,
}

impl Caller {
    /// Who brings a request that may pass.
    #[must_use]
    pub fn new(arrival: Arrival, allowance: Allowance) -> Self {
        Self {
            client: allowance.client(&arrival.visitor),
            request_id: arrival.request_id,
            allowance,
        }
    }
}

/// A request as a door hands it over.
#[derive(Clone, Debug)]
pub struct Request {
    /// The job.
    pub endpoint: Endpoint,
    /// The client's JSON.
    pub body: Bytes,
    /// Who asks.
    pub caller: Caller,
    /// `x-thox-backend`.
    pub wish: Option<Box<str>>,
    /// How a stream is written; a WebSocket's request is always one.
    pub framing: Framing,
}

/// Fields of the WebSocket's own that no engine knows.
const SOCKET_FIELDS: &[&str] = &["request_id", "type"];

impl Gateway {
    /// A gateway to the engines of `worlds`.
    #[must_use]
    pub fn new(worlds: Arc<Worlds>, ledger: Arc<Ledger>) -> Self {
        let metrics = worlds
            .current()
            .fleet
            .iter()
            .map(|engine| ledger.metrics.engine(&engine.name))
            .collect();
        Self {
            shared: Arc::new(Shared {
                worlds,
                ledger,
                metrics,
            }),
        }
    }

    /// The snapshots.
    #[must_use]
    pub fn worlds(&self) -> &Arc<Worlds> {
        &self.shared.worlds
    }

    /// Where records go.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// What a door has to know of a request whose reply takes long: whether a stream may begin with silence.
    ///
    /// # Errors
    /// What is wrong with the request, or why nobody can answer it.
    pub fn examine(&self, request: &Request) -> Result<Examined, ApiError> {
        let world = self.shared.worlds.current();
        let peek = peek(&request.body, request.endpoint)?;
        let decision = self.shared.decide(&peek, request, &world)?;
        let Some(first) = decision.first() else {
            return Err(super::answer::internal("an empty decision"));
        };
        let engine = world.fleet.get(first.placement.engine);
        Ok(Examined {
            is_stream: peek.stream,
            backend: engine
                .map(|engine| Arc::clone(&engine.backend))
                .unwrap_or_default(),
            reason: first.reason,
        })
    }

    /// Answers a request. Dropping the future, or the reply that it gives, ends the engine's work at once.
    ///
    /// # Errors
    /// Before the first byte of a reply: what is wrong with the request, or what went wrong with each engine.
    pub async fn call(&self, request: Request) -> Result<Reply, ApiError> {
        let Request {
            endpoint, ref body, ..
        } = request;
        let world = self.shared.worlds.current();
        let peek = match peek(body, endpoint) {
            Ok(peek) => peek,
            Err(error) => {
                Record::new(&self.shared.ledger, &request.caller, "".into(), endpoint)
                    .failed(&error);
                return Err(error);
            }
        };
        // The public name as the catalog has it; one that nobody knows gets no label of its own in the metrics.
        let model: Arc<str> = match world.routing.models.get(&*peek.model) {
            Some(known) => Arc::clone(&known.id),
            None => Arc::from(""),
        };
        let mut record = Record::new(
            &self.shared.ledger,
            &request.caller,
            Arc::clone(&model),
            endpoint,
        );
        let candidates = match self.shared.decide(&peek, &request, &world) {
            Ok(candidates) => candidates,
            Err(error) => {
                record.failed(&error);
                return Err(error);
            }
        };
        let mut last = None;
        for candidate in candidates {
            let Some(engine) = world.fleet.get(candidate.placement.engine) else {
                continue;
            };
            let attempt = Attempt {
                shared: &self.shared,
                world: &world,
                request: &request,
                peek: &peek,
                model: &model,
                engine,
                candidate,
            };
            match attempt.run(record).await {
                Ok(reply) => return Ok(reply),
                Err(Missed {
                    error,
                    record: kept,
                    is_retryable,
                }) => {
                    record = kept;
                    if !is_retryable {
                        record.failed(&error);
                        return Err(error);
                    }
                    tracing::debug!(engine = %engine.name, cause = error.cause.as_deref().unwrap_or(""), "an engine was passed over");
                    last = Some(error);
                }
            }
        }
        let error = last.unwrap_or_else(|| super::answer::internal("no candidate was tried"));
        record.failed(&error);
        Err(error)
    }
}

/// What is known of a request before an engine is asked.
#[derive(Debug)]
pub struct Examined {
    /// Whether the reply will be a stream.
    pub is_stream: bool,
    /// The backend that will be asked first.
    pub backend: Arc<str>,
    /// Why.
    pub reason: Reason,
}

impl Shared {
    fn decide<'w>(
        &self,
        peek: &Peek<'_>,
        request: &Request,
        world: &'w Snapshot,
    ) -> Result<Vec<Candidate<'w>>, ApiError> {
        let ask = Ask {
            model: &peek.model,
            endpoint: request.endpoint,
            needs: peek.needs,
            wish: request.wish.as_deref(),
        };
        let decision = route(&ask, &world.routing).map_err(|refused| {
            let error = to_api(&refused, &ask, &world.routing);
            if error.kind == ErrorKind::ModelNotFound {
                self.worlds.look_again();
            }
            error
        })?;
        let mut candidates = decision.candidates;
        // A model that stands in, or the starter, is an answer when nothing else is there, not when something stumbles.
        let is_starter = |candidate: &Candidate<'_>| {
            world
                .fleet
                .get(candidate.placement.engine)
                .is_some_and(|engine| engine.kind == EngineKind::Starter)
        };
        if let Some(first) = candidates.first().copied() {
            candidates.retain(|candidate| {
                candidate.placement.engine == first.placement.engine
                    || (candidate.placement.is_substitute == first.placement.is_substitute
                        && !is_starter(candidate))
            });
        }
        Ok(candidates)
    }

    /// Takes an answer of a living engine into its circuit, also one that is the client's fault.
    fn answered(&self, engine: &Engine) {
        engine.report(Outcome::Answered);
    }

    /// Takes a failure into the engine's circuit and publishes what changed.
    pub(super) fn failed(&self, engine: &Engine, outcome: Outcome, cause: &dyn std::fmt::Display) {
        if outcome == Outcome::Failed {
            engine.failed_because(cause);
        }
        if engine.report(outcome) == Change::Opened {
            let failures = engine.patience().failures;
            tracing::warn!(engine = %engine.name, failures, %cause, "too many failures in a row: the engine is left alone for a while");
            self.worlds.publish();
        }
    }
}

/// One engine's try.
struct Attempt<'a> {
    shared: &'a Arc<Shared>,
    world: &'a Snapshot,
    request: &'a Request,
    peek: &'a Peek<'a>,
    model: &'a Arc<str>,
    engine: &'a Arc<Engine>,
    candidate: Candidate<'a>,
}

/// A try that gave no reply.
struct Missed {
    error: ApiError,
    record: Record,
    is_retryable: bool,
}

impl Attempt<'_> {
    async fn run(&self, mut record: Record) -> Result<Reply, Missed> {
        let engine = self.engine;
        let asked = Instant::now();
        let caller = &self.request.caller;
        let urgency = match caller.allowance.class() {
            Class::Interactive => Urgency::Interactive,
            Class::Batch => Urgency::Batch,
        };
        let Ok(permit) = engine.slots.admit(caller.client, urgency).await else {
            let message = format!(
                "the queue of engine `{}` is full. Try again in a moment.",
                engine.name
            );
            let error =
                ApiError::new(ErrorKind::QueueFull, message).retry_after(QUEUE_RETRY_SECONDS);
            return Err(Missed {
                error,
                record,
                is_retryable: true,
            });
        };
        let queued = asked.elapsed();
        if let Some(metrics) = self.shared.metrics.get(self.candidate.placement.engine) {
            metrics.queued(queued.as_secs_f64());
            record.is_at(Arc::clone(metrics), self.candidate.reason, permit);
        }
        let adapter = self.adapter();
        let is_socket = matches!(self.request.framing, Framing::Messages { .. });
        let is_stream = self.peek.stream || is_socket;
        let changes = Changes {
            endpoint: self.request.endpoint,
            model: &self.candidate.placement.model,
            stream: is_stream,
            own: if is_socket { SOCKET_FIELDS } else { &[] },
        };
        let body = self
            .peek
            .fields
            .for_engine(&self.request.body, adapter, &changes);
        let reply = match self.send(body).await {
            Ok(reply) => reply,
            Err(failure) => return Err(self.missed(&failure, record)),
        };
        let status = reply.status();
        if !status.is_success() {
            return Err(self.refused(status, reply.into_body(), record).await);
        }
        let edits = self.edits(adapter, is_stream, is_socket);
        let content = if is_stream {
            let terms = Terms {
                edits,
                end: adapter.end,
                endpoint: self.request.endpoint,
                framing: self.request.framing.clone(),
                model: Arc::clone(self.model),
                engine: Arc::clone(engine),
                shared: Arc::clone(self.shared),
                record,
            };
            match Answer::new(reply.into_body(), terms).begun().await {
                Ok(answer) => Content::Stream(answer),
                Err((error, mut record)) => {
                    record.left();
                    return Err(Missed {
                        error,
                        record,
                        is_retryable: true,
                    });
                }
            }
        } else {
            match self.whole(reply.into_body(), &edits, &mut record).await {
                Ok(bytes) => Content::Whole(bytes),
                Err(failure) => return Err(self.missed(&failure, record)),
            }
        };
        self.shared.answered(engine);
        Ok(Reply {
            backend: Arc::clone(&engine.backend),
            reason: self.candidate.reason,
            queue_ms: queued.as_millis().try_into().unwrap_or(u64::MAX),
            content,
        })
    }

    fn adapter(&self) -> &'static Adapter {
        let seen = self.world.reports.get(self.candidate.placement.engine);
        let variant = seen.map_or(Variant::default(), |sighting| sighting.report.variant);
        adapter(self.engine.kind, variant)
    }

    async fn send(&self, body: Spliced) -> Result<Response<ReplyStream>, Failure> {
        let limit = self.engine.first_byte_timeout;
        let sending = self
            .engine
            .pool
            .send(Method::POST, self.request.endpoint.path(), body);
        match tokio::time::timeout(limit, sending).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new(
                Trouble::Silent,
                format_args!("no reply within {limit:?}"),
            )),
        }
    }

    fn edits(&self, adapter: &Adapter, is_stream: bool, is_socket: bool) -> Edits {
        let id = &self.request.caller.request_id;
        let id = match self.request.endpoint {
            Endpoint::Chat => Some(["chatcmpl-", id].concat()),
            Endpoint::Completions => Some(["cmpl-", id].concat()),
            Endpoint::Embeddings => None,
        };
        let request_id = match &self.request.framing {
            Framing::Messages { request_id } => request_id.as_deref(),
            Framing::EventStream { .. } => None,
        };
        let both = [
            ("type", "\"delta\""),
            ("request_id", request_id.unwrap_or_default()),
        ];
        let first = match (is_socket, request_id) {
            (false, _) => &both[..0],
            (true, None) => &both[..1],
            (true, Some(_)) => &both[..],
        };
        Edits {
            front: Front::new(first, id.as_deref(), &self.engine.backend, self.model),
            keeps_usage: !is_stream || is_socket || self.peek.wants_usage,
            is_stream,
            repairs_tool_calls: adapter.tool_calls_need_repair,
            supplies_finish_reason: !is_stream
                && adapter.end == EndMark::EndOfBody
                && self.request.endpoint != Endpoint::Embeddings,
        }
    }

    async fn whole(
        &self,
        body: ReplyStream,
        edits: &Edits,
        record: &mut Record,
    ) -> Result<Bytes, Failure> {
        let limit = self.engine.stall_timeout;
        let bytes = match tokio::time::timeout(limit, body.read_all()).await {
            Ok(bytes) => bytes?,
            Err(_) => {
                return Err(Failure::new(
                    Trouble::Stalled,
                    format_args!("the reply's body took longer than {limit:?}"),
                ));
            }
        };
        let text =
            std::str::from_utf8(&bytes).map_err(|error| Failure::new(Trouble::Garbled, error))?;
        let mut seen = chunk::Seen::default();
        let mut out = BytesMut::with_capacity(bytes.len() + 128);
        chunk::edit(text, edits, &mut seen, &mut out)
            .map_err(|error| Failure::new(Trouble::Garbled, error))?;
        let needs_reason =
            self.request.endpoint != Endpoint::Embeddings && self.adapter().end == EndMark::Done;
        if needs_reason && seen.finish_reason.is_none() {
            return Err(Failure::new(
                Trouble::Incomplete,
                "the reply has no finish reason",
            ));
        }
        record.completed(seen.usage, seen.pieces);
        Ok(out.freeze())
    }

    fn missed(&self, failure: &Failure, mut record: Record) -> Missed {
        self.shared.failed(self.engine, failure.outcome(), failure);
        record.left();
        let error = failure.to_api(&self.engine.name).cause(failure);
        Missed {
            error,
            record,
            is_retryable: true,
        }
    }

    /// The engine answered with an error: its own words, in our form.
    async fn refused(&self, status: StatusCode, body: ReplyStream, mut record: Record) -> Missed {
        let limit = self.engine.stall_timeout;
        let bytes = match tokio::time::timeout(limit, body.read_all()).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let outcome = Outcome::of_status(status.as_u16());
        self.shared.failed(
            self.engine,
            outcome,
            &format_args!("answered {}", status.as_u16()),
        );
        if status == StatusCode::NOT_FOUND {
            self.shared.worlds.look_again();
        }
        // What the client got wrong is wrong at every engine; what this engine lacks or cannot do now, another may have.
        let is_retryable = status.is_server_error()
            || matches!(
                status,
                StatusCode::NOT_FOUND
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
            );
        let error = refusal::read(&self.engine.name, status.as_u16(), &bytes);
        record.left();
        Missed {
            error,
            record,
            is_retryable,
        }
    }
}

/// A slot is free again about when a short answer is done.
const QUEUE_RETRY_SECONDS: u32 = 2;
