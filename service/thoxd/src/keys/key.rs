//! A key in force: what every request that brings it is measured by.

use super::{file::Record, secret::Fingerprint};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use thox_api::{Class, Scope};
use tokio_util::sync::CancellationToken;

/// A key in force.
#[derive(Debug)]
pub struct Key {
    /// Unique while thoxd runs.
    pub number: u64,
    /// Its id.
    pub id: Arc<str>,
    /// Its first characters, for the audit log.
    pub prefix: Arc<str>,
    /// What it may be used for.
    pub scope: Scope,
    /// Whose requests go first.
    pub class: Class,
    /// Limits, a minute.
    pub requests_per_minute: Option<u32>,
    /// Limits, a minute.
    pub tokens_per_minute: Option<u32>,
    expires: Option<u64>,
    last_used: AtomicU64,
    fingerprint: Fingerprint,
    revoked: CancellationToken,
}

/// A key's last use is kept to the minute: it is shown to people, and each use is no reason to write a file.
const MINUTE: u64 = 60;

impl Key {
    pub(super) fn new(record: &Record, fingerprint: Fingerprint) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            id: record.id.as_str().into(),
            prefix: record.prefix.as_str().into(),
            scope: record.scope,
            class: record.class,
            requests_per_minute: record.requests_per_minute,
            tokens_per_minute: record.tokens_per_minute,
            expires: record.expires,
            last_used: AtomicU64::new(record.last_used.unwrap_or(0)),
            fingerprint,
            revoked: CancellationToken::new(),
        }
    }

    /// Cancelled when the key is revoked.
    #[must_use]
    pub fn revoked(&self) -> &CancellationToken {
        &self.revoked
    }

    /// Whether a key with this fingerprint is this one.
    pub(super) fn is(&self, fingerprint: &Fingerprint) -> bool {
        self.fingerprint.is(fingerprint)
    }

    /// Whether it has expired.
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Notes a use; tells whether that is worth writing down.
    pub(super) fn use_at(&self, now: u64) -> bool {
        let is_news = now >= self.last_used.load(Ordering::Relaxed) + MINUTE;
        if is_news {
            self.last_used.store(now, Ordering::Relaxed);
        }
        is_news
    }

    /// Unix seconds of its last use, if there was one.
    pub(super) fn last_used(&self) -> Option<u64> {
        let used = self.last_used.load(Ordering::Relaxed);
        (used > 0).then_some(used)
    }
}
