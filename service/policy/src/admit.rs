//! A bounded queue in front of an engine, fair between clients.
//!
//! Clients take turns, one request each, however many a client has waiting. A full queue makes room for a client with
//! few requests by sending away the newest of the client that has most: a script with a thousand requests does not lock
//! out a person. Requests for which nobody waits go behind those for which somebody does, and still get every fifth turn.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Requests that wait, `T`, by client, `K`.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    capacity: usize,
    waiting: usize,
    turns: VecDeque<K>,
    lines: HashMap<K, VecDeque<T>>,
}

/// What became of a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<T> {
    /// It waits.
    Waiting,
    /// It waits in the place of this one, which has to go.
    InPlaceOf(T),
    /// It may not wait: the queue is full and its client has the most in it already.
    Full(T),
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    /// An empty queue for `capacity` requests.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            waiting: 0,
            turns: VecDeque::new(),
            lines: HashMap::new(),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// A request of `client` joins at the end of its client's line.
    pub fn join(&mut self, client: K, request: T) -> Joined<T> {
        let mut sent_away = None;
        if self.waiting >= self.capacity {
            let own = self.lines.get(&client).map_or(0, VecDeque::len);
            let longest = self.lines.iter().max_by_key(|(_, line)| line.len());
            match longest.map(|(key, line)| (key.clone(), line.len())) {
                // Only who has at least two more gives one up: otherwise two equals would push each other out in turn.
                Some((key, length)) if length > own + 1 => sent_away = self.take_newest(&key),
                _ => return Joined::Full(request),
            }
        }
        let line = self.lines.entry(client.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(client);
        }
        line.push_back(request);
        self.waiting += 1;
        sent_away.map_or(Joined::Waiting, Joined::InPlaceOf)
    }

    /// The request whose turn it is.
    pub fn take_turn(&mut self) -> Option<T> {
        let client = self.turns.pop_front()?;
        let line = self.lines.get_mut(&client)?;
        let request = line.pop_front()?;
        self.waiting -= 1;
        if line.is_empty() {
            self.lines.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        Some(request)
    }

    /// Takes the first request of `client` that `is_it` out: its sender has gone.
    pub fn leave(&mut self, client: &K, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let line = self.lines.get_mut(client)?;
        let at = line.iter().position(is_it)?;
        let request = line.remove(at)?;
        self.left(client);
        Some(request)
    }

    /// The newest request of the client that has most: it gives its place up.
    fn give_up_newest(&mut self) -> Option<T> {
        let longest = self.lines.iter().max_by_key(|(_, line)| line.len());
        let client = longest.map(|(client, _)| client.clone())?;
        self.take_newest(&client)
    }

    fn take_newest(&mut self, client: &K) -> Option<T> {
        let request = self.lines.get_mut(client)?.pop_back()?;
        self.left(client);
        Some(request)
    }

    fn left(&mut self, client: &K) {
        self.waiting -= 1;
        if self.lines.get(client).is_some_and(VecDeque::is_empty) {
            self.lines.remove(client);
            self.turns.retain(|turn| turn != client);
        }
    }
}

/// Two fair queues: somebody waits for what is in the one, nobody for what is in the other.
#[derive(Debug)]
pub struct Queues<K, T> {
    capacity: usize,
    interactive: FairQueue<K, T>,
    batch: FairQueue<K, T>,
    passed_over: u8,
}

/// In which of the two a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Somebody waits for the answer.
    Interactive,
    /// Nobody does.
    Batch,
}

/// Turns of others after which one for which nobody waits has its own: it does not starve.
const MOST_PASSED_OVER: u8 = 4;

impl<K: Clone + Eq + Hash, T> Queues<K, T> {
    /// Empty queues for `capacity` requests together.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            interactive: FairQueue::new(capacity),
            batch: FairQueue::new(capacity),
            passed_over: 0,
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.interactive.len() + self.batch.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A request of `client` joins. Where all places are taken, an urgent one takes the place of one that is not.
    pub fn join(&mut self, client: K, urgency: Urgency, request: T) -> Joined<T> {
        match urgency {
            Urgency::Interactive => {
                let sent_away = if self.len() >= self.capacity {
                    self.batch.give_up_newest()
                } else {
                    None
                };
                self.interactive.capacity = self.capacity - self.batch.len().min(self.capacity);
                match (self.interactive.join(client, request), sent_away) {
                    (Joined::Waiting, Some(other)) => Joined::InPlaceOf(other),
                    (joined, _) => joined,
                }
            }
            Urgency::Batch => {
                self.batch.capacity = self.capacity - self.interactive.len().min(self.capacity);
                self.batch.join(client, request)
            }
        }
    }

    /// The request whose turn it is.
    pub fn take_turn(&mut self) -> Option<T> {
        if self.passed_over >= MOST_PASSED_OVER || self.interactive.is_empty() {
            self.passed_over = 0;
            return self
                .batch
                .take_turn()
                .or_else(|| self.interactive.take_turn());
        }
        if !self.batch.is_empty() {
            self.passed_over += 1;
        }
        self.interactive.take_turn()
    }

