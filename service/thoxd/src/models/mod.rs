//! What is done to the models of engines: they are fetched, compiled, taken into memory, dropped from it, removed.
//!
//! - [`target`]: which model on which engine a name means.
//! - [`change`]: load, unload, delete.
//! - [`downloads`]: those under way and the last ones; `job`: one of them; `work`: what it does; `shown`: what is told
//!   of it; `progress`: how far a download is and how fast.
//! - [`build`]: an engine that is compiled for a model, which is a job like a download.

pub mod build;
pub mod change;
pub mod downloads;
mod job;
mod progress;
mod shown;
pub mod target;
mod work;

use crate::{lifetime::Lifetime, world::Worlds};
use downloads::Downloads;
use std::sync::Arc;
use thox_policy::Registry;

/// Everything that is done to models.
#[derive(Clone, Debug)]
pub struct Models {
    worlds: Arc<Worlds>,
    downloads: Arc<Downloads>,
}

impl Models {
    /// Nothing is under way yet; models are fetched from `registries` alone.
    #[must_use]
    pub fn new(worlds: Arc<Worlds>, registries: Vec<Registry>, lifetime: Lifetime) -> Self {
        let downloads = Arc::new(Downloads::new(Arc::clone(&worlds), registries, lifetime));
        Self { worlds, downloads }
    }

    /// The downloads.
    #[must_use]
    pub fn downloads(&self) -> &Arc<Downloads> {
        &self.downloads
    }
}
