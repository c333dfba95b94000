//! `thox-bench`: thoxd beside a direct connection, nginx, haproxy and a bare hyper proxy.
//!
//! One program in three parts: the upstream, the bare proxy, and the driver with its client, which
//! starts the others. `ci/bench` is what people run.

mod instructions;
mod load;
mod measure;
mod passthrough;
mod process;
mod report;
mod serve;
mod subject;
mod upstream;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use hyper::http::uri::Authority;

use instructions::Reference;
use measure::Plan;
use report::Verdict;
use subject::{Programs, Subject};

#[derive(Parser)]
#[command(about)]
struct Command {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Serve as an engine that does no work.
    Upstream {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Hand every request on to an upstream.
    Passthrough {
        upstream: Authority,
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Measure everything and print the table.
    Run(RunArguments),
    /// Count the instructions of a request.
    Instructions(InstructionArguments),
}

#[derive(Args)]
struct ProgramArguments {
    /// The release build of thoxd.
    #[arg(long)]
    thoxd: PathBuf,
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
    #[arg(long, default_value = "haproxy")]
    haproxy: PathBuf,
    /// The core of the proxy under test.
    #[arg(long, default_value_t = 1)]
    core: usize,
}

impl ProgramArguments {
    fn programs(self) -> Programs {
        Programs {
            thoxd: self.thoxd,
            nginx: self.nginx,
            haproxy: self.haproxy,
            core: self.core,
            wrapper: Vec::new(),
        }
    }
}

#[derive(Args)]
struct RunArguments {
    #[command(flatten)]
    programs: ProgramArguments,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A tenth of everything: to see that it works.
    #[arg(long)]
    brief: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Only these; a direct connection is always measured.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Args)]
struct InstructionArguments {
    #[command(flatten)]
    programs: ProgramArguments,
    /// The committed counts.
    #[arg(long)]
    reference: PathBuf,
    /// Write the counts instead of comparing them.
    #[arg(long)]
    update: bool,
    /// Keep callgrind's files in this folder, for callgrind_annotate.
    #[arg(long)]
    keep: Option<PathBuf>,
}

// One thread: what is measured is the proxy, and the client's core is shared with the upstream.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    perform(Command::parse().part)
        .await
        .unwrap_or_else(|error| {
            // Not measured is another thing than over the budget.
            drop(progress(&format!("thox-bench: {error:#}")));
            ExitCode::from(2)
        })
}

async fn perform(part: Part) -> anyhow::Result<ExitCode> {
    match part {
        Part::Upstream { listen } => upstream::run(listen).await?,
        Part::Passthrough { upstream, listen } => passthrough::run(listen, upstream).await?,
        Part::Run(arguments) => return run(arguments).await,
        Part::Instructions(arguments) => return count(arguments).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Interleaves the subjects, so that what the machine does meanwhile meets all of them.
async fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let plan = if arguments.brief {
        Plan::BRIEF
    } else {
        Plan::FULL
    };
    let chosen = |subject: &Subject| {
        *subject == Subject::Direct
            || arguments.only.is_empty()
            || arguments
                .only
                .iter()
                .any(|name| subject.title().ends_with(name.as_str()))
    };
    let programs = arguments.programs.programs();
    let upstream = subject::upstream().await?;
    let mut samples = report::Samples::new();
    for round in 1..=arguments.rounds {
        for subject in Subject::ALL.into_iter().filter(chosen) {
            progress(&format!(
                "round {round} of {}: {}",
                arguments.rounds,
                subject.title()
            ))?;
            let sample = measure::round(subject, &programs, upstream.address, &plan)
                .await
                .with_context(|| format!("{} in round {round}", subject.title()))?;
            samples.entry(subject).or_default().push(sample);
        }
    }
    let rows = report::rows(&samples);
    if arguments.json {
        print(&serde_json::to_string_pretty(&report::json(
            &rows, &samples,
        ))?)?;
    } else {
        print(&report::markdown(&rows, arguments.rounds)?)?;
    }
    let is_over = rows.iter().any(|row| row.verdict == Verdict::Over);
    Ok(if is_over {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn count(arguments: InstructionArguments) -> anyhow::Result<ExitCode> {
    let measured =
        instructions::measure(&arguments.programs.programs(), arguments.keep.as_deref()).await?;
    if arguments.update {
        measured.write(&arguments.reference)?;
        print(&serde_json::to_string_pretty(&measured)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (text, is_over) = Reference::read(&arguments.reference)?.compare(&measured);
    print(&text)?;
    Ok(if is_over {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{}", text.trim_end())?)
}

fn progress(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "{text}")?)
}
