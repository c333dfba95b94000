//! TCP: an entrance, plain or with TLS.

use super::{
    connection::{Peer, Terms, Via, handshake::serve_tls, serve},
    entrance::{Entrance, Place},
};
use nix::sys::socket::{setsockopt, sockopt::Ipv6V6Only};
use rustls::ServerConfig;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use thox_policy::listening::stands_for;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    /// Where it takes more than it serves, the device's addresses at which it answers.
    only: Option<Box<[IpAddr]>>,
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

/// Binds an address that stands in this setting; with `only_v6` IPv6's without IPv4.
///
/// # Errors
/// [`CannotListen`] with the next step, above all for a port that is taken.
pub fn bind(address: SocketAddr, only_v6: bool, setting: &str) -> Result<Listener, CannotListen> {
    let bound = (|| {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restart must not wait for the old connections' TIME_WAIT; two daemons on one port still exclude each other.
        socket.set_reuseaddr(true)?;
        if only_v6 {
            setsockopt(&socket, Ipv6V6Only, &true)?;
        }
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Listener {
            listener,
            tls: None,
            only: None,
            address,
        })
    })();
    bound.map_err(|cause: io::Error| {
        let port = address.port();
        let next = match cause.kind() {
            io::ErrorKind::AddrInUse => format!(
                "Something else has port {port} (`ss -ltnp 'sport = :{port}'` names it): stop it, or take another port with --set {setting}='[\"{}\"]'",
                SocketAddr::new(address.ip(), port.saturating_add(1))
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

/// Takes over a socket that listens already; it answers at these addresses only, where there are some.
///
/// # Errors
/// The system's reason.
pub fn adopt(socket: std::net::TcpListener, only: Option<Vec<IpAddr>>) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    Ok(Listener {
        address: socket.local_addr()?,
        listener: TcpListener::from_std(socket)?,
        tls: None,
        only: only.map(Vec::into_boxed_slice),
    })
}

impl Listener {
    /// Speaks TLS here.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Where it answers.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let port = self.address.port();
        let all = self.only.is_none().then_some(self.address);
        let only = self.only.iter().flatten();
        all.into_iter()
            .chain(only.map(move |address| SocketAddr::new(*address, port)))
    }

    /// Is a connection to this address of the device's answered?
    fn answers_at(&self, stream: &TcpStream) -> bool {
        let Some(only) = &self.only else { return true };
        let to = stream
            .local_addr()
            .map(|address| address.ip().to_canonical());
        to.is_ok_and(|to| only.iter().any(|one| stands_for(*one, to)))
    }
}

impl Entrance for Listener {
    type Arriving = TcpStream;

    fn via(&self) -> Via {
        self.tls.as_ref().map_or(Via::Plain, |_| Via::Tls)
    }

    async fn next(&self) -> io::Result<(TcpStream, IpAddr)> {
        let (stream, address) = loop {
            let (stream, address) = self.listener.accept().await?;
            if self.answers_at(&stream) {
                break (stream, address);
            }
            // Reset, as where nobody listens: the kernel had taken it before anybody could be asked.
            let _ = stream.set_zero_linger();
        };
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
