//! The journal, where standard error leads there anyway: the same events, each field a field of its own.
//!
//! `THOX_REQUEST_ID`, `THOX_ENGINE`, `THOX_MODEL`, `THOX_ROUTE`, `THOX_MS` and the like: `journalctl THOX_REQUEST_ID=…`
//! tells all of one request. How much is taken in is the journal's own limit, by unit.

use libsystemd::logging::connected_to_journal;

/// The journal's layer; none where standard error leads elsewhere or the journal cannot be reached.
pub(super) fn layer() -> Option<tracing_journald::Layer> {
    // A variable that was inherited says nothing about an output that was redirected: it compares the two.
    if !connected_to_journal() {
        return None;
    }
    let layer = tracing_journald::layer().ok()?;
    Some(
        layer
            .with_syslog_identifier("thoxd".to_owned())
            .with_field_prefix(Some("THOX".to_owned())),
    )
}
