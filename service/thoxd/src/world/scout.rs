//! The tasks that look at the engines: one for each, at its interval, sooner when nudged.

use super::{Sighting, Worlds};
use crate::{
    engine::{
        Engine, Failure, Trouble,
        survey::{Known, Report, survey},
    },
    lifetime::Lifetime,
};
use std::sync::{Arc, PoisonError, atomic::Ordering};
use thox_policy::{
    circuit::{Change, Outcome},
    world::EngineState,
};
use tokio::{sync::Semaphore, time::timeout};

impl Worlds {
    /// Starts the scouts. The semaphore gets a permit for each engine that has been looked at once.
    pub fn scout(self: &Arc<Self>, lifetime: &Lifetime) -> Arc<Semaphore> {
        let looked = Arc::new(Semaphore::new(0));
        for (index, engine) in self.fleet.iter().enumerate() {
            let (worlds, engine, looked) =
                (Arc::clone(self), Arc::clone(engine), Arc::clone(&looked));
            let name = format!("looking at the engine {}", engine.name);
            lifetime.spawn_restarting(name, move || {
                let (worlds, engine, looked) = (
                    Arc::clone(&worlds),
                    Arc::clone(&engine),
                    Arc::clone(&looked),
                );
                async move {
                    let mut known = Known::default();
                    let mut is_first = true;
                    loop {
                        // Subscribed before the look: a nudge that comes during it counts for the next one.
                        let nudge = worlds.nudge.notified();
                        let number = worlds.begin_look(index);
                        let mut seen = survey(&engine, &mut known).await;
                        // One look that broke is no engine that is gone; one that nobody answers is.
                        if matches!(&seen, Err(failure) if failure.trouble != Trouble::Unreachable)
                        {
                            seen = survey(&engine, &mut known).await;
                        }
                        worlds.saw(index, &engine, seen);
                        worlds.end_look(index, number);
                        if std::mem::take(&mut is_first) {
                            looked.add_permits(1);
                        }
                        let _ = timeout(engine.poll_interval, nudge).await;
                    }
                }
            });
        }
        looked
    }

    /// Publishes anew when a unit is in another state, and has its engine looked at: it may answer now, or no more.
    pub async fn follow_units(self: Arc<Self>) {
        let mut changes = self.units.changes();
        while changes.changed().await.is_ok() {
            changes.borrow_and_update();
            self.publish();
            self.look_again();
        }
    }

    fn begin_look(&self, index: usize) -> u64 {
        let begun = self.looks.get(index).map(|looks| &looks.begun);
        begun.map_or(0, |begun| begun.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn end_look(&self, index: usize, number: u64) {
        if let Some(looks) = self.looks.get(index) {
            looks.ended.send_replace(number);
        }
    }

    fn saw(&self, index: usize, engine: &Engine, seen: Result<Report, Failure>) {
        let outcome = if seen.is_ok() {
            Outcome::Answered
        } else {
            Outcome::Failed
        };
        let change = engine.probed(outcome);
        let mut sightings = self
            .sightings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(sighting) = sightings.get_mut(index) else {
            return;
        };
        let is_news = take_in(engine, sighting, seen);
        if change == Change::Closed {
            tracing::info!(engine = %engine.name, "the engine answers again");
        }
        if is_news || change != Change::None {
            self.publish_with(&sightings);
        }
    }
}

fn take_in(engine: &Engine, sighting: &mut Sighting, seen: Result<Report, Failure>) -> bool {
    match seen {
        Ok(report) => {
            let is_news = sighting.state != EngineState::Up || *sighting.report != report;
            if sighting.state != EngineState::Up {
                tracing::info!(
                    engine = %engine.name,
                    kind = %engine.kind,
                    version = report.version.as_deref().unwrap_or("unknown"),
                    models = report.models.len(),
                    "the engine is up"
                );
            }
            *sighting = Sighting {
                state: EngineState::Up,
                report: Arc::new(report),
                was_up: true,
                unit: None,
            };
            is_news
        }
        Err(failure) => {
            let reason = format!("{failure}");
            let is_news = !matches!(&sighting.state, EngineState::Down(old) if **old == *reason);
            if sighting.state == EngineState::Up {
                tracing::warn!(engine = %engine.name, %reason, "the engine is down");
            } else if is_news {
                tracing::debug!(engine = %engine.name, %reason, "the engine is not there");
            }
            sighting.state = EngineState::Down(Arc::from(reason));
            is_news
        }
    }
}
