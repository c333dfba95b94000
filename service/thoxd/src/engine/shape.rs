//! The shape of a stream's pieces: an engine sends the same object again and again with another `content` in it.
//!
//! What the last piece became is remembered in two halves, before and after the content; a piece that differs in the
//! content alone is put together from them. It costs a comparison instead of a reading of the whole, which is most of
//! what thoxd does for a token.

use super::json::end_of_string;
use bytes::BytesMut;
use memchr::memmem;

/// A piece that was only given other names, in two halves.
#[derive(Debug)]
pub struct Shape {
    before: Box<str>,
    after: Box<str>,
    edited_before: Box<[u8]>,
    edited_after: Box<[u8]>,
}

/// In JSON this stands nowhere but at a member of this name with a text for a value: a quote within a text has a
/// backslash before it.
const MARK: &str = "\"content\":\"";

impl Shape {
    /// Remembers how `event` became `edited`; nothing where the content does not stand in both.
    #[must_use]
    pub fn learn(event: &str, edited: &[u8]) -> Option<Self> {
        let (before, content, after) = halves(event)?;
        let (edited_before, edited_content, edited_after) =
            halves(std::str::from_utf8(edited).ok()?)?;
        (content == edited_content).then(|| Self {
            before: before.into(),
            after: after.into(),
            edited_before: edited_before.as_bytes().into(),
            edited_after: edited_after.as_bytes().into(),
        })
    }

    /// Appends what `event` becomes, if it has this shape; gives its content, still escaped.
    pub fn apply<'e>(&self, event: &'e str, out: &mut BytesMut) -> Option<&'e str> {
        let rest = event.strip_prefix(&*self.before)?;
        let (content, after) = rest.split_at_checked(end_of_string(rest)?)?;
        if *after != *self.after {
            return None;
        }
        out.extend_from_slice(&self.edited_before);
        out.extend_from_slice(content.as_bytes());
        out.extend_from_slice(&self.edited_after);
        Some(content)
    }
}

/// Up to the content, the content, and the rest from its closing quote on.
fn halves(text: &str) -> Option<(&str, &str, &str)> {
    let at = memmem::find(text.as_bytes(), MARK.as_bytes())? + MARK.len();
    let (before, rest) = text.split_at_checked(at)?;
    let (content, after) = rest.split_at_checked(end_of_string(rest)?)?;
    Some((before, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::chunk::{Edits, Front, Seen, edit};
    use proptest::prelude::*;

    const EDITS: fn() -> Edits = || Edits {
        front: Front::new(&[("type", "\"delta\"")], Some("chatcmpl-x"), "ollama", "m"),
        keeps_usage: true,
        is_stream: true,
        repairs_tool_calls: true,
        supplies_finish_reason: false,
    };

    fn chunk(created: u8, content: &str, more: &str) -> String {
        let content = serde_json::to_string(content).unwrap();
        format!(
            r#"{{"id":"chatcmpl-7","created":{created},"model":"q\"x","choices":[{{"index":0,"delta":{{"role":"assistant","content":{content}{more}}},"finish_reason":null}}]}}"#
        )
    }

    #[test]
    fn another_content_gives_what_editing_gives_and_anything_else_nothing() {
        let mut edited = BytesMut::new();
        let mut seen = Seen::default();
        edit(&chunk(1, "a", ""), &EDITS(), &mut seen, &mut edited).unwrap();
        assert!(seen.is_plain);
        let shape = Shape::learn(&chunk(1, "a", ""), &edited).unwrap();
        let mut out = BytesMut::new();
        let other = chunk(1, "x\"}]\\", "");
        let content = shape.apply(&other, &mut out);
        assert_eq!(content, Some(r#"x\"}]\\"#));
        let mut again = BytesMut::new();
        edit(&chunk(1, "x\"}]\\", ""), &EDITS(), &mut seen, &mut again).unwrap();
        assert_eq!(out, again);
        let mut out = BytesMut::new();
        let cut = chunk(1, "a", "");
        for other in [
            chunk(2, "a", ""),
            chunk(1, "a", r#","x":1"#),
            cut[..cut.len() - 1].to_owned(),
            cut.replace("null", "\"stop\""),
        ] {
            assert_eq!(shape.apply(&other, &mut out), None, "{other}");
        }
        assert!(out.is_empty());
    }

    proptest! {
        /// A stream through shapes is the stream through editing, byte for byte.
        #[test]
        fn shapes_change_nothing(pieces in prop::collection::vec((0u8..2, ".*", prop::sample::select(vec!["", "", "", ",\"reasoning\":\"r\"", ",\"x\":{\"content\":\"c\"}"])), 1..20)) {
            let (mut plain, mut shaped) = (Seen::default(), Seen::default());
            let mut shape: Option<Shape> = None;
            for (created, content, more) in pieces {
                let event = chunk(created, &content, more);
                let (mut expected, mut out) = (BytesMut::new(), BytesMut::new());
                edit(&event, &EDITS(), &mut plain, &mut expected).unwrap();
                if shape.as_ref().and_then(|shape| shape.apply(&event, &mut out)).is_none() {
                    edit(&event, &EDITS(), &mut shaped, &mut out).unwrap();
                    shape = shaped.is_plain.then(|| Shape::learn(&event, &out)).flatten();
                }
                prop_assert_eq!(out, expected);
            }
        }
    }
}
