//! Byte-level BPE as GPT-2 has it: text to tokens and tokens to bytes.

mod merge;
mod split;

use std::collections::HashMap;

use crate::gguf::{Gguf, GgufError, wrong};
use merge::Merges;

/// Why a file's tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Another kind of tokenizer.
    #[error("the tokenizer is `{0}`; only the byte-level BPE `gpt2` is supported")]
    Kind(String),
    /// Another way to split text into words.
    #[error("the tokenizer splits words as `{0}` does; only `gpt-2` is supported")]
    Split(String),
    /// A byte that no text with it could be read for.
    #[error("the vocabulary has no token for the byte {0:#04x}")]
    MissingByte(u8),
    /// A vocabulary beyond what a token number can count.
    #[error("the vocabulary is too large")]
    TooLarge,
    /// A merge of something that is not in the vocabulary.
    #[error("merge {0} joins what is not in the vocabulary")]
    Merge(usize),
    /// A token number that the vocabulary does not have.
    #[error("metadata `{0}` names a token that is not in the vocabulary")]
    SpecialToken(&'static str),
}

/// The file's tokenizer.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// What each token writes; nothing for a control token.
    written: Vec<Box<[u8]>>,
    /// Tokens that are found in the text before it is split, the longest first.
    special: Vec<(Box<str>, u32)>,
    byte_tokens: [u32; 256],
    merges: Merges,
    bos: Option<u32>,
    eos: Option<u32>,
    ends: Vec<u32>,
    adds_bos: bool,
}

/// `tokenizer.ggml.token_type`.
mod token_type {
    pub(super) const NORMAL: i64 = 1;
    pub(super) const CONTROL: i64 = 3;
    pub(super) const USER_DEFINED: i64 = 4;
}

