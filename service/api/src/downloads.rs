//! Models that come and go: `/thox/v1/models/downloads`, `/thox/v1/models/builds`, `/thox/v1/models/load`, `unload` and
//! `delete`.

use crate::error::ErrorObject;
use serde::{Deserialize, Serialize};

/// What a change of a model names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedModel {
    /// The model's public name, or the engine's own.
    pub model: String,
    /// The engine that is meant, by its name in the settings; needed only where several could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// What has been done to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelAction {
    /// It is in memory.
    Loaded,
    /// It is in memory no more.
    Unloaded,
    /// It is on the disk no more.
    Deleted,
}

/// The reply to loading, unloading and deleting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChanged {
    /// Always `model.changed`.
    pub object: String,
    /// The engine's own name of the model.
    pub model: String,
    /// The engine, by its name in the settings.
    pub engine: String,
    /// What has been done.
    pub action: ModelAction,
}

/// How far a download or a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DownloadState {
    /// Others come first.
    Queued,
    /// Under way.
    Running,
    /// The model is there.
    Succeeded,
    /// It could not be had.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

/// A download or a build, also as an event of `?follow=true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// By which it is asked for.
    pub id: String,
    /// `model.download`, or `model.build` where an engine is compiled for it.
    pub object: String,
    /// The engine's own name of the model.
    pub model: String,
    /// The engine that downloads it or is compiled, by its name in the settings.
    pub engine: String,
    /// How far it is.
    pub state: DownloadState,
    /// What the engine is doing, in its own words.
    pub status: String,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes in all, as far as the engine has told of them.
    pub total: Option<u64>,
    /// Bytes a second, of the last seconds; none until there is something to measure.
    pub bytes_per_second: Option<u64>,
    /// Unix seconds.
    pub created: u64,
    /// Unix seconds.
    pub finished: Option<u64>,
    /// Why it failed.
    pub error: Option<ErrorObject>,
}

/// How far a download or a build is, for everyone who may see the models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadProgress {
    /// `model.download`, or `model.build` where an engine is compiled for it.
    pub object: String,
    /// The engine's own name of the model.
    pub model: String,
    /// Queued, running or failed.
    pub state: DownloadState,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes in all, as far as the engine has told of them.
    pub total: Option<u64>,
    /// Bytes a second, of the last seconds; none until there is something to measure.
    pub bytes_per_second: Option<u64>,
}

/// `GET /thox/v1/models/downloads`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadList {
    /// Always `list`.
    pub object: String,
    /// The downloads and builds, oldest first; those that are over are forgotten in the end.
    pub data: Vec<Download>,
}

impl DownloadState {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}
