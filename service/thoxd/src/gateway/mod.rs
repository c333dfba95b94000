//! The one path of a request, whatever door it came through: peek, route, admit, call, answer.
//!
//! - [`mod@peek`]: what routing needs of a request, borrowed from its text.
//! - [`call`]: the path itself.
//! - [`answer`]: a stream on its way from the engine to the client.
//! - [`reply`]: what a door gets.
//! - [`record`]: how each request ended; the last decisions.

pub mod answer;
pub mod call;
pub mod peek;
pub mod record;
pub mod reply;

pub use answer::{Answer, Framing};
pub use call::{Caller, Examined, Gateway, Request};
pub use peek::{Peek, peek};
pub use reply::{Content, Reply};
