//! How a connection to an engine is made: TCP, a Unix socket, or memory for the engine inside this process.

use super::{
    driven::Driven,
    failure::{Failure, Trouble},
    spliced::Body,
};
use crate::settings::EngineAddress;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::{TcpStream, UnixStream},
};

/// Where an engine is reached.
#[derive(Clone)]
pub enum Target {
    /// An address from the settings.
    Address(EngineAddress),
    /// An engine in this process: gives one end of a pipe and serves the other.
    Memory(Arc<dyn Fn() -> DuplexStream + Send + Sync>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Memory(_) => f.write_str("this process"),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Target {
    /// The Host header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Address(EngineAddress::Http { authority }) => authority,
            Self::Address(EngineAddress::Unix(_)) | Self::Memory(_) => "localhost",
        }
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] with the system's reason.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Link, Failure> {
        let connecting = async {
            match self {
                Self::Address(EngineAddress::Http { authority }) => {
                    let stream = TcpStream::connect(authority.as_str()).await?;
                    // Without it a request's second segment waits for the first one's acknowledgement, 40 ms.
                    stream.set_nodelay(true)?;
                    Link::over(stream).await
                }
                Self::Address(EngineAddress::Unix(path)) => {
                    Link::over(UnixStream::connect(path).await?).await
                }
                Self::Memory(open) => Link::over(open()).await,
            }
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(Failure::new(
                Trouble::Unreachable,
                format!("{self}: {error}"),
            )),
            Err(_) => Err(Failure::new(
                Trouble::Unreachable,
                format!("{self}: no connection within {limit:?}"),
            )),
        }
    }
}

/// One connection. Dropping it closes the socket at once, whatever is under way on it: that is the cancellation.
#[derive(Debug)]
pub struct Link {
    pub(super) sender: SendRequest<Body>,
    pub(super) connection: Driven,
}

impl Link {
    async fn over<S>(stream: S) -> std::io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        // How it ends is told by what was asked on it.
        let connection = Driven::new(async move {
            let _ = connection.await;
        });
        Ok(Self { sender, connection })
    }

    /// Whether a request can be sent on it now: it lives, and the reply before is over.
    pub(super) fn is_usable(&mut self) -> bool {
        self.connection.is_alive() && self.sender.is_ready()
    }
}
