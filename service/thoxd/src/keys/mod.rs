//! API keys and the claim code, in one file: `keys.json` in the state folder.
//!
//! - [`secret`]: what a key looks like, and what is kept of it.
//! - [`store`]: finding, changing, claiming; a change is on the disk before it counts.
//! - [`mod@key`]: a key in force; `making`: what one that is asked for has to be like.
//! - [`farewell`]: what a stream says last when its key is revoked.
//! - [`code`]: the code by which a new device is claimed.
//! - `file`: the file's form.

pub mod code;
pub mod farewell;
mod file;
pub mod key;
mod making;
pub mod secret;
pub mod store;

pub use farewell::Farewell;
pub use key::Key;
pub use secret::Secret;
pub use store::{CannotOpen, Keys};
