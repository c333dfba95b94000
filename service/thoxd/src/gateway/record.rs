//! How each request ended: metrics, the log, the list of the last decisions; written when the record is dropped, which
//! is also the end of the slot, whoever let go.

use crate::{
    engine::{chunk::Usage, slots::Permit},
    observe::{EngineMetrics, Metrics},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use thox_api::{ApiError, DecisionRecord};
use thox_policy::{Endpoint, Reason};

/// Where records go.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The process's metrics.
    pub metrics: Metrics,
    recent: Mutex<VecDeque<DecisionRecord>>,
}

/// A screenful, as `/router/status` shows them.
const RECENT: usize = 50;

/// One request's record.
#[derive(Debug)]
pub struct Record {
    ledger: Arc<Ledger>,
    request_id: Arc<str>,
    model: Arc<str>,
    endpoint: Endpoint,
    started: Instant,
    at: Option<At>,
    first_token: Option<Instant>,
    outcome: Outcome,
    pieces: u64,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct At {
    metrics: EngineMetrics,
    reason: Reason,
    permit: Option<Permit>,
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

impl Ledger {
    /// The last decisions, newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<DecisionRecord> {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .rev()
            .cloned()
            .collect()
    }
}

impl Record {
    /// A request that has just arrived.
    #[must_use]
    pub fn new(
        ledger: &Arc<Ledger>,
        request_id: Arc<str>,
        model: Arc<str>,
        endpoint: Endpoint,
    ) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            request_id,
            model,
            endpoint,
            started: Instant::now(),
            at: None,
            first_token: None,
            outcome: Outcome::Cancelled,
            pieces: 0,
            usage: None,
        }
    }

    /// It has a slot at an engine now.
    pub fn is_at(&mut self, metrics: EngineMetrics, reason: Reason, permit: Permit) {
        self.at = Some(At {
            metrics,
            reason,
            permit: Some(permit),
        });
    }

    /// The engine is left: its slot goes to the next one. The record still tells of it unless another is found.
    pub fn left(&mut self) {
        if let Some(at) = &mut self.at {
            at.permit = None;
        }
    }

    /// The first token came.
    pub fn first_token(&mut self) {
        self.first_token.get_or_insert_with(Instant::now);
    }

    /// The reply is complete.
    pub fn completed(&mut self, usage: Option<Usage>, pieces: u64) {
        self.outcome = Outcome::Completed;
        self.usage = usage;
        self.pieces = pieces;
    }

    /// The request failed or was refused.
    pub fn failed(&mut self, error: &ApiError) {
        let is_ours = error.kind.row().status >= 500;
        self.outcome = if is_ours {
            Outcome::Failed
        } else {
            Outcome::Refused
        };
        let engine = self.at.as_ref().map_or("", |at| at.metrics.name());
        let code = error.kind.row().code;
        let cause = error.cause.as_deref().unwrap_or("");
        if is_ours {
            tracing::warn!(request_id = %self.request_id, engine, code, cause, "a request failed");
        } else {
            tracing::debug!(request_id = %self.request_id, engine, code, cause, "a request was refused");
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        let engine = self.at.as_ref().map_or("", |at| at.metrics.name());
        let outcome = self.outcome.as_str();
        let endpoint = self.endpoint.as_str();
        self.ledger.metrics.ended(engine, endpoint, outcome);
        if let Some(at) = &self.at {
            let first = self
                .first_token
                .map(|first| (first - self.started).as_secs_f64());
            at.metrics
                .replied(elapsed.as_secs_f64(), first, self.pieces);
            if let Some(usage) = self.usage {
                self.ledger.metrics.count_tokens(
                    engine,
                    &self.model,
                    usage.prompt_tokens,
                    usage.completion_tokens,
                );
            }
        }
        let ms = elapsed.as_millis().try_into().unwrap_or(u64::MAX);
        tracing::debug!(request_id = %self.request_id, model = %self.model, endpoint, engine, outcome, ms, "a request ended");
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let decision = DecisionRecord {
            at_ms: now.as_millis().try_into().unwrap_or(u64::MAX),
            request_id: self.request_id.to_string(),
            model: self.model.to_string(),
            endpoint: endpoint.to_owned(),
            engine: self.at.as_ref().map(|at| at.metrics.name().to_owned()),
            reason: self.at.as_ref().map(|at| at.reason.as_str().to_owned()),
            outcome: outcome.to_owned(),
            ms,
        };
        let mut recent = self
            .ledger
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back(decision);
    }
}
