//! Starts everything and owns shutdown.
//!
//! - `run`: the life of the process.
//! - `banner`: what a person at the terminal is told.

mod banner;
mod run;

pub use run::{CannotStart, run};
