//! Background tasks by what their end means: critical ones end the process, others are started again.

use super::{Lifetime, Task, boxed, ward::Heart};
use futures_util::FutureExt as _;
use std::{future::Future, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often a critical task's heart beats.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);

/// The first pause before a task is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A task that has run for so long is well again.
const WELL_AFTER: Duration = Duration::from_secs(60);

impl Lifetime {
    /// Runs a task that the daemon cannot do without: its end, before the daemon stops, is the daemon's end. It has a
    /// heartbeat of its own, which stops when the task blocks: [`Self::stuck`].
    pub fn spawn_critical(&self, name: &str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_critical_task(name.to_owned(), boxed(task));
    }

    fn spawn_critical_task(&self, name: String, task: Task) {
        let lifetime = self.clone();
        let heart = self.ward.admit(&name);
        self.spawn_background(async move {
            let how = match beating(&heart, task).await {
                Ended::Returned => "has ended",
                Ended::Panicked => "has panicked",
            };
            lifetime.ward.dismiss(&heart);
            if !lifetime.is_stopping() {
                lifetime.ward.is_dead(&name, how);
                lifetime.stop();
            }
        });
    }

    /// Runs a task that is made anew when it ends or panics, after a pause that grows; `/health` tells of it.
    pub fn spawn_restarting<F>(
        &self,
        name: impl Into<String>,
        mut make: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let make = Box::new(move || boxed(make()));
        self.spawn_background(self.clone().restarting(name.into(), make));
    }

    /// The same for a task that has something to finish when the daemon stops: shutdown waits for it until the drain's
    /// deadline, as for a client.
    pub fn spawn_restarting_work<F>(
        &self,
        name: impl Into<String>,
        mut make: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let make = Box::new(move || boxed(make()));
        self.spawn(self.clone().restarting(name.into(), make));
    }

    async fn restarting(self, name: String, mut make: Box<dyn FnMut() -> Task + Send>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut task = pin!(caught(make()));
            let ended = tokio::select! {
                ended = &mut task => ended,
                () = sleep(WELL_AFTER) => {
                    self.ward.is_well(&name);
                    pause = FIRST_PAUSE;
                    task.await
                }
            };
            if self.is_stopping() {
                return;
            }
            let how = match ended {
                Ended::Returned => "ended",
                Ended::Panicked => "panicked",
            };
            tracing::error!(task = %name, how, ?pause, "a background task is started again");
            let what = format!("{name} {how} and is started again; the log tells more");
            self.ward.trouble(&name, what);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stopping() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The critical task that has not been heard of for longest, if for longer than `limit`.
    #[must_use]
    pub fn stuck(&self, limit: Duration) -> Option<(String, Duration)> {
        self.ward.stuck(limit)
    }

    /// Which critical task has ended the daemon, and how.
    #[must_use]
    pub fn dead(&self) -> Option<String> {
        self.ward.dead()
    }

    /// Which background tasks had to be started again of late, in words.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.ward.troubles()
    }
}

#[derive(Clone, Copy)]
enum Ended {
    Returned,
    Panicked,
}

async fn caught(task: impl Future<Output = ()>) -> Ended {
    // What the task has left behind goes with it: it is made anew from shared state that locks protect.
    match AssertUnwindSafe(task).catch_unwind().await {
        Ok(()) => Ended::Returned,
        Err(_) => Ended::Panicked,
    }
}

/// The task with its heartbeat, both polled by the same hand.
async fn beating(heart: &Arc<Heart>, task: impl Future<Output = ()>) -> Ended {
    let mut task = pin!(caught(task));
    let mut beats = interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            ended = &mut task => return ended,
            _ = beats.tick() => heart.beat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::timeout;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_critical_tasks_end_is_the_daemons() {
        for panics in [false, true] {
            let lifetime = Lifetime::default();
            lifetime.spawn_critical("the door", async move {
                assert!(!panics, "on purpose");
            });
            timeout(LIMIT, lifetime.stopping()).await.unwrap();
            let dead = lifetime.dead().unwrap();
            assert!(dead.contains("the door"), "{dead}");
            assert_eq!(dead.contains("panicked"), panics, "{dead}");
        }
    }

    #[tokio::test]
    async fn its_end_with_the_daemons_is_none() {
        let lifetime = Lifetime::default();
        let stopping = lifetime.clone();
        lifetime.spawn_critical("the door", async move { stopping.stopping().await });
        lifetime.stop();
        while lifetime.stuck(Duration::ZERO).is_some() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(lifetime.dead(), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_blocks_is_stuck_and_one_that_waits_is_not() {
        let lifetime = Lifetime::default();
        lifetime.spawn_critical("waits", std::future::pending());
        sleep(3 * BEAT_EVERY).await;
        assert_eq!(lifetime.stuck(2 * BEAT_EVERY), None);
        lifetime.spawn_critical("blocks", async {
            std::thread::sleep(6 * BEAT_EVERY);
            std::future::pending::<()>().await;
        });
        sleep(4 * BEAT_EVERY).await;
        let (name, silence) = lifetime.stuck(2 * BEAT_EVERY).unwrap();
        assert!(name == "blocks" && silence > 2 * BEAT_EVERY, "{name}");
        sleep(4 * BEAT_EVERY).await;
        assert_eq!(lifetime.stuck(2 * BEAT_EVERY), None, "it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn the_stop_waits_for_what_work_has_to_finish() {
        let lifetime = Lifetime::default();
        let finished = Arc::new(AtomicUsize::new(0));
        let (counted, stopping) = (Arc::clone(&finished), lifetime.clone());
        lifetime.spawn_restarting_work("the farewell", move || {
            let (counted, stopping) = (Arc::clone(&counted), stopping.clone());
            async move {
                stopping.stopping().await;
                sleep(FIRST_PAUSE).await;
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        // One that rests before it begins again has nothing to finish.
        lifetime.spawn_restarting_work("the failure", || async { panic!("on purpose") });
        // Its fourth rest, which is of four seconds, has just begun.
        sleep(Duration::from_secs(4)).await;
        lifetime.stop();
        let stopped = tokio::time::Instant::now();
        assert_eq!(lifetime.drain(LIMIT).await, 0);
        assert_eq!(finished.load(Ordering::SeqCst), 1, "once, and not again");
        assert!(stopped.elapsed() < 2 * FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn others_are_started_again_and_told_of_until_they_are_well() {
        let lifetime = Lifetime::default();
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        lifetime.spawn_restarting("the errand", move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match number {
                    0 => panic!("on purpose"),
                    1 => {}
                    _ => std::future::pending().await,
                }
            }
        });
        sleep(Duration::from_millis(10)).await;
        assert!(lifetime.troubles()[0].contains("the errand panicked"));
        sleep(FIRST_PAUSE).await;
        assert!(lifetime.troubles()[0].contains("the errand ended"));
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        sleep(FIRST_PAUSE).await;
        assert_eq!(
            starts.load(Ordering::SeqCst),
            2,
            "the second pause is longer"
        );
        sleep(2 * WELL_AFTER).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
        assert!(lifetime.troubles().is_empty() && !lifetime.is_stopping());
    }
}
