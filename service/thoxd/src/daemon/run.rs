//! The life of the process: settings → engines → sockets → serving → drain → end.

use super::{
    announce::announce,
    banner,
    doors::doors,
    sockets::{control, encrypted, plain},
    status,
};
use crate::{
    engine::{self, CannotSetUp},
    gateway::{Gateway, record::Ledger},
    guard::{Guard, audit::Audit},
    http::{
        Door, Listener, Ways,
        connection::Terms,
        entrance::{Places, accept},
        listener::CannotListen,
    },
    keys::{CannotOpen, Keys, secret::random},
    lan::Lan,
    lifetime::Lifetime,
    models::Models,
    observe::Log,
    reload::Reload,
    settings::{Live, Loaded, Sources},
    systemd::{Manager, Sockets, feed},
    tls::CannotServe,
    world::Worlds,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// An engine cannot be set up.
    #[error(transparent)]
    Engine(#[from] CannotSetUp),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] CannotOpen),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] CannotListen),
    /// There is no certificate for the encrypted port.
    #[error(transparent)]
    Tls(#[from] CannotServe),
    /// The system refuses something basic.
    #[error("the system refuses a basic service: {0}")]
    System(#[from] std::io::Error),
}

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

/// Runs until SIGTERM, SIGINT or a request to restart; SIGHUP reads the settings again.
///
/// # Errors
/// [`CannotStart`]; once it serves, it ends well.
pub async fn run(
    loaded: Loaded,
    sources: Sources,
    log: Log,
    Supervision { manager, sockets }: Supervision,
) -> Result<Ended, CannotStart> {
    let settings = loaded.settings.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hang_up = signal(SignalKind::hangup())?;
    let lifetime = Lifetime::default();
    // Sockets first: a port that is taken is the most likely thing to go wrong.
    let listeners = plain(&settings, &sockets)?;
    let fleet = engine::fleet(&settings, &lifetime)?;
    let worlds = Worlds::new(&settings, fleet);
    let looked = worlds.scout(&lifetime);
    let ledger = Arc::new(Ledger::default());
    let gateway = Gateway::new(Arc::clone(&worlds), Arc::clone(&ledger));
    let server = Arc::new(settings.server.clone());
    let names: Vec<String> = settings
        .auth
        .allowed_hosts
        .iter()
        .map(|host| host.0.clone())
        .collect();
    let lan = Lan::new(&names);
    lan.follow(&lifetime);
    let (encrypted, encrypted_listeners) = encrypted(&settings, &sockets, &lan, &lifetime)?;
    let keys = Keys::open(&settings.state_dir)?;
    announce(&settings, &lan, &listeners, encrypted.as_ref(), &lifetime);
    let audit = Audit::new(settings.audit.enabled, &settings.state_dir);
    let guard = Guard::new(&settings, Arc::clone(&keys), lan, audit);
    let used = Arc::clone(&keys);
    lifetime.spawn_restarting("keeping the keys' last uses", move || {
        keep_uses(Arc::clone(&used))
    });
    let live = Arc::new(Live::new(sources, loaded));
    let reload = Reload::new(
        Arc::clone(&live),
        Arc::clone(&worlds),
        Arc::clone(&guard),
        log.clone(),
        Arc::clone(&manager),
    );
    let door = Door {
        gateway,
        server: Arc::clone(&server),
        guard: Arc::clone(&guard),
        plain: first_on_network(&listeners),
        encrypted,
        state: Arc::new(settings.state_dir.clone()),
        settings: live,
        reload: reload.clone(),
        models: Models::new(
            Arc::clone(&worlds),
            settings.downloads.registries.clone(),
            lifetime.clone(),
        ),
        log: log.recent,
        lifetime: lifetime.clone(),
        instance: instance()?,
    };
    let terms = Terms {
        ways: Ways::new(doors(door, &settings.mcp, &lifetime)),
        guard,
        server,
        lifetime: lifetime.clone(),
        open: ledger.metrics.connections.clone(),
        refused: ledger.metrics.connections_refused.clone(),
    };
    let places = Places::new(&settings.server);
    for listener in &listeners {
        banner::listening(listener.address);
    }
    let addresses: Vec<SocketAddr> = listeners
        .iter()
        .chain(&encrypted_listeners)
        .map(|listener| listener.address)
        .collect();
    for listener in listeners.into_iter().chain(encrypted_listeners) {
        let name = format!("accepting connections on {}", listener.address);
        lifetime.spawn_critical(&name, accept(listener, terms.clone(), places.clone()));
    }
    control(&settings.server, &sockets, &terms).await?;
    lifetime.spawn_critical("the watchdog", feed(Arc::clone(&manager), lifetime.clone()));
    let engines = u32::try_from(worlds.current().fleet.len()).unwrap_or(u32::MAX);
    let first_look = tokio::time::timeout(FIRST_LOOK, looked.acquire_many(engines));
    tokio::select! {
        _ = first_look => {
            banner::found(&worlds);
            banner::claim(&keys);
            let (saying, all) = (Arc::clone(&manager), Arc::clone(&worlds));
            lifetime.spawn_restarting("telling the service manager what goes on", move || {
                status::follow(Arc::clone(&all), addresses.clone(), Arc::clone(&saying))
            });
            manager.ready();
            lifetime.spawn_critical("SIGHUP", reload_on(hang_up, reload));
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = lifetime.stopping() => {}
            }
        }
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = lifetime.stopping() => {}
    }
    let mut ended = match lifetime.dead() {
        Some(why) => Ended::Broken(why),
        None if lifetime.wants_another() => Ended::Restart,
        None => Ended::Stopped,
    };
    if ended == Ended::Restart {
        // The process stays: whoever watches over it hears that it is ready again.
        manager.reloading();
    } else {
        manager.stopping(settings.server.drain_deadline);
    }
    tracing::info!("stopping: requests under way are finished, new ones refused");
    lifetime.stop();
    let unfinished = tokio::select! {
        unfinished = lifetime.drain(settings.server.drain_deadline) => unfinished,
        // A second signal is a person who does not want to wait; one during a restart, that it shall end.
        _ = terminate.recv() => {
            ended = Ended::Stopped;
            0
        }
        _ = interrupt.recv() => {
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
    if let Err(error) = keys.keep_uses() {
        tracing::warn!(%error, "the keys' last uses cannot be kept");
    }
    tracing::info!("stopped");
    Ok(ended)
}

/// Tells this run from the ones before and after.
fn instance() -> Result<Arc<str>, CannotStart> {
    let bytes = random::<8>().map_err(|error| CannotStart::System(std::io::Error::other(error)))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)).into())
}

/// The plain address to point others at: one that they can reach, where there is one.
pub(super) fn first_on_network(listeners: &[Listener]) -> Option<SocketAddr> {
    let addresses = || listeners.iter().map(|listener| listener.address);
    let reachable = addresses().find(|address| !address.ip().is_loopback());
    reachable.or_else(|| addresses().next())
}

/// Writes down now and then which keys were used.
async fn keep_uses(keys: Arc<Keys>) {
    let mut ticks = tokio::time::interval(KEEP_USES_EVERY);
    loop {
        ticks.tick().await;
        let keys = Arc::clone(&keys);
        let kept = tokio::task::spawn_blocking(move || keys.keep_uses()).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "the keys' last uses cannot be kept");
        }
    }
}

/// They are shown to the minute; a crash forgets at most so much.
const KEEP_USES_EVERY: Duration = Duration::from_secs(60);

/// Reads the settings again at each signal.
async fn reload_on(mut signal: Signal, reload: Reload) {
    while signal.recv().await.is_some() {
        let reload = reload.clone();
        // It tells the log and the service manager how it went.
        let _ = tokio::task::spawn_blocking(move || reload.now().map(drop)).await;
    }
}
