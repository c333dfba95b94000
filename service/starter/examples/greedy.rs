//! Answers prompts greedily: JSON strings on stdin, one a line; JSON objects with tokens, text and margins on stdout.
//!
//! `cargo run --release -p thox-starter --example greedy [FILE.gguf] [--raw] [--tokens N]`; with `--raw` a line is the
//! whole prompt, else a user's message.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use thox_starter::{Ask, Cancel, Message, Model, embedded_gguf};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut raw, mut limit, mut file) = (false, 200, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--raw" => raw = true,
            "--tokens" => limit = arguments.next().ok_or("--tokens needs a number")?.parse()?,
            path => file = Some(std::fs::read(path)?),
        }
    }
    let model = Model::parse(file.as_deref().unwrap_or_else(|| embedded_gguf()))?;
    for line in stdin().lock().lines() {
        let content: String = serde_json::from_str(&line?)?;
        let prompt = match raw {
            true => model.prompt(&content),
            false => model.chat_prompt(&[Message {
                role: "user".to_owned(),
                content,
            }])?,
        };
        let steps = model.greedy(&prompt, limit)?;
        let mut text = String::new();
        let ask = Ask {
            prompt: prompt.clone(),
            max_tokens: Some(limit),
            ..Ask::default()
        };
        model.answer(&ask, &Cancel::default(), |piece| text.push_str(piece))?;
        let tokens: Vec<u32> = steps.iter().map(|step| step.token).collect();
        let margins: Vec<f32> = steps.iter().map(|step| step.margin).collect();
        let answer = serde_json::json!({"prompt": prompt, "tokens": tokens, "text": text, "margins": margins});
        writeln!(stdout(), "{answer}")?;
    }
    Ok(())
}
