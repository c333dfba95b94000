//! TCP: an entrance, plain or with TLS.

use super::{
    connection::{Peer, Terms, Via, handshake::serve_tls, serve},
    entrance::{Entrance, Place},
};
use rustls::ServerConfig;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    /// Where it listens, the port known.
    pub address: SocketAddr,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}. {next}.")]
pub struct CannotListen {
    /// The address.
    pub address: SocketAddr,
    /// The system's word.
    pub cause: io::Error,
    /// What to do.
    pub next: String,
}

/// As many as the kernel takes by default (net.core.somaxconn).
const BACKLOG: u32 = 4096;

/// Binds an address that stands in this setting.
///
/// # Errors
/// [`CannotListen`] with the next step, above all for a port that is taken.
pub fn bind(address: SocketAddr, setting: &str) -> Result<Listener, CannotListen> {
    let bound = (|| {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restart must not wait for the old connections' TIME_WAIT; two daemons on one port still exclude each other.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Listener {
            listener,
            tls: None,
            address,
        })
    })();
    bound.map_err(|cause: io::Error| {
        let port = address.port();
        let next = match cause.kind() {
            io::ErrorKind::AddrInUse => format!(
                "Something else has port {port} (`ss -ltnp 'sport = :{port}'` names it): stop it, or take another port with --set {setting}='[\"{}:{}\"]'",
                address.ip(),
                port.saturating_add(1)
            ),
            io::ErrorKind::PermissionDenied => {
                "Ports below 1024 need a privilege: take one above, such as 8080, or let thoxd.socket open it".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "No interface has this address: `ip address` lists them; 0.0.0.0 stands for all".to_owned()
            }
            _ => format!("{setting} in the settings is where it comes from"),
        };
        CannotListen { address, cause, next }
    })
}

/// Takes over a socket that listens already.
///
/// # Errors
/// The system's reason.
pub fn adopt(socket: std::net::TcpListener) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    Ok(Listener {
        address: socket.local_addr()?,
        listener: TcpListener::from_std(socket)?,
        tls: None,
    })
}

impl Listener {
    /// Speaks TLS here.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }
}

impl Entrance for Listener {
    type Arriving = TcpStream;

    fn via(&self) -> Via {
        self.tls.as_ref().map_or(Via::Plain, |_| Via::Tls)
    }

    async fn next(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, address) = self.listener.accept().await?;
        // Without it a token waits up to 40 ms for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        Ok((stream, address.ip()))
    }

    fn serve(&self, stream: TcpStream, peer: Peer, place: Place, terms: Terms) {
        let lifetime = terms.lifetime.clone();
        match &self.tls {
            None => lifetime.spawn(serve(stream, peer, place, terms)),
            Some(config) => {
                let config = Arc::clone(config);
                lifetime.spawn(serve_tls(stream, config, peer, place, terms));
            }
        }
    }
}
