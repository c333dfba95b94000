//! The downloads and builds under way and the last ones: few at once, the same model once, and none is lost with its client.

use super::{
    build::Build,
    job::{Job, unix_seconds},
    target::wanted,
    work::Work,
};
use crate::{keys::secret::random, lifetime::Lifetime, world::Worlds};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use thox_api::{ApiError, Download, DownloadProgress, DownloadState, ErrorKind, NamedModel};
use thox_policy::Registry;
use tokio::sync::{Semaphore, watch};

/// Two keep a network busy; more only share it.
const AT_ONCE: usize = 2;

/// One takes the whole GPU and all memory that there is.
const BUILDS_AT_ONCE: usize = 1;

/// Under way and waiting; nobody has room for more models.
const MOST_UNFINISHED: usize = 32;

/// With those that are over, each below a kilobyte.
const MOST_KEPT: usize = 100;

/// Longer than the longest pause between two tries of a new device to get its first models (thox-provision.service).
const FAILURE_TOLD_FOR: Duration = Duration::from_secs(60 * 60);

/// All downloads and builds.
#[derive(Debug)]
pub struct Downloads {
    worlds: Arc<Worlds>,
    registries: Vec<Registry>,
    lifetime: Lifetime,
    places: Arc<Semaphore>,
    /// Counts what happens to any of them.
    news: Arc<watch::Sender<u64>>,
    building: Arc<Semaphore>,
    /// Oldest first.
    jobs: Mutex<Vec<Arc<Job>>>,
}

impl Downloads {
    pub(super) fn new(worlds: Arc<Worlds>, registries: Vec<Registry>, lifetime: Lifetime) -> Self {
        Self {
            worlds,
            registries,
            lifetime,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            news: Arc::new(watch::Sender::new(0)),
            building: Arc::new(Semaphore::new(BUILDS_AT_ONCE)),
            jobs: Mutex::default(),
        }
    }

    /// Begins to fetch a model, or tells of the download that does so already.
    ///
    /// # Errors
    /// The name is none, its registry is not allowed, no engine fetches models, or too many are being fetched.
    pub fn begin(&self, named: &NamedModel) -> Result<Download, ApiError> {
        let target = wanted(&self.worlds.current(), named)?;
        let model = &target.model;
        if !self.registries.contains(model.registry()) {
            return Err(foreign(model.registry(), &self.registries));
        }
        if model.is_elsewhere() {
            let message = format!(
                "`{model}` runs on its maker's computers: what is asked of it would leave this device. Choose a model that runs here."
            );
            return Err(ApiError::new(ErrorKind::RegistryNotAllowed, message).param("model"));
        }
        self.add(Work::Fetch(target))
    }

    /// Begins to compile an engine for a model, or tells of the build that does so already.
    ///
    /// # Errors
    /// There is no engine that compiles, the name is none, its unit, its files or the room for it are missing, systemd
    /// cannot be asked, or too much is under way.
    pub async fn build(&self, named: &NamedModel) -> Result<Download, ApiError> {
        let build = Build::prepare(&self.worlds, named).await?;
        self.add(Work::Build(build))
    }

    fn add(&self, work: Work) -> Result<Download, ApiError> {
        let id = random::<8>().map_err(|error| {
            let message = "the system gives no random numbers; the log of thoxd says more.";
            ApiError::new(ErrorKind::Internal, message).cause(error)
        })?;
        let mut jobs = self.jobs();
        if let Some(same) = jobs.iter().find(|job| !job.is_over() && job.is_for(&work)) {
            return Ok(same.now());
        }
        if jobs.iter().filter(|job| !job.is_over()).count() >= MOST_UNFINISHED {
            let message = format!(
                "{MOST_UNFINISHED} downloads and builds are under way or waiting. Ask again when some are done, or cancel one."
            );
            return Err(ApiError::new(ErrorKind::QueueFull, message).retry_after(60));
        }
        if jobs.len() >= MOST_KEPT
            && let Some(oldest) = jobs.iter().position(|job| job.is_over())
        {
            jobs.remove(oldest);
        }
        let (kind, places) = match &work {
            Work::Fetch(_) => ("dl", &self.places),
            Work::Build(_) => ("build", &self.building),
        };
        let id = format!("{kind}_{:016x}", u64::from_be_bytes(id));
        let job = Arc::new(Job::new(id, work, Arc::clone(&self.news)));
        jobs.push(Arc::clone(&job));
        let shown = job.now();
        drop(jobs);
        self.news.send_modify(|count| *count += 1);
        let (places, worlds) = (Arc::clone(places), Arc::clone(&self.worlds));
        self.lifetime.spawn_background(job.run(places, worlds));
        Ok(shown)
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Download> {
        self.jobs().iter().map(|job| job.now()).collect()
    }

    /// Tells of every change of any of them.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How far they are: those that are not over, and those that failed lately and have not been tried again.
    #[must_use]
    pub fn progress(&self) -> Vec<DownloadProgress> {
        let mut latest: Vec<Download> = Vec::new();
        for one in self.list().into_iter().rev() {
            let is_same = |later: &Download| later.model == one.model && later.engine == one.engine;
            if !latest.iter().any(is_same) {
                latest.push(one);
            }
        }
        let now = unix_seconds();
        let is_told = |one: &Download| match one.state {
            DownloadState::Queued | DownloadState::Running => true,
            DownloadState::Failed => one
                .finished
                .is_some_and(|at| now.saturating_sub(at) < FAILURE_TOLD_FOR.as_secs()),
            DownloadState::Succeeded | DownloadState::Cancelled => false,
        };
        latest.retain(is_told);
        let shown = latest.into_iter().rev().map(|one| DownloadProgress {
            object: one.object,
            model: one.model,
            state: one.state,
            bytes: one.bytes,
            total: one.total,
            bytes_per_second: one.bytes_per_second,
        });
        shown.collect()
    }

    /// One of them, as it changes.
    ///
    /// # Errors
    /// There is none of that id.
    pub fn follow(&self, id: &str) -> Result<watch::Receiver<Download>, ApiError> {
        self.find(id).map(|job| job.changes())
    }

    /// Ends one of them; gives it as it is when it is over.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn cancel(&self, id: &str) -> Result<Download, ApiError> {
        let job = self.find(id)?;
        job.cancel();
        let mut changes = job.changes();
        // Only a job that has ended has no sender, and this one holds it.
        let over = changes.wait_for(|shown| shown.state.is_over()).await;
        Ok(over.map_or_else(|_| job.now(), |shown| shown.clone()))
    }

    fn find(&self, id: &str) -> Result<Arc<Job>, ApiError> {
        let found = self.jobs().iter().find(|job| job.id == id).map(Arc::clone);
        found.ok_or_else(|| {
            let shown: String = id.chars().take(40).collect();
            let message = format!(
                "there is no download and no build {shown:?}. GET /thox/v1/models/downloads lists them; they are forgotten when thoxd ends."
            );
            ApiError::new(ErrorKind::DownloadNotFound, message).param("id")
        })
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn foreign(registry: &Registry, allowed: &[Registry]) -> ApiError {
    let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let allowed = if names.is_empty() {
        "none is".to_owned()
    } else {
        format!("allowed are {}", names.join(", "))
    };
    let message = format!(
        "models of the registry {registry} are not fetched: {allowed}. downloads.registries in the settings is the list."
    );
    ApiError::new(ErrorKind::RegistryNotAllowed, message).param("model")
}
