//! The command line of a Thox device.
//!
//! - [`arguments`]: the commands and their options, as users type them.
//! - [`commands`]: what each does.
//! - [`device`]: which device is meant, how it is reached, and the few HTTP requests that commands make.
//! - [`credentials`]: what this user has of each device: its key, the fingerprint of its TLS key.
//! - [`secret`], [`fingerprint`]: a key that does not show itself; the name of a TLS key.
//! - [`ask`]: questions to whoever sits at the keyboard.
//! - [`output`]: what is printed and how, and that a closed pipe is no mistake.
//! - [`console`]: the terminals of the machine itself, where nobody has logged in.
//! - [`failure`]: what went wrong, with the exit code and the next step.
//! - [`interrupt`] waits for Ctrl-C.

mod arguments;
mod ask;
mod commands;
mod console;
mod credentials;
mod device;
mod failure;
mod fingerprint;
mod interrupt;
mod output;
mod secret;

use arguments::Arguments;
use clap::Parser as _;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help) => {
            // Help, version or a mistake in the arguments; a closed pipe is nobody's mistake here.
            let _ = help.print();
            return ExitCode::from(u8::try_from(help.exit_code()).unwrap_or(2));
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::fail(&failure),
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::error(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(commands::run(arguments));
    // A name that is still being looked up must not keep the process.
    runtime.shutdown_background();
    outcome
}
