//! The HTTP door: OpenAI's routes and the device's own, over HTTP/1.1 on the plain port, HTTP/1.1 and HTTP/2 inside TLS.
//!
//! - [`mod@routes`]: paths and handlers; [`gate`]: each with what it is for, and the guard in front of it.
//! - [`inference`]: chat, completions, embeddings; [`body`]: how a reply leaves.
//! - [`device`]: health, models, router, metrics, the API's own description.
//! - [`access`]: keys, authentication; [`claim`]: claiming and factory reset; [`models`]: downloads, load, unload,
//!   delete; [`engines`]: start, stop, restart; [`settings`]; [`running`]: the log and the restarts; [`update`]: updates of
//!   the device's system.
//! - `document`: the JSON that these take; `confirm`: that this device is meant; `lines`: replies that come line by line.
//! - [`assets`]: the web page; [`page`]: what browsers are told; [`error`]: errors as replies.
//! - [`entrance`]: the accept loop; [`listener`]: connections by TCP; [`control`]: by a Unix socket.
//! - [`connection`]: one connection from its first byte to its last.
//! - [`socket`]: a stream that knows what its client is waiting for; [`front`]: what is true of every request;
//!   [`watch`]: ends a reply when its key is revoked.

pub mod access;
pub mod assets;
pub mod body;
pub mod claim;
mod confirm;
pub mod connection;
pub mod control;
pub mod device;
mod document;
pub mod engines;
pub mod entrance;
pub mod error;
pub mod front;
pub mod gate;
pub mod inference;
mod lines;
pub mod listener;
pub mod models;
pub mod page;
pub mod routes;
pub mod running;
pub mod settings;
pub mod socket;
pub mod update;
pub mod watch;
mod ways;

pub use gate::{Listed, Routes};
pub use listener::{Listener, adopt, bind};
pub use routes::{Door, Encrypted, routes};
pub use ways::{Handled, Ways};
