//! One request and its reply, printed as it comes.

use crate::{
    device::{Device, Stream},
    failure::Failure,
    interrupt::Interrupt,
    output::{Output, Tone, remark},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One turn of a conversation, as the API has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Message {
    role: &'static str,
    content: String,
}

impl Message {
    pub(super) fn user(content: String) -> Self {
        Self {
            role: "user",
            content,
        }
    }

    pub(super) fn assistant(content: String) -> Self {
        Self {
            role: "assistant",
            content,
        }
    }
}

/// How a reply is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Display {
    /// As it comes.
    Text,
    /// As one document at its end.
    Json,
}

/// A reply, or as much of it as came before Ctrl-C.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) is_interrupted: bool,
    reasoning: String,
    model: Option<String>,
    backend: Option<String>,
    finish_reason: Option<String>,
    usage: Option<Value>,
}

/// What is used of a chunk.
#[derive(Debug, Deserialize)]
struct Chunk {
    model: Option<String>,
    backend: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Value>,
    error: Option<ChunkError>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    content: Option<String>,
    #[serde(alias = "reasoning_content")]
    reasoning: Option<String>,
}

/// The reply failed after it had begun.
#[derive(Debug, Deserialize)]
struct ChunkError {
    message: String,
}

/// Asks and prints the reply as it comes. Ctrl-C drops the connection, which stops the device's work.
pub(super) async fn ask(
    device: &Device,
    model: &str,
    messages: &[Message],
    display: Display,
    output: Output,
    interrupt: &mut Interrupt,
) -> Result<Answer, Failure> {
    let body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    let mut answer = Answer::default();
    let outcome = {
        let mut printer = Printer {
            display,
            output,
            is_reasoning: false,
        };
        let reading = async {
            let stream = device
                .post("/v1/chat/completions", body.to_string())
                .await?;
            read(stream, &mut answer, &mut printer).await
        };
        tokio::select! {
            read = reading => Some(read),
            () = interrupt.wait() => None,
        }
    };
    answer.is_interrupted = outcome.is_none();
    let has_begun = !answer.text.is_empty() || !answer.reasoning.is_empty();
    if display == Display::Text
        && (has_begun || answer.is_interrupted)
        && !answer.text.ends_with('\n')
    {
        output.print("\n")?;
    }
    outcome.unwrap_or(Ok(()))?;
    if display == Display::Text && answer.finish_reason.as_deref() == Some("length") {
        remark("(cut off: the reply reached the model's limit of tokens)");
    }
    Ok(answer)
}

async fn read(
    mut stream: Stream,
    answer: &mut Answer,
    printer: &mut Printer,
) -> Result<(), Failure> {
    while let Some(data) = stream.next().await? {
        if data == "[DONE]" {
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(&data).map_err(|error| {
            Failure::error(format!(
                "the device sends an event that is no chunk of a reply: {error}"
            ))
        })?;
        if let Some(error) = chunk.error {
            return Err(Failure::error(error.message));
        }
        answer.model = chunk.model.or(answer.model.take());
        answer.backend = chunk.backend.or(answer.backend.take());
        answer.usage = chunk.usage.or(answer.usage.take());
        for choice in chunk.choices {
            if let Some(reasoning) = choice.delta.reasoning.filter(|text| !text.is_empty()) {
                printer.reasoning(&reasoning)?;
                answer.reasoning.push_str(&reasoning);
            }
            if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                printer.text(&text)?;
                answer.text.push_str(&text);
            }
            answer.finish_reason = choice.finish_reason.or(answer.finish_reason.take());
        }
    }
    Err(
        Failure::error("the reply broke off: the connection ended before the reply did")
            .next("`thox status` tells how the device and its engines are"),
    )
}

struct Printer {
    display: Display,
    output: Output,
    is_reasoning: bool,
}

impl Printer {
    fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.display == Display::Json {
            return Ok(());
        }
        if std::mem::take(&mut self.is_reasoning) {
            self.output.print("\n\n")?;
        }
        self.output.print(text)
    }

    /// What the model thinks is for the person who waits, not for the program behind a pipe.
    fn reasoning(&mut self, text: &str) -> Result<(), Failure> {
        if self.display == Display::Json || !self.output.is_terminal {
            return Ok(());
        }
        self.is_reasoning = true;
        self.output.toned(Tone::Faint, text)
    }
}

impl Answer {
    /// Prints what is only known at the end.
    pub(super) fn finish(self, display: Display, output: Output) -> Result<(), Failure> {
        if display == Display::Text {
            return Ok(());
        }
        let document = json!({
            "model": self.model,
            "backend": self.backend,
            "content": self.text,
            "reasoning": (!self.reasoning.is_empty()).then_some(self.reasoning),
            "finish_reason": self.finish_reason,
            "usage": self.usage,
        });
        output.line(&document.to_string())
    }
}
