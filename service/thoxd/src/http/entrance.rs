//! The accept loop, the same for every way in; `places` bounds what it takes.

mod places;

pub use places::{Place, Places};

use super::{
    connection::{Peer, Terms, Via, reply},
    socket::Stream,
};
use crate::observe::metrics::WhyRefused;
use std::{future::Future, io, net::IpAddr, time::Duration};
use thox_api::{ApiError, ErrorKind};

/// Where connections come from.
pub trait Entrance: Send + Sync + 'static {
    /// A connection that has just come.
    type Arriving: Stream;

    /// How they come.
    fn via(&self) -> Via;

    /// The next one that may come in, and the address of its client.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Arriving, IpAddr)>> + Send;

    /// Serves one, in a task of its own.
    fn serve(&self, stream: Self::Arriving, peer: Peer, place: Place, terms: Terms);
}

/// Accepts until the daemon stops. `places` bounds the connections of all entrances that share them.
pub async fn accept(entrance: impl Entrance, terms: Terms, places: Places) {
    /// Out of file descriptors: accepting again at once would spin.
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        let accepted = async {
            // In this order: a connection that would find no place waits in the kernel's queue.
            let free = places.free().await?;
            Some((entrance.next().await, free))
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
                let peer = Peer {
                    address: address.to_canonical(),
                    via: entrance.via(),
                };
                match places.take(free, peer.address) {
                    Ok(place) => entrance.serve(stream, peer, place, terms.clone()),
                    Err(most) => refuse(stream, peer, most, &terms),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One client has all its connections: a word where there is one without a handshake, and the end.
fn refuse(mut stream: impl Stream, peer: Peer, most: usize, terms: &Terms) {
    terms.refused.count(WhyRefused::TooManyOfClient);
    tracing::debug!(client = %peer.address, most, "a client's further connection is refused");
    if peer.via != Via::Tls {
        let message = format!(
            "{} has {most} connections open, as many as one client may have {}.",
            peer.address,
            if most < terms.server.max_connections_per_client {
                "while so few places are left for others. Close some, use them for several requests, or raise server.max_connections"
            } else {
                "now. Close some, use them for several requests, or raise server.max_connections_per_client"
            }
        );
        stream.last_word(&reply(&ApiError::new(ErrorKind::RateLimited, message)));
    }
}
