//! Ctrl-C, as something that can be waited for.

use crate::failure::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C from now on: it no longer ends the process by itself.
pub(crate) struct Interrupt(Signal);

impl Interrupt {
    /// Takes over Ctrl-C.
    pub(crate) fn listen() -> Result<Self, Failure> {
        signal(SignalKind::interrupt())
            .map(Self)
            .map_err(|error| Failure::error(format!("cannot listen for Ctrl-C: {error}")))
    }

    /// Waits for the next one; one that came since the last wait counts.
    pub(crate) async fn wait(&mut self) {
        self.0.recv().await;
    }
}
