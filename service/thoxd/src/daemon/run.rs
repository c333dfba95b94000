//! The life of the process: settings → engines → sockets → serving → drain → end.

use super::{banner, doors::doors};
use crate::{
    engine::{self, CannotSetUp},
    gateway::{Gateway, record::Ledger},
    guard::{Guard, audit::Audit},
    http::{
        self, Door, Encrypted, Listener,
        connection::Terms,
        entrance::{Places, accept},
        listener::CannotListen,
    },
    keys::{CannotOpen, Keys, secret::random},
    lan::{Lan, Surroundings},
    lifetime::Lifetime,
    mdns::{self, Announced, Ports},
    models::Models,
    observe::Recent,
    settings::{Live, Loaded, Server, Settings, Sources},
    tls::{CannotServe, Names, Tls},
    world::Worlds,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use thox_policy::discovery::Called;
use tokio::signal::unix::{SignalKind, signal};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// For good.
    Stopped,
    /// To start anew: somebody with the right to change the device wants it.
    Restart,
}

/// Runs until SIGTERM, SIGINT or a request to restart. `log` has the log's last lines.
///
/// # Errors
/// [`CannotStart`]; once it serves, it ends well.
pub async fn run(loaded: Loaded, sources: Sources, log: Recent) -> Result<Ended, CannotStart> {
    let settings = loaded.settings.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let lifetime = Lifetime::default();
    // Sockets first: a port that is taken is the most likely thing to go wrong.
    let listeners = settings
        .server
        .listen
        .iter()
        .map(|address| http::bind(*address, "server.listen"))
        .collect::<Result<Vec<_>, _>>()?;
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
    let (encrypted, encrypted_listeners) = encrypted(&settings, &lan, &lifetime)?;
    let keys = Keys::open(&settings.state_dir)?;
    announce(&settings, &lan, &listeners, encrypted.as_ref(), &lifetime);
    let audit = Audit::new(settings.audit.enabled, &settings.state_dir);
    let guard = Guard::new(&settings, Arc::clone(&keys), lan, audit);
    lifetime.spawn_background(keep_uses(Arc::clone(&keys)));
    let door = Door {
        gateway,
        server: Arc::clone(&server),
        guard: Arc::clone(&guard),
        plain: first_on_network(&listeners),
        encrypted,
        state: Arc::new(settings.state_dir.clone()),
        settings: Arc::new(Live::new(sources, loaded)),
        models: Models::new(
            Arc::clone(&worlds),
            settings.downloads.registries.clone(),
            lifetime.clone(),
        ),
        log,
        lifetime: lifetime.clone(),
        instance: instance()?,
    };
    let terms = Terms {
        router: http::router(doors(door, &settings.mcp, &lifetime)),
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
    for listener in listeners.into_iter().chain(encrypted_listeners) {
        lifetime.spawn_background(accept(listener, terms.clone(), places.clone()));
    }
    control(&settings.server, &terms).await;
    let engines = u32::try_from(worlds.current().fleet.len()).unwrap_or(u32::MAX);
    let first_look = tokio::time::timeout(FIRST_LOOK, looked.acquire_many(engines));
    tokio::select! {
        _ = first_look => {
            banner::found(&worlds);
            banner::claim(&keys);
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
    let mut ended = if lifetime.wants_another() {
        Ended::Restart
    } else {
        Ended::Stopped
    };
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
fn first_on_network(listeners: &[Listener]) -> Option<SocketAddr> {
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

/// The encrypted port's sockets, where it is enabled, with a certificate that is kept up to date.
fn encrypted(
    settings: &Settings,
    lan: &Lan,
    lifetime: &Lifetime,
) -> Result<(Option<Encrypted>, Vec<Listener>), CannotStart> {
    if !settings.tls.enabled {
        return Ok((None, Vec::new()));
    }
    let tls = Tls::open(
        &settings.tls,
        &settings.state_dir,
        certified_names(&lan.now()),
    )?;
    let listen = |address: &SocketAddr| {
        let listener = http::bind(*address, "tls.listen")?.with_tls(tls.config());
        let fingerprint = tls.fingerprint();
        tracing::info!(
            "listening with TLS on https://{}, fingerprint of its key {fingerprint}",
            listener.address
        );
        Ok(listener)
    };
    let listeners = settings
        .tls
        .listen
        .iter()
        .map(listen)
        .collect::<Result<Vec<_>, CannotListen>>()?;
    let encrypted = Encrypted {
        tls: tls.clone(),
        ports: listeners
            .iter()
            .map(|listener| listener.address.port())
            .collect(),
    };
    lifetime.spawn_background(tls.clone().keep());
    let mut changes = lan.changes();
    lifetime.spawn_background(async move {
        while changes.changed().await.is_ok() {
            let names = certified_names(&changes.borrow_and_update());
            tls.set_names(names);
        }
    });
    Ok((Some(encrypted), listeners))
}

/// Tells the network that the device is there, and takes up what it is called there.
fn announce(
    settings: &Settings,
    lan: &Arc<Lan>,
    listeners: &[Listener],
    encrypted: Option<&Encrypted>,
    lifetime: &Lifetime,
) {
    let reachable = first_on_network(listeners).filter(|first| !first.ip().is_loopback());
    let Some(plain) = reachable.filter(|_| settings.mdns.enabled) else {
        let name: Box<str> = format!("{}.local", settings.mdns.hostname.0).into();
        // Nobody is told, but whoever calls it by that name all the same means this device.
        lan.call(Called {
            names: [name.clone()].into(),
            name,
            trouble: None,
        });
        return;
    };
    let announced = Announced {
        id: mdns::identity::of_machine(&settings.state_dir),
        ports: Ports {
            plain: plain.port(),
            tls: encrypted.and_then(|encrypted| encrypted.ports.first().copied()),
        },
        bound: listeners.iter().map(|listener| listener.address).collect(),
    };
    let mut called = mdns::announce(announced, &settings.mdns, lan.links(), lifetime);
    lan.call(called.borrow_and_update().clone());
    let lan = Arc::clone(lan);
    lifetime.spawn_background(async move {
        while called.changed().await.is_ok() {
            let called = called.borrow_and_update().clone();
            lan.call(called);
        }
    });
}

/// The control socket, where it can be had. Its connections have places of their own: whoever is on the device gets in
/// also while the network takes all others.
async fn control(server: &Server, terms: &Terms) {
    let Some(file) = &server.control_socket.0 else {
        return;
    };
    match http::control::bind(file).await {
        Ok(control) => {
            let serving = accept(control, terms.clone(), Places::new(server));
            terms.lifetime.spawn_background(serving);
        }
        Err(error) => tracing::warn!("{error}"),
    }
}

/// What the device's certificate is for.
fn certified_names(surroundings: &Surroundings) -> Names {
    let names: Vec<String> = surroundings.names.iter().map(ToString::to_string).collect();
    let addresses: Vec<IpAddr> = surroundings.addresses().collect();
    Names::new(&names, &addresses)
}
