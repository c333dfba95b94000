//! Starts everything and owns shutdown.
//!
//! - `run`: the life of the process.
//! - `doors`: all routes, each with what it is for.
//! - `banner`: what a person at the terminal is told.

mod banner;
mod doors;
mod run;

pub use doors::doors;
pub use run::{CannotStart, Ended, run};
