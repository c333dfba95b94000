//! The accept loop.

use super::connection::{Terms, serve};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
};

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
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

/// Binds an address.
///
/// # Errors
/// [`CannotListen`] with the next step, above all for a port that is taken.
pub fn bind(address: SocketAddr) -> Result<Listener, CannotListen> {
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
        Ok(Listener { listener, address })
    })();
    bound.map_err(|cause: io::Error| {
        let port = address.port();
        let next = match cause.kind() {
            io::ErrorKind::AddrInUse => format!(
                "Something else has port {port} (`ss -ltnp 'sport = :{port}'` names it): stop it, or take another port with --set server.listen='[\"{}:{}\"]'",
                address.ip(),
                port.saturating_add(1)
            ),
            io::ErrorKind::PermissionDenied => {
                "Ports below 1024 need a privilege: take one above, such as 8080".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "No interface has this address: `ip address` lists them; 0.0.0.0 stands for all".to_owned()
            }
            _ => "server.listen in the settings is where it comes from".to_owned(),
        };
        CannotListen { address, cause, next }
    })
}

impl Listener {
    /// Accepts until the daemon stops. `places` bounds the connections of all listeners together.
    pub async fn accept(self, terms: Terms, places: Arc<Semaphore>) {
        /// Out of file descriptors: accepting again at once would spin.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            let accepted = async {
                // In this order: a connection that would find no place waits in the kernel's queue.
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((self.listener.accept().await, place))
            };
            let (accepted, place) = tokio::select! {
                biased;
                () = terms.lifetime.stopping() => return,
                next = accepted => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            match accepted {
                Ok((stream, peer)) => {
                    terms
                        .lifetime
                        .spawn(serve(stream, peer, place, terms.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
