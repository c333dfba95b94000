//! The names of the D-Bus service: who it is, where it is, what each of its methods asks polkit for.

use crate::error::ErrorKind;

/// The name on the bus, and of the interface.
pub const NAME: &str = "ai.thox.Thoxd1";

/// The object.
pub const PATH: &str = "/ai/thox/Thoxd1";

/// What polkit is asked for; `config/polkit/ai.thox.Thoxd1.policy` says who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The settings are read again.
    Reload,
    /// What is logged is changed.
    Log,
    /// thoxd restarts.
    Restart,
    /// An engine is started, stopped, restarted.
    Engines,
    /// A model is loaded, unloaded, fetched.
    Models,
    /// The device restarts.
    Reboot,
    /// The device's system is updated, or the one before taken again.
    Update,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Reload,
        Self::Log,
        Self::Restart,
        Self::Engines,
        Self::Models,
        Self::Reboot,
        Self::Update,
    ];

    /// Its name.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Reload => "ai.thox.Thoxd1.reload",
            Self::Log => "ai.thox.Thoxd1.set-log-level",
            Self::Restart => "ai.thox.Thoxd1.restart",
            Self::Engines => "ai.thox.Thoxd1.manage-engines",
            Self::Models => "ai.thox.Thoxd1.manage-models",
            Self::Reboot => "ai.thox.Thoxd1.reboot",
            Self::Update => "ai.thox.Thoxd1.update",
        }
    }
}

/// The name of an error on the bus.
#[must_use]
pub fn error_name(kind: ErrorKind) -> String {
    format!("ai.thox.Error.{}", kind.row().dbus)
}
