//! The log: one line an event on standard error, never a prompt, a reply or a key at any level.
//!
//! The libraries that see bytes on the wire are built without their tracing, so that no setting can switch it on. h2
//! and rmcp cannot be built so: what they say is dropped here.

use super::Recent;
use std::io::IsTerminal;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// Starts the log; gives its last lines. `directives` as in `log.level`.
///
/// # Errors
/// Where a directive cannot be read, or a log has been started before.
pub fn start(directives: &str) -> Result<Recent, Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(directives)?;
    let is_terminal = std::io::stderr().is_terminal();
    let recent = Recent::default();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .finish()
        .with(filter_fn(|what| {
            !SEES_CONTENT
                .iter()
                .any(|library| is_of(what.target(), library))
        }))
        .with(recent.clone())
        .try_init()?;
    Ok(recent)
}

/// They would log what is on the wire: h2 its frames, rmcp whole messages.
const SEES_CONTENT: [&str; 2] = ["h2", "rmcp"];

/// Whether a target is this library or a module of it.
fn is_of(target: &str, library: &str) -> bool {
    target
        .strip_prefix(library)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_its_modules_and_nothing_else() {
        assert!(is_of("h2", "h2") && is_of("h2::codec::framed_write", "h2"));
        assert!(!is_of("h2o", "h2") && !is_of("thoxd::h2", "h2"));
    }
}
