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
    may_take_all: bool,
}

/// A client may have one place for so many that stay free.
const FREE_FOR_EACH: usize = 3;

impl Places {
    /// As many as the settings say.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        Self {
            all: Arc::new(Semaphore::new(server.max_connections)),
            clients: Arc::new(Clients {
                open: Mutex::default(),
                most: server.max_connections_per_client,
                may_take_all: server.max_connections_per_client >= server.max_connections,
            }),
        }
    }

    /// Waits until there is a place for somebody.
    pub async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives a place to a client.
    ///
    /// # Errors
    /// It has as many as it may have now; how many that are.
    pub fn take(&self, free: OwnedSemaphorePermit, address: IpAddr) -> Result<Place, usize> {
        let client = neighbourhood(address);
        let mut open = self.clients.lock();
        let count = open.entry(client).or_default();
        let most = self.clients.most_with(self.all.available_permits());
        // A new entry is 0 and the most at least 1: no entry without a connection is left behind.
        if *count >= most {
            return Err(most);
        }
        *count += 1;
        Ok(Place {
            clients: Arc::clone(&self.clients),
            client,
            _of_all: free,
        })
    }
}

impl Clients {
    /// How many one client may have while so many places are free beside the one in question: the fewer are left for
    /// others, the fewer (as in switches' buffers: Choudhury and Hahne, "Dynamic Queue Length Thresholds", 1998). By
    /// the settings' defaults a single client gets all that it may have, and sixteen that take what they can get leave
    /// places for somebody new. Where the settings let a client have all places, as behind a proxy, it may.
    fn most_with(&self, free: usize) -> usize {
        if self.may_take_all {
            self.most
        } else {
            self.most.min(free / FREE_FOR_EACH + 1)
        }
    }

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
        places.take(free, address.parse().unwrap()).ok()
    }

    #[tokio::test]
    async fn a_few_clients_cannot_take_all_places() {
        let places = places(1024, 256);
        let mut taken = Vec::new();
        let mut fill = async |client: &str| {
            let mut count = 0;
            while let Some(place) = take(&places, client).await {
                taken.push(place);
                count += 1;
            }
            count
        };
        assert_eq!(fill("192.0.2.1").await, 256, "one alone has its share");
        for greedy in 2..=16 {
            fill(&format!("192.0.2.{greedy}")).await;
        }
        assert!(fill("192.0.2.99").await >= 1, "somebody new finds a place");
        assert!(
            places.all.available_permits() >= 1,
            "and so does the next one"
        );
        let alone = self::places(8, 8);
        for _ in 0..8 {
            taken.push(take(&alone, "192.0.2.1").await.unwrap());
        }
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
