//! Updates of the device's system: `/thox/v1/update`.

use serde::{Deserialize, Serialize};

/// Where an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateState {
    /// There is none.
    Idle,
    /// One can be had and waits for somebody's word.
    Offered,
    /// It is being written to the other slot.
    Installing,
    /// It is written and starts with the device's next restart.
    Staged,
    /// It runs and has to show that it works; else the device goes back by itself.
    Trial,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateOutcome {
    /// It works and is the device's system.
    Kept,
    /// It did not work, and the system before runs again.
    RolledBack,
    /// It could not be written.
    NotInstalled,
    /// Somebody went back to the other slot.
    Left,
}

/// `GET /thox/v1/update`, also line by line with `?follow=true` while one is being installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Always `update`.
    pub object: String,
    /// Whether this machine's system is updated by thoxd.
    pub available: bool,
    /// Why it is not, or what is wrong with it.
    pub note: Option<String>,
    /// Where an update is.
    pub state: UpdateState,
    /// The version that is offered, installed, staged or on trial.
    pub version: Option<String>,
    /// How far the installation is.
    pub progress: Option<UpdateProgress>,
    /// The slots with a system each.
    pub slots: Vec<UpdateSlot>,
    /// How the last update ended.
    pub last: Option<UpdateLast>,
}

/// How far an installation is, as RAUC tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateProgress {
    /// Of a hundred.
    pub percent: u8,
    /// What is being done, in RAUC's words.
    pub step: String,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSlot {
    /// The bootloader's name for it, such as `A`.
    pub name: String,
    /// The version that an update has written to it; none where it is as it was flashed.
    pub version: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Whether it starts next.
    pub next: bool,
    /// Whether the bootloader takes it; none where that is not known.
    pub good: Option<bool>,
}

/// The last update that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateLast {
    /// How.
    pub outcome: UpdateOutcome,
    /// Which; of `left`, the one that ran before.
    pub version: String,
    /// Unix seconds.
    pub at: u64,
}

/// `GET /thox/v1/update/why`: what is known of the last update that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateEvidence {
    /// Always `update.evidence`.
    pub object: String,
    /// How it ended.
    pub last: Option<UpdateLast>,
    /// Why, where it was no success.
    pub reason: Option<String>,
    /// What the device noted before it went back, its log's last lines among it.
    pub evidence: Option<String>,
}

/// `POST /thox/v1/update/install`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallUpdate {
    /// `offered`, the `http` or `https` URL of a bundle, or the path of one, which is taken on the device itself alone.
    pub source: String,
}

/// `PUT /thox/v1/update/offer`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferUpdate {
    /// The bundle's path.
    pub path: String,
}

/// The word for the update that is offered.
pub const OFFERED: &str = "offered";
