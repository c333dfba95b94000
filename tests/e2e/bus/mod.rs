//! thoxd on a message bus: a real dbus-daemon, doubles of systemd, login1 and polkit by python-dbusmock, busctl and gdbus
//! as clients. `ci/booted` has the real peers.
//!
//! - `stage`: the bus and who is on it.
//! - `properties`: what is shown, and that every change is told; `methods`: what can be asked for, and by whom.
//! - `builds`: an engine that is compiled for a model.
//! - `units`: the engines' units; `doors`: the same over HTTP and by `thox`; `downloads`: models that are fetched.
//! - `updates`: the device's system, with RAUC; `comes_and_goes`: no bus, another one, a name that is taken.

mod builds;
mod comes_and_goes;
mod doors;
mod downloads;
mod methods;
mod properties;
pub(crate) mod stage;
mod units;
mod updates;
