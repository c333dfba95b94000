//! The client: whole requests, streams, connections that are held open, and clients that leave.

mod connection;
mod leaving;
mod prompts;
mod streams;
mod whole;

pub(crate) use leaving::{Held, hold, open_at};
pub(crate) use prompts::Prompt;
pub(crate) use streams::streams;
pub(crate) use whole::{requests, until_answered};
