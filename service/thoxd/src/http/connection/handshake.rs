//! TLS before the first request: bounded in time, and which HTTP follows is the client's wish (ALPN, RFC 7301).

use super::{FIRST_REQUEST, Peer, Terms, http2, reply, serve};
use crate::{
    http::{entrance::Place, socket::Stream as _},
    observe::metrics::WhyRefused,
    tls::HTTP2,
};
use rustls::ServerConfig;
use std::{io, sync::Arc};
use thox_api::{ApiError, ErrorKind};
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Serves a connection that has to begin with a handshake.
pub async fn serve_tls(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    peer: Peer,
    place: Place,
    terms: Terms,
) {
    let handshake = tokio::time::timeout(terms.server.header_timeout, accept(stream, config));
    let over = async {
        terms.lifetime.stopping().await;
        sleep(FIRST_REQUEST).await;
    };
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        () = over => return,
    };
    let stream = match accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => stream,
        Err(error) => {
            terms.refused.count(WhyRefused::Handshake);
            // Whoever can reach the port can make this happen as often as they like: no louder than this.
            tracing::debug!(client = %peer.address, %error, "no TLS was agreed on");
            return;
        }
    };
    // A client that names no protocol speaks HTTP/1.1.
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
        http2::serve(stream, peer, place, terms).await;
    } else {
        serve(stream, peer, place, terms).await;
    }
}

async fn accept(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A record of TLS begins with its type, a handshake's is 22 (RFC 8446, 5.1); a method of HTTP with a letter.
    if first.iter().all(u8::is_ascii_alphabetic) {
        answer_plain(&mut stream);
        return Err(io::Error::other("the client speaks plain HTTP"));
    }
    TlsAcceptor::from(config).accept(stream).await
}

/// `http://` on this port is somebody's slip: the answer says so in the language of the question.
fn answer_plain(stream: &mut TcpStream) {
    // Read first: what is closed with something unread is reset, and the answer lost.
    let _ = stream.try_read(&mut [0; 4 << 10]);
    let message =
        "this port speaks TLS: begin the address with https:// or wss://, or take the plain port.";
    stream.last_word(&reply(&ApiError::new(ErrorKind::InvalidRequest, message)));
}
