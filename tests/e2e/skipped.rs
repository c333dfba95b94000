//! Why a test was not made, where nobody can overlook it.

use std::io::Write as _;

/// Tells what was skipped and what it takes.
pub(crate) fn skipped(what: &str, why: &str) {
    // Not by a macro: those are kept from whoever runs the tests.
    let line = format!("{what}: skipped: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
