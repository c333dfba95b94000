//! The machine's message bus: one connection, made anew when it breaks, for whoever has something to say or to hear
//! there. Everything else works without.
//!
//! - `error`: what peers answer that do not do what they are asked; `rule`: which signals are wanted.

mod error;
mod rule;

pub use error::answer;
pub use rule::signal;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use zbus::{Connection, connection::Builder};

/// The connection, as it comes and goes. Clones are the same.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    connection: watch::Sender<Option<Connection>>,
    troubles: Mutex<BTreeMap<&'static str, String>>,
}

/// The first pause before another try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A bus that is there answers within milliseconds.
const HANDSHAKE: Duration = Duration::from_secs(10);

const WHAT: &str = "connection";

impl Default for Bus {
    /// None, and none is looked for.
    fn default() -> Self {
        Self(Arc::new(Parts {
            connection: watch::Sender::new(None),
            troubles: Mutex::default(),
        }))
    }
}

impl Bus {
    /// The connection, and every change of it.
    #[must_use]
    pub fn connections(&self) -> watch::Receiver<Option<Connection>> {
        self.0.connection.subscribe()
    }

    /// The connection, if there is one now.
    #[must_use]
    pub fn now(&self) -> Option<Connection> {
        self.0.connection.borrow().clone()
    }

    /// Notes what is missing, under a name by which it is taken back; tells whether that is new.
    pub fn trouble(&self, what: &'static str, trouble: Option<&str>) -> bool {
        let mut troubles = self.troubles_mut();
        let before = match trouble {
            Some(text) => troubles.insert(what, text.to_owned()),
            None => troubles.remove(what),
        };
        before.as_deref() != trouble
    }

    /// What is missing, in words.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.troubles_mut().values().cloned().collect()
    }

    /// Connects to the bus at `address`, the system's where that is none, and again whenever that breaks.
    pub async fn stay_connected(self, address: Option<String>) {
        // What a task before this one has left is not watched by anybody.
        self.0.connection.send_replace(None);
        let mut pause = FIRST_PAUSE;
        loop {
            match connect(address.as_deref()).await {
                Ok(connection) => {
                    pause = FIRST_PAUSE;
                    self.trouble(WHAT, None);
                    tracing::debug!(name = ?connection.unique_name(), "on D-Bus");
                    self.0.connection.send_replace(Some(connection.clone()));
                    connection.closed().await;
                    self.0.connection.send_replace(None);
                    tracing::warn!("the connection to D-Bus has ended; it is made anew");
                    self.trouble(WHAT, Some(&missing("its connection has ended")));
                }
                Err(cause) => {
                    if self.trouble(WHAT, Some(&missing(&cause))) {
                        tracing::info!(%cause, "D-Bus cannot be reached; it is tried again");
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn troubles_mut(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        let troubles = self.0.troubles.lock();
        troubles.unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(address: Option<&str>) -> Result<Connection, String> {
    let builder = match address {
        Some(address) => Builder::address(address),
        None => Builder::system(),
    };
    match timeout(HANDSHAKE, builder.build()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {HANDSHAKE:?}")),
    }
}

fn missing(cause: &str) -> String {
    format!(
        "D-Bus is not there ({cause}), so programs of this machine cannot use it to reach thoxd, nor thoxd the engines' units. It is tried again; dbus.enabled = false does without."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bus_that_is_not_there_is_told_of() {
        let nowhere = tempfile::tempdir().unwrap().path().join("bus");
        let bus = Bus::default();
        let connecting = bus
            .clone()
            .stay_connected(Some(format!("unix:path={}", nowhere.display())));
        let told = async {
            while bus.troubles().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = connecting => {}
            () = told => {}
        }
        assert!(bus.troubles()[0].contains("dbus.enabled"), "{bus:?}");
        assert!(bus.now().is_none());
        assert!(bus.trouble("name", Some("taken")));
        assert!(!bus.trouble("name", Some("taken")), "no news");
        assert_eq!(bus.troubles().len(), 2);
        assert!(bus.trouble("name", None) && bus.troubles().len() == 1);
    }
}
