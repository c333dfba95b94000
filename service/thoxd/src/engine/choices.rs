//! The repairs inside `choices`: names of fields, roles, tool calls' indices and finish reasons.

use super::{
    chunk::{Edits, Usage},
    json::{Cursor, Malformed},
};
use serde_json::{Map, Value};

/// What has gone by in a reply so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Why the answer ended, once it has.
    pub finish_reason: Option<Box<str>>,
    /// The engine's count.
    pub usage: Option<Usage>,
    /// The same as the engine wrote it, where the client wants it.
    pub usage_text: Option<Box<str>>,
    /// Pieces with choices.
    pub pieces: u64,
    /// Whether one of them had more to say than the role, which some engines send before they read the prompt.
    pub has_content: bool,
    /// Whether the last piece was a plain part of one answer: nothing repaired, nothing ended, nothing counted.
    pub is_plain: bool,
    role: bool,
    tool_calls: u64,
}

/// What has to be known of a choice.
#[derive(Default)]
struct Choice<'a> {
    finish_reason: Option<&'a str>,
    is_delta: bool,
    part: Part,
}

/// What is in a `delta` or a `message`.
#[derive(Default)]
struct Part {
    has_role: bool,
    has_calls: bool,
    has_content: bool,
    has_reasoning: bool,
}

impl<'a> Choice<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let mut choice = Self::default();
        cursor.object(|cursor, name| {
            match &*name {
                "delta" | "message" if cursor.is_at_object() => {
                    choice.is_delta = &*name == "delta";
                    choice.part = Part::read(cursor)?;
                }
                "finish_reason" => {
                    choice.finish_reason = match cursor.value()? {
                        "null" => None,
                        reason => Some(reason.trim_matches('"')),
                    };
                }
                _ => {
                    choice.part.has_content |= &*name == "text";
                    cursor.value()?;
                }
            }
            Ok(())
        })?;
        Ok(choice)
    }
}

impl Part {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut part = Self::default();
        cursor.object(|cursor, name| {
            let is_something = !matches!(cursor.value()?, "null" | "\"\"" | "[]");
            match &*name {
                "role" => part.has_role = is_something,
                "tool_calls" => part.has_calls = is_something,
                "reasoning" => part.has_reasoning = true,
                "content" | "reasoning_content" => part.has_content |= is_something,
                _ => {}
            }
            Ok(())
        })?;
        part.has_content |= part.has_calls || part.has_reasoning;
        Ok(part)
    }
}

/// The value of `choices`.
pub(super) struct Choices {
    /// How many there are.
    pub(super) count: u64,
    /// What they have to be, where they may not stay as they are.
    pub(super) repaired: Option<Vec<Value>>,
}

/// Reads the value of `choices`.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    edits: &Edits,
    seen: &mut Seen,
) -> Result<Choices, Malformed> {
    let start = cursor.at();
    let mut needs_repair = false;
    let mut count = 0_u64;
    cursor.array(|cursor| {
        let Choice {
            finish_reason,
            is_delta,
            part,
        } = Choice::read(cursor)?;
        count += 1;
        seen.has_content |= part.has_content;
        let lacks_role = is_delta && !seen.role && !part.has_role;
        let lacks_reason = edits.supplies_finish_reason && finish_reason.is_none();
        let has_calls = edits.repairs_tool_calls && part.has_calls;
        seen.role |= is_delta && !lacks_role;
        let is_stop = finish_reason == Some("stop");
        let wrong_finish =
            edits.repairs_tool_calls && is_stop && (has_calls || seen.tool_calls > 0);
        needs_repair |=
            lacks_reason || lacks_role || has_calls || wrong_finish || part.has_reasoning;
        if let Some(finish) = finish_reason {
            seen.finish_reason = Some(if wrong_finish {
                "tool_calls".into()
            } else {
                finish.into()
            });
        }
        Ok(())
    })?;
    seen.pieces += u64::from(count > 0);
    seen.is_plain = count == 1 && !needs_repair && seen.finish_reason.is_none();
    if !needs_repair {
        return Ok(Choices {
            count,
            repaired: None,
        });
    }
    let mut values: Vec<Value> =
        serde_json::from_str(cursor.since(start)).map_err(|_| Malformed::INSIDE)?;
    for choice in values.iter_mut().filter_map(Value::as_object_mut) {
        repair(choice, edits, seen);
    }
    Ok(Choices {
        count,
        repaired: Some(values),
    })
}

fn repair(choice: &mut Map<String, Value>, edits: &Edits, seen: &mut Seen) {
    let name = if choice.contains_key("delta") {
        "delta"
    } else {
        "message"
    };
    let mut calls = false;
    if let Some(part) = choice.get_mut(name).and_then(Value::as_object_mut) {
        if name == "delta" && !seen.role {
            seen.role = true;
            part.insert("role".into(), "assistant".into());
        }
        if let Some(reasoning) = part.remove("reasoning") {
            part.entry("reasoning_content").or_insert(reasoning);
        }
        if edits.repairs_tool_calls
            && let Some(list) = part.get_mut("tool_calls").and_then(Value::as_array_mut)
        {
            for call in list.iter_mut().filter_map(Value::as_object_mut) {
                calls = true;
                repair_call(call, name == "delta", seen);
            }
        }
    }
    if edits.supplies_finish_reason && choice.get("finish_reason").is_none_or(Value::is_null) {
        choice.insert("finish_reason".into(), "stop".into());
        seen.finish_reason = Some("stop".into());
    }
    let is_stop = choice.get("finish_reason").and_then(Value::as_str) == Some("stop");
    if edits.repairs_tool_calls && is_stop && (calls || seen.tool_calls > 0) {
        choice.insert("finish_reason".into(), "tool_calls".into());
        seen.finish_reason = Some("tool_calls".into());
    }
}

