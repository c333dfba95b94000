//! Tells the network that the device is there, by multicast DNS (RFC 6762) and DNS-SD (RFC 6763).
//!
//! - `announce`: the task that has one responder on each link and takes up what the links do.
//! - `responder`: one link's responder; `records`: what it tells; `names`: what the device is called after all.
//! - [`identity`]: the short id by which this machine is told from others of its kind.

mod announce;
pub mod identity;
mod names;
mod records;
mod responder;

pub use announce::{Announced, announce};
