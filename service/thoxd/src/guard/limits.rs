//! How much is left to whom: requests and tokens of keys and of addresses outside, tries of wrong keys and codes.

use super::{refusal, visitor::Pass};
use crate::keys::Key;
use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};
use thox_api::ApiError;
use thox_policy::{
    limits::{Limiter, PerMinute},
    network::neighbourhood,
};

/// How much is left to whom. What counts is kept in memory alone: a restart begins anew.
#[derive(Debug)]
pub(super) struct Limits {
    /// Requests a minute of an address outside; 0 for any number.
    remote: AtomicU32,
    counters: Mutex<Counters>,
    started: Instant,
}

#[derive(Debug)]
struct Counters {
    requests: Limiter<Who>,
    tokens: Limiter<u64>,
    bad_keys: Limiter<IpAddr>,
    claims: Limiter<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Key(u64),
    Outside(IpAddr),
}

/// Clients that are remembered for each limit: some megabytes, however many addresses there are.
const REMEMBERED: usize = 1 << 16;

/// Wrong keys of one address: a person who mistypes, not a machine that tries.
const BAD_KEYS: u32 = 10;

/// Wrong claim codes, of all addresses together: 40 bits are a lot only if nobody can try fast.
const CLAIMS: u32 = 5;

impl Limits {
    /// None used up; `remote` is what an address outside may ask in a minute, 0 for any number.
    pub(super) fn new(remote: u32) -> Self {
        Self {
            remote: AtomicU32::new(remote),
            counters: Mutex::new(Counters {
                requests: Limiter::new(REMEMBERED),
                tokens: Limiter::new(REMEMBERED),
                bad_keys: Limiter::new(REMEMBERED),
                claims: Limiter::new(1),
            }),
            started: Instant::now(),
        }
    }

    /// Whether addresses outside are limited.
    pub(super) fn is_for_remote(&self) -> bool {
        self.remote().is_some()
    }

    /// Changes what an address outside may ask in a minute.
    pub(super) fn set_remote(&self, remote: u32) {
        self.remote.store(remote, Ordering::Relaxed);
    }

    fn remote(&self) -> Option<PerMinute> {
        per_minute(self.remote.load(Ordering::Relaxed))
    }

    /// Takes a request from the limits of a key and of an address outside.
    ///
    /// # Errors
    /// One of them is reached.
    pub(super) fn take(&self, key: Option<&Key>, remote: Option<IpAddr>) -> Result<Pass, ApiError> {
        let now = self.started.elapsed();
        let mut counters = self.counters();
        let mut pass = Pass::default();
        if let Some((key, rate)) =
            key.and_then(|key| Some((key, per_minute(key.tokens_per_minute?)?)))
        {
            let standing = counters.tokens.check(&key.number, rate, now);
            pass.tokens = Some(standing.map_err(|error| refusal::exhausted("tokens", &error))?);
        }
        let own =
            key.and_then(|key| Some((Who::Key(key.number), per_minute(key.requests_per_minute?)?)));
        let outside = remote.and_then(|address| Some((Who::Outside(address), self.remote()?)));
        for (who, rate) in own.into_iter().chain(outside) {
            let standing = counters
                .requests
                .take(who, rate, 1, now)
                .map_err(|error| refusal::exhausted("requests", &error))?;
            // The tighter of two limits is the one to tell of.
            if pass
                .requests
                .is_none_or(|other| standing.remaining < other.remaining)
            {
                pass.requests = Some(standing);
            }
        }
        Ok(pass)
    }

    /// Counts tokens after the fact.
    pub(super) fn charge(&self, key: Option<&Key>, tokens: u64) {
        if let Some((key, rate)) =
            key.and_then(|key| Some((key, per_minute(key.tokens_per_minute?)?)))
        {
            let now = self.started.elapsed();
            self.counters().tokens.charge(key.number, rate, tokens, now);
        }
    }

    /// One try at the claim code.
    ///
    /// # Errors
    /// There were too many in the last minute, of whomever.
    pub(super) fn count_claim(&self) -> Result<(), ApiError> {
        let now = self.started.elapsed();
        let Some(rate) = per_minute(CLAIMS) else {
            return Ok(());
        };
        match self.counters().claims.take((), rate, 1, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal::too_many_tries("claim codes", error.retry_after)),
        }
    }

    /// One wrong key of an address.
    ///
    /// # Errors
    /// There were too many in the last minute.
    pub(super) fn count_bad_key(&self, address: IpAddr) -> Result<(), ApiError> {
        let now = self.started.elapsed();
        let Some(rate) = per_minute(BAD_KEYS) else {
            return Ok(());
        };
        let tried = self
            .counters()
            .bad_keys
            .take(neighbourhood(address), rate, 1, now);
        tried
            .map(drop)
            .map_err(|error| refusal::too_many_tries("keys", error.retry_after))
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn per_minute(limit: u32) -> Option<PerMinute> {
    NonZeroU32::new(limit).map(PerMinute)
}
