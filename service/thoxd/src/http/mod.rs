//! The HTTP door: OpenAI's routes and the device's own, over HTTP/1.1 on the plain port.
//!
//! - [`mod@routes`]: paths and handlers.
//! - [`inference`]: chat, completions, embeddings; [`body`]: how a reply leaves.
//! - [`device`]: health, models, router, metrics, the API's own description.
//! - [`error`]: errors as replies.
//! - [`listener`]: the accept loop; [`connection`]: one connection from its first byte to its last.
//! - [`socket`]: a TCP stream that knows what its client is waiting for; [`front`]: what is true of every request.

pub mod body;
pub mod connection;
pub mod device;
pub mod error;
pub mod front;
pub mod inference;
pub mod listener;
pub mod routes;
pub mod socket;

pub use listener::{Listener, bind};
pub use routes::{Door, routes};
