//! Who may do what: authentication, keys, claiming; `/thox/v1/auth`, `/thox/v1/keys`, `/thox/v1/claim`.

use crate::downloads::DownloadProgress;
use serde::{Deserialize, Serialize};

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Asking models.
    Inference,
    /// Changing the device; asking models too.
    Admin,
}

/// Which requests of several clients go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Somebody waits for the answer.
    #[default]
    Interactive,
    /// Nobody waits: goes behind, but does not starve.
    Batch,
}

/// `GET /thox/v1/auth`, and the reply to changing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthStatus {
    /// Whether asking models needs a key on the device's own network too.
    pub enabled: bool,
    /// Whether somebody has taken the device by its claim code.
    pub claimed: bool,
    /// Keys that are neither revoked nor expired.
    pub keys: usize,
    /// Whether requests can come over TLS.
    pub tls: bool,
    /// How a key could be read on its way, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// `PUT /thox/v1/auth`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAuth {
    /// Whether asking models shall need a key.
    pub enabled: bool,
}

/// A key as it can be shown: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// By which it is revoked.
    pub id: String,
    /// Always `key`.
    pub object: String,
    /// What its maker called it.
    pub name: String,
    /// The key's first characters, for recognition.
    pub prefix: String,
    /// What it may be used for.
    pub scope: Scope,
    /// Which of several clients' requests go first.
    pub class: Class,
    /// Unix seconds.
    pub created: u64,
    /// Unix seconds after which it is refused.
    pub expires: Option<u64>,
    /// Unix seconds of its last use, to the minute.
    pub last_used: Option<u64>,
    /// Requests a minute that it may make; none is no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, of prompts and replies together; none is no limit.
    pub tokens_per_minute: Option<u32>,
}

/// `GET /thox/v1/keys`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// Always `list`.
    pub object: String,
    /// The keys, oldest first.
    pub data: Vec<KeyInfo>,
}

/// `POST /thox/v1/keys`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeKey {
    /// 1 to 64 characters, none of them a control character.
    pub name: String,
    /// What it may be used for; inference unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Seconds until it is refused; never unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Requests a minute, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// Which of several clients' requests go first; interactive unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
}

/// The reply to making, rotating and claiming: the only time that the key is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// `sk-` and 43 letters and digits.
    pub key: String,
    /// That it could be read on its way, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// All that is known of it later.
    #[serde(flatten)]
    pub info: KeyInfo,
}

/// The reply to revoking a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDeleted {
    /// The key's id.
    pub id: String,
    /// Always `key`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
}

/// `POST /thox/v1/claim`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The device's code, with or without its hyphens, in either case.
    pub code: String,
    /// What the first admin key shall be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `GET /thox/v1/claim-code`, on the control socket alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimCode {
    /// The code, until the device is claimed.
    pub code: Option<String>,
    /// Whether the device is claimed.
    pub claimed: bool,
    /// The page on which it is claimed, with the code in the fragment, which browsers send to nobody.
    pub page: Option<String>,
    /// The TLS key's fingerprint, where TLS is on: by it the device is told from others.
    pub tls_fingerprint: Option<String>,
}

/// The reply to `DELETE /thox/v1/data`: what was kept of requests is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCleared {
    /// Lines of the audit log that were deleted.
    pub audit_lines: u64,
    /// Entries of the list of the last decisions that were forgotten.
    pub decisions: u64,
}

/// `GET /thox/v1/status`: the device itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The name by which it is found.
    pub name: String,
    /// thoxd's version.
    pub version: String,
    /// This run of thoxd: another one after each start; empty where an older thoxd does not tell.
    #[serde(default)]
    pub instance: String,
    /// All names and addresses under which it may be asked.
    pub names: Vec<String>,
    /// TLS, where it is on.
    pub tls: Option<TlsStatus>,
    /// Whether somebody has taken the device by its claim code; an older thoxd does not tell.
    #[serde(default)]
    pub claimed: bool,
    /// Whether asking models needs a key on the device's own network too.
    #[serde(default)]
    pub key_needed: bool,
    /// The models on their way, and those that could not be had of late.
    #[serde(default)]
    pub downloads: Vec<DownloadProgress>,
}

/// The device's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsStatus {
    /// The ports on which TLS is spoken.
    pub ports: Vec<u16>,
    /// SHA-256 of the certificate's public key (SubjectPublicKeyInfo), 64 hexadecimal digits: what `thox` pins.
    pub fingerprint: String,
    /// Whether the device made the certificate itself.
    pub self_signed: bool,
    /// Unix seconds.
    pub expires: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_a_key_takes_what_it_knows_and_nothing_else() {
        let asked: MakeKey = serde_json::from_str(r#"{"name":"ci","scope":"admin"}"#).unwrap();
        assert_eq!(asked.scope, Some(Scope::Admin));
        assert_eq!(
            serde_json::to_string(&asked).unwrap(),
            r#"{"name":"ci","scope":"admin"}"#
        );
        assert!(serde_json::from_str::<MakeKey>(r#"{"name":"ci","scopes":["admin"]}"#).is_err());
        assert!(serde_json::from_str::<MakeKey>(r#"{"name":"ci","scope":"root"}"#).is_err());
    }
}
