//! The MCP door, `/mcp`: the device as tools of editors and agents, over streamable HTTP (revisions 2025-03-26 to
//! 2026-07-28 of the specification).
//!
//! - `door`: from an HTTP request to rmcp and back; [`Door`], what it works with.
//! - `message`: the body of a request, read and looked at; `refusal`: what is refused, as JSON-RPC.
//! - `body`: how a reply leaves: comments while nothing has come, an end when thoxd stops.
//! - `sessions`: sessions of clients before 2026-07-28: whose they are, how many, how long.
//! - `handler`: what rmcp asks for: tools, resources, prompts.
//! - `tools`: the four tools; `job`: their question to a model through the gateway; `reader`: whether it was read to its
//!   end; `progress`: how far it is.
//! - `resources`: the models and the device's status; `offers`: the four jobs as prompts.
//! - [`prompts`]: what the models are asked; [`size`]: whether it fits; [`extract`]: code out of what they say;
//!   [`diff`]: what it changes.
//! - `fixtures` (feature `mcp-fixtures`): for the official conformance suite only.

mod body;
pub mod diff;
mod door;
pub mod extract;
#[cfg(feature = "mcp-fixtures")]
mod fixtures;
mod handler;
mod job;
mod message;
mod offers;
mod progress;
pub mod prompts;
mod reader;
mod refusal;
mod resources;
mod sessions;
pub mod size;
mod tools;

pub use door::{Door, end, listen, receive};
