//! The daemon's configuration: one validated [`Settings`] out of files, environment and command line, all or nothing.
//!
//! Each value comes from the last of these that has it (`config/README.md` tells it to users):
//!
//! 1. the defaults, documented in [`DEFAULT_FILE`], which is part of the program;
//! 2. `/usr/lib/thox/config.d/*.toml`, `/etc/thox/config.toml`, `/etc/thox/config.d/*.toml`,
//!    for an ordinary user `$XDG_CONFIG_HOME/thox/config.toml`, `/run/thox/config.d/*.toml`;
//!    with `--config FILE` that file alone instead of all these;
//! 3. the environment, `THOX_SECTION__KEY`;
//! 4. the command line, `--set section.key=VALUE`.
//!
//! - `shape`: the settings themselves; `defaults`: how each is read, and its default.
//! - `units`, `address`: validated types of values, `"30s"`, `"32MiB"`, `"http://127.0.0.1:11434"`.
//! - `sources`: where settings come from, in which order.
//! - `layer`: one such source, parsed; `overrides`: the two that are no files.
//! - `reader`: the merged layers, and what is wrong in them; `table`: reads typed values out of them; `setting`: what a
//!   type must offer to be read.
//! - `key`: `engines.ollama.url`, as text and as path.
//! - `check`: what must hold between settings.
//! - `problem`: everything that is wrong, in words for the person who wrote it.
//! - `documentation`: the comments of the default file, by key; `explain`: a key's value and where it is from.
//! - `edit`: changes one key in a file and leaves the rest of it alone; `live`: the same for the daemon that runs.
//! - `account`: whether the device or a person runs the program, and the folders that follow from it.

mod account;
mod address;
mod check;
mod defaults;
mod documentation;
mod edit;
mod explain;
mod key;
mod layer;
mod live;
mod overrides;
mod problem;
mod reader;
mod setting;
mod shape;
mod sources;
mod table;
mod units;

pub use account::Account;
pub use address::{EngineAddress, InvalidEngineAddress};
pub use edit::{Change, Edit, EditError, edit};
pub use explain::{Explanation, Loaded, UnknownKey, json};
pub use key::{InvalidKey, Key};
pub use layer::Origin;
pub use live::{Changes, Effect, Entry, Fixed, Live, Refused, effect_of};
pub use problem::{Fault, Problem, Problems};
pub use shape::{
    Audit, Auth, BusAddress, Circuit, Dbus, Downloads, Engine, HostLabel, HostName, Limits, Log,
    Mcp, Mdns, Model, Router, Server, Settings, SocketFile, Tls, UnitName, WebOrigin,
};
pub use sources::{Sources, parse_text};
pub use units::Bytes;

/// The commented default file, the same as is installed to `/usr/lib/thox/config.d/00-default.toml`.
pub const DEFAULT_FILE: &str = include_str!("../../../../config/thoxd.toml");

#[cfg(test)]
mod tests;