impl Tokenizer {
    pub(crate) fn read(gguf: &Gguf<'_>) -> Result<Self, crate::Error> {
        let kind = gguf.text("tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(TokenizerError::Kind(kind.to_owned()).into());
        }
        let split = gguf.text("tokenizer.ggml.pre")?;
        if split != "gpt-2" {
            return Err(TokenizerError::Split(split.to_owned()).into());
        }
        let texts = gguf.texts("tokenizer.ggml.tokens")?;
        let count = u32::try_from(texts.len()).map_err(|_| TokenizerError::TooLarge)?;
        let types = gguf.optional_wholes("tokenizer.ggml.token_type")?;
        if types.is_some_and(|types| types.len() != texts.len()) {
            return Err(wrong(
                "tokenizer.ggml.token_type",
                "a list as long as the vocabulary",
            )
            .into());
        }
        let type_of = |index: usize| {
            types
                .and_then(|types| types.get(index))
                .copied()
                .unwrap_or(token_type::NORMAL)
        };

        let bytes = byte_of_char();
        let mut numbers = HashMap::with_capacity(texts.len());
        let mut written = Vec::with_capacity(texts.len());
        let mut special: Vec<(Box<str>, u32)> = Vec::new();
        for (index, (&text, number)) in texts.iter().zip(0..count).enumerate() {
            if numbers.insert(text, number).is_some() {
                return Err(GgufError::Duplicate(format!("token {text}")).into());
            }
            let kind = type_of(index);
            if matches!(kind, token_type::CONTROL | token_type::USER_DEFINED) && !text.is_empty() {
                special.push((text.into(), number));
            }
            written.push(match kind {
                token_type::NORMAL => unmap(text, &bytes),
                token_type::USER_DEFINED => text.as_bytes().into(),
                _ => Box::default(),
            });
        }
        special.sort_by_key(|(text, number)| (std::cmp::Reverse(text.len()), *number));

        let mut byte_tokens = [0; 256];
        for (&char, &byte) in &bytes {
            let token = numbers.get(char.encode_utf8(&mut [0; 4]) as &str).copied();
            if let Some(slot) = byte_tokens.get_mut(usize::from(byte)) {
                *slot = token.ok_or(TokenizerError::MissingByte(byte))?;
            }
        }
        let merges = Merges::read(gguf.texts("tokenizer.ggml.merges")?, &numbers)?;

        let token = |key: &'static str| -> Result<Option<u32>, crate::Error> {
            match gguf.optional_count(key)? {
                None => Ok(None),
                Some(number) => match u32::try_from(number) {
                    Ok(number) if number < count => Ok(Some(number)),
                    _ => Err(TokenizerError::SpecialToken(key).into()),
                },
            }
        };
        let bos = token("tokenizer.ggml.bos_token_id")?;
        let eos = token("tokenizer.ggml.eos_token_id")?;
        // As llama.cpp does: the file's end tokens, and the texts that are known to end a turn.
        let mut ends: Vec<u32> = eos
            .into_iter()
            .chain(token("tokenizer.ggml.eot_token_id")?)
            .collect();
        ends.extend(
            ["<|im_end|>", "<|endoftext|>", "<|eot_id|>"]
                .iter()
                .filter_map(|text| numbers.get(text)),
        );
        let adds_bos = gguf
            .optional_flag("tokenizer.ggml.add_bos_token")?
            .unwrap_or(false);
        Ok(Self {
            written,
            special,
            byte_tokens,
            merges,
            bos,
            eos,
            ends,
            adds_bos,
        })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.written.len()
    }

    /// The tokens of a text; special tokens in it are read as such.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens: Vec<u32> = self.bos.filter(|_| self.adds_bos).into_iter().collect();
        let mut rest = text;
        while let Some((before, token, after)) = self.next_special(rest) {
            self.encode_plain(before, &mut tokens);
            tokens.push(token);
            rest = after;
        }
        self.encode_plain(rest, &mut tokens);
        tokens
    }

    /// The bytes that a token writes.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        usize::try_from(token)
            .ok()
            .and_then(|index| self.written.get(index))
            .map_or(&[], |bytes| bytes)
    }

    /// Whether a token ends the answer.
    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The text of the begin token, for templates that write it.
    pub(crate) fn bos_text(&self) -> &str {
        self.special_text(self.bos)
    }

    /// The text of the end token, for templates that write it.
    pub(crate) fn eos_text(&self) -> &str {
        self.special_text(self.eos)
    }

    fn special_text(&self, token: Option<u32>) -> &str {
        self.special
            .iter()
            .find(|(_, number)| Some(*number) == token)
            .map_or("", |(text, _)| text)
    }

    /// The first special token in the text, the longest where several begin; with what stands before and behind it.
    fn next_special<'t>(&self, text: &'t str) -> Option<(&'t str, u32, &'t str)> {
        let places = self
            .special
            .iter()
            .filter_map(|(special, token)| text.find(&**special).map(|at| (at, special, *token)));
        let (at, special, token) =
            places.min_by_key(|(at, special, _)| (*at, std::cmp::Reverse(special.len())))?;
        Some((text.get(..at)?, token, text.get(at + special.len()..)?))
    }

    fn encode_plain(&self, text: &str, tokens: &mut Vec<u32>) {
        for word in split::words(text) {
            let bytes = word
                .bytes()
                .filter_map(|byte| self.byte_tokens.get(usize::from(byte)).copied());
            self.merges.apply(bytes.collect(), tokens);
        }
    }
}

/// GPT-2's table: each byte has a printable character. Printable Latin-1 stands for itself, the others follow from U+0100.
fn byte_of_char() -> HashMap<char, u8> {
    let mut next = 0x100_u32;
    let mut table = HashMap::with_capacity(256);
    for byte in 0..=u8::MAX {
        let char = match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or_default()
            }
        };
        table.insert(char, byte);
    }
    table
}

/// The bytes that a token's text stands for.
fn unmap(text: &str, bytes: &HashMap<char, u8>) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len());
    for char in text.chars() {
        match bytes.get(&char) {
            Some(&byte) => out.push(byte),
            None => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_table_is_gpt2s() {
        let table = byte_of_char();
        assert_eq!(table.len(), 256);
        assert_eq!(table[&'Ġ'], b' ');
        assert_eq!(table[&'Ċ'], b'\n');
        assert_eq!(table[&'A'], b'A');
        assert_eq!(table[&'Ń'], 0xad);
    }
}
