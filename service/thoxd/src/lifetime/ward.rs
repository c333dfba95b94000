//! What is known of the daemon's own tasks: which of those that it cannot do without still live, and which of the others
//! had to be started again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The tasks that are watched.
#[derive(Debug)]
pub(super) struct Ward {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hearts: Vec<Arc<Heart>>,
    troubles: BTreeMap<String, String>,
    /// The critical task that ended first, and how.
    dead: Option<String>,
}

/// The heartbeat of one critical task.
#[derive(Debug)]
pub(super) struct Heart {
    name: Box<str>,
    started: Instant,
    /// Milliseconds from `started` to the last beat.
    last: AtomicU64,
}

impl Default for Ward {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            state: Mutex::default(),
        }
    }
}

impl Heart {
    pub(super) fn beat(&self) {
        self.last.store(self.age_of_start(), Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        let last = self.last.load(Ordering::Relaxed);
        Duration::from_millis(self.age_of_start().saturating_sub(last))
    }

    fn age_of_start(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Ward {
    /// A heart that has just beaten.
    pub(super) fn admit(&self, name: &str) -> Arc<Heart> {
        let heart = Arc::new(Heart {
            name: name.into(),
            started: self.started,
            last: AtomicU64::new(0),
        });
        heart.beat();
        self.state().hearts.push(Arc::clone(&heart));
        heart
    }

    /// A critical task has ended, as it should.
    pub(super) fn dismiss(&self, heart: &Arc<Heart>) {
        self.state().hearts.retain(|one| !Arc::ptr_eq(one, heart));
    }

    /// A critical task has ended, as it should not.
    pub(super) fn is_dead(&self, name: &str, how: &str) {
        let what = format!("{name}, which thoxd cannot do without, {how}");
        tracing::error!(task = name, how, "a critical task has ended");
        self.state().dead.get_or_insert(what);
    }

    pub(super) fn dead(&self) -> Option<String> {
        self.state().dead.clone()
    }

    /// The critical task that has been silent for longest, if for longer than `limit`.
    pub(super) fn stuck(&self, limit: Duration) -> Option<(String, Duration)> {
        let state = self.state();
        let silent = state.hearts.iter().map(|heart| (heart, heart.silence()));
        let (heart, silence) = silent.max_by_key(|(_, silence)| *silence)?;
        (silence > limit).then(|| (heart.name.to_string(), silence))
    }

    pub(super) fn trouble(&self, name: &str, what: String) {
        self.state().troubles.insert(name.to_owned(), what);
    }

    pub(super) fn is_well(&self, name: &str) {
        self.state().troubles.remove(name);
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        self.state().troubles.values().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
