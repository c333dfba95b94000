//! The choice of the next token from the scores.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// How the next token is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// 0 takes the best token each time; higher values vary more.
    pub temperature: f32,
    /// Only the best tokens, which together have this probability, are drawn from.
    pub top_p: f32,
    /// The same seed gives the same answer; without one, chance decides.
    pub seed: Option<u64>,
    /// Subtracted from a token's score for each time that it was written.
    pub frequency_penalty: f32,
    /// Subtracted once from the score of a token that was written.
    pub presence_penalty: f32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            seed: None,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
        }
    }
}

/// Draws tokens for one answer.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    state: u64,
    written: HashMap<u32, u32>,
}

impl Sampler {
    pub(crate) fn new(sampling: Sampling) -> Self {
        // The standard library's hasher is seeded by the system: chance without a crate for it.
        let state = sampling
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(0));
        Self {
            sampling,
            state,
            written: HashMap::new(),
        }
    }

    /// The next token.
    pub(crate) fn choose(&mut self, scores: &[f32]) -> u32 {
        let mut ranked: Vec<(u32, f32)> = (0..).zip(scores.iter().copied()).collect();
        self.penalise(&mut ranked);
        let token = if self.sampling.temperature > 0.0 {
            self.draw(ranked)
        } else {
            best(&ranked)
        };
        *self.written.entry(token).or_default() += 1;
        token
    }

    fn penalise(&self, ranked: &mut [(u32, f32)]) {
        let Sampling {
            frequency_penalty,
            presence_penalty,
            ..
        } = self.sampling;
        if frequency_penalty == 0.0 && presence_penalty == 0.0 {
            return;
        }
        for (token, score) in ranked {
            if let Some(&times) = self.written.get(token) {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "an answer has some thousand tokens at most"
                )]
                let times = times as f32;
                *score -= times * frequency_penalty + presence_penalty;
            }
        }
    }

    fn draw(&mut self, mut ranked: Vec<(u32, f32)>) -> u32 {
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let top = ranked.first().map_or(0.0, |(_, score)| *score);
        for (_, score) in &mut ranked {
            *score = ((*score - top) / self.sampling.temperature).exp();
        }
        let total: f32 = ranked.iter().map(|(_, weight)| weight).sum();
        let mut kept = 0.0;
        let count = ranked.iter().take_while(|(_, weight)| {
            let enough = kept >= self.sampling.top_p * total;
            kept += weight;
            !enough
        });
        let count = count.count().max(1);
        ranked.truncate(count);
        let total: f32 = ranked.iter().map(|(_, weight)| weight).sum();
        let mut left = self.fraction() * total;
        let drawn = ranked.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        drawn.or(ranked.first()).map_or(0, |(token, _)| *token)
    }

    /// A number from 0 up to, but not including, 1, by SplitMix64.
    fn fraction(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        #[expect(clippy::cast_precision_loss, reason = "24 bits fit exactly")]
        let fraction = (z >> 40) as f32 / 16_777_216.0;
        fraction
    }
}

/// The token with the highest score; of equals the first.
fn best(ranked: &[(u32, f32)]) -> u32 {
    let first = ranked.first().copied().unwrap_or((0, 0.0));
    ranked
        .iter()
        .fold(
            first,
            |best, &next| if next.1 > best.1 { next } else { best },
        )
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f32; 4] = [1.0, 3.0, 2.5, -1.0];

    fn drawn(sampling: Sampling) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling);
        (0..200).map(|_| sampler.choose(&SCORES)).collect()
    }

    #[test]
    fn without_temperature_the_best_wins() {
        assert!(drawn(Sampling::default()).iter().all(|&token| token == 1));
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let with = |seed| {
            drawn(Sampling {
                temperature: 1.0,
                seed: Some(seed),
                ..Sampling::default()
            })
        };
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        assert!((0..4).all(|token| (0..9).any(|seed| with(seed).contains(&token))));
    }

    #[test]
    fn top_p_leaves_out_the_tail() {
        let tokens = drawn(Sampling {
            temperature: 1.0,
            top_p: 0.8,
            seed: Some(3),
            ..Sampling::default()
        });
        assert!(tokens.contains(&1) && tokens.contains(&2));
        assert!(!tokens.contains(&0) && !tokens.contains(&3));
        let tokens = drawn(Sampling {
            temperature: 1.0,
            top_p: 0.01,
            seed: Some(3),
            ..Sampling::default()
        });
        assert!(tokens.iter().all(|&token| token == 1));
    }

    #[test]
    fn penalties_turn_away_from_what_was_written() {
        let tokens = drawn(Sampling {
            presence_penalty: 1.0,
            ..Sampling::default()
        });
        assert_eq!(tokens[..2], [1, 2]);
        let tokens = drawn(Sampling {
            frequency_penalty: 0.4,
            ..Sampling::default()
        });
        assert!(tokens.contains(&1) && tokens.contains(&2) && tokens.contains(&0));
    }
}
