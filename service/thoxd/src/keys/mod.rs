//! API keys and the claim code, in one file: `keys.json` in the state folder.
//!
//! - [`secret`]: what a key looks like, and what is kept of it.
//! - [`store`]: making, finding, revoking.
//! - [`code`]: the code by which a new device is claimed.
//! - `file`: the file's form.

pub mod code;
mod file;
pub mod secret;
pub mod store;

pub use secret::Secret;
pub use store::{CannotOpen, Key, Keys};
