//! Feeds the service manager's watchdog for as long as every critical task is heard of.
//!
//! A task that is stuck for half of the watchdog's time ends the feeding, so that the manager acts within one and a half
//! of its times. A process that stands still as a whole ends it by itself.

use super::Manager;
use crate::lifetime::{BEAT_EVERY, Lifetime};
use std::sync::Arc;
use tokio::time::{MissedTickBehavior, interval};

/// Runs with the daemon; at once over where there is no watchdog.
pub async fn feed(manager: Arc<Manager>, lifetime: Lifetime) {
    let Some(time) = manager.watchdog() else {
        return std::future::pending().await;
    };
    // A beat that comes a little late on a busy machine is no stuck task.
    let patience = (time / 2).max(3 * BEAT_EVERY);
    let mut ticks = interval(time / 4);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut was_stuck = false;
    loop {
        ticks.tick().await;
        match lifetime.stuck(patience) {
            None => {
                manager.alive();
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

#[cfg(test)]
mod tests {
    use super::*;
    use libsystemd::daemon::NotifyState;
    use std::{sync::Mutex, time::Duration};
    use tokio::time::sleep;

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
