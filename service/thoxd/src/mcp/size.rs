//! How large a text is for a model, and whether it has room for it.
//!
//! thoxd has no tokenizer of its own, and each model another one. What is counted here follows how byte-pair tokenizers
//! for code divide a text (the pattern of GPT-4's and Qwen's: letters, digits, signs and blanks apart): up to six
//! letters of a run are one token, as is each digit, each two signs of a run, each run of blanks but the single one
//! before a word, and each character beyond ASCII. On source code that is a little more than the real count, so that
//! what is let through is not cut by the engine.

/// What a chat template puts around the messages.
const TEMPLATE: u64 = 64;

const LETTERS_PER_TOKEN: u64 = 6;
const SIGNS_PER_TOKEN: u64 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letters,
    Digit,
    Signs,
    Blanks,
    Other,
}

/// About how many tokens a text is.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    let mut sum = 0;
    let mut run: Option<(Class, u64, bool)> = None;
    for c in text.chars() {
        let class = match c {
            'a'..='z' | 'A'..='Z' | '_' => Class::Letters,
            '0'..='9' => Class::Digit,
            c if c.is_ascii_whitespace() => Class::Blanks,
            c if c.is_ascii() => Class::Signs,
            _ => Class::Other,
        };
        match &mut run {
            Some((of, length, is_space)) if *of == class => {
                *length += 1;
                *is_space = false;
            }
            _ => {
                sum += run.map_or(0, of_run);
                run = Some((class, 1, c == ' '));
            }
        }
    }
    sum + run.map_or(0, of_run)
}

fn of_run((class, length, is_space): (Class, u64, bool)) -> u64 {
    match class {
        Class::Letters => length.div_ceil(LETTERS_PER_TOKEN),
        Class::Signs => length.div_ceil(SIGNS_PER_TOKEN),
        Class::Digit | Class::Other => length,
        // The single space before a word belongs to the word.
        Class::Blanks => u64::from(!is_space),
    }
}

/// An input that the model has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the input is about {input} tokens, and the answer needs {reply} more, but the model reads {context} in all"
)]
pub struct TooLarge {
    /// About how long the prompt is.
    pub input: u64,
    /// How many tokens the answer needs at least.
    pub reply: u64,
    /// How many the model takes in all.
    pub context: u64,
}

/// How many tokens a reply may have: as many as it wants where there is room, `least` at least.
///
/// # Errors
/// Not even `least` fit behind the prompt.
pub fn room(context: Option<u64>, prompt: u64, least: u64, wanted: u64) -> Result<u64, TooLarge> {
    let Some(context) = context else {
        return Ok(wanted);
    };
    let input = prompt + TEMPLATE;
    let left = context.saturating_sub(input);
    if left < least {
        return Err(TooLarge {
            input,
            reply: least,
            context,
        });
    }
    Ok(wanted.min(left))
}

/// Whether there is room for a prompt and an answer of at most so many tokens.
#[must_use]
pub fn has_room(context: u64, prompt: u64, answer: u64) -> bool {
    prompt + TEMPLATE + answer <= context
}

/// The most tokens that a prompt can be: every tokenizer in use makes at least a byte one.
#[must_use]
pub fn most(prompt: &str) -> u64 {
    prompt.len() as u64 + TEMPLATE
}

/// Whether an engine that cuts a prompt without a word has read this one to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It has.
    Whole,
    /// It has not, or it has forgotten the beginning again while it wrote; or the context is so full that nothing tells.
    Cut,
    /// It may have: the engine has to be asked.
    Unsure,
}

/// The same before the engine is asked for more: a prompt of `most` tokens at most, of which it says that it has `read`
/// so many, and to which it has `written` so many. `context` is what it runs the model with.
#[must_use]
pub fn reading(context: Option<u64>, most: u64, read: Option<u64>, written: u64) -> Reading {
    /// Ollama's default before it told which one it uses. Later ones are larger.
    const OLDEST_DEFAULT: u64 = 2048;
    let Some(context) = context else {
        return if most + written < OLDEST_DEFAULT {
            Reading::Whole
        } else {
            Reading::Unsure
        };
    };
    match read {
        Some(read) if is_full(context, read, written) => Reading::Cut,
        // Of what it cuts an engine reads half a context at least (Ollama from v0.30 on), mostly a whole one.
        Some(read) if 2 * read < context => Reading::Whole,
        None if !is_full(context, most, written) => Reading::Whole,
        Some(_) | None => Reading::Unsure,
    }
}

