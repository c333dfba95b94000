//! Who stands at a door, and what he may use once inside.

use super::questions::Guard;
use crate::{engine::slots::Client, keys::Key};
use std::{net::IpAddr, sync::Arc, time::Duration};
use thox_api::{ApiError, Class};
use thox_policy::{access::Source, limits::Standing, network::neighbourhood};

/// Who stands at a door, as the connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The address; loopback for the control socket.
    pub address: IpAddr,
    /// Where that is.
    pub source: Source,
    /// Whether nobody on the way can read what is sent.
    pub is_encrypted: bool,
}

impl Visitor {
    /// Whether others could have read what he sends, and can read what he is sent: plain HTTP over a network.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.is_encrypted && !self.address.is_loopback()
    }
}

/// A request that has just come, as its connection hands it to the routes.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who brings it.
    pub visitor: Visitor,
    /// Its id, the client's or one of ours.
    pub request_id: Arc<str>,
}

/// Somebody who may pass.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// What he may use.
    pub allowance: Allowance,
    /// What is left of his requests, where they are limited.
    pub requests: Option<Standing>,
    /// What is left of his tokens, where they are limited.
    pub tokens: Option<Standing>,
}

/// What somebody may use while his requests run: it is charged with tokens, and ends when his key is revoked.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    pub(super) key: Option<Arc<Key>>,
    /// Where anything is limited: by whom, and for which address from outside.
    pub(super) limits: Option<(Arc<Guard>, Option<IpAddr>)>,
    pub(super) is_readable: bool,
}

impl Allowance {
    /// The key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<Key>> {
        self.key.as_ref()
    }

    /// Whether others could read along: [`Visitor::is_readable`].
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Who shares a queue fairly with others: a key's holder, wherever he is, else an address (IPv6: a /64).
    #[must_use]
    pub fn client(&self, visitor: &Visitor) -> Client {
        match &self.key {
            Some(key) => Client::Key(key.number),
            None => Client::Address(neighbourhood(visitor.address)),
        }
    }

    /// Whose requests go first.
    #[must_use]
    pub fn class(&self) -> Class {
        self.key
            .as_ref()
            .map_or(Class::Interactive, |key| key.class)
    }

    /// Takes one more request, on a connection that carries many.
    ///
    /// # Errors
    /// The limit is reached.
    pub fn take(&self) -> Result<(), ApiError> {
        match &self.limits {
            Some((guard, remote)) => guard.limits.take(self.key.as_deref(), *remote).map(drop),
            None => Ok(()),
        }
    }

    /// Counts the tokens of a request that has ended.
    pub fn charge(&self, tokens: u64) {
        if let Some((guard, _)) = &self.limits {
            guard.limits.charge(self.key.as_deref(), tokens);
        }
    }
}

/// A span as OpenAI's headers have it: `1m30s`, `6s`, `250ms`.
#[must_use]
pub fn span(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match (milliseconds / 60_000, milliseconds % 60_000) {
        (0, rest) if rest < 1000 => format!("{rest}ms"),
        (0, rest) => format!("{}s", rest.div_ceil(1000)),
        (minutes, rest) => format!("{minutes}m{}s", rest / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_openai_writes_them() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (250, "250ms"),
            (5_001, "6s"),
            (60_000, "1m0s"),
            (90_500, "1m30s"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), text);
        }
    }
}
