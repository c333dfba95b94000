//! Starts everything and owns shutdown.
//!
//! - `run`: the life of the process; `start`: everything that it starts.
//! - `sockets`: where it listens; `status`: what goes on, in words.
//! - `doors`: all routes, each with what it is for.
//! - `banner`: what a person at the terminal is told.

mod announce;
mod banner;
mod doors;
mod run;
mod sockets;
mod start;
mod status;

pub use doors::doors;
pub use run::{Ended, Supervision, run};
pub use start::CannotStart;
