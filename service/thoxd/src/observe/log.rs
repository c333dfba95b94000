//! The log: one line an event on standard error, never a prompt, a reply or a key at any level.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Libraries below info tell of bytes on the wire; their lines could hold a prompt, so no setting switches them on.
const QUIET: [&str; 5] = [
    "hyper=warn",
    "hyper_util=warn",
    "tungstenite=warn",
    "tokio_tungstenite=warn",
    "h2=warn",
];

/// Starts the log. `directives` as in `log.level`.
///
/// # Errors
/// Where a directive cannot be read, or a log has been started before.
pub fn start(directives: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut filter = EnvFilter::try_new(directives)?;
    for quiet in QUIET {
        filter = filter.add_directive(quiet.parse()?);
    }
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .try_init()
}
