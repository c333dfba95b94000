//! The request bodies, made as the SDKs make them.

use bytes::Bytes;

use crate::upstream::ask;

/// What is asked of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// A whole reply to a short prompt.
    Small,
    /// A whole reply to a prompt of 32 KB.
    Large,
    /// A stream of 64 chunks.
    Stream,
    /// A stream of four chunks.
    Brief,
    /// A stream that falls silent after its first chunk.
    Silent,
    /// A stream without end.
    Live,
    /// A reply that never begins.
    Prefill,
}

/// The length of a prompt that carries a file or two.
const LARGE_BYTES: usize = 32 * 1024;

/// What such a prompt is about: real code, with as many quotes and line ends to escape as code has.
const FILES: &str = concat!(
    include_str!("../measure.rs"),
    include_str!("../subject/running.rs")
);

impl Prompt {
    /// The body of the request, for a model of this name.
    pub(crate) fn body(self, model: &str) -> Bytes {
        let (word, stream) = match self {
            Self::Small | Self::Large => (ask::SMALL, false),
            Self::Stream => (ask::STREAM, true),
            Self::Brief => (ask::BRIEF, true),
            Self::Silent => (ask::SILENT, true),
            Self::Live => (ask::LIVE, true),
            Self::Prefill => (ask::PREFILL, true),
        };
        let text = match self {
            Self::Large => files(),
            _ => "What is a closure?".to_owned(),
        };
        // The names stand in the order in which the OpenAI SDK for Python writes them.
        Bytes::from(format!(
            r#"{{"messages":[{{"role":"user","content":"{word} {text}"}}],"model":"{model}","max_tokens":1024,"stream":{stream},"temperature":0.7}}"#
        ))
    }
}

/// The files again and again, escaped as JSON has it, up to the length.
fn files() -> String {
    let mut text = String::with_capacity(LARGE_BYTES + 8);
    for character in FILES.chars().cycle() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
        if text.len() >= LARGE_BYTES {
            return text;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Prompt;

    #[test]
    fn every_body_is_json() {
        for prompt in [
            Prompt::Small,
            Prompt::Large,
            Prompt::Stream,
            Prompt::Brief,
            Prompt::Silent,
            Prompt::Live,
            Prompt::Prefill,
        ] {
            let body = prompt.body("m");
            let parsed: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(parsed["model"], "m", "{prompt:?}");
        }
        let large = Prompt::Large.body("m").len();
        assert!((32_768..33_100).contains(&large), "{large}");
    }
}
