//! The form of `keys.json`.

use super::{
    code::Code,
    secret::{Fingerprint, Secret},
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use thox_api::{Class, KeyInfo, MakeKey, Scope};

/// The file's only version so far.
const VERSION: u32 = 1;

/// Everything in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    version: u32,
    pub claimed: bool,
    /// Until the device is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim_code: Option<String>,
    pub keys: Vec<Record>,
}

/// One key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub id: String,
    pub name: String,
    pub prefix: String,
    sha256: String,
    pub scope: Scope,
    pub class: Class,
    pub created: u64,
    pub expires: Option<u64>,
    pub last_used: Option<u64>,
    pub requests_per_minute: Option<u32>,
    pub tokens_per_minute: Option<u32>,
}

/// Keys that cannot be read. Starting without them would lock their owners out, and forget what was revoked.
#[derive(Debug, thiserror::Error)]
#[error("the keys in {} cannot be read: {cause}. Repair it or restore it; moving it away makes the device new, to be claimed again", file.display())]
pub struct CannotRead {
    file: PathBuf,
    cause: String,
}

impl Content {
    pub(super) fn new(code: &Code) -> Self {
        Self {
            version: VERSION,
            claimed: false,
            claim_code: Some(code.to_string()),
            keys: Vec::new(),
        }
    }

    /// Reads the file; nothing where there is none.
    pub(super) fn read(file: &Path) -> Result<Option<Self>, CannotRead> {
        let fail = |cause: String| CannotRead {
            file: file.to_owned(),
            cause,
        };
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error.to_string())),
        };
        let content: Self =
            serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?;
        if content.version != VERSION {
            let version = content.version;
            return Err(fail(format!(
                "it is of version {version}, this thoxd knows {VERSION}"
            )));
        }
        for record in &content.keys {
            if record.fingerprint().is_none() {
                return Err(fail(format!("the sha256 of {} is none", record.id)));
            }
        }
        if !content.claimed && content.code().is_none() {
            return Err(fail("it has no claim code".to_owned()));
        }
        let mode = fs::metadata(file).map_or(0, |found| found.permissions().mode());
        if mode & 0o077 != 0 {
            tracing::warn!(file = %file.display(), "others may read the keys' hashes: chmod 600");
        }
        Ok(Some(content))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub(super) fn code(&self) -> Option<Code> {
        self.claim_code.as_deref().and_then(Code::parse)
    }

    pub(super) fn claim(&mut self) {
        self.claimed = true;
        self.claim_code = None;
    }
}

impl Record {
    /// The record of a new key, made at `now`.
    pub(super) fn new(id: String, secret: &Secret, asked: &MakeKey, now: u64) -> Self {
        Self {
            id,
            name: asked.name.clone(),
            prefix: secret.prefix().to_owned(),
            sha256: secret.fingerprint().to_hex(),
            scope: asked.scope.unwrap_or(Scope::Inference),
            class: asked.class.unwrap_or_default(),
            created: now,
            expires: asked.expires_in.map(|seconds| now.saturating_add(seconds)),
            last_used: None,
            requests_per_minute: asked.requests_per_minute,
            tokens_per_minute: asked.tokens_per_minute,
        }
    }

    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        Fingerprint::of_hex(&self.sha256)
    }

    /// Another key in the place of this one: all but the secret stays.
    pub(super) fn rotated(&self, id: String, secret: &Secret, now: u64) -> Self {
        Self {
            id,
            prefix: secret.prefix().to_owned(),
            sha256: secret.fingerprint().to_hex(),
            created: now,
            last_used: None,
            ..self.clone()
        }
    }

    pub(super) fn info(&self) -> KeyInfo {
        KeyInfo {
            id: self.id.clone(),
            object: "key".to_owned(),
            name: self.name.clone(),
            prefix: self.prefix.clone(),
            scope: self.scope,
            class: self.class,
            created: self.created,
            expires: self.expires,
            last_used: self.last_used,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
        }
    }
}
