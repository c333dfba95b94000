//! The end of a connection: what has been answered, the close frame, and the peer's own end.

use bytes::Bytes;
use futures_util::SinkExt;
use std::{collections::VecDeque, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message, Utf8Bytes,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// The code and the reason that the peer is told; `None` where it has closed or is gone.
pub(super) type Close = Option<(CloseCode, &'static str)>;

/// A few answers and a close frame are a few small segments; a client that does not take them in this time is not
/// waited for.
const CLOSING: Duration = Duration::from_secs(1);

/// As long as a client may take to see the end and to end its own side; more than a round trip of a bad Wi-Fi.
const LINGERING: Duration = Duration::from_secs(1);

/// Ends a connection on which nothing is under way any more.
pub(super) async fn close<S>(mut socket: WebSocketStream<S>, waiting: VecDeque<Bytes>, close: Close)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Some(close) = close {
        let _ = timeout(CLOSING, tell(&mut socket, waiting, close)).await;
    }
    let _ = timeout(LINGERING, linger(socket.get_mut())).await;
}

async fn tell<S>(
    socket: &mut WebSocketStream<S>,
    waiting: VecDeque<Bytes>,
    (code, reason): (CloseCode, &'static str),
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What came before a broken frame was in order, and so is its answer.
    for text in waiting
        .into_iter()
        .filter_map(|w| Utf8Bytes::try_from(w).ok())
    {
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
    let reason = Utf8Bytes::from_static(reason);
    let _ = socket.close(Some(CloseFrame { code, reason })).await;
}

/// Bytes that nobody has read make the kernel send a reset, which may overtake the close frame on its way to the client:
/// so this side is shut first and the other one read to its end (RFC 6455, 7.1.1).
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if stream.shutdown().await.is_ok() {
        let _ = copy(stream, &mut sink()).await;
    }
}
