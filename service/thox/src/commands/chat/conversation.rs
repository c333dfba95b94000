//! Prompts and replies in turn. Ctrl-C stops a reply, Ctrl-D ends the conversation.

use super::{
    input::Lines,
    reply::{Display, Message, ask},
};
use crate::{
    device::Device,
    failure::{Exit, Failure},
    interrupt::Interrupt,
    output::{Output, Tone, fail},
};

/// Talks until the person has enough.
pub(super) async fn talk(
    device: &Device,
    model: &str,
    output: Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let hint = format!(
        "{model} at {}\nCtrl-C stops a reply, /clear forgets what was said, Ctrl-D or /bye ends.\n",
        device.url()
    );
    output.toned(Tone::Faint, &hint)?;
    let mut lines = Lines::read();
    let mut messages: Vec<Message> = Vec::new();
    loop {
        output.toned(Tone::Heading, ">>> ")?;
        let line = tokio::select! {
            line = lines.next() => line?,
            () = interrupt.wait() => {
                output.line("\n(Ctrl-D or /bye ends)")?;
                continue;
            }
        };
        let Some(line) = line else {
            return output.print("\n");
        };
        match line.trim() {
            "" => continue,
            "/bye" | "/exit" | "/quit" => return Ok(()),
            "/clear" => {
                messages.clear();
                continue;
            }
            prompt => messages.push(Message::user(prompt.to_owned())),
        }
        match ask(device, model, &messages, Display::Text, output, interrupt).await {
            // What came before Ctrl-C was said, and the next prompt may be about it.
            Ok(answer) if !answer.text.is_empty() => messages.push(Message::assistant(answer.text)),
            Ok(_) => drop(messages.pop()),
            Err(
                failure @ (Failure::OutputClosed
                | Failure::Told {
                    exit: Exit::Authentication,
                    ..
                }),
            ) => {
                return Err(failure);
            }
            Err(failure) => {
                // The conversation outlives an engine that fails once.
                let _ = fail(&failure);
                messages.pop();
            }
        }
    }
}
