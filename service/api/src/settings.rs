//! The settings over the network: `/thox/v1/settings`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// With the next request.
    AtOnce,
    /// When thoxd starts the next time.
    Restart,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its key, as in a settings file: `server.listen`.
    pub key: String,
    /// Its value as the settings files have it now; null where it is not set and has no default.
    pub value: Value,
    /// What it would be if nobody set it.
    pub default: Value,
    /// Where the value is from: a file and its line, an environment variable, the command line, or the built-in default.
    pub source: String,
    /// What it means.
    pub documentation: String,
    /// When a change counts.
    pub effect: Effect,
    /// Whether the running daemon has another value until it is started anew.
    pub restart_needed: bool,
}

/// `GET /thox/v1/settings`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingList {
    /// Always `list`.
    pub object: String,
    /// All settings, by key.
    pub data: Vec<Setting>,
}

/// The reply to `POST /thox/v1/settings/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsReloaded {
    /// Always `reload`.
    pub object: String,
    /// The keys that have another value now.
    pub changed: Vec<String>,
    /// The keys whose new value counts when thoxd starts the next time.
    pub restart_needed: Vec<String>,
}

/// `PUT /thox/v1/settings/{key}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSetting {
    /// The new value: a text, a number, true or false, or a list of these.
    pub value: Value,
}
