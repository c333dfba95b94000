//! The accept loop; `places` bounds what it takes.

mod places;

pub use places::{Place, Places};

use super::{
    connection::{Peer, Terms, Via, handshake::serve_tls, reply, serve},
    socket::Stream as _,
};
use crate::observe::metrics::WhyRefused;
use rustls::ServerConfig;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use thox_api::{ApiError, ErrorKind};
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
                "Ports below 1024 need a privilege: take one above, such as 8080".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "No interface has this address: `ip address` lists them; 0.0.0.0 stands for all".to_owned()
            }
            _ => format!("{setting} in the settings is where it comes from"),
        };
        CannotListen { address, cause, next }
    })
}

impl Listener {
    /// Speaks TLS here.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Accepts until the daemon stops. `places` bounds the connections of all listeners together.
    pub async fn accept(self, terms: Terms, places: Places) {
        /// Out of file descriptors: accepting again at once would spin.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            let accepted = async {
                // In this order: a connection that would find no place waits in the kernel's queue.
                let free = places.free().await?;
                Some((self.listener.accept().await, free))
            };
            let (accepted, free) = tokio::select! {
                biased;
                () = terms.lifetime.stopping() => return,
                next = accepted => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            match accepted {
                Ok((stream, address)) => {
                    let address = address.ip().to_canonical();
                    let peer = Peer {
                        address,
                        via: self.tls.as_ref().map_or(Via::Plain, |_| Via::Tls),
                    };
                    match places.take(free, address) {
                        Some(place) => self.begin(stream, peer, place, &terms),
                        None => self.refuse(stream, peer, &terms),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn begin(&self, stream: TcpStream, peer: Peer, place: Place, terms: &Terms) {
        // Without it a token waits up to 40 ms for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => terms
                .lifetime
                .spawn(serve(stream, peer, place, terms.clone())),
            Some(config) => {
                let config = Arc::clone(config);
                terms
                    .lifetime
                    .spawn(serve_tls(stream, config, peer, place, terms.clone()));
            }
        }
    }

    /// One client has all its connections: a word where there is one without a handshake, and the end.
    fn refuse(&self, mut stream: TcpStream, peer: Peer, terms: &Terms) {
        terms.refused.count(WhyRefused::TooManyOfClient);
        let most = terms.server.max_connections_per_client;
        tracing::debug!(client = %peer.address, most, "a client's further connection is refused");
        if peer.via == Via::Plain {
            let message = format!(
                "{} has {most} connections open, as many as one client may have. Close some, use them for several requests, or raise server.max_connections_per_client.",
                peer.address
            );
            stream.last_word(&reply(&ApiError::new(ErrorKind::RateLimited, message)));
        }
    }
}
