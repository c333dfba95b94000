//! The questions that every request is asked.

use super::{
    audit::Audit,
    credential::Sent,
    refusal,
    visitor::{Allowance, Pass, Visitor},
};
use crate::{
    keys::{Key, Keys},
    lan::Lan,
    settings::{Settings, WebOrigin},
};
use http::{HeaderMap, Uri, header};
use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use thox_api::{ApiError, Scope};
use thox_policy::{
    access::{Credential, Denial, Plane, Right, Source, decide},
    browser::{Asker, Host, asker},
    limits::{Limiter, PerMinute},
    network::{Place, Prefix, neighbourhood, place},
};

/// The guard of all doors.
#[derive(Debug)]
pub struct Guard {
    /// The keys.
    pub keys: Arc<Keys>,
    /// The device's names and networks.
    pub lan: Arc<Lan>,
    /// Who asked what, if that is kept.
    pub audit: Audit,
    is_locked: AtomicBool,
    trusted: Vec<Prefix>,
    listed: Vec<WebOrigin>,
    remote: Option<PerMinute>,
    limits: Mutex<Limits>,
    started: Instant,
}

#[derive(Debug)]
struct Limits {
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

impl Guard {
    /// A guard by the settings.
    #[must_use]
    pub fn new(settings: &Settings, keys: Arc<Keys>, lan: Arc<Lan>, audit: Audit) -> Arc<Self> {
        Arc::new(Self {
            keys,
            lan,
            audit,
            is_locked: AtomicBool::new(settings.auth.enabled),
            trusted: settings.auth.trusted_networks.clone(),
            listed: settings.auth.allowed_origins.clone(),
            remote: per_minute(settings.limits.remote_requests_per_minute),
            limits: Mutex::new(Limits {
                requests: Limiter::new(REMEMBERED),
                tokens: Limiter::new(REMEMBERED),
                bad_keys: Limiter::new(REMEMBERED),
                claims: Limiter::new(1),
            }),
            started: Instant::now(),
        })
    }

    /// Who is at the other end of a connection.
    #[must_use]
    pub fn visitor(&self, address: IpAddr, is_encrypted: bool) -> Visitor {
        let networks = &self.lan.now().networks;
        Visitor {
            address: address.to_canonical(),
            source: Source::Network(place(address, networks, &self.trusted)),
            is_encrypted,
        }
    }

    /// Whether it is this device that is asked, and by which page. Before anything else of a request is looked at.
    ///
    /// # Errors
    /// The Host is not ours, or the Origin is a foreign page's.
    pub fn look(&self, uri: &Uri, headers: &HeaderMap) -> Result<Asker, ApiError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let from_header = hosts.next().and_then(|host| host.to_str().ok());
        // Two of them are two readers' two requests (RFC 9112, 3.2).
        if hosts.next().is_some() {
            return Err(refusal::unreadable_host());
        }
        let from_uri = uri.authority().map(http::uri::Authority::as_str);
        let mut authority = None;
        for named in [from_uri, from_header].into_iter().flatten() {
            let host = Host::of_authority(named).ok_or_else(refusal::unreadable_host)?;
            if !self.lan.is_ours(&host) {
                return Err(refusal::foreign_host(&host));
            }
            authority.get_or_insert(named);
        }
        let authority = authority.ok_or_else(refusal::unreadable_host)?;
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().map(|origin| origin.to_str().unwrap_or(""));
        if origins.next().is_some() {
            return Err(refusal::foreign_origin());
        }
        match asker(origin, authority, &self.listed) {
            Asker::ForeignPage => Err(refusal::foreign_origin()),
            asker => Ok(asker),
        }
    }

    /// Whether a visitor may pass to a route of `plane`, and what he may use there.
    ///
    /// # Errors
    /// He may not, or his limit is reached.
    pub fn admit(
        self: &Arc<Self>,
        plane: Plane,
        visitor: &Visitor,
        headers: &HeaderMap,
    ) -> Result<Pass, ApiError> {
        let (credential, key) = match Sent::read(headers) {
            Sent::Nothing => (Credential::None, None),
            Sent::Nonsense => (Credential::Bad, None),
            Sent::Key(sent) => match self.keys.find(sent) {
                None => (Credential::Bad, None),
                Some(key) => {
                    let right = match key.scope {
                        Scope::Inference => Right::Inference,
                        Scope::Admin => Right::Administration,
                    };
                    (Credential::Good(right), Some(key))
                }
            },
        };
        let is_locked = self.is_locked.load(Ordering::Relaxed);
        if let Err(denial) = decide(plane, visitor.source, credential, is_locked) {
            if denial == Denial::BadKey {
                self.count_bad_key(visitor.address)?;
            }
            return Err(refusal::denied(denial, self.keys.is_claimed()));
        }
        let is_outside = visitor.source == Source::Network(Place::Remote);
        let remote = (is_outside && self.remote.is_some()).then(|| neighbourhood(visitor.address));
        let is_limited = remote.is_some()
            || key.as_ref().is_some_and(|key| {
                key.requests_per_minute.is_some() || key.tokens_per_minute.is_some()
            });
        if !is_limited {
            return Ok(Pass::free(key));
        }
        let mut pass = self.take(key.as_deref(), remote)?;
        pass.allowance = Allowance {
            key,
            limits: Some((Arc::clone(self), remote)),
        };
        Ok(pass)
    }

    /// Takes a request from the limits of a key and of an address outside.
    pub(super) fn take(&self, key: Option<&Key>, remote: Option<IpAddr>) -> Result<Pass, ApiError> {
        let now = self.started.elapsed();
        let mut limits = self.limits();
        let mut pass = Pass::free(None);
        if let Some((key, rate)) =
            key.and_then(|key| Some((key, per_minute(key.tokens_per_minute?)?)))
        {
            let standing = limits.tokens.check(&key.number, rate, now);
            pass.tokens = Some(standing.map_err(|error| refusal::exhausted("tokens", &error))?);
        }
        let own =
            key.and_then(|key| Some((Who::Key(key.number), per_minute(key.requests_per_minute?)?)));
        let outside = remote.and_then(|address| Some((Who::Outside(address), self.remote?)));
        for (who, rate) in own.into_iter().chain(outside) {
            let standing = limits
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
            self.limits().tokens.charge(key.number, rate, tokens, now);
        }
    }

    /// One try at the claim code.
    ///
    /// # Errors
    /// There were too many in the last minute, of whomever.
    pub fn count_claim(&self) -> Result<(), ApiError> {
        let now = self.started.elapsed();
        let Some(rate) = per_minute(CLAIMS) else {
            return Ok(());
        };
        match self.limits().claims.take((), rate, 1, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal::too_many_tries("claim codes", error.retry_after)),
        }
    }

    fn count_bad_key(&self, address: IpAddr) -> Result<(), ApiError> {
        let now = self.started.elapsed();
        let Some(rate) = per_minute(BAD_KEYS) else {
            return Ok(());
        };
        let tried = self
            .limits()
            .bad_keys
            .take(neighbourhood(address), rate, 1, now);
        tried
            .map(drop)
            .map_err(|error| refusal::too_many_tries("keys", error.retry_after))
    }

    /// Whether asking needs a key on the own network too.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_locked.load(Ordering::Relaxed)
    }

    /// Changes that, for all requests that come now.
    pub fn lock(&self, is_locked: bool) {
        self.is_locked.store(is_locked, Ordering::Relaxed);
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn per_minute(limit: u32) -> Option<PerMinute> {
    NonZeroU32::new(limit).map(PerMinute)
}
