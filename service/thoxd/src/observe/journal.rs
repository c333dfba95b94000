//! The journal, where standard error leads there anyway: the same events, each field a field of its own.
//!
//! `THOX_REQUEST_ID`, `THOX_ENGINE`, `THOX_MODEL`, `THOX_REASON`, `THOX_MS` and the like: `journalctl THOX_REQUEST_ID=…`
//! tells all of one request. How much is taken in is the journal's own limit, by unit.

use std::{
    env,
    fs::File,
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};

/// The journal's layer; none where standard error leads elsewhere or the journal cannot be reached.
pub(super) fn layer() -> Option<tracing_journald::Layer> {
    if !is_ours(env::var("JOURNAL_STREAM").ok()?.as_str()).unwrap_or(false) {
        return None;
    }
    let layer = tracing_journald::layer().ok()?;
    Some(
        layer
            .with_syslog_identifier("thoxd".to_owned())
            .with_field_prefix(Some("THOX".to_owned())),
    )
}

/// Whether standard error is the stream that the journal reads, as `DEVICE:INODE` (systemd.exec(5)): a variable that was
/// inherited says nothing about an output that was redirected.
fn is_ours(stream: &str) -> io::Result<bool> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
    Ok(stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_stream_is_not_ours() {
        assert!(!is_ours("1:1").unwrap() && !is_ours("").unwrap());
        let own = File::from(io::stderr().as_fd().try_clone_to_owned().unwrap());
        let own = own.metadata().unwrap();
        assert!(is_ours(&format!("{}:{}", own.dev(), own.ino())).unwrap());
    }
}
