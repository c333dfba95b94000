//! An answer from its prompt to its end: prefill, decoding, the limits and the stop texts.

use crate::cancel::Cancel;
use crate::chat::Message;
use crate::error::Error;
use crate::model::Model;
use crate::run::{Run, RunError};
use crate::sample::{Sampler, Sampling};

/// What is asked of the model.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The prompt's tokens, from [`Model::prompt`] or [`Model::chat_prompt`].
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens to write; without it the context is the limit.
    pub max_tokens: Option<usize>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or a stop text came.
    Stop,
    /// The limit was reached.
    Length,
}

/// How an answer ended and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub finish: Finish,
    /// Tokens in the prompt.
    pub prompt_tokens: usize,
    /// Tokens written.
    pub completion_tokens: usize,
}

impl Model {
    /// The tokens of a plain text.
    pub fn prompt(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    /// The tokens of a chat, by the model's own template.
    ///
    /// # Errors
    /// The file has no template, or the template refuses the messages.
    pub fn chat_prompt(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        Ok(self.tokenizer.encode(&self.template.render(messages)?))
    }

    /// Writes an answer, piece by piece, into `write`.
    ///
    /// # Errors
    /// The prompt is empty or too long, or `cancel` was set; this is looked at before each layer of each token.
    pub fn answer(
        &self,
        ask: &Ask,
        cancel: &Cancel,
        mut write: impl FnMut(&str),
    ) -> Result<Outcome, RunError> {
        let mut run = Run::new(self);
        let mut sampler = Sampler::new(ask.sampling);
        let mut text = Text::new(&ask.stop);
        let mut completion_tokens = 0;
        let mut token = sampler.choose(run.prefill(&ask.prompt, cancel)?);
        let finish = loop {
            if self.tokenizer.is_end(token) {
                break Finish::Stop;
            }
            completion_tokens += 1;
            if text.push(self.tokenizer.bytes(token), &mut write) {
                break Finish::Stop;
            }
            if ask
                .max_tokens
                .is_some_and(|limit| completion_tokens >= limit)
                || run.is_full()
            {
                break Finish::Length;
            }
            token = sampler.choose(run.step(token, cancel)?);
        };
        text.finish(&mut write);
        Ok(Outcome {
            finish,
            prompt_tokens: ask.prompt.len(),
            completion_tokens,
        })
    }
}

/// One token of a greedy answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The token.
    pub token: u32,
    /// By how much its score is above the next best one's.
    pub margin: f32,
}

impl Model {
    /// The tokens of a greedy answer, the end token included: what another implementation is compared with.
    ///
    /// # Errors
    /// The prompt is empty or too long.
    pub fn greedy(&self, prompt: &[u32], max_tokens: usize) -> Result<Vec<Step>, RunError> {
        let (mut run, cancel) = (Run::new(self), Cancel::default());
        let mut sampler = Sampler::new(Sampling::default());
        let mut step = |scores: &[f32]| {
            let token = sampler.choose(scores);
            let others = (0..).zip(scores).filter(|(other, _)| *other != token);
            let next = others.fold(f32::NEG_INFINITY, |best, (_, score)| best.max(*score));
            let own = usize::try_from(token)
                .ok()
                .and_then(|index| scores.get(index))
                .copied()
                .unwrap_or(next);
            Step {
                token,
                margin: own - next,
            }
        };
        let mut steps = vec![step(run.prefill(prompt, &cancel)?)];
        while let Some(last) = steps
            .last()
            .filter(|last| !self.tokenizer.is_end(last.token))
        {
            if steps.len() >= max_tokens || run.is_full() {
                break;
            }
            let next = step(run.step(last.token, &cancel)?);
            steps.push(next);
        }
        Ok(steps)
    }
}

/// Bytes to text: whole characters only, nothing of a stop text, nothing held back longer than needed.
struct Text<'a> {
    stop: &'a [String],
    bytes: Vec<u8>,
    held: String,
    stopped: bool,
}

