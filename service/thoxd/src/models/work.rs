//! What a job does: an engine fetches a model, or is compiled for one.

use super::{
    build::{Build, Told},
    progress::Progress,
    shown::Shown,
    target::Target,
};
use crate::{
    engine::{Engine, Pull, Step},
    world::Worlds,
};
use std::{sync::Arc, time::Instant};
use thox_api::ApiError;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Work {
    /// A model is fetched from its registry.
    Fetch(Target),
    /// An engine is compiled for a model that is on the disk.
    Build(Build),
}

impl Work {
    /// The engine's place in the fleet.
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Fetch(target) => target.index,
            Self::Build(build) => build.index,
        }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        match self {
            Self::Fetch(target) => &target.engine,
            Self::Build(build) => &build.engine,
        }
    }

    /// The engine's own name of the model.
    pub(super) fn model(&self) -> String {
        match self {
            Self::Fetch(target) => target.model.to_string(),
            Self::Build(build) => build.instance.to_string(),
        }
    }

    pub(super) fn object(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "model.download",
            Self::Build(_) => "model.build",
        }
    }

    /// What it waits for before it begins.
    pub(super) fn waits_for(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "waiting for other downloads",
            Self::Build(_) => "waiting for another build",
        }
    }

    /// Whether both would come to the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fetch(one), Self::Fetch(other)) => {
                one.index == other.index && one.model.is_same(&other.model)
            }
            (Self::Build(one), Self::Build(other)) => {
                one.index == other.index && one.instance == other.instance
            }
            (Self::Fetch(_), Self::Build(_)) | (Self::Build(_), Self::Fetch(_)) => false,
        }
    }

    /// Does it, and tells how far it is.
    ///
    /// # Errors
    /// As the client reads them.
    pub(super) async fn run(&self, worlds: &Worlds, shown: &Shown) -> Result<(), ApiError> {
        match self {
            Self::Fetch(target) => fetch(target, shown).await,
            Self::Build(build) => {
                let tell = |told: Told| {
                    shown.change(|shown| {
                        shown.status = told.status;
                        shown.bytes = told.bytes;
                    });
                };
                build.run(worlds, tell).await
            }
        }
    }

    /// Clears away what an end in the middle leaves behind.
    pub(super) async fn withdraw(&self, worlds: &Worlds) {
        match self {
            // The engine stops when nobody listens, and keeps what it has for the next time.
            Self::Fetch(_) => {}
            Self::Build(build) => build.withdraw(worlds.units()).await,
        }
    }
}

async fn fetch(target: &Target, shown: &Shown) -> Result<(), ApiError> {
    let Target { engine, model, .. } = target;
    shown.change(|shown| "asking the engine".clone_into(&mut shown.status));
    let mut pull = Pull::begin(engine, model).await?;
    let mut progress = Progress::default();
    loop {
        let step = match pull.next().await? {
            Step::Done => return Ok(()),
            step @ (Step::Status(_) | Step::Piece { .. }) => step,
        };
        progress.take_in(&step, Instant::now());
        shown.change(|shown| {
            shown.bytes = progress.bytes();
            shown.total = progress.total();
            shown.bytes_per_second = progress.rate();
            shown.status = match step {
                Step::Status(status) => status,
                Step::Piece { .. } | Step::Done => "downloading".to_owned(),
            };
        });
    }
}
