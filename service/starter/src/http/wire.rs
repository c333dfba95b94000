//! Replies as OpenAI writes them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{MODEL_ID, now};
use crate::answer::{Finish, Outcome};

/// Which of the two completion endpoints a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Chat,
    Plain,
}

/// What all parts of one reply have in common.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    form: Form,
    id: String,
    created: u64,
}

impl Reply {
    pub(super) fn new(form: Form) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The hasher is seeded anew each time: ids do not repeat, also not after a restart.
        let number = RandomState::new().hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
        let prefix = match form {
            Form::Chat => "chatcmpl",
            Form::Plain => "cmpl",
        };
        Self {
            form,
            id: format!("{prefix}-{number:016x}"),
            created: now(),
        }
    }

    /// The whole reply.
    pub(super) fn whole(&self, text: &str, outcome: &Outcome) -> Value {
        let (object, mut choice) = match self.form {
            Form::Chat => (
                "chat.completion",
                json!({"message": {"role": "assistant", "content": text, "refusal": null}}),
            ),
            Form::Plain => ("text_completion", json!({"text": text})),
        };
        finish(&mut choice, Some(outcome.finish));
        let mut reply = self.object(object, &[choice]);
        add(&mut reply, "usage", usage(outcome));
        reply
    }

    /// The chunk that opens a chat stream; a plain stream has none.
    pub(super) fn opening(&self) -> Option<Value> {
        (self.form == Form::Chat)
            .then(|| self.chunk(&json!({"role": "assistant", "content": ""}), "", None))
    }

    /// A chunk with a piece of text.
    pub(super) fn piece(&self, text: &str) -> Value {
        self.chunk(&json!({"content": text}), text, None)
    }

    /// The chunk that says why the answer ended.
    pub(super) fn closing(&self, finish: Finish) -> Value {
        self.chunk(&json!({}), "", Some(finish))
    }

    /// The chunk with the usage, which has no choices.
    pub(super) fn usage(&self, outcome: &Outcome) -> Value {
        let mut chunk = self.object(self.chunk_object(), &[]);
        add(&mut chunk, "usage", usage(outcome));
        chunk
    }

    fn chunk(&self, delta: &Value, text: &str, end: Option<Finish>) -> Value {
        let mut choice = match self.form {
            Form::Chat => json!({"delta": delta}),
            Form::Plain => json!({"text": text}),
        };
        finish(&mut choice, end);
        self.object(self.chunk_object(), &[choice])
    }

    fn chunk_object(&self) -> &'static str {
        match self.form {
            Form::Chat => "chat.completion.chunk",
            Form::Plain => "text_completion",
        }
    }

    fn object(&self, object: &str, choices: &[Value]) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": MODEL_ID, "choices": choices})
    }
}

/// A server-sent event.
pub(super) fn event(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

/// The event that ends a stream.
pub(super) fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

fn finish(choice: &mut Value, finish: Option<Finish>) {
    let reason = finish.map(|finish| match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    });
    add(choice, "index", json!(0));
    add(choice, "logprobs", Value::Null);
    add(choice, "finish_reason", json!(reason));
}

fn usage(outcome: &Outcome) -> Value {
    let Outcome {
        prompt_tokens,
        completion_tokens,
        ..
    } = *outcome;
    json!({"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": prompt_tokens + completion_tokens})
}

fn add(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
