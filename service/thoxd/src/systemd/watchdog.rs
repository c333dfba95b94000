//! Feeds the service manager's watchdog for as long as every critical task is heard of.
//!
//! A task that is stuck for half of the watchdog's time ends the feeding, so that the manager acts within one and a half
//! of its times. A process that stands still as a whole ends it by itself; when it was the machine that stood still, for
//! want of memory or asleep, nobody is stuck for that, and the manager hears of it as soon as it goes on.

use super::Manager;
use crate::lifetime::{BEAT_EVERY, Lifetime};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Runs with the daemon; at once over where there is no watchdog.
pub async fn feed(manager: Arc<Manager>, lifetime: Lifetime) {
    let Some(time) = manager.watchdog() else {
        return std::future::pending().await;
    };
    // A beat that comes a little late on a busy machine is no stuck task.
    let patience = (time / 2).max(3 * BEAT_EVERY);
    let step = (time / 4).min(2 * BEAT_EVERY);
    let mut ticks = interval(step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looked, mut fed) = (Instant::now(), None::<Instant>);
    let mut was_stuck = false;
    loop {
        ticks.tick().await;
        let late = late(looked.elapsed(), step);
        looked = Instant::now();
        match lifetime.stuck(patience + late) {
            None => {
                // Each time wakes the manager.
                let is_due = fed.is_none_or(|fed| fed.elapsed() + step / 2 >= time / 4);
                if is_due || was_stuck || late > BEAT_EVERY {
                    manager.alive();
                    fed = Some(looked);
                }
                if std::mem::take(&mut was_stuck) {
                    manager.remark(None);
                }
            }
            Some((task, silence)) => {
                tracing::error!(%task, ?silence, "a critical task is stuck: the watchdog is not fed");
                manager.remark(Some(format!("stuck: {task}")));
                was_stuck = true;
            }
        }
    }
}

/// For how long this task, which waits for nothing but the clock, did not come to its turn: neither did the others.
fn late(since_last_look: Duration, step: Duration) -> Duration {
    since_last_look.saturating_sub(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libsystemd::daemon::NotifyState;
    use std::sync::Mutex;
    use tokio::time::sleep;

    /// A standstill of all is nobody's; it is told of when it is over, not a quarter of the watchdog's time later.
    #[tokio::test]
    async fn a_machine_that_stood_still_feeds_at_once() {
        let heard = Arc::new(Mutex::new(0));
        let lifetime = Lifetime::default();
        lifetime.spawn_critical("waits", std::future::pending());
        let kept = Arc::clone(&heard);
        let manager = Arc::new(Manager::speaking(
            // Due every six seconds, were it not for the standstill.
            Some(Duration::from_secs(24)),
            move |states| {
                let fed = states.iter().filter(|one| **one == NotifyState::Watchdog);
                *kept.lock().unwrap() += fed.count();
            },
        ));
        lifetime.spawn_background(feed(manager, lifetime.clone()));
        sleep(Duration::from_millis(1200)).await;
        assert_eq!(std::mem::take(&mut *heard.lock().unwrap()), 1);
        // All tasks are on this thread.
        std::thread::sleep(Duration::from_secs(2));
        sleep(Duration::from_millis(300)).await;
        assert_eq!(*heard.lock().unwrap(), 1);
    }

    #[test]
    fn a_look_that_comes_late_is_late_by_that_and_no_less() {
        let second = Duration::from_secs(1);
        assert_eq!(late(second / 2, second), Duration::ZERO);
        assert_eq!(late(second, second), Duration::ZERO);
        assert_eq!(late(25 * second, second), 24 * second);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn a_stuck_task_stops_the_feeding() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let count = || {
            let all: Vec<NotifyState> = std::mem::take(&mut *heard.lock().unwrap());
            let fed = all.iter().filter(|one| **one == NotifyState::Watchdog);
            (fed.count(), format!("{all:?}"))
        };
        let lifetime = Lifetime::default();
        lifetime.spawn_critical("waits", std::future::pending());
        let time = Duration::from_secs(2);
        let kept = Arc::clone(&heard);
        let manager = Arc::new(Manager::speaking(Some(time), move |states| {
            kept.lock().unwrap().extend_from_slice(states);
        }));
        lifetime.spawn_background(feed(manager, lifetime.clone()));
        sleep(time).await;
        assert!((3..=6).contains(&count().0));
        lifetime.spawn_critical("blocks", async {
            std::thread::sleep(Duration::from_secs(5));
            std::future::pending::<()>().await;
        });
        // Until it counts as stuck.
        sleep(Duration::from_millis(2200)).await;
        count();
        sleep(time).await;
        let (fed, _) = count();
        assert_eq!(fed, 0);
        sleep(2 * time).await;
        let (fed, said) = count();
        assert!(fed > 0, "it goes on");
        assert!(said.contains("Status("), "{said}");
    }
}
