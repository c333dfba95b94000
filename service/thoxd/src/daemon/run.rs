//! The life of the process: start → first look at the engines → serving → drain → end.

use super::{
    banner,
    start::{CannotStart, Running, start},
    status,
};
use crate::{
    lifetime::Lifetime,
    observe::Log,
    reload::Reload,
    settings::{Loaded, Sources},
    systemd::{Manager, Sockets},
};
use std::{io, sync::Arc, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Engines answer a first look within milliseconds; one that hangs is not waited for.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// For good.
    Stopped,
    /// To start anew: somebody with the right to change the device wants it.
    Restart,
    /// A task that it cannot do without has ended; which, and how.
    Broken(String),
}

/// The service manager, and what it has opened.
#[derive(Debug)]
pub struct Supervision {
    /// Who is told.
    pub manager: Arc<Manager>,
    /// Where to listen in place of the settings' addresses.
    pub sockets: Arc<Sockets>,
}

/// The signals that end it.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs until SIGTERM, SIGINT or a request to restart; SIGHUP reads the settings again.
///
/// # Errors
/// [`CannotStart`]; once it serves, it ends well.
pub async fn run(
    loaded: Loaded,
    sources: Sources,
    log: Log,
    supervision: Supervision,
) -> Result<Ended, CannotStart> {
    let mut signals = EndSignals::new()?;
    let hang_up = signal(SignalKind::hangup())?;
    let lifetime = Lifetime::default();
    let running = start(loaded, sources, log, supervision, &lifetime).await?;
    let serving = async {
        let _ = tokio::time::timeout(FIRST_LOOK, running.first_look()).await;
        is_ready(&running, hang_up, &lifetime);
        lifetime.stopping().await;
    };
    tokio::select! {
        () = serving => {}
        () = signals.next() => {}
    }
    Ok(end(&running, &mut signals, &lifetime).await)
}

/// Tells everybody, and listens to SIGHUP from now on.
fn is_ready(running: &Running, hang_up: Signal, lifetime: &Lifetime) {
    banner::found(&running.worlds);
    banner::claim(&running.keys);
    let (manager, worlds) = (Arc::clone(&running.manager), Arc::clone(&running.worlds));
    let addresses = running.addresses.clone();
    lifetime.spawn_restarting("telling the service manager what goes on", move || {
        status::follow(Arc::clone(&worlds), addresses.clone(), Arc::clone(&manager))
    });
    running.manager.ready();
    lifetime.spawn_critical("SIGHUP", reload_on(hang_up, running.reload.clone()));
}

/// Finishes what is under way, and nothing new.
async fn end(running: &Running, signals: &mut EndSignals, lifetime: &Lifetime) -> Ended {
    let mut ended = match lifetime.dead() {
        Some(why) => Ended::Broken(why),
        None if lifetime.wants_another() => Ended::Restart,
        None => Ended::Stopped,
    };
    if ended == Ended::Restart {
        // The process stays: whoever watches over it hears that it is ready again.
        running.manager.reloading();
    } else {
        running.manager.stopping(running.drain_deadline);
    }
    tracing::info!("stopping: requests under way are finished, new ones refused");
    lifetime.stop();
    let unfinished = tokio::select! {
        unfinished = lifetime.drain(running.drain_deadline) => unfinished,
        // A second signal is a person who does not want to wait; one during a restart, that it shall end.
        () = signals.next() => {
            ended = Ended::Stopped;
            0
        }
    };
    if unfinished > 0 {
        tracing::warn!(
            unfinished,
            "the time to finish is over: connections are cancelled"
        );
    }
    if let Err(error) = running.keys.keep_uses() {
        tracing::warn!(%error, "the keys' last uses cannot be kept");
    }
    tracing::info!("stopped");
    ended
}

/// Reads the settings again at each signal.
async fn reload_on(mut signal: Signal, reload: Reload) {
    while signal.recv().await.is_some() {
        let reload = reload.clone();
        // It tells the log and the service manager how it went.
        let _ = tokio::task::spawn_blocking(move || reload.now().map(drop)).await;
    }
}
