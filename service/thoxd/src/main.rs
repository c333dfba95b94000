//! The daemon's program: arguments, settings, log, run.

mod arguments;

use anyhow::Context;
use arguments::{Task, Wishes};
use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
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

/// What is dropped needs no more than a few polls.
const LAST_POLLS: Duration = Duration::from_secs(1);

/// The exit status for words that are not understood, as other programs have it.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let mut stderr = std::io::stderr();
    let done = match arguments::read(std::env::args_os().skip(1)) {
        Ok(Task::Run(wishes)) => start(wishes),
        Ok(Task::Check(wishes)) => check(wishes),
        Ok(Task::Tell(text)) => {
            // A reader that has gone has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
        Err(error) => {
            let _ = writeln!(stderr, "thoxd: {error}. thoxd --help tells what there is.");
            return ExitCode::from(MISUSED);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr, "thoxd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(wishes: Wishes) -> anyhow::Result<()> {
    Settings::load(&sources(wishes))?;
    Ok(())
}

/// Where the settings are read from.
fn sources(wishes: Wishes) -> Sources {
    let mut sources = Sources::of_process();
    sources.config = wishes.config;
    sources.set = wishes.set;
    sources
}

fn start(wishes: Wishes) -> anyhow::Result<()> {
    keep_memory_private();
    let sources = sources(wishes);
    let mut loaded = Settings::load(&sources)?;
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
