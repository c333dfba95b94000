//! Splits text into words as GPT-2's pattern does:
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
//!
//! Letters are what the standard library calls alphabetic, which is `\p{L}` and a few combining marks; a byte-level
//! vocabulary trained on English merges none of these, so that the tokens are the same.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Letter,
    Number,
    Other,
}

fn class(char: char) -> Class {
    if char.is_whitespace() {
        Class::Space
    } else if char.is_numeric() {
        Class::Number
    } else if char.is_alphabetic() {
        Class::Letter
    } else {
        Class::Other
    }
}

/// The words of a text; joined they are the text again.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = first_word(rest)?;
        let (word, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(word)
    })
}

/// The length of the first word in bytes; none of an empty text.
fn first_word(text: &str) -> Option<usize> {
    const ENDINGS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    if let Some(ending) = ENDINGS.iter().find(|ending| text.starts_with(**ending)) {
        return Some(ending.len());
    }
    let first = text.chars().next()?;
    // One blank in front belongs to the word.
    let body = text.strip_prefix(' ').unwrap_or(text);
    let start = text.len() - body.len();
    match body.chars().next().map(class) {
        Some(kind) if kind != Class::Space => Some(start + run(body, kind)),
        _ if class(first) == Class::Space => Some(spaces(text)),
        _ => Some(first.len_utf8()),
    }
}

/// The length of the run of one class at the start.
fn run(text: &str, kind: Class) -> usize {
    text.find(|char| class(char) != kind).unwrap_or(text.len())
}

/// A run of white space leaves its last character to the word behind it, unless it is alone or ends the text.
fn spaces(text: &str) -> usize {
    let length = run(text, Class::Space);
    let last = text
        .get(..length)
        .and_then(|run| run.chars().next_back())
        .map_or(0, char::len_utf8);
    if length == text.len() || length == last {
        length
    } else {
        length - last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_the_pattern_does() {
        let cases: [(&str, &[&str]); 8] = [
            ("Hello world", &["Hello", " world"]),
            (
                "I'm here, you'll see",
                &["I", "'m", " here", ",", " you", "'ll", " see"],
            ),
            ("a  b", &["a", " ", " b"]),
            ("a \n\n b  ", &["a", " \n\n", " b", "  "]),
            ("x\ny", &["x", "\n", "y"]),
            ("port 8080!?", &["port", " 8080", "!?"]),
            ("user\nhi", &["user", "\n", "hi"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn loses_nothing() {
        let text = "Ünïcödé 😀 \u{a0}\u{3000} ½ ٣ a\u{301} 'S 's\t\t \r\n end ";
        assert_eq!(words(text).collect::<String>(), text);
    }
}
