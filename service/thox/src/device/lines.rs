//! JSON documents line by line out of a reply (application/x-ndjson).

use super::exchange::broken;
use crate::failure::Failure;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::JoinSet;

/// The last lines of the log come at once; one of them has four kilobytes at most.
const MAX_PENDING: usize = 16 << 20;

/// A reply that comes line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    pending: Vec<u8>,
    _connection: JoinSet<()>,
}

impl Lines {
    pub(super) fn new(body: Incoming, connection: JoinSet<()>) -> Self {
        Self {
            body,
            pending: Vec::new(),
            _connection: connection,
        }
    }

    /// The next line that is not empty; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                // Empty ones keep the connection open.
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.pending.len() > MAX_PENDING {
                return Err(Failure::error("the device sends a line without end"));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            if let Ok(bytes) = frame.map_err(|error| broken(&error))?.into_data() {
                self.pending.extend_from_slice(&bytes);
            }
        }
    }
}
