//! How much a client may ask in a minute: one number for each client and limit, in bounded memory.
//!
//! The generic cell rate algorithm (ITU-T I.371): a client's allowance fills up evenly, and all that is kept is when it
//! will be full again. A minute's worth may be used at once.

use std::{collections::HashMap, hash::Hash, num::NonZeroU32, time::Duration};

/// So much a minute, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PerMinute(pub NonZeroU32);

/// What is left to a client, for OpenAI's rate-limit headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: u32,
    /// What may be used at once.
    pub remaining: u32,
    /// Until all of it is there again.
    pub reset_after: Duration,
}

/// A refusal: the standing, and when a retry makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// What is left.
    pub standing: Standing,
    /// Until one more fits.
    pub retry_after: Duration,
}

/// The allowances of many clients, `K`. Times are since any fixed moment.
#[derive(Debug)]
pub struct Limiter<K> {
    capacity: usize,
    full_at: HashMap<K, Duration>,
    /// Shared by all clients for which there was no room: a flood of new addresses locks itself out, and nobody else.
    crowd: Duration,
    swept: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Between two looks for clients that need not be remembered.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl PerMinute {
    fn each(self) -> Duration {
        MINUTE / self.0.get()
    }

    fn standing(self, full_at: Duration, now: Duration) -> Standing {
        let used = full_at.saturating_sub(now);
        let left = MINUTE.saturating_sub(used);
        let remaining = left.as_nanos() / self.each().as_nanos().max(1);
        Standing {
            limit: self.0.get(),
            remaining: u32::try_from(remaining)
                .unwrap_or(u32::MAX)
                .min(self.0.get()),
            reset_after: used,
        }
    }
}

impl<K: Eq + Hash> Limiter<K> {
    /// Allowances for at most `capacity` clients that have used some of theirs.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            full_at: HashMap::new(),
            crowd: Duration::ZERO,
            swept: Duration::ZERO,
        }
    }

    /// How many clients are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.full_at.is_empty()
    }

    /// Uses `amount` of `client`'s allowance, if there is so much.
    ///
    /// # Errors
    /// [`Exhausted`]; nothing was used then.
    pub fn take(
        &mut self,
        client: K,
        rate: PerMinute,
        amount: u32,
        now: Duration,
    ) -> Result<Standing, Exhausted> {
        let full_at = self.entry(client, now);
        let cost = rate.each() * amount;
        let then = (*full_at).max(now) + cost;
        if then > now + MINUTE {
            return Err(Exhausted {
                standing: rate.standing(*full_at, now),
                retry_after: then - now - MINUTE,
            });
        }
        *full_at = then;
        Ok(rate.standing(then, now))
    }

    /// Whether anything is left, for what is counted only afterwards.
    ///
    /// # Errors
    /// [`Exhausted`] while more was used than there is.
    pub fn check(&self, client: &K, rate: PerMinute, now: Duration) -> Result<Standing, Exhausted> {
        let full_at = self.full_at.get(client).copied().unwrap_or(now);
        let standing = rate.standing(full_at, now);
        if standing.remaining > 0 {
            return Ok(standing);
        }
        let retry_after = (full_at + rate.each()).saturating_sub(now + MINUTE);
        Err(Exhausted {
            standing,
            retry_after,
        })
    }

    /// Uses `amount` whether it is there or not: it is known only now. Several minutes' worth at most, so that one
    /// long answer does not lock its client out for an hour.
    pub fn charge(&mut self, client: K, rate: PerMinute, amount: u64, now: Duration) {
        const LONGEST: Duration = Duration::from_secs(5 * 60);
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let cost = rate.each().saturating_mul(amount);
        let full_at = self.entry(client, now);
        *full_at = (*full_at).max(now).saturating_add(cost).min(now + LONGEST);
    }

    fn entry(&mut self, client: K, now: Duration) -> &mut Duration {
        if self.full_at.len() >= self.capacity && !self.full_at.contains_key(&client) {
            if now >= self.swept + SWEEP_EVERY {
                self.swept = now;
                self.full_at.retain(|_, full_at| *full_at > now);
            }
            if self.full_at.len() >= self.capacity {
                return &mut self.crowd;
            }
        }
        self.full_at.entry(client).or_insert(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(per_minute: u32) -> PerMinute {
        PerMinute(NonZeroU32::new(per_minute).unwrap())
    }

    const START: Duration = Duration::from_secs(1_000_000);

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let mut limiter = Limiter::new(8);
        for left in (0..6).rev() {
            let standing = limiter.take("a", rate(6), 1, START).unwrap();
            assert_eq!((standing.limit, standing.remaining), (6, left));
        }
        let refused = limiter.take("a", rate(6), 1, START).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(10));
        assert_eq!(refused.standing.remaining, 0);
        assert!(
            limiter.take("b", rate(6), 1, START).is_ok(),
            "another client has its own"
        );
        let later = START + Duration::from_secs(10);
        assert!(limiter.take("a", rate(6), 1, later).is_ok());
        assert!(limiter.take("a", rate(6), 1, later).is_err());
    }

    #[test]
    fn what_is_counted_afterwards_is_owed() {
        let mut limiter = Limiter::new(8);
        assert_eq!(
            limiter.check(&"a", rate(600), START).unwrap().remaining,
            600
        );
        limiter.charge("a", rate(600), 900, START);
        let refused = limiter.check(&"a", rate(600), START).unwrap_err();
        assert!(refused.retry_after > Duration::from_secs(30), "{refused:?}");
        assert!(
            limiter
                .check(&"a", rate(600), START + Duration::from_secs(31))
                .is_ok()
        );
        limiter.charge("a", rate(1), u64::MAX, START);
        assert!(
            limiter
                .check(&"a", rate(1), START + Duration::from_secs(301))
                .is_ok()
        );
    }

    #[test]
    fn a_million_addresses_need_no_more_memory_than_the_bound() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.take(0_u32, rate(2), 1, START).is_ok());
        let mut refused = 0;
        for address in 1..1_000_000_u32 {
            refused += u32::from(limiter.take(address, rate(2), 1, START).is_err());
        }
        assert_eq!(limiter.len(), 1000);
        assert!(refused > 990_000, "the crowd shares one allowance");
        assert!(
            limiter.take(0, rate(2), 1, START).is_ok(),
            "who was there before still has the own one"
        );
        let later = START + MINUTE;
        assert!(
            limiter.take(2_000_000, rate(2), 1, later).is_ok(),
            "those that are full again are forgotten"
        );
    }

    proptest! {
        /// In no span of time does a client get more than a minute's worth and what that span refills.
        #[test]
        fn never_more_than_the_limit(per_minute in 1u32..200, steps in prop::collection::vec((0u64..5_000, 1u32..4), 1..200)) {
            let mut limiter = Limiter::new(4);
            let (mut now, mut taken) = (START, 0_u64);
            for (wait, amount) in steps {
                now += Duration::from_millis(wait);
                match limiter.take(1, rate(per_minute), amount, now) {
                    Ok(_) => taken += u64::from(amount),
                    Err(refused) => prop_assert!(limiter.take(1, rate(per_minute), amount, now + refused.retry_after).is_ok() == (amount <= per_minute)),
                }
                if limiter.check(&1, rate(per_minute), now).is_err() { continue; }
            }
            let refilled = (now - START).as_secs_f64() / 60.0 * f64::from(per_minute);
            // A retry that was let through above lies after `now`: allow for it.
            prop_assert!(taken as f64 <= f64::from(per_minute) + refilled + 1.0);
        }
    }
}
