//! The service manager that has started the daemon, if one has: what it is told, what it hands over, its watchdog.
//!
//! - [`Manager`]: READY, STATUS, RELOADING, STOPPING, WATCHDOG (sd_notify(3)).
//! - [`Sockets`]: the sockets that it has opened (sd_listen_fds(3)).
//! - [`Units`]: the units that run the engines, over D-Bus; `systemd1`: that part of systemd; [`login1`]: the machine's
//!   restart.
//! - [`feed`]: the watchdog is fed while the critical tasks live.
//!
//! Everything here does nothing where no service manager is.

pub mod login1;
mod manager;
mod sockets;
mod systemd1;
mod units;
mod watchdog;

pub use manager::Manager;
pub use sockets::{InvalidSockets, Sockets};
pub use units::{Units, Verb};
pub use watchdog::feed;
