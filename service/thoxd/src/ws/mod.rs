//! The WebSocket door, `/v1/stream`: each text message is a chat request, several may be under way on one connection.
//!
//! - `handshake`: from a GET to an open socket.
//! - `session`: one connection: reads, requests and writes in one poll, so that a slow reader holds everything back.
//! - `closing`: its end: the last answers, the close frame, and the peer's own end.
//! - [`message`]: what a client may say.

mod closing;
mod handshake;
pub mod message;
mod session;

pub use handshake::{Door, open};
