//! thoxd: one OpenAI-compatible API in front of a device's engines.
//!
//! Floors; a module imports only from those below its own:
//!
//! - 6 [`daemon`]: starts everything and owns shutdown;
//! - 5 [`http`], [`ws`], `mcp`, [`mod@dbus`]: doors, which translate a protocol into floor 4's calls and decide nothing;
//! - 4 [`gateway`]: the one path of a request; [`engines`]: what is done to the units that run them; [`models`]: what is done to an engine's models; [`reload`]: settings
//!   read again; [`mod@reset`]: gives the device back as it was new; [`updater`]: updates of the device's system;
//! - 3 [`world`]: snapshots of what is there; [`guard`]: who may do what;
//! - 2 [`engine`]: the engines as they behave over HTTP; [`keys`]: API keys; [`lan`]: the device's names and networks;
//!   [`mdns`]: tells the network that the device is there; [`tls`]: the certificate of the encrypted port;
//!   [`systemd`]: the service manager; [`rauc`]: what writes systems into slots;
//! - 1 [`settings`]: configuration; [`bus`]: the machine's message bus; [`observe`]: logs and metrics; [`lifetime`]: tasks and shutdown; [`state`]: files
//!   that survive.

pub mod bus;
pub mod daemon;
pub mod dbus;
pub mod engine;
pub mod engines;
pub mod gateway;
pub mod guard;
pub mod http;
pub mod keys;
pub mod lan;
pub mod lifetime;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod mdns;
pub mod models;
pub mod observe;
pub mod rauc;
pub mod reload;
pub mod reset;
pub mod settings;
pub mod state;
pub mod systemd;
pub mod tls;
pub mod updater;
pub mod world;
pub mod ws;
