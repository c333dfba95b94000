//! What the service manager is told: states of sd_notify(3), by libsystemd, to the socket in `NOTIFY_SOCKET`.

use libsystemd::daemon::{NotifyState, notify, watchdog_enabled};
use nix::time::{ClockId, clock_gettime};
use std::{
    env, fmt,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// The service manager, or nobody.
#[derive(Default)]
pub struct Manager {
    line: Option<SyncSender<Said>>,
    watchdog: Option<Duration>,
    status: Mutex<Status>,
}

/// What is said at once, and who waits until it is.
type Said = (Vec<NotifyState>, SyncSender<()>);

#[derive(Debug, Default)]
struct Status {
    usual: String,
    /// What came between, such as settings that could not be reloaded.
    remark: Option<String>,
    told: String,
}

/// A manager that does not read is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Said and not yet sent: more than a manager that reads ever leaves.
const QUEUE: usize = 64;

/// More time than the drain takes by itself: what is left of the process is dropped within it.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

impl Manager {
    /// The one that has started this process.
    #[must_use]
    pub fn of_process() -> Self {
        if env::var_os("NOTIFY_SOCKET").is_none_or(|name| name.is_empty()) {
            return Self::default();
        }
        let watchdog = watchdog_enabled(false).filter(|time| !time.is_zero());
        Self::speaking(watchdog, |states| {
            if let Err(error) = notify(false, states) {
                tracing::warn!(%error, ?states, "the service manager was not told");
            }
        })
    }

    /// One that is told by `send`, which may wait: on a thread of its own, since libsystemd waits for a manager that
    /// does not read and the daemon must not.
    pub(super) fn speaking(
        watchdog: Option<Duration>,
        send: impl Fn(&[NotifyState]) + Send + 'static,
    ) -> Self {
        let (line, said): (_, Receiver<Said>) = sync_channel(QUEUE);
        let speak = move || {
            for (states, done) in said {
                send(&states);
                // Nobody may be waiting any more.
                let _ = done.try_send(());
            }
        };
        let thread = thread::Builder::new().name("sd_notify".to_owned());
        if let Err(error) = thread.spawn(speak) {
            tracing::warn!(%error, "the service manager cannot be told anything");
            return Self::default();
        }
        Self {
            line: Some(line),
            watchdog,
            status: Mutex::default(),
        }
    }

    /// Whether anybody is told anything.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.line.is_some()
    }

    /// After which silence it takes the process for stuck.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.is_there())
    }

    /// The start, or a reload, is complete.
    pub fn ready(&self) {
        self.tell(vec![NotifyState::Ready]);
    }

    /// What goes on, in words; said again only when it is something else.
    pub fn status(&self, usual: String) {
        self.change(|status| status.usual = usual);
    }

    /// Something to add to these words, until it is taken back.
    pub fn remark(&self, remark: Option<String>) {
        self.change(|status| status.remark = remark);
    }

    /// A reload, or a restart of the same process, has begun; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        match clock_gettime(ClockId::CLOCK_MONOTONIC) {
            Ok(now) => {
                // Both in one datagram: systemd takes the time for that of the reload (Type=notify-reload).
                let now = format!("MONOTONIC_USEC={}", Duration::from(now).as_micros());
                self.tell(vec![NotifyState::Reloading, NotifyState::Other(now)]);
            }
            Err(error) => tracing::warn!(%error, "the clock cannot be read"),
        }
    }

    /// The end has begun, and takes `drain` at most.
    pub fn stopping(&self, drain: Duration) {
        let most = (drain + AFTER_DRAIN).as_micros();
        self.tell(vec![
            NotifyState::Stopping,
            NotifyState::Other(format!("EXTEND_TIMEOUT_USEC={most}")),
            NotifyState::Status("stopping: requests under way are finished".to_owned()),
        ]);
    }

    /// All is well.
    pub(super) fn alive(&self) {
        self.tell(vec![NotifyState::Watchdog]);
    }

    fn change(&self, how: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        how(&mut status);
        let text = match &status.remark {
            Some(remark) => format!("{remark}; {}", status.usual),
            None => status.usual.clone(),
        };
        // One line is one field.
        let text = text.replace('\n', "; ");
        if text != status.told {
            self.tell(vec![NotifyState::Status(text.clone())]);
            status.told = text;
        }
    }

    /// Returns when it has been sent, so that what is told before the end is told.
    fn tell(&self, what: Vec<NotifyState>) {
        let Some(line) = &self.line else { return };
        let (done, sent) = sync_channel(1);
        let is_stuck = line.try_send((what, done)).is_err()
            || sent.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if is_stuck {
            tracing::warn!("the service manager does not take in what it is told");
        }
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("is_there", &self.is_there())
            .field("watchdog", &self.watchdog)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Instant};

    #[test]
    fn it_is_told_what_it_knows() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let manager = Manager::speaking(None, move |states| {
            let text: Vec<String> = states.iter().map(ToString::to_string).collect();
            kept.lock().unwrap().push(text.join("\n"));
        });
        let said = || std::mem::take(&mut *heard.lock().unwrap());
        manager.status("one engine".to_owned());
        assert_eq!(said(), ["STATUS=one engine"]);
        manager.status("one engine".to_owned());
        manager.remark(Some("bad file\nline 2".to_owned()));
        assert_eq!(said(), ["STATUS=bad file; line 2; one engine"]);
        manager.reloading();
        let text = said().remove(0);
        let usec = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(usec.parse::<u64>().unwrap() > 0);
        manager.ready();
        manager.stopping(Duration::from_secs(20));
        assert_eq!(
            said(),
            [
                "READY=1",
                "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping: requests under way are finished"
            ]
        );
    }

    #[test]
    fn a_manager_that_does_not_read_is_not_waited_for() {
        let manager = Manager::speaking(None, |_| thread::sleep(Duration::from_secs(60)));
        let start = Instant::now();
        manager.ready();
        manager.ready();
        assert!(start.elapsed() < 2 * PATIENCE + PATIENCE / 2);
    }

    #[test]
    fn nobody_is_told_nothing() {
        let manager = Manager::default();
        manager.ready();
        manager.status("one engine".to_owned());
        assert!(!manager.is_there() && manager.watchdog().is_none());
    }
}