impl<'a> Text<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self {
            stop,
            bytes: Vec::new(),
            held: String::new(),
            stopped: false,
        }
    }

    /// Takes a token's bytes; true if a stop text is complete.
    fn push(&mut self, bytes: &[u8], write: &mut impl FnMut(&str)) -> bool {
        self.bytes.extend_from_slice(bytes);
        self.take_characters();
        let found = self
            .stop
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min();
        let ready = found.unwrap_or_else(|| self.held.len() - self.possible_stop());
        if let Some((text, rest)) = self.held.split_at_checked(ready) {
            if !text.is_empty() {
                write(text);
            }
            self.held = rest.to_owned();
        }
        self.stopped = found.is_some();
        self.stopped
    }

    /// Writes what was held back, unless it begins with a stop text.
    fn finish(mut self, write: &mut impl FnMut(&str)) {
        if self.stopped {
            return;
        }
        self.held.push_str(&String::from_utf8_lossy(&self.bytes));
        if !self.held.is_empty() {
            write(&self.held);
        }
    }

    /// Moves the complete characters of `bytes` over to `held`.
    fn take_characters(&mut self) {
        loop {
            let (valid, broken) = match std::str::from_utf8(&self.bytes) {
                Ok(text) => (text.len(), None),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            let mut taken = valid;
            if let Some(Ok(text)) = self.bytes.get(..valid).map(std::str::from_utf8) {
                self.held.push_str(text);
            }
            if let Some(length) = broken {
                self.held.push(char::REPLACEMENT_CHARACTER);
                taken += length;
            }
            self.bytes.drain(..taken.min(self.bytes.len()));
            if broken.is_none() {
                return;
            }
        }
    }

    /// How many bytes at the end of `held` may be the beginning of a stop text.
    fn possible_stop(&self) -> usize {
        let begins = |stop: &String| {
            let ends = self.held.char_indices().map(|(at, _)| at);
            let ends = ends.filter(|at| self.held.len() - at < stop.len());
            ends.filter_map(|at| self.held.get(at..))
                .find(|end| stop.starts_with(end))
                .map(str::len)
        };
        self.stop.iter().filter_map(begins).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(stop: &[&str], pieces: &[&[u8]]) -> (String, bool) {
        let stop: Vec<String> = stop.iter().map(|&s| s.to_owned()).collect();
        let mut out = String::new();
        let mut text = Text::new(&stop);
        let stopped = pieces
            .iter()
            .any(|piece| text.push(piece, &mut |t| out.push_str(t)));
        text.finish(&mut |t| out.push_str(t));
        (out, stopped)
    }

    #[test]
    fn a_stop_text_ends_the_answer_wherever_the_tokens_divide_it() {
        assert_eq!(
            written(&["END"], &[b"one E", b"N", b"D two"]),
            ("one ".to_owned(), true)
        );
        assert_eq!(
            written(&["END"], &[b"one E", b"N", b"d two"]),
            ("one ENd two".to_owned(), false)
        );
        assert_eq!(
            written(&["b", "ab"], &[b"x", b"ab"]),
            ("x".to_owned(), true)
        );
        assert_eq!(
            written(&["aab"], &[b"a", b"a", b"a", b"b"]),
            ("a".to_owned(), true)
        );
        assert_eq!(written(&["END"], &[b"one E"]), ("one E".to_owned(), false));
        assert_eq!(written(&[""], &[b"one"]), ("one".to_owned(), false));
    }

    #[test]
    fn characters_come_whole() {
        let mut pieces = Vec::new();
        let mut text = Text::new(&[]);
        for byte in "é😀".bytes() {
            text.push(&[byte], &mut |t| pieces.push(t.to_owned()));
        }
        assert_eq!(pieces, ["é", "😀"]);
        assert_eq!(written(&[], &[b"a\xffb"]).0, "a\u{fffd}b");
        assert_eq!(written(&[], &[b"a\xf0\x9f"]).0, "a\u{fffd}");
    }
}
