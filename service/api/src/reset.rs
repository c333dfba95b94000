//! Factory reset: `POST /thox/v1/reset`.

use serde::{Deserialize, Serialize};

/// `POST /thox/v1/reset`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// The name of the device that is meant, so that no other is reset by mistake.
    pub confirm: String,
    /// Whether models and engines' data may stay; they go unless said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_models: bool,
}

/// The reply: what is gone, and what is left to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetDone {
    /// The device's name.
    pub name: String,
    /// Keys that were revoked.
    pub keys: usize,
    /// Lines of the audit log that were deleted.
    pub audit_lines: u64,
    /// The settings file that was deleted.
    pub settings: Option<String>,
    /// The new TLS key's fingerprint, where TLS is on with a certificate of the device's own.
    pub tls_fingerprint: Option<String>,
    /// The file that tells the system what it has to delete at the next boot, models among it.
    pub left_to_system: String,
    /// Whether settings that are gone stay in force until thoxd is restarted.
    pub restart_needed: bool,
}
