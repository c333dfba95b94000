//! The questions that every request is asked.

use super::{
    audit::Audit,
    credential::Sent,
    limits::Limits,
    refusal,
    visitor::{Allowance, Pass, Visitor},
};
use crate::{
    keys::Keys,
    lan::Lan,
    settings::{Settings, WebOrigin},
};
use arc_swap::ArcSwap;
use http::{HeaderMap, Uri, header};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use thox_api::{ApiError, Scope};
use thox_policy::{
    access::{Credential, Denial, Plane, Right, Source, decide},
    browser::{Asker, Host, asker},
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
    rules: ArcSwap<Rules>,
    pub(super) limits: Limits,
}

/// What the settings say.
#[derive(Debug)]
struct Rules {
    trusted: Vec<Prefix>,
    listed: Vec<WebOrigin>,
}

impl Rules {
    fn of(settings: &Settings) -> Self {
        Self {
            trusted: settings.auth.trusted_networks.clone(),
            listed: settings.auth.allowed_origins.clone(),
        }
    }
}

impl Guard {
    /// A guard by the settings.
    #[must_use]
    pub fn new(settings: &Settings, keys: Arc<Keys>, lan: Arc<Lan>, audit: Audit) -> Arc<Self> {
        Arc::new(Self {
            keys,
            lan,
            audit,
            is_locked: AtomicBool::new(settings.auth.enabled),
            rules: ArcSwap::from_pointee(Rules::of(settings)),
            limits: Limits::new(settings.limits.remote_requests_per_minute),
        })
    }

    /// Changes to what these settings say, for all requests that come now.
    pub fn set(&self, settings: &Settings) {
        self.lock(settings.auth.enabled);
        self.rules.store(Arc::new(Rules::of(settings)));
        self.lan.set_further(&settings.auth.further_names());
        self.limits
            .set_remote(settings.limits.remote_requests_per_minute);
    }

    /// Who is at the other end of a connection.
    #[must_use]
    pub fn visitor(&self, address: IpAddr, is_encrypted: bool) -> Visitor {
        let networks = &self.lan.now().networks;
        Visitor {
            address: address.to_canonical(),
            source: Source::Network(place(address, networks, &self.rules.load().trusted)),
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
        match asker(origin, authority, &self.rules.load().listed) {
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
                self.limits.count_bad_key(visitor.address)?;
            }
            return Err(refusal::denied(denial, self.keys.is_claimed()));
        }
        let is_outside = visitor.source == Source::Network(Place::Remote);
        let remote =
            (is_outside && self.limits.is_for_remote()).then(|| neighbourhood(visitor.address));
        let is_limited = remote.is_some()
            || key.as_ref().is_some_and(|key| {
                key.requests_per_minute.is_some() || key.tokens_per_minute.is_some()
            });
        let mut pass = if is_limited {
            self.limits.take(key.as_deref(), remote)?
        } else {
            Pass::default()
        };
        pass.allowance = Allowance {
            key,
            limits: is_limited.then(|| (Arc::clone(self), remote)),
            is_readable: visitor.is_readable(),
        };
        Ok(pass)
    }

    /// Whether a program on the machine's message bus may pass to `plane`; its credential is polkit's answer.
    ///
    /// # Errors
    /// It may not.
    pub fn admit_on_bus(&self, plane: Plane, credential: Credential) -> Result<(), ApiError> {
        let is_locked = self.is_locked.load(Ordering::Relaxed);
        decide(plane, Source::Bus, credential, is_locked)
            .map_err(|denial| refusal::denied(denial, self.keys.is_claimed()))
    }

    /// One try at the claim code.
    ///
    /// # Errors
    /// There were too many in the last minute, of whomever.
    pub fn count_claim(&self) -> Result<(), ApiError> {
        self.limits.count_claim()
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
}
