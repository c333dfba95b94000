//! The merges: neighbours are joined, the most frequent pair of the training text first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::TokenizerError;

/// For each pair of tokens its rank and what it becomes.
#[derive(Debug)]
pub(super) struct Merges(HashMap<(u32, u32), (u32, u32)>);

/// A word's piece in a list that shrinks as pieces are joined.
#[derive(Clone, Copy)]
struct Piece {
    token: u32,
    /// Joined into its left neighbour.
    gone: bool,
    left: Option<usize>,
    right: Option<usize>,
}

/// A possible join, ordered by rank and then by place.
type Candidate = Reverse<(u32, usize, usize, u32, u32, u32)>;

impl Merges {
    pub(super) fn read(
        lines: &[&str],
        numbers: &HashMap<&str, u32>,
    ) -> Result<Self, TokenizerError> {
        let mut merges = HashMap::with_capacity(lines.len());
        let mut joined = String::new();
        for (index, line) in lines.iter().enumerate() {
            let error = || TokenizerError::Merge(index);
            // A piece may itself begin with a blank in no byte-level vocabulary, so the first blank divides.
            let (left, right) = line.split_once(' ').ok_or_else(error)?;
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            let number = |text: &str| numbers.get(text).copied().ok_or_else(error);
            let pair = (number(left)?, number(right)?);
            let rank = u32::try_from(index).map_err(|_| TokenizerError::TooLarge)?;
            // A pair that is listed twice keeps its first rank.
            merges.entry(pair).or_insert((rank, number(&joined)?));
        }
        Ok(Self(merges))
    }

    /// Joins a word's pieces as far as the merges go and appends the result. Takes n·log n steps, also for a word
    /// of a whole megabyte.
    pub(super) fn apply(&self, word: Vec<u32>, tokens: &mut Vec<u32>) {
        let count = word.len();
        let mut pieces: Vec<Piece> = word
            .into_iter()
            .enumerate()
            .map(|(i, token)| Piece {
                token,
                gone: false,
                left: i.checked_sub(1),
                right: Some(i + 1).filter(|&next| next < count),
            })
            .collect();
        let mut queue = BinaryHeap::new();
        for left in 0..count {
            self.consider(&pieces, Some(left), &mut queue);
        }
        while let Some(Reverse((_, left, right, left_token, right_token, joined))) = queue.pop() {
            let is_current = |at: usize, token: u32| {
                pieces
                    .get(at)
                    .is_some_and(|piece| !piece.gone && piece.token == token)
            };
            if !is_current(left, left_token) || !is_current(right, right_token) {
                continue;
            }
            let after = pieces.get(right).and_then(|piece| piece.right);
            if let Some(piece) = pieces.get_mut(right) {
                piece.gone = true;
            }
            let mut before = None;
            if let Some(piece) = pieces.get_mut(left) {
                piece.token = joined;
                piece.right = after;
                before = piece.left;
            }
            if let Some(piece) = after.and_then(|after| pieces.get_mut(after)) {
                piece.left = Some(left);
            }
            self.consider(&pieces, before, &mut queue);
            self.consider(&pieces, Some(left), &mut queue);
        }
        tokens.extend(
            pieces
                .iter()
                .filter(|piece| !piece.gone)
                .map(|piece| piece.token),
        );
    }

    /// Queues the join of a piece with its right neighbour, if there is one.
    fn consider(&self, pieces: &[Piece], left: Option<usize>, queue: &mut BinaryHeap<Candidate>) {
        let Some((at, piece)) = left.and_then(|at| Some((at, pieces.get(at)?))) else {
            return;
        };
        let Some((right, next)) = piece
            .right
            .and_then(|right| Some((right, pieces.get(right)?)))
        else {
            return;
        };
        if let Some(&(rank, joined)) = self.0.get(&(piece.token, next.token)) {
            queue.push(Reverse((rank, at, right, piece.token, next.token, joined)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(word: &[u32]) -> Vec<u32> {
        let numbers = HashMap::from([
            ("a", 0),
            ("b", 1),
            ("c", 2),
            ("ab", 3),
            ("bc", 4),
            ("abc", 5),
            ("aa", 6),
        ]);
        let merges = Merges::read(&["b c", "a bc", "a b", "a a"], &numbers).unwrap();
        let mut tokens = Vec::new();
        merges.apply(word.to_vec(), &mut tokens);
        tokens
    }

    #[test]
    fn the_lowest_rank_goes_first_and_then_the_leftmost() {
        assert_eq!(merged(&[0, 1, 2]), [5], "b c is joined before a b");
        assert_eq!(merged(&[0, 1, 0]), [3, 0]);
        assert_eq!(merged(&[0, 0, 0]), [6, 0], "of equal pairs the left one");
        assert_eq!(merged(&[0, 0, 0, 0]), [6, 6]);
        assert_eq!(merged(&[]), [0_u32; 0]);
    }

    #[test]
    fn a_merge_of_strangers_is_refused() {
        let numbers = HashMap::from([("a", 0), ("b", 1)]);
        assert!(matches!(
            Merges::read(&["a b"], &numbers),
            Err(TokenizerError::Merge(0))
        ));
        assert!(matches!(
            Merges::read(&["ab"], &numbers),
            Err(TokenizerError::Merge(0))
        ));
    }

    #[test]
    fn a_very_long_word_is_no_problem() {
        let tokens = merged(&vec![0; 300_000]);
        assert_eq!(tokens.len(), 150_000);
    }
}
