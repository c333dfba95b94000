//! How many requests an engine gets at once, and who waits for a slot.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use thox_policy::admit::{Joined, Queues, Urgency};
use tokio::sync::oneshot;

/// Who shares the queue fairly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Whoever asks from there.
    Address(IpAddr),
    /// The holder of a key, by the key's number.
    Key(u64),
}

/// One engine's slots.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    in_use: usize,
    next_ticket: u64,
    queue: Queues<Client, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    turn: oneshot::Sender<Permit>,
}

/// The right to use one slot; given on when dropped.
#[derive(Debug)]
pub struct Permit(Option<Arc<Slots>>);

/// The queue is full, and the client has the most in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl Slots {
    /// `limit` slots, 0 for no limit, and a queue for `queue` requests.
    #[must_use]
    pub fn new(limit: usize, queue: usize) -> Arc<Self> {
        let state = State {
            in_use: 0,
            next_ticket: 0,
            queue: Queues::new(queue),
        };
        Arc::new(Self {
            limit,
            state: Mutex::new(state),
        })
    }

    /// Waits for a slot. Dropping the future gives the place in the queue up.
    ///
    /// # Errors
    /// [`QueueFull`], at once or when a client with fewer requests takes the place.
    pub async fn admit(
        self: &Arc<Self>,
        client: Client,
        urgency: Urgency,
    ) -> Result<Permit, QueueFull> {
        let (ticket, turn) = {
            let mut state = self.state();
            if self.limit == 0 || state.in_use < self.limit {
                state.in_use += 1;
                return Ok(Permit(Some(Arc::clone(self))));
            }
            let (sender, turn) = oneshot::channel();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            match state.queue.join(
                client,
                urgency,
                Waiter {
                    ticket,
                    turn: sender,
                },
            ) {
                // Dropping the one that is sent away wakes it with an error.
                Joined::Waiting | Joined::InPlaceOf(_) => (ticket, turn),
                Joined::Full(_) => return Err(QueueFull),
            }
        };
        let _place = Place {
            slots: self,
            client,
            urgency,
            ticket,
        };
        turn.await.map_err(|_| QueueFull)
    }

    /// Requests at the engine and requests that wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let state = self.state();
        (state.in_use, state.queue.len())
    }

    /// How many requests may be at the engine at once; 0 for no limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(slots) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = slots.state();
                let next = state.queue.take_turn();
                if next.is_none() {
                    state.in_use -= 1;
                }
                next
            };
            let Some(waiter) = next else { return };
            match waiter.turn.send(Permit(Some(Arc::clone(&slots)))) {
                Ok(()) => return,
                // Gone in this very moment: the slot goes to the next one, without a recursion through drop.
                Err(mut unused) => drop(unused.0.take()),
            }
        }
    }
}

struct Place<'s> {
    slots: &'s Slots,
    client: Client,
    urgency: Urgency,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Bound to a name so that it is dropped after the lock: it may hold the last sender.
        let _left = self
            .slots
            .state()
            .queue
            .leave(&self.client, self.urgency, |waiter| {
                waiter.ticket == self.ticket
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, time::Duration};

    fn client(last: u8) -> Client {
        Client::Address(Ipv4Addr::new(10, 0, 0, last).into())
    }

    #[tokio::test]
    async fn a_slot_goes_to_the_next_in_turn_and_a_place_given_up_is_free() {
        let slots = Slots::new(1, 8);
        let held = slots.admit(client(1), Urgency::Interactive).await.unwrap();
        let first = tokio::spawn({
            let slots = slots.clone();
            async move { slots.admit(client(1), Urgency::Interactive).await }
        });
        let given_up = tokio::spawn({
            let slots = slots.clone();
            async move { slots.admit(client(2), Urgency::Interactive).await }
        });
        let second = tokio::spawn({
            let slots = slots.clone();
            async move { slots.admit(client(2), Urgency::Interactive).await }
        });
        while slots.load().1 < 3 {
            tokio::task::yield_now().await;
        }
        given_up.abort();
        let _ = given_up.await;
        assert_eq!(slots.load(), (1, 2));
        drop(held);
        let held = first.await.unwrap().unwrap();
        assert!(!second.is_finished());
        drop(held);
        drop(second.await.unwrap().unwrap());
        assert_eq!(slots.load(), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_sends_the_greedy_ones_newest_away() {
        let slots = Slots::new(1, 2);
        let _held = slots.admit(client(1), Urgency::Interactive).await.unwrap();
        let greedy: Vec<_> = (0..2)
            .map(|_| {
                tokio::spawn({
                    let slots = slots.clone();
                    async move { slots.admit(client(1), Urgency::Interactive).await.err() }
                })
            })
            .collect();
        while slots.load().1 < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            slots.admit(client(1), Urgency::Interactive).await.err(),
            Some(QueueFull)
        );
        let person = slots.admit(client(2), Urgency::Interactive);
        let _ = tokio::time::timeout(Duration::from_millis(20), person).await;
        let refused = futures_util::future::select_all(greedy).await.0.unwrap();
        assert_eq!(refused, Some(QueueFull));
    }
}
