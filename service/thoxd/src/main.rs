//! The daemon's program: arguments, settings, log, run.

use anyhow::Context;
use clap::Parser;
use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};
use thoxd::{
    daemon::{self, Ended, Supervision},
    observe, reset,
    settings::{Settings, Sources},
    systemd::{Manager, Sockets},
};

/// One OpenAI-compatible API in front of this machine's engines.
#[derive(Debug, Parser)]
#[command(name = "thoxd", version)]
struct Arguments {
    /// Read this file alone instead of /usr/lib/thox, /etc/thox and /run/thox.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key; VALUE is TOML, a bare word is a string. Can be repeated.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// Check the settings and say what is wrong with them, without starting.
    #[arg(long)]
    check: bool,
}

/// What is dropped needs no more than a few polls.
const LAST_POLLS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "thoxd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    keep_memory_private();
    let mut sources = Sources::of_process();
    sources.config = arguments.config;
    sources.set = arguments.set;
    let mut loaded = Settings::load(&sources)?;
    if arguments.check {
        return Ok(());
    }
    // Before there is any thread: it changes the environment.
    let sockets = Arc::new(Sockets::receive()?);
    // Now, since an update may have put another file in its place by the time it is needed.
    let program = std::env::current_exe().context("this program cannot be found")?;
    let level = loaded.settings.log.level.clone();
    let log = observe::log::start(&level)?;
    if reset::finish(&loaded.settings.state_dir, &sources)? {
        loaded = Settings::load(&sources)?;
    }
    let supervision = Supervision {
        manager: Arc::new(Manager::of_process()),
        sockets: Arc::clone(&sockets),
    };
    let runtime = runtime()?;
    let ended = runtime
        .block_on(async { tokio::spawn(daemon::run(loaded, sources, log, supervision)).await });
    // What is left is dropped here; a computation of the starter's that does not notice at once is not waited for.
    runtime.shutdown_timeout(LAST_POLLS);
    match ended?? {
        Ended::Stopped => Ok(()),
        Ended::Broken(why) => Err(anyhow::anyhow!(why)),
        Ended::Restart => Err(start_anew(&program, &sockets)),
    }
}

/// Becomes the same program with the same arguments and environment; the process stays the same for whoever watches
/// over it. What was open is closed on the way, but for the sockets that the service manager has opened: who comes in
/// between waits in them. Returns only if it fails.
fn start_anew(program: &Path, sockets: &Sockets) -> anyhow::Error {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.into());
    let mut command = Command::new(program);
    if let Err(error) = sockets.hand_on(&mut command) {
        return anyhow::anyhow!("the service manager's sockets cannot be handed on: {error}");
    }
    let error = command.arg0(name).args(arguments).exec();
    anyhow::anyhow!("{} cannot be started anew: {error}", program.display())
}

/// Keys and prompts are in this process's memory: no core dump of it, and no other program of the same user that reads
/// it (prctl(2), PR_SET_DUMPABLE).
fn keep_memory_private() {
    // Where the system has no such thing, there is nothing to switch off.
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// On one core a single thread saves the hand-over between threads; on more, requests spread over them.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder
        .enable_all()
        .build()
        .context("tokio's runtime cannot be started")
}