    /// Takes the first request of `client` that `is_it` out: its sender has gone.
    pub fn leave(&mut self, client: &K, urgency: Urgency, is_it: impl Fn(&T) -> bool) -> Option<T> {
        match urgency {
            Urgency::Interactive => self.interactive.leave(client, is_it),
            Urgency::Batch => self.batch.leave(client, is_it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_person_goes_before_a_batch_and_the_batch_does_not_starve() {
        use Urgency::{Batch, Interactive};
        let mut queues = Queues::new(100);
        for n in 0..3 {
            queues.join("nightly", Batch, 100 + n);
        }
        for n in 0..10 {
            queues.join("person", Interactive, n);
        }
        let order: Vec<i32> = std::iter::from_fn(|| queues.take_turn()).collect();
        assert_eq!(order, [0, 1, 2, 3, 100, 4, 5, 6, 7, 101, 8, 9, 102]);
    }

    #[test]
    fn a_full_house_of_batches_makes_room_for_a_person() {
        use Urgency::{Batch, Interactive};
        let mut queues = Queues::new(2);
        assert_eq!(queues.join("nightly", Batch, 1), Joined::Waiting);
        assert_eq!(queues.join("nightly", Batch, 2), Joined::Waiting);
        assert_eq!(queues.join("nightly", Batch, 3), Joined::Full(3));
        assert_eq!(queues.join("person", Interactive, 4), Joined::InPlaceOf(2));
        assert_eq!(queues.join("person", Interactive, 5), Joined::InPlaceOf(1));
        assert_eq!(queues.join("person", Interactive, 6), Joined::Full(6));
        assert_eq!(queues.join("nightly", Batch, 7), Joined::Full(7));
        assert_eq!(queues.leave(&"person", Interactive, |n| *n == 5), Some(5));
        assert_eq!(queues.join("nightly", Batch, 8), Joined::Waiting);
        assert_eq!((queues.len(), queues.is_empty()), (2, false));
    }

    #[test]
    fn a_person_does_not_wait_behind_a_script() {
        let mut queue = FairQueue::new(100);
        for n in 0..50 {
            assert_eq!(queue.join("script", n), Joined::Waiting);
        }
        assert_eq!(queue.join("person", 1000), Joined::Waiting);
        assert_eq!(queue.take_turn(), Some(0));
        assert_eq!(queue.take_turn(), Some(1000));
        assert_eq!(queue.take_turn(), Some(1));
    }

    #[test]
    fn a_full_queue_makes_room_for_whoever_has_little_in_it() {
        let mut queue = FairQueue::new(3);
        for n in 0..3 {
            queue.join("script", n);
        }
        assert_eq!(queue.join("script", 3), Joined::Full(3));
        assert_eq!(queue.join("person", 9), Joined::InPlaceOf(2));
        assert_eq!(queue.join("person", 10), Joined::Full(10));
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.leave(&"person", |n| *n == 9), Some(9));
        assert_eq!(
            (queue.take_turn(), queue.take_turn(), queue.take_turn()),
            (Some(0), Some(1), None)
        );
    }

    proptest! {
        /// Nothing is lost or doubled, the bound holds, and between two turns of a client that waits each other waiting client gets at most one.
        #[test]
        fn keeps_count_and_turns(steps in prop::collection::vec((0u8..4, 0u8..5), 1..300), capacity in 1usize..20) {
            let mut queue = FairQueue::new(capacity);
            let mut inside = std::collections::BTreeSet::new();
            let mut turns = Vec::<u8>::new();
            for (id, (action, client)) in steps.into_iter().enumerate() {
                match action {
                    0 | 1 => match queue.join(client, (client, id)) {
                        Joined::Waiting => { inside.insert((client, id)); }
                        Joined::InPlaceOf(other) => { prop_assert!(inside.remove(&other)); inside.insert((client, id)); }
                        Joined::Full(own) => prop_assert_eq!(own, (client, id)),
                    },
                    2 => match queue.take_turn() {
                        Some(request) => { prop_assert!(inside.remove(&request)); turns.push(request.0); }
                        None => prop_assert!(inside.is_empty()),
                    },
                    _ => if let Some(request) = queue.leave(&client, |_| true) {
                        prop_assert_eq!(request.0, client);
                        prop_assert!(inside.remove(&request));
                    },
                }
                prop_assert_eq!(queue.len(), inside.len());
                prop_assert!(queue.len() <= capacity);
            }
            let mut rest = Vec::new();
            while let Some((client, _)) = queue.take_turn() { rest.push(client); }
            prop_assert_eq!(rest.len(), inside.len());
            // While all lines are served and none joins, a client comes again only after every other that still waits.
            for (at, client) in rest.iter().enumerate() {
                if let Some(again) = rest.iter().skip(at + 1).position(|other| other == client) {
                    let between: Vec<_> = rest.iter().skip(at + 1).take(again).collect();
                    for other in rest.iter().skip(at + 1 + again) {
                        prop_assert!(other == client || between.contains(&other) , "{rest:?}");
                    }
                }
            }
        }
    }
}
