//! The log: one line an event on standard error, or the same with its fields in the journal; never a prompt, a reply or a
//! key at any level.
//!
//! The libraries that see bytes on the wire are built without their tracing, so that no setting can switch it on. h2
//! and rmcp cannot be built so: what they say is dropped here.

use super::{Recent, journal};
use std::io::IsTerminal;
use tracing_subscriber::{
    Layer as _, Registry,
    filter::{Targets, filter_fn},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

/// The running log: its last lines, and what it takes in. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    /// The last lines.
    pub recent: Recent,
    level: Option<reload::Handle<Targets, Registry>>,
}

/// What is to be logged cannot be read, or a log has been started before.
#[derive(Debug, thiserror::Error)]
#[error("log.level = {given:?}: {cause}; a level is error, warn, info, debug or trace")]
pub struct InvalidLevel {
    given: String,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl InvalidLevel {
    fn new(given: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            given: given.to_owned(),
            cause: cause.into(),
        }
    }
}

/// Starts the log. `directives` as in `log.level`.
///
/// # Errors
/// Where a directive cannot be read, or a log has been started before.
pub fn start(directives: &str) -> Result<Log, InvalidLevel> {
    let (filter, level) = reload::Layer::new(parse(directives)?);
    let recent = Recent::default();
    let journal = journal::layer();
    let lines = journal.is_none().then(|| {
        let is_terminal = std::io::stderr().is_terminal();
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
    });
    let all = lines
        .map(|layer| layer.boxed())
        .into_iter()
        .chain(journal.map(|layer| layer.boxed()))
        .collect::<Vec<_>>();
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(|what| {
            !SEES_CONTENT
                .iter()
                .any(|library| is_of(what.target(), library))
        }))
        .with(all)
        .with(recent.clone())
        .try_init()
        .map_err(|error| InvalidLevel::new(directives, error))?;
    Ok(Log {
        recent,
        level: Some(level),
    })
}

impl Log {
    /// From now on takes in what these directives say.
    ///
    /// # Errors
    /// They cannot be read; nothing has changed.
    pub fn set_level(&self, directives: &str) -> Result<(), InvalidLevel> {
        let filter = parse(directives)?;
        match &self.level {
            Some(level) => level
                .reload(filter)
                .map_err(|error| InvalidLevel::new(directives, error)),
            None => Ok(()),
        }
    }

    /// One that nothing is written to.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            recent: Recent::default(),
            level: None,
        }
    }
}

fn parse(directives: &str) -> Result<Targets, InvalidLevel> {
    let parsed = directives.parse::<Targets>();
    parsed.map_err(|error| InvalidLevel::new(directives, error))
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
