//! Metrics in Prometheus' text form. Names after vLLM's and OpenTelemetry's where they have one; labels are engines,
//! endpoints, outcomes and the catalog's names, all bounded by the settings and by what is installed.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::{fmt, sync::Arc};
use thox_policy::Endpoint;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Outcomes, Counter>,
    duration: Family<ByEngine, Histogram, fn() -> Histogram>,
    first_token: Family<ByEngine, Histogram, fn() -> Histogram>,
    per_token: Family<ByEngine, Histogram, fn() -> Histogram>,
    queue: Family<ByEngine, Histogram, fn() -> Histogram>,
    tokens: Family<Tokens, Counter>,
    /// Requests at the engine.
    pub in_flight: Family<ByEngine, Gauge>,
    /// Requests that wait for a slot.
    pub queued: Family<ByEngine, Gauge>,
    /// 1 while the engine answers.
    pub up: Family<ByEngine, Gauge>,
    /// 1 while the engine is left alone after failures.
    pub circuit_open: Family<ByEngine, Gauge>,
    /// Open connections of clients.
    pub connections: Gauge,
    /// Connections that were not served.
    pub connections_refused: ConnectionsRefused,
}

/// Connections that were not served, by the reason. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ConnectionsRefused(Family<Reasons, Counter>);

/// Why a connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyRefused {
    /// Its client has as many as it may have.
    TooManyOfClient,
    /// TLS was not agreed on, in time or at all.
    Handshake,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reasons {
    reason: &'static str,
}

impl ConnectionsRefused {
    /// Counts one.
    pub fn count(&self, why: WhyRefused) {
        let reason = match why {
            WhyRefused::TooManyOfClient => "too_many_of_client",
            WhyRefused::Handshake => "handshake",
        };
        self.0.get_or_create(&Reasons { reason }).inc();
    }
}

/// Label: an engine's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByEngine {
    engine: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcomes {
    engine: String,
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    engine: Arc<str>,
    model: Arc<str>,
    kind: &'static str,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client went before the reply was complete. What a record says until it is told otherwise.
    Cancelled,
    /// The reply is complete.
    Completed,
    /// The engine failed.
    Failed,
    /// It was refused before an engine was asked, or by the engine as the client's fault.
    Refused,
}

impl Outcome {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 4] = [
        Self::Cancelled,
        Self::Completed,
        Self::Failed,
        Self::Refused,
    ];

    /// The word in metrics and in `/router/status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// The metrics of one engine, looked up once.
#[derive(Debug)]
pub struct EngineMetrics {
    name: Arc<str>,
    requests: [[Counter; 4]; 3],
    duration: Histogram,
    first_token: Histogram,
    per_token: Histogram,
    queue: Histogram,
}

/// 1 ms to 9 min in steps of two: from a cached health check to a long answer behind a model load.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 20))
}

/// 1 ms to 2 s: a token of a small model on a GPU to one of a large model on a CPU.
fn seconds_per_token() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 1.7, 15))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything under `thox_`.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("thox");
        let requests = Family::default();
        registry.register("requests", "Requests by how they ended", requests.clone());
        let mut histogram = |name: &str, help: &str, make: fn() -> Histogram| {
            let family =
                Family::<ByEngine, Histogram, fn() -> Histogram>::new_with_constructor(make);
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
            family
        };
        let duration = histogram(
            "request_duration",
            "From a request's arrival to the end of its reply",
            seconds,
        );
        let first_token = histogram(
            "time_to_first_token",
            "From a request's arrival to its first token",
            seconds,
        );
        let per_token = histogram(
            "inter_token_latency",
            "Mean time between the tokens of a stream",
            seconds_per_token,
        );
        let queue = histogram("queue_time", "Wait for one of the engine's slots", seconds);
        let tokens = Family::default();
        registry.register(
            "tokens",
            "Tokens, as the engines count them",
            tokens.clone(),
        );
        let mut gauge = |name: &str, help: &str| {
            let family = Family::<ByEngine, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        };
        let in_flight = gauge("requests_in_flight", "Requests at the engine");
        let queued = gauge(
            "requests_queued",
            "Requests that wait for one of the engine's slots",
        );
        let up = gauge("engine_up", "1 while the engine answers");
        let circuit_open = gauge(
            "engine_circuit_open",
            "1 while the engine is left alone after failures",
        );
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Open connections of clients",
            connections.clone(),
        );
        let connections_refused = ConnectionsRefused::default();
        registry.register(
            "connections_refused",
            "Connections that were not served",
            connections_refused.0.clone(),
        );
        Self {
            registry,
            requests,
            duration,
            first_token,
            per_token,
            queue,
            tokens,
            in_flight,
            queued,
            up,
            circuit_open,
            connections,
            connections_refused,
        }
    }

    /// The metrics of one engine.
    #[must_use]
    pub fn engine(&self, name: &str) -> Arc<EngineMetrics> {
        let label = Self::label(name);
        let counter = |endpoint: Endpoint, outcome: Outcome| {
            let label = Outcomes {
                engine: name.to_owned(),
                endpoint: endpoint.as_str(),
                outcome: outcome.as_str(),
            };
            self.requests.get_or_create(&label).clone()
        };
        Arc::new(EngineMetrics {
            name: Arc::from(name),
            requests: Endpoint::ALL
                .map(|endpoint| Outcome::ALL.map(|outcome| counter(endpoint, outcome))),
            duration: self.duration.get_or_create(&label).clone(),
            first_token: self.first_token.get_or_create(&label).clone(),
            per_token: self.per_token.get_or_create(&label).clone(),
            queue: self.queue.get_or_create(&label).clone(),
        })
    }

    /// The label of an engine.
    #[must_use]
    pub fn label(engine: &str) -> ByEngine {
        ByEngine {
            engine: engine.to_owned(),
        }
    }

    /// Counts tokens of a model of the catalog or of an engine.
    pub fn count_tokens(&self, engine: &Arc<str>, model: &Arc<str>, prompt: u64, completion: u64) {
        for (kind, count) in [("prompt", prompt), ("completion", completion)] {
            let label = Tokens {
                engine: Arc::clone(engine),
                model: Arc::clone(model),
                kind,
            };
            self.tokens.get_or_create(&label).inc_by(count);
        }
    }

    /// The text for a scrape.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl EngineMetrics {
    /// The engine's name; empty for requests that no engine was asked for.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts a request that has ended.
    pub fn ended(&self, endpoint: Endpoint, outcome: Outcome) {
        if let Some(counter) = self
            .requests
            .get(endpoint as usize)
            .and_then(|row| row.get(outcome as usize))
        {
            counter.inc();
        }
    }

    /// A wait for a slot, in seconds.
    pub fn queued(&self, seconds: f64) {
        self.queue.observe(seconds);
    }

    /// The end of a reply: its whole time, the time to its first token, the number of its pieces; seconds.
    pub fn replied(&self, seconds: f64, first_token: Option<f64>, pieces: u64) {
        self.duration.observe(seconds);
        let Some(first) = first_token else { return };
        self.first_token.observe(first);
        if pieces > 1 {
            self.per_token
                .observe((seconds - first) / (pieces - 1) as f64);
        }
    }
}
