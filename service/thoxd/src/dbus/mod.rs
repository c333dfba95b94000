//! The D-Bus door: `ai.thox.Thoxd1` at `/ai/thox/Thoxd1`, for programs of this machine.
//!
//! - `interface`: properties and methods; `config/dbus/ai.thox.Thoxd1.xml` is what they look like from outside.
//! - `call`: what is true of every method: polkit is asked, the guard decides, the audit log hears of it.
//! - `authority`: polkit; `view`: what the properties show; `refusal`: errors as D-Bus has them.

mod authority;
mod call;
mod interface;
mod refusal;
mod view;

use crate::{
    bus::{Bus, answer},
    engines::Engines,
    guard::Guard,
    lifetime::Lifetime,
    models::Models,
    reload::Reload,
    settings::Live,
    updater::Updater,
    world::Worlds,
};
use arc_swap::ArcSwap;
use interface::Thoxd1;
use std::{sync::Arc, time::Duration};
use thox_api::dbus::{NAME, PATH};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use view::View;
use zbus::{
    Connection,
    fdo::{RequestNameFlags, RequestNameReply},
};

/// What every method works with.
#[derive(Clone, Debug)]
pub struct Door {
    /// The bus.
    pub bus: Bus,
    /// Engines and models.
    pub worlds: Arc<Worlds>,
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// What is done to the engines' units.
    pub engines: Engines,
    /// What is done to models.
    pub models: Models,
    /// Updates of the device's system.
    pub updater: Updater,
    /// The settings.
    pub settings: Arc<Live>,
    /// Reads them again.
    pub reload: Reload,
    /// The daemon's end, and its restart.
    pub lifetime: Lifetime,
}

const WHAT: &str = "name";

/// Before the name is asked for again: whoever has it may have gone.
const PAUSE: Duration = Duration::from_secs(5);

/// An engine that comes up makes several changes at once: one signal for all of them.
const SETTLE: Duration = Duration::from_millis(50);

/// The troubles of background tasks tell nobody of themselves.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// An engine tells of its progress some sixteen times a second; nobody looks so often.
const BETWEEN_PROGRESS: Duration = Duration::from_millis(500);

/// Serves whoever calls, on each connection to the bus, as long as the daemon lives.
pub async fn serve(door: Door) {
    let mut connections = door.bus.connections();
    loop {
        let connection = connections.borrow_and_update().clone();
        let trouble = match &connection {
            None => None,
            Some(connection) => tokio::select! {
                why = be_there(&door, connection) => Some(why),
                _ = connections.changed() => {
                    door.bus.trouble(WHAT, None);
                    continue;
                }
            },
        };
        match trouble {
            // The bus lasts as long as the process.
            None if connections.changed().await.is_err() => return,
            None => {}
            Some(why) => {
                if door.bus.trouble(WHAT, Some(&why)) {
                    tracing::info!(%why, "not on D-Bus under the name");
                }
                let _ = timeout(PAUSE, connections.changed()).await;
            }
        }
    }
}

/// Takes the name and tells of changes; gives the reason why not.
async fn be_there(door: &Door, connection: &Connection) -> String {
    match take_name(door, connection).await {
        Ok(shown) => {
            let followed = tokio::select! {
                followed = follow(door, connection, &shown) => followed,
                followed = follow_downloads(door, connection) => followed,
            };
            match followed {
                Ok(()) => "its object is gone".to_owned(),
                Err(error) => format!("the changes of {NAME} cannot be told on D-Bus: {error}"),
            }
        }
        Err(why) => format!(
            "thoxd has not got its name {NAME} on D-Bus: {why}. Programs of this machine do not find it there; it is asked for again."
        ),
    }
}

async fn take_name(door: &Door, connection: &Connection) -> Result<Arc<ArcSwap<View>>, String> {
    let shown = Arc::new(ArcSwap::from_pointee(View::of(door)));
    let object = Thoxd1::new(door.clone(), Arc::clone(&shown));
    let server = connection.object_server();
    let text = |error: zbus::Error| match answer(&error) {
        Some((_, text)) => format!(
            "{text}; config/dbus/ai.thox.Thoxd1.conf belongs into /usr/share/dbus-1/system.d"
        ),
        None => error.to_string(),
    };
    // That of an earlier try shows what was then; the first time there is none, which is an error to it.
    let _ = server.remove::<Thoxd1, _>(PATH).await;
    server.at(PATH, object).await.map_err(text)?;
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    match connection.request_name_with_flags(NAME, flags).await {
        Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => {
            door.bus.trouble(WHAT, None);
            tracing::info!(name = NAME, "on D-Bus");
            Ok(shown)
        }
        Ok(_) | Err(zbus::Error::NameTaken) => Err("another thoxd has it".to_owned()),
        Err(error) => Err(text(error)),
    }
}

/// Tells of each property that has changed.
async fn follow(door: &Door, connection: &Connection, shown: &ArcSwap<View>) -> zbus::Result<()> {
    let object = connection
        .object_server()
        .interface::<_, Thoxd1>(PATH)
        .await?;
    let (mut worlds, mut lan) = (door.worlds.changes(), door.guard.lan.changes());
    let mut update = door.updater.changes();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        worlds.borrow_and_update();
        lan.borrow_and_update();
        update.borrow_and_update();
        let view = View::of(door);
        let before = shown.swap(Arc::new(view));
        object
            .get()
            .await
            .tell(&before, object.signal_emitter())
            .await?;
        tokio::select! {
            changed = worlds.changed() => if changed.is_err() { return Ok(()) },
            changed = lan.changed() => if changed.is_err() { return Ok(()) },
            changed = update.changed() => if changed.is_err() { return Ok(()) },
            _ = ticks.tick() => {}
        }
        sleep(SETTLE).await;
    }
}

/// Tells how far downloads are.
async fn follow_downloads(door: &Door, connection: &Connection) -> zbus::Result<()> {
    let object = connection
        .object_server()
        .interface::<_, Thoxd1>(PATH)
        .await?;
    let mut changes = door.models.downloads().changes();
    while changes.changed().await.is_ok() {
        changes.borrow_and_update();
        let shown = object.get().await;
        shown.downloads_changed(object.signal_emitter()).await?;
        drop(shown);
        sleep(BETWEEN_PROGRESS).await;
    }
    Ok(())
}
