//! Starts everything: settings → sockets → engines → keys and certificate → doors.

use super::{
    announce::announce,
    banner,
    doors::doors,
    run::Supervision,
    sockets::{control, encrypted, plain},
};
use crate::{
    bus::Bus,
    dbus,
    engine::{self, CannotSetUp},
    engines::Engines,
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
    settings::{Live, Loaded, Settings, Sources},
    systemd::{Manager, Units, feed},
    tls::CannotServe,
    updater::Updater,
    world::Worlds,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

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

/// What runs, as far as its end needs it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) worlds: Arc<Worlds>,
    pub(super) keys: Arc<Keys>,
    pub(super) reload: Reload,
    pub(super) manager: Arc<Manager>,
    /// Where it listens.
    pub(super) addresses: Vec<SocketAddr>,
    /// Time that requests in flight are given at the end.
    pub(super) drain_deadline: Duration,
    /// A permit for each engine that has been looked at.
    looked: Arc<Semaphore>,
}

impl Running {
    /// Over when every engine has been looked at once.
    pub(super) async fn first_look(&self) {
        let engines = u32::try_from(self.worlds.current().fleet.len()).unwrap_or(u32::MAX);
        let _ = self.looked.acquire_many(engines).await;
    }
}

/// Starts everything; what cannot be had and is not needed is done without.
///
/// # Errors
/// [`CannotStart`]
pub(super) async fn start(
    loaded: Loaded,
    sources: Sources,
    log: Log,
    Supervision { manager, sockets }: Supervision,
    lifetime: &Lifetime,
) -> Result<Running, CannotStart> {
    let settings = loaded.settings.clone();
    // Sockets first: a port that is taken is the most likely thing to go wrong.
    let listeners = plain(&settings, &sockets)?;
    let bus = bus(&settings, lifetime);
    let units = Units::new(&settings, bus.clone());
    let fleet = engine::fleet(&settings, lifetime)?;
    let worlds = Worlds::new(&settings, fleet, units.clone());
    let looked = worlds.scout(lifetime);
    follow_units(&units, &worlds, lifetime);
    let lan = lan(&settings, lifetime);
    let (encrypted, encrypted_listeners) = encrypted(&settings, &sockets, &lan, lifetime)?;
    let keys = keys(&settings, lifetime)?;
    announce(&settings, &lan, &listeners, &encrypted_listeners, lifetime);
    let audit = Audit::new(settings.audit.enabled, &settings.state_dir);
    let guard = Guard::new(&settings, Arc::clone(&keys), lan, audit);
    let live = Arc::new(Live::new(sources, loaded));
    let reload = Reload::new(
        Arc::clone(&live),
        Arc::clone(&worlds),
        Arc::clone(&guard),
        log.clone(),
        Arc::clone(&manager),
    );
    let updater = updater(&settings, &bus, lifetime);
    let ledger = Arc::new(Ledger::default());
    let server = Arc::new(settings.server.clone());
    let registries = settings.downloads.registries.clone();
    let door = Door {
        gateway: Gateway::new(Arc::clone(&worlds), Arc::clone(&ledger)),
        server: Arc::clone(&server),
        guard: Arc::clone(&guard),
        plain: first_on_network(&listeners),
        encrypted,
        state: Arc::new(settings.state_dir.clone()),
        settings: live,
        reload: reload.clone(),
        models: Models::new(Arc::clone(&worlds), registries, lifetime.clone()),
        updater,
        engines: Engines::new(Arc::clone(&worlds), units),
        log: log.recent,
        bus,
        lifetime: lifetime.clone(),
        instance: instance()?,
    };
    serve_bus(&door);
    let terms = Terms {
        ways: Ways::new(doors(door, &settings.mcp, lifetime)),
        guard,
        server,
        lifetime: lifetime.clone(),
        open: ledger.metrics.connections.clone(),
        refused: ledger.metrics.connections_refused.clone(),
    };
    let places = Places::new(&settings.server);
    for address in listeners.iter().flat_map(Listener::addresses) {
        banner::listening(address);
    }
    let all = listeners.iter().chain(&encrypted_listeners);
    let addresses: Vec<SocketAddr> = all.flat_map(Listener::addresses).collect();
    for listener in listeners.into_iter().chain(encrypted_listeners) {
        let name = format!("accepting connections on {}", listener.address);
        lifetime.spawn_critical(&name, accept(listener, terms.clone(), places.clone()));
    }
    control(&settings.server, &sockets, &terms).await?;
    lifetime.spawn_critical("the watchdog", feed(Arc::clone(&manager), lifetime.clone()));
    Ok(Running {
        worlds,
        keys,
        reload,
        manager,
        addresses,
        drain_deadline: settings.server.drain_deadline,
        looked,
    })
}

/// The machine's message bus, where thoxd shall be on it.
fn bus(settings: &Settings, lifetime: &Lifetime) -> Bus {
    let bus = Bus::default();
    if settings.dbus.enabled {
        let address = settings.dbus.address.as_ref();
        let address = address.map(|address| address.0.clone());
        let kept = bus.clone();
        lifetime.spawn_restarting("the connection to D-Bus", move || {
            kept.clone().stay_connected(address.clone())
        });
    }
    bus
}

/// Updates of the device's system, with RAUC followed.
fn updater(settings: &Settings, bus: &Bus, lifetime: &Lifetime) -> Updater {
    let updater = Updater::new(settings, bus.clone());
    let followed = updater.clone();
    lifetime.spawn_restarting("following updates", move || followed.clone().follow());
    updater
}

/// The device's names and networks, followed.
fn lan(settings: &Settings, lifetime: &Lifetime) -> Arc<Lan> {
    let lan = Lan::new(&settings.auth.further_names());
    lan.follow(lifetime);
    lan
}

/// The keys, with their last uses written down now and then.
fn keys(settings: &Settings, lifetime: &Lifetime) -> Result<Arc<Keys>, CannotOpen> {
    let keys = Keys::open(&settings.state_dir)?;
    let used = Arc::clone(&keys);
    lifetime.spawn_restarting("keeping the keys' last uses", move || {
        keep_uses(Arc::clone(&used))
    });
    Ok(keys)
}

/// The engines' units, and what follows from them for the world.
fn follow_units(units: &Units, worlds: &Arc<Worlds>, lifetime: &Lifetime) {
    let (followed, seeing) = (units.clone(), Arc::clone(worlds));
    lifetime.spawn_restarting("following the engines' units", move || {
        followed.clone().follow()
    });
    lifetime.spawn_restarting("publishing the engines' units", move || {
        Arc::clone(&seeing).follow_units()
    });
}

/// The door on the message bus.
fn serve_bus(door: &Door) {
    let on_bus = dbus::Door {
        bus: door.bus.clone(),
        worlds: Arc::clone(door.gateway.worlds()),
        guard: Arc::clone(&door.guard),
        engines: door.engines.clone(),
        models: door.models.clone(),
        updater: door.updater.clone(),
        settings: Arc::clone(&door.settings),
        reload: door.reload.clone(),
        lifetime: door.lifetime.clone(),
    };
    door.lifetime
        .spawn_restarting("the service on D-Bus", move || dbus::serve(on_bus.clone()));
}

/// Tells this run from the ones before and after.
fn instance() -> Result<Arc<str>, CannotStart> {
    let bytes = random::<8>().map_err(|error| CannotStart::System(std::io::Error::other(error)))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)).into())
}

/// The plain address to point others at: one that they can reach, where there is one.
pub(super) fn first_on_network(listeners: &[Listener]) -> Option<SocketAddr> {
    let addresses = || listeners.iter().flat_map(Listener::addresses);
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
