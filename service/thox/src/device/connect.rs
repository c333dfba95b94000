//! The way to a device, and a connection on it.

use super::{
    address::{Address, Scheme},
    control,
    tls::{self, Certificate, Refused, Trust},
};
use crate::{failure::Failure, fingerprint::Fingerprint};
use std::{io, path::PathBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// The way to a device.
#[derive(Clone, Debug)]
pub(super) enum Road {
    /// TCP, and TLS over it where the address says so.
    Network {
        address: Address,
        pin: Option<Fingerprint>,
    },
    /// The control socket of this machine.
    Socket(PathBuf),
}

/// A connection that is ready for a request.
pub(super) enum Line {
    Plain(TcpStream),
    // Large beside the others.
    Tls(Box<TlsStream<TcpStream>>),
    Local(UnixStream),
}

/// Why there is no reply.
pub(super) enum Fault {
    /// The device cannot be reached, and why.
    Away(String),
    /// It can, but must not be spoken to.
    Told(Failure),
}

impl Road {
    /// A connection for one request, over TLS once the device has shown that it is the right one.
    pub(super) async fn connect(&self) -> Result<Line, Fault> {
        let (address, pin) = match self {
            Road::Network { address, pin } => (address, *pin),
            Road::Socket(path) => {
                let stream = UnixStream::connect(path).await;
                return stream
                    .map(Line::Local)
                    .map_err(|error| Fault::Told(control::refused(path, &error)));
            }
        };
        let stream = tcp(address).await?;
        match address.scheme() {
            Scheme::Http => Ok(Line::Plain(stream)),
            Scheme::Https => {
                let trust = pin.map_or(Trust::System, Trust::Pinned);
                let (stream, _) = tls::connect(address, stream, trust)
                    .await
                    .map_err(refused)?;
                Ok(Line::Tls(Box::new(stream)))
            }
        }
    }
}

/// The certificate that is shown at an address, whoever vouches for it.
pub(super) async fn look(address: &Address) -> Result<Option<Certificate>, Fault> {
    let stream = tcp(address).await?;
    let connected = tls::connect(address, stream, Trust::Look).await;
    connected.map(|(_, shown)| shown).map_err(refused)
}

async fn tcp(address: &Address) -> Result<TcpStream, Fault> {
    address
        .connect()
        .await
        .map_err(|error| Fault::Away(reason(&error)))
}

fn refused(refused: Refused) -> Fault {
    match refused {
        Refused::Told(failure) => Fault::Told(failure),
        Refused::Io(error) => Fault::Away(tls_reason(&error)),
    }
}

/// Why a handshake broke off, in the words of somebody who has mixed up two ports.
fn tls_reason(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS at this port".to_owned(),
        Some(cause) => format!("TLS failed: {cause}"),
        None => format!("TLS failed: {}", reason(error)),
    }
}

/// The system's reason, without what the user does not need to know of it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => {
            let text = error.to_string();
            let text = text
                .strip_prefix("failed to lookup address information: ")
                .unwrap_or(&text);
            text.to_owned()
        }
    }
}
