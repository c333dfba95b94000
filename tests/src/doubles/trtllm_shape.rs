//! The shapes of TensorRT-LLM's replies and chunks, in both of its branches.

use super::answer::{Answer, created, hex, logprobs};
use super::chat::streams;
use super::reply::{Event, Reply};
use super::script::Script;
use super::trtllm::Branch;
use crate::json::{list, null, object, optional_text, text};
use serde_json::Value;
use std::time::Duration;

/// The fields of a delta, and the token whose probability goes with it.
type Delta<'a> = (Vec<(&'a str, String)>, Option<&'a String>);

/// What a reply is built of.
pub(crate) struct Shape<'a> {
    pub(crate) script: &'a Script,
    pub(crate) body: &'a Value,
    pub(crate) branch: Branch,
    pub(crate) model: &'a str,
    pub(crate) id: String,
}

impl Shape<'_> {
    fn is_jetson(&self) -> bool {
        self.branch == Branch::Jetson
    }

    fn head(&self, prefix: &str, kind: &str) -> Vec<(&'static str, String)> {
        // Jetson's chunks each make up their own id.
        let id = if self.is_jetson() {
            hex()
        } else {
            self.id.clone()
        };
        let model = text(self.model);
        vec![
            ("id", text(&format!("{prefix}-{id}"))),
            ("object", text(kind)),
            ("created", created()),
            ("model", model),
        ]
    }

    fn finish<'a>(&self, reason: &'a str) -> Option<&'a str> {
        (!self.is_jetson()).then_some(reason)
    }

    /// Usage rides with `stream_options`, unless that says no.
    fn includes_usage(&self) -> bool {
        let options = &self.body["stream_options"];
        options.is_object() && options["include_usage"] != false
    }

    fn choices(&self) -> usize {
        self.body["n"]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(1)
            .clamp(1, 8)
    }

    fn call(&self, answer: &Answer) -> Option<(String, String, String)> {
        let tool = answer.tool.as_ref()?;
        Some((
            format!("chatcmpl-tool-{}", hex()),
            tool.name.clone(),
            tool.arguments.clone(),
        ))
    }

    pub(crate) fn chat(&self, answer: &Answer) -> Reply {
        if streams(self.body) {
            return self.stream(self.chat_events(answer));
        }
        let mut message = vec![
            ("role", text("assistant")),
            ("content", text(&answer.text())),
        ];
        if !self.is_jetson() {
            let thoughts = answer.reasoning.concat();
            message.push((
                "reasoning_content",
                optional_text(Some(&*thoughts).filter(|t| !t.is_empty())),
            ));
        }
        let calls = self.call(answer).map(|(id, name, arguments)| {
            let function = object(&[("name", text(&name)), ("arguments", text(&arguments))]);
            object(&[
                ("id", text(&id)),
                ("type", text("function")),
                ("function", function),
            ])
        });
        message.push(("tool_calls", list(&calls.into_iter().collect::<Vec<_>>())));
        let logged = if answer.logprobs {
            logprobs(&answer.pieces)
        } else {
            null()
        };
        let choices: Vec<String> = (0..self.choices())
            .map(|index| {
                object(&[
                    ("index", index.to_string()),
                    ("message", object(&message)),
                    ("logprobs", logged.clone()),
                    ("finish_reason", optional_text(self.finish(answer.finish))),
                    ("stop_reason", null()),
                ])
            })
            .collect();
        let mut fields = self.head("chatcmpl", "chat.completion");
        fields.extend([("choices", list(&choices)), ("usage", answer.usage())]);
        Reply::json(200, object(&fields))
            .delayed(self.script.head_delay + answer.duration(self.script))
    }

    fn chat_chunk(
        &self,
        index: usize,
        delta: &[(&str, String)],
        finish: Option<&str>,
        logged: Option<&String>,
    ) -> String {
        let logged = logged.map_or_else(null, |piece| logprobs(std::slice::from_ref(piece)));
        let choice = object(&[
            ("index", index.to_string()),
            ("delta", object(delta)),
            ("logprobs", logged),
            ("finish_reason", optional_text(finish)),
            ("stop_reason", null()),
        ]);
        let mut fields = self.head("chatcmpl", "chat.completion.chunk");
        fields.extend([("choices", list(&[choice])), ("usage", null())]);
        object(&fields)
    }

    fn chat_events(&self, answer: &Answer) -> Vec<Event> {
        let first = self.script.first_token_delay;
        let mut deltas: Vec<Delta<'_>> = Vec::new();
        for thought in &answer.reasoning {
            deltas.push((vec![("reasoning_content", text(thought))], None));
        }
        if let Some((id, name, arguments)) = self.call(answer) {
            let part = |fields: Vec<(&'static str, String)>| {
                let mut call = vec![("index", "0".to_owned())];
                call.extend(fields);
                vec![("tool_calls", list(&[object(&call)]))]
            };
            let named = object(&[("name", text(&name))]);
            deltas.push((
                part(vec![
                    ("id", text(&id)),
                    ("type", text("function")),
                    ("function", named),
                ]),
                None,
            ));
            // The arguments come in two halves, cut at a character.
            let middle = (0..=arguments.len() / 2)
                .rev()
                .find(|n| arguments.is_char_boundary(*n))
                .unwrap_or(0);
            for half in [&arguments[..middle], &arguments[middle..]] {
                deltas.push((
                    part(vec![("function", object(&[("arguments", text(half))]))]),
                    None,
                ));
            }
        }
        for piece in &answer.pieces {
            let delta = match self.branch {
                Branch::Current => vec![("content", text(piece))],
                Branch::Jetson => vec![
                    ("role", null()),
                    ("content", text(piece)),
                    ("tool_calls", list(&[])),
                ],
            };
            deltas.push((delta, Some(piece).filter(|_| answer.logprobs)));
        }
        if deltas.is_empty() {
            deltas.push((vec![("content", text(""))], None));
        }
        let mut events = Vec::new();
        for index in 0..self.choices() {
            if !self.is_jetson() {
                let role = self.chat_chunk(
                    index,
                    &[("role", text("assistant")), ("content", text(""))],
                    None,
                    None,
                );
                // The first event has a space after its JSON.
                events.push(Event {
                    after: Duration::ZERO,
                    bytes: format!("data: {role} \n\n").into_bytes(),
                    brings: None,
                });
            }
        }
        let last = deltas.len() - 1;
        for (n, (delta, logged)) in deltas.iter().enumerate() {
            for index in 0..self.choices() {
                let finish = self.finish(answer.finish).filter(|_| n == last);
                let after = if index > 0 {
                    Duration::ZERO
                } else if n == 0 {
                    first
                } else {
                    self.script.gap
                };
                events.push(Event::data(
                    &self.chat_chunk(index, delta, finish, *logged),
                    after,
                ));
            }
        }
        if self.includes_usage() {
            let mut fields = self.head("chatcmpl", "chat.completion.chunk");
            fields.extend([("choices", list(&[])), ("usage", answer.usage())]);
            events.push(Event::data(&object(&fields), Duration::ZERO));
        }
        if !self.is_jetson() {
            events.push(Event::done());
        }
        events
    }

    pub(crate) fn completion(&self, answer: &Answer) -> Reply {
        let chunk = |piece: &str, finish: Option<&str>, usage: String| {
            let choice = object(&[
                ("index", "0".into()),
                ("text", text(piece)),
                ("logprobs", null()),
                ("finish_reason", optional_text(finish)),
                ("stop_reason", null()),
            ]);
            let mut fields = self.head("cmpl", "text_completion");
            fields.extend([("choices", list(&[choice])), ("usage", usage)]);
            object(&fields)
        };
        if !streams(self.body) {
            let whole = chunk(&answer.text(), self.finish(answer.finish), answer.usage());
            return Reply::json(200, whole)
                .delayed(self.script.head_delay + answer.duration(self.script));
        }
        let last = answer.pieces.len().saturating_sub(1);
        let mut events = Vec::new();
        for (n, piece) in answer.pieces.iter().enumerate() {
            let after = if n == 0 {
                self.script.first_token_delay
            } else {
                self.script.gap
            };
            let finish = self.finish(answer.finish).filter(|_| n == last);
            events.push(Event::data(&chunk(piece, finish, null()), after));
        }
        if self.includes_usage() {
            let mut fields = self.head("cmpl", "text_completion");
            let used = super::answer::usage(answer.prompt_tokens, answer.completion_tokens());
            fields.extend([("choices", list(&[])), ("usage", used)]);
            events.push(Event::data(&object(&fields), Duration::ZERO));
        }
        events.push(Event::done());
        self.stream(events)
    }

    fn stream(&self, events: Vec<Event>) -> Reply {
        Reply::Stream {
            content_type: "text/event-stream; charset=utf-8",
            head_after: self.script.head_delay,
            events,
        }
    }
}
