//! The device that is meant, with the key and the pin that this user has for it.

use super::{
    Device,
    address::{Address, InvalidAddress, Scheme},
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
        if key.is_some() {
            must_be_private(&found, &credentials)?;
        }
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
        let address = private(address, &Credentials::load()?);
        Ok(at(address.or_its_tls_port(), &Credentials::default()))
    }

    /// One of which nothing is known but where it is: it gets no key.
    pub(super) fn stranger(address: Address) -> Self {
        Self {
            road: Road::Network { address, pin: None },
            authorization: None,
            not_here: None,
        }
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
    let address = private(address, credentials);
    let pin = credentials.of(&address.authority()).fingerprint;
    Device {
        road: Road::Network { address, pin },
        authorization: None,
        not_here: None,
    }
}

/// The way on which nobody reads along, where one is known for the device, however its address is written.
fn private(address: Address, credentials: &Credentials) -> Address {
    if address.scheme() == Scheme::Https {
        return address;
    }
    let own = credentials.of(&address.authority());
    if own.fingerprint.is_some() {
        return address.over_tls();
    }
    if let Some(port) = own.tls_port {
        return address.over_tls_at(port);
    }
    if !address.is_usual() {
        return address;
    }
    let usual = address.or_its_tls_port();
    if credentials.of(&usual.authority()).fingerprint.is_some() {
        return usual;
    }
    // A name alone means the device, wherever it speaks TLS. On this machine several may be behind one name.
    match credentials.pinned_ports(address.host()).as_slice() {
        [port] if !address.is_loopback() => address.over_tls_at(*port),
        _ => address,
    }
}

/// No key goes readable over the network to a host that could get it over TLS.
fn must_be_private(device: &Device, credentials: &Credentials) -> Result<(), Failure> {
    let Some(address) = device.address() else {
        return Ok(());
    };
    if address.scheme() == Scheme::Https || address.is_loopback() {
        return Ok(());
    }
    let Some(port) = credentials.pinned_ports(address.host()).first().copied() else {
        return Ok(());
    };
    let better = address.over_tls_at(port);
    let message = format!(
        "no key is sent to {address}, where others could read it, since a TLS key is pinned for {better}"
    );
    Err(Failure::error(message).next(format!(
        "thox --host {better} …; if the device has a new TLS key: thox --host {better} trust"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{credentials::Change, fingerprint::Fingerprint};

    fn known(changes: &[(&str, Change)]) -> Credentials {
        let changes: Vec<_> = changes
            .iter()
            .map(|(device, change)| ((*device).to_owned(), change.clone()))
            .collect();
        Credentials::with(&changes)
    }

    fn pin() -> Change {
        Change::Fingerprint(Fingerprint::of(b"x"))
    }

    #[test]
    fn what_is_pinned_is_spoken_to_over_tls_however_it_is_written() {
        let usual = known(&[("box:8443", pin())]);
        let other = known(&[("box:9443", pin())]);
        let both = known(&[("box:9443", pin()), ("box:9444", pin())]);
        let linked = known(&[("box:9000", Change::TlsPort(9443)), ("box:9443", pin())]);
        let same = known(&[("box:9000", pin())]);
        let here = known(&[("localhost:9443", pin())]);
        for (credentials, written, url) in [
            (&usual, "box", "https://box:8443"),
            (&usual, "box:8080", "https://box:8443"),
            (&usual, "http://box:8080/v1", "https://box:8443"),
            (&usual, "Box.", "https://box:8443"),
            (&usual, "box:9000", "http://box:9000"),
            (&usual, "other", "http://other:8080"),
            (&usual, "https://box:1", "https://box:1"),
            (&other, "box", "https://box:9443"),
            (&both, "box", "http://box:8080"),
            (&linked, "box:9000", "https://box:9443"),
            (&same, "box:9000", "https://box:9000"),
            (&here, "localhost", "http://localhost:8080"),
        ] {
            let device = at(written.parse().unwrap(), credentials);
            assert_eq!(device.url(), url, "{written} with {credentials:?}");
        }
    }

    #[test]
    fn a_key_does_not_go_readable_to_a_host_that_has_a_pin() {
        let pinned = known(&[
            ("box:9443", pin()),
            ("127.0.0.1:9443", pin()),
            ("[fd00::1]:1", pin()),
        ]);
        for (written, is_private) in [
            ("box:9000", false),
            ("http://box", false),
            ("[fd00::1]:2", false),
            ("box", true),
            ("https://box:1", true),
            ("127.0.0.1:9000", true),
            ("other:9000", true),
        ] {
            let device = at(written.parse().unwrap(), &pinned);
            assert_eq!(
                must_be_private(&device, &pinned).is_ok(),
                is_private,
                "{written}"
            );
        }
    }
}
