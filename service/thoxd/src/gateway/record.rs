//! How each request ended: metrics, the log, the list of the last decisions; written when the record is dropped, which
//! is also the end of the slot, whoever let go.

use super::call::Caller;
use crate::{
    engine::{chunk::Usage, slots::Permit},
    guard::Allowance,
    observe::{EngineMetrics, Metrics, Outcome},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use thox_api::{ApiError, DecisionRecord};
use thox_policy::{Endpoint, Reason};

/// Where records go.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The process's metrics.
    pub metrics: Metrics,
    recent: Mutex<VecDeque<Ended>>,
    nowhere: OnceLock<Arc<EngineMetrics>>,
}

/// A screenful, as `/router/status` shows them.
const RECENT: usize = 50;

/// One request's record.
#[derive(Debug)]
pub struct Record {
    ledger: Arc<Ledger>,
    request_id: Arc<str>,
    allowance: Allowance,
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
    metrics: Arc<EngineMetrics>,
    reason: Reason,
    permit: Option<Permit>,
}

/// What is kept of a request; turned into text when somebody asks.
#[derive(Debug)]
struct Ended {
    at: SystemTime,
    request_id: Arc<str>,
    model: Arc<str>,
    endpoint: Endpoint,
    engine: Option<(Arc<str>, Reason)>,
    outcome: Outcome,
    took: Duration,
}

impl Ledger {
    /// Forgets the last decisions; gives their number.
    pub fn forget(&self) -> usize {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *recent).len()
    }

    /// The last decisions, newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<DecisionRecord> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().map(Ended::to_api).collect()
    }
}

impl Ended {
    fn to_api(&self) -> DecisionRecord {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        DecisionRecord {
            at_ms: since.as_millis().try_into().unwrap_or(u64::MAX),
            request_id: self.request_id.to_string(),
            model: self.model.to_string(),
            endpoint: self.endpoint.as_str().to_owned(),
            engine: self.engine.as_ref().map(|(engine, _)| engine.to_string()),
            reason: self
                .engine
                .as_ref()
                .map(|(_, reason)| reason.as_str().to_owned()),
            outcome: self.outcome.as_str().to_owned(),
            ms: self.took.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

impl Record {
    /// A request that has just arrived.
    #[must_use]
    pub fn new(ledger: &Arc<Ledger>, caller: &Caller, model: Arc<str>, endpoint: Endpoint) -> Self {
        Self {
            ledger: Arc::clone(ledger),
            request_id: Arc::clone(&caller.request_id),
            allowance: caller.allowance.clone(),
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
    pub fn is_at(&mut self, metrics: Arc<EngineMetrics>, reason: Reason, permit: Permit) {
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
        let (engine, route) = self
            .at
            .as_ref()
            .map_or(("", ""), |at| (&**at.metrics.name(), at.reason.as_str()));
        let (request_id, model) = (&self.request_id, &self.model);
        let code = error.kind.row().code;
        let cause = error.cause.as_deref().unwrap_or("");
        let ms = self.started.elapsed().as_millis();
        if is_ours {
            tracing::warn!(%request_id, %model, engine, route, ms, code, cause, "a request failed");
        } else {
            tracing::debug!(%request_id, %model, engine, route, ms, code, cause, "a request was refused");
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let ledger = &self.ledger;
        if let Some(usage) = self.usage {
            let tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
            self.allowance.charge(tokens);
        }
        match &self.at {
            Some(at) => {
                at.metrics.ended(self.endpoint, self.outcome);
                let first = self
                    .first_token
                    .map(|first| (first - self.started).as_secs_f64());
                at.metrics.replied(took.as_secs_f64(), first, self.pieces);
                if let Some(usage) = self.usage {
                    let (prompt, completion) = (usage.prompt_tokens, usage.completion_tokens);
                    ledger
                        .metrics
                        .count_tokens(at.metrics.name(), &self.model, prompt, completion);
                }
            }
            None => ledger
                .nowhere
                .get_or_init(|| ledger.metrics.engine(""))
                .ended(self.endpoint, self.outcome),
        }
        let engine = self
            .at
            .as_ref()
            .map(|at| (Arc::clone(at.metrics.name()), at.reason));
        tracing::debug!(
            request_id = %self.request_id,
            model = %self.model,
            endpoint = self.endpoint.as_str(),
            engine = engine.as_ref().map_or("", |(name, _)| name),
            route = engine.as_ref().map_or("", |(_, reason)| reason.as_str()),
            outcome = self.outcome.as_str(),
            ms = took.as_millis(),
            "a request ended"
        );
        let ended = Ended {
            at: SystemTime::now(),
            request_id: Arc::clone(&self.request_id),
            model: Arc::clone(&self.model),
            endpoint: self.endpoint,
            engine,
            outcome: self.outcome,
            took,
        };
        let mut recent = ledger.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back(ended);
    }
}
