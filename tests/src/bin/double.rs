//! Runs one engine double by hand, or for tests in other languages: prints its URL on the first line and runs until its
//! standard input ends.
#![expect(
    clippy::print_stdout,
    reason = "the first line is how other programs find the port"
)]

use clap::Parser;
use std::time::Duration;
use thox_tests::doubles::{Answering, Double, Fault, Kind, Model};
use tokio::io::{AsyncReadExt, stdin};

/// An engine double: `double ollama --port 0`.
#[derive(Parser)]
struct Arguments {
    /// ollama, trtllm, trtllm-jetson, edge-llm or openai.
    kind: Kind,
    /// The port; 0 is a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What goes wrong: hang-before-head, hang-after-head, hang:N, close-before-head, close:N, reset-before-head, reset:N,
    /// truncate:N, bad-event:N, error-event:N, garbage, status:CODE, close-after-reply, stale-connection.
    #[arg(long)]
    fault: Option<Fault>,
    /// For how many generations the fault holds; always, unless given.
    #[arg(long)]
    times: Option<usize>,
    /// Milliseconds between two tokens.
    #[arg(long, default_value_t = 0)]
    gap_ms: u64,
    /// Milliseconds before the first token.
    #[arg(long, default_value_t = 0)]
    first_token_ms: u64,
    /// Milliseconds between two lines of a pull.
    #[arg(long, default_value_t = 5)]
    pull_gap_ms: u64,
    /// Thoughts before the answer.
    #[arg(long)]
    reasoning: Option<String>,
    /// Answer each request with its own body.
    #[arg(long)]
    echo: bool,
    /// Another chat model that the engine has; may be repeated.
    #[arg(long)]
    model: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = Arguments::parse();
    let double = Double::start_at(arguments.kind, arguments.port).await;
    double.script(|script| {
        script.gap = Duration::from_millis(arguments.gap_ms);
        script.first_token_delay = Duration::from_millis(arguments.first_token_ms);
        script.pull_gap = Duration::from_millis(arguments.pull_gap_ms);
        script.reasoning = arguments.reasoning.clone();
        script.models.extend(
            arguments
                .model
                .iter()
                .map(|name| Model::chat(name, 3_000_000_000)),
        );
        if arguments.echo {
            script.answering = Answering::Echo;
        }
    });
    match (arguments.fault, arguments.times) {
        (Some(fault), Some(times)) => double.fault_times(fault, times),
        (Some(fault), None) => double.fault(fault),
        (None, _) => {}
    }
    println!("{}", double.url());
    let mut input = stdin();
    let mut bytes = [0; 256];
    while let Ok(1..) = input.read(&mut bytes).await {}
}
