//! What goes over the wire: the error table and the replies of the device's own routes. No I/O.
//!
//! - [`access`]: authentication, keys, claiming, the device itself.
//! - [`dbus`]: the names of the D-Bus service.
//! - [`downloads`]: models that come and go; [`settings`]; [`running`]: the log and the restarts.
//! - [`error`]: every kind of failure with its HTTP status and its names in each protocol.
//! - [`health`], [`models`], [`router`]: the replies of `/health`, `/v1/models` and `/router/status`.
//! - [`reset`]: giving the device back as it was new.
//! - [`update`]: updates of the device's system.
//! - [`stream`]: the events of the WebSocket `/v1/stream`.

pub mod access;
pub mod dbus;
pub mod downloads;
pub mod error;
pub mod health;
pub mod models;
pub mod reset;
pub mod router;
pub mod running;
pub mod settings;
pub mod stream;
pub mod update;

pub use access::{
    AuthStatus, Claim, ClaimCode, Class, DataCleared, DeviceStatus, KeyDeleted, KeyInfo, KeyList,
    MakeKey, NewKey, Scope, SetAuth, TlsStatus,
};
pub use downloads::{
    Download, DownloadList, DownloadProgress, DownloadState, ModelAction, ModelChanged, NamedModel,
};
pub use error::{ApiError, ErrorBody, ErrorKind, ErrorObject};
pub use health::{BackendHealth, BackendState, EngineChanged, Health, OverallStatus, UnitHealth};
pub use models::{ModelList, ModelObject};
pub use reset::{Reset, ResetDone};
pub use router::{
    CircuitState, DecisionRecord, Explanation, RouteChoice, RouterBackend, RouterModel,
    RouterRules, RouterStatus,
};
pub use running::{LogLevel, LogLine, Reboot, Rebooting, Restarting};
pub use settings::{Effect, SetSetting, Setting, SettingList, SettingsReloaded};
pub use stream::StreamEvent;
pub use update::{
    InstallUpdate, OFFERED, OfferUpdate, Update, UpdateEvidence, UpdateLast, UpdateOutcome,
    UpdateProgress, UpdateSlot, UpdateState,
};
