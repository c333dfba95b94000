//! Starts everything and owns shutdown.
//!
//! - `run`: the life of the process.
//! - `sockets`: where it listens; `status`: what goes on, in words.
//! - `doors`: all routes, each with what it is for.
//! - `banner`: what a person at the terminal is told.

mod announce;
mod banner;
mod doors;
mod run;
mod sockets;
mod status;

pub use doors::doors;
pub use run::{CannotStart, Ended, Supervision, run};
