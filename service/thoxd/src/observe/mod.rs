//! What the operator sees: the log, its last lines, and the metrics.

mod journal;
pub mod log;
pub mod metrics;
pub mod recent;

pub use log::{InvalidLevel, Log};
pub use metrics::{EngineMetrics, Metrics, Outcome};
pub use recent::Recent;
