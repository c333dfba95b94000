//! TLS to a device: its key is the one that is pinned for it, or the system's roots vouch for its certificate, or nothing
//! is sent.
//!
//! No public authority issues certificates for `.local`, so a device has one of its own making; what is pinned is its
//! public key. A pinned key counts whatever names and dates the certificate has: the clock of a device without a battery
//! may be wrong.

use super::{address::Address, verifier::Verifier};
use crate::{failure::Failure, fingerprint::Fingerprint};
use rustls::{ClientConfig, crypto::CryptoProvider, pki_types::ServerName};
use std::{io, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// By what a device's certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// It must have this key.
    Pinned(Fingerprint),
    /// The system's roots must vouch for it.
    System,
    /// Any will do: it is looked at, and nothing is sent.
    Look,
}

/// A device's certificate, whose key it has proved to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Of its public key.
    pub(crate) fingerprint: Fingerprint,
    /// The names that it is for, as far as they are no addresses.
    pub(crate) names: Vec<String>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Refused {
    /// It broke off.
    Io(io::Error),
    /// The certificate does not do.
    Told(Failure),
}

/// Speaks TLS on a connection, once the device has shown that it is the right one.
pub(super) async fn connect(
    address: &Address,
    stream: TcpStream,
    trust: Trust,
) -> Result<(TlsStream<TcpStream>, Option<Certificate>), Refused> {
    let name = ServerName::try_from(address.host().to_owned()).map_err(|_| {
        let message = format!(
            "{address}: `{}` is no name that a certificate could have",
            address.host()
        );
        Refused::Told(
            Failure::error(message)
                .next("name the device by another of its names or by its address"),
        )
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Verifier::new(trust, &provider));
    let config =
        config(provider, verifier.clone()).map_err(|error| Refused::Io(io::Error::other(error)))?;
    match TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
    {
        Ok(stream) => Ok((stream, verifier.shown())),
        Err(error) => Err(match (verifier.objection(), verifier.shown()) {
            (Some(why), Some(shown)) => Refused::Told(untrusted(address, trust, &shown, &why)),
            _ => Refused::Io(error),
        }),
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<Verifier>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn untrusted(address: &Address, trust: Trust, shown: &Certificate, why: &str) -> Failure {
    let Certificate { fingerprint, names } = shown;
    let pin = format!("thox --host {address} trust {fingerprint}");
    match trust {
        Trust::Pinned(pinned) => Failure::error(format!(
            "{address} is NOT the device that was trusted: its TLS key is another one, so nothing was sent to it\n\
             pinned: {pinned}\n\
             shown:  {fingerprint}\n\
             Either somebody else answers in its place, or it has a new key because it was reset or given another certificate."
        ))
        .next(format!("`thox status` on the device itself shows its fingerprint; only if that is the one shown here: {pin}")),
        Trust::System | Trust::Look => {
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            Failure::error(format!(
                "nothing vouches for the certificate of {address}, so nothing was sent to it: {why}\n\
                 it is for:    {names}\n\
                 fingerprint:  {fingerprint}"
            ))
            .next(format!("`thox status` on the device itself shows its fingerprint; if it is this one, pin it: {pin}"))
        }
    }
}
