//! The log: one line an event on standard error, never a prompt, a reply or a key at any level.
//!
//! The libraries that see bytes on the wire are built without their tracing, so that no setting can switch it on.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log. `directives` as in `log.level`.
///
/// # Errors
/// Where a directive cannot be read, or a log has been started before.
pub fn start(directives: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(directives)?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .try_init()
}