/// Engines that send each call whole give several of them the same index.
fn repair_call(call: &mut Map<String, Value>, is_delta: bool, seen: &mut Seen) {
    if is_delta {
        call.insert("index".into(), seen.tool_calls.into());
    }
    seen.tool_calls += 1;
    call.entry("type").or_insert_with(|| "function".into());
    if let Some(arguments) = call
        .get_mut("function")
        .and_then(|function| function.get_mut("arguments"))
        && !arguments.is_string()
    {
        *arguments = arguments.to_string().into();
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::chunk::{Edits, Front, Piece, Usage, edit};
    use bytes::BytesMut;

    fn edits(keeps_usage: bool) -> Edits {
        Edits {
            front: Front::new(&[], Some("chatcmpl-x"), "ollama", "thox-coder"),
            keeps_usage,
            is_stream: true,
            repairs_tool_calls: true,
            supplies_finish_reason: false,
        }
    }

    fn run(keeps_usage: bool, chunks: &[&str]) -> (Vec<(Piece, String)>, super::Seen) {
        let mut seen = super::Seen::default();
        let edits = edits(keeps_usage);
        let pieces = chunks
            .iter()
            .map(|chunk| {
                let mut out = BytesMut::new();
                let piece = edit(chunk, &edits, &mut seen, &mut out).unwrap();
                (piece, String::from_utf8(out.into()).unwrap())
            })
            .collect();
        (pieces, seen)
    }

    #[test]
    fn gives_the_public_name_and_an_own_id_and_keeps_the_rest_to_the_byte() {
        let chunk = r#"{"id":"chatcmpl-7","object":"chat.completion.chunk","model":"qwen:7b","x": [1.50],"choices":[{"index":0,"delta":{"role":"assistant","content":"\u00e9 "},"finish_reason":null}]}"#;
        let (pieces, _) = run(false, &[chunk]);
        assert_eq!(
            pieces[0].1,
            r#"{"id":"chatcmpl-x","backend":"ollama","model":"thox-coder","object":"chat.completion.chunk","x": [1.50],"choices":[{"index":0,"delta":{"role":"assistant","content":"\u00e9 "},"finish_reason":null}]}"#
        );
    }

    #[test]
    fn counts_what_nobody_asked_for_and_leaves_it_out() {
        let zero =
            r#"{"choices":[{"text":"a"}],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
        let count =
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
        let (pieces, seen) = run(false, &[zero, count]);
        assert!(!pieces[0].1.contains("usage"));
        assert_eq!(pieces[1].0, Piece::Count);
        assert_eq!(
            seen.usage,
            Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 4
            })
        );
        let (pieces, _) = run(true, &[zero, count]);
        assert!(
            !pieces[0].1.contains("usage"),
            "a zero count on every chunk is no count"
        );
        assert!(pieces[1].1.contains(r#""usage":{"prompt_tokens":3,"#));
    }

    #[test]
    fn reasoning_has_one_name_and_the_first_delta_a_role() {
        let (pieces, _) = run(
            false,
            &[
                r#"{"choices":[{"index":0,"delta":{"reasoning":"hm"}}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"b"}}]}"#,
            ],
        );
        assert!(
            pieces[0]
                .1
                .contains(r#""delta":{"reasoning_content":"hm","role":"assistant"}"#),
            "{}",
            pieces[0].1
        );
        assert!(!pieces[1].1.contains("role"));
    }

    #[test]
    fn whole_tool_calls_get_an_index_each_and_the_right_finish_reason() {
        let call = r#"{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"id":"a","index":0,"function":{"name":"f","arguments":{"x":1}}}]}}]}"#;
        let end = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let (pieces, seen) = run(false, &[call, call, end]);
        assert!(
            pieces[0].1.contains(r#""index":0,"type":"function""#),
            "{}",
            pieces[0].1
        );
        assert!(
            pieces[0].1.contains(r#""arguments":"{\"x\":1}""#),
            "{}",
            pieces[0].1
        );
        assert!(
            pieces[1].1.contains(r#""index":1,"type":"function""#),
            "{}",
            pieces[1].1
        );
        assert!(
            pieces[2].1.contains(r#""finish_reason":"tool_calls""#),
            "{}",
            pieces[2].1
        );
        assert_eq!(seen.finish_reason.as_deref(), Some("tool_calls"));
    }

    #[test]
    fn an_error_is_seen_and_nonsense_changes_nothing() {
        let (pieces, _) = run(false, &[r#"{"error":{"message":"no"}}"#]);
        assert_eq!(pieces[0].0, Piece::Error);
        let mut out = BytesMut::from(&b"before"[..]);
        for nonsense in ["", "[]", "{", r#"{"choices":3}"#, r#"{"a":1} x"#] {
            assert!(
                edit(
                    nonsense,
                    &edits(false),
                    &mut super::Seen::default(),
                    &mut out
                )
                .is_err()
            );
            assert_eq!(out, &b"before"[..]);
        }
    }
}
