//! What the tests of thoxd stand on: doubles of the engines, a fixture that starts the real daemon, and a client that
//! sees every byte.
//!
//! - [`doubles`]: HTTP doubles of the engines, with faults that a test switches on
//! - [`thoxd`]: starts the real `thoxd` on a free port with a generated configuration
//! - [`client`]: an HTTP/1.1 client that tells a finished body from a cut one
//! - [`tls`]: the same over TLS, HTTP/2 included, and certificates to serve
//! - [`websocket`]: a client of `/v1/stream`
//! - [`frames`]: the same frame by frame, wrong ones included
//! - [`sse`]: the events of a stream, comments included
//! - [`stream`]: what a client made of a streamed chat
//! - [`http1`]: heads and bodies of HTTP/1.1, both directions
//! - [`json`]: JSON text whose fields keep the order they are written in
//! - [`patience`]: bounded waiting
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "this crate is test support: what fails here is the test that uses it"
)]

pub mod client;
pub mod doubles;
pub mod frames;
pub mod http1;
pub mod json;
pub mod patience;
pub mod sse;
pub mod stream;
pub mod thoxd;
pub mod tls;
pub mod websocket;
