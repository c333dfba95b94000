//! Who may have how many connections: all clients together wait, one client alone is refused.

use crate::settings::Server;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use thox_policy::network::neighbourhood;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of all listeners together. Clones are the same.
#[derive(Clone, Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    clients: Arc<Clients>,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    clients: Arc<Clients>,
    client: IpAddr,
    _of_all: OwnedSemaphorePermit,
}

/// An entry for each client that has a connection, so never more of them than places.
#[derive(Debug)]
struct Clients {
    open: Mutex<HashMap<IpAddr, usize>>,
    most: usize,
}

impl Places {
    /// As many as the settings say.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self {
            all: Arc::new(Semaphore::new(server.max_connections)),
            clients: Arc::new(Clients {
                open: Mutex::default(),
                most: server.max_connections_per_client,
            }),
        }
    }

    /// Waits until there is a place for somebody.
    pub async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives a place to a client, unless it has as many as it may have.
    #[must_use]
    pub fn take(&self, free: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let client = neighbourhood(address);
        let mut open = self.clients.lock();
        let count = open.entry(client).or_default();
        // A new entry is 0 and the most at least 1: no entry without a connection is left behind.
        if *count >= self.clients.most {
            return None;
        }
        *count += 1;
        Some(Place {
            clients: Arc::clone(&self.clients),
            client,
            _of_all: free,
        })
    }
}

impl Clients {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.clients.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: usize, most: usize) -> Places {
        let mut settings = crate::settings::parse_text("").unwrap();
        settings.server.max_connections = all;
        settings.server.max_connections_per_client = most;
        Places::new(&settings.server)
    }

    async fn take(places: &Places, address: &str) -> Option<Place> {
        let free = places.free().await.unwrap();
        places.take(free, address.parse().unwrap())
    }

    #[tokio::test]
    async fn one_client_has_its_share_and_gives_it_back() {
        let places = places(10, 2);
        let first = take(&places, "192.0.2.1").await.unwrap();
        let _second = take(&places, "192.0.2.1").await.unwrap();
        assert!(take(&places, "192.0.2.1").await.is_none());
        let other = take(&places, "192.0.2.2").await.unwrap();
        drop(first);
        let _third = take(&places, "192.0.2.1").await.unwrap();
        assert_eq!(places.clients.lock().len(), 2);
        drop(other);
        assert_eq!(places.clients.lock().len(), 1, "who has gone is forgotten");
        assert_eq!(places.all.available_permits(), 8);
    }

    #[tokio::test]
    async fn an_ipv6_client_is_its_network() {
        let places = places(10, 1);
        let _place = take(&places, "2001:db8::1").await.unwrap();
        assert!(take(&places, "2001:db8::ffff:2").await.is_none());
        assert!(take(&places, "2001:db8:0:1::1").await.is_some());
        assert!(take(&places, "192.0.2.1").await.is_some());
        assert_eq!(
            places.all.available_permits(),
            9,
            "a refused one takes no place"
        );
    }
}
