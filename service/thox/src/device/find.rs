//! The device that is meant, with the key and the pin that this user has for it.

use super::{
    Device,
    address::{Address, InvalidAddress},
    connect::Road,
    control,
};
use crate::{
    arguments::Target,
    credentials::Credentials,
    failure::{Exit, Failure},
    secret::Secret,
};
use http::HeaderValue;
use std::{io, path::PathBuf};

impl Device {
    /// The device that the options name; else the one on this machine if there is one; else `thox.local`. Its key is the
    /// one of the options or the environment, else the one that is stored for it.
    pub(crate) async fn find(target: &Target) -> Result<Self, Failure> {
        let credentials = Credentials::load()?;
        let mut found = match host(target) {
            Some(host) => at(named(host)?, &credentials),
            None => {
                // Asked without the key: whoever sits on this port is not known yet.
                let here = at(Address::this_machine(), &credentials);
                match here.answers().await {
                    Ok(()) => here,
                    Err(why) => Self {
                        not_here: Some(format!("{}: {why}", here.url())),
                        ..at(Address::on_the_network(), &credentials)
                    },
                }
            }
        };
        let stored = found.address().map(Address::authority);
        let stored = stored.and_then(|device| credentials.of(&device).key);
        let key = given_key(target).or(stored);
        found.authorization = key.as_ref().map(authorization).transpose()?;
        Ok(found)
    }

    /// The way on which the device may be changed: without a host and a key the control socket if there is one, where no
    /// key is needed; else as [`Device::find`].
    pub(crate) async fn for_changes(target: &Target) -> Result<Self, Failure> {
        if host(target).is_some() || given_key(target).is_some() {
            return Self::find(target).await;
        }
        let Some(path) = control::path(target) else {
            return Self::find(target).await;
        };
        match control::try_connect(&path).await {
            Ok(()) => Ok(Self::local(path)),
            Err(error) => {
                let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
                let own = Credentials::load()?.of(&Address::this_machine().authority());
                if is_denied && own.key.is_some() {
                    return Self::find(target).await;
                }
                Err(control::refused(&path, &error))
            }
        }
    }

    /// Whether the options name a device.
    pub(crate) fn is_named(target: &Target) -> bool {
        host(target).is_some()
    }

    /// The control socket and nothing else.
    pub(crate) async fn on_this_machine(target: &Target) -> Result<Self, Failure> {
        if let Some(host) = host(target) {
            let message =
                format!("this is told on the device itself alone, not to `{host}`'s clients");
            return Err(Failure::with(Exit::Usage, message)
                .next("run it there without --host and THOX_HOST, over ssh or at its console"));
        }
        let path = control::path(target).ok_or_else(|| control::absent(None))?;
        match control::try_connect(&path).await {
            Ok(()) => Ok(Self::local(path)),
            Err(error) => Err(control::refused(&path, &error)),
        }
    }

    /// The way to the device's TLS port, whatever its certificate, without a key.
    pub(crate) fn over_tls(target: &Target) -> Result<Self, Failure> {
        let address = match host(target) {
            Some(host) => named(host)?,
            None => Address::on_the_network(),
        };
        Ok(at(address.or_its_tls_port(), &Credentials::default()))
    }

    fn local(path: PathBuf) -> Self {
        Self {
            road: Road::Socket(path),
            authorization: None,
            not_here: None,
        }
    }
}

/// The key of the options or the environment.
pub(crate) fn given_key(target: &Target) -> Option<Secret> {
    target.api_key.as_ref().and_then(Secret::trimmed)
}

/// The header that a key is sent in.
pub(crate) fn authorization(key: &Secret) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
    let mut value = value.map_err(|_| {
        Failure::with(Exit::Usage, "the key has characters that no key has").next(
            "give it by --api-key or THOX_API_KEY exactly as it was shown, sk- and 43 letters and digits",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn host(target: &Target) -> Option<&str> {
    let host = target.host.as_deref().map(str::trim);
    host.filter(|host| !host.is_empty())
}

fn named(host: &str) -> Result<Address, Failure> {
    host.parse()
        .map_err(|error: InvalidAddress| Failure::with(Exit::Usage, error.to_string()))
}

fn at(address: Address, credentials: &Credentials) -> Device {
    let pin = credentials.of(&address.authority()).fingerprint;
    // Where a key is pinned nothing goes over plain HTTP any more, however the address is written.
    let address = match pin {
        Some(_) => address.over_tls(),
        None => address,
    };
    Device {
        road: Road::Network { address, pin },
        authorization: None,
        not_here: None,
    }
}