/// Whether an engine that was told not to cut, and has read `prompt` tokens, has kept them to the end of its answer.
#[must_use]
pub fn is_kept(context: Option<u64>, prompt: u64, written: u64) -> bool {
    context.is_none_or(|context| !is_full(context, prompt, written))
}

/// An engine makes room with the last token that fits, by forgetting from the front.
fn is_full(context: u64, prompt: u64, written: u64) -> bool {
    prompt + written + 1 >= context
}

/// The fewest tokens that a prompt can be: no tokenizer in use joins words over blanks. An engine that counts fewer has
/// read a part of it.
#[must_use]
pub fn fewest(prompt: &str) -> u64 {
    prompt.split_ascii_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real counts are of Qwen2.5-Coder's tokenizer.
    #[test]
    fn code_is_counted_about_as_tokenizers_do() {
        for (text, least, most) in [
            ("", 0, 0),
            ("hello", 1, 1),
            ("fn main() {\n    println!(\"Hello, world!\");\n}\n", 14, 20),
            ("def add(a, b):\n    return a + b\n", 12, 16),
            ("1234567890", 10, 10),
            ("äöü", 3, 3),
        ] {
            let count = tokens(text);
            assert!((least..=most).contains(&count), "{text}: {count}");
        }
    }

    #[test]
    fn an_answer_gets_the_room_that_is_left() {
        assert_eq!(room(None, 1_000_000, 10, 500), Ok(500));
        assert_eq!(room(Some(4096), 1000, 10, 500), Ok(500));
        assert_eq!(room(Some(4096), 3932, 10, 500), Ok(100));
        let refused = room(Some(4096), 4030, 10, 500).unwrap_err();
        assert_eq!((refused.reply, refused.context), (10, 4096));
    }

    #[test]
    fn a_reading_is_whole_only_where_it_cannot_have_been_cut() {
        let context = Some(4096);
        for (context, most, read, written, reading_) in [
            // By what the engine says: below half a context nothing was cut, at its end there is no telling.
            (context, 99_999, Some(2047), 100, Reading::Whole),
            (context, 99_999, Some(2050), 100, Reading::Unsure),
            (context, 99_999, Some(4096), 1, Reading::Cut),
            (context, 99_999, Some(4095), 0, Reading::Cut),
            // Short when it was read, and too long with what was written.
            (context, 99_999, Some(1000), 3094, Reading::Whole),
            (context, 99_999, Some(1000), 3095, Reading::Cut),
            // By its length, where the engine says nothing.
            (context, 3000, None, 1094, Reading::Whole),
            (context, 3000, None, 1095, Reading::Unsure),
            (None, 1000, None, 1000, Reading::Whole),
            (None, 1000, Some(10), 1048, Reading::Unsure),
        ] {
            let found = reading(context, most, read, written);
            assert_eq!(found, reading_, "{context:?} {most} {read:?} {written}");
        }
        assert!(is_kept(context, 4000, 94) && !is_kept(context, 4000, 95));
        assert!(is_kept(None, 4000, 4000));
    }

    /// Whatever an engine cuts, by either rule of Ollama's, is never taken for whole.
    #[test]
    fn no_cut_is_taken_for_whole() {
        for context in 2..600_u64 {
            for keep in 0..context {
                let half = context - ((context - keep) / 2).max(1);
                for read in [half, context] {
                    for written in [0, 1, context / 2] {
                        let found = reading(Some(context), u64::MAX / 2, Some(read), written);
                        assert_ne!(found, Reading::Whole, "{context} {keep} {read} {written}");
                    }
                }
            }
        }
    }

    #[test]
    fn words_are_the_least() {
        assert_eq!(fewest("a b\n  c(d)"), 3);
        let text = include_str!("size.rs");
        assert!(fewest(text) < tokens(text));
    }
}
