//! What the operator sees: the log, its last lines, and the metrics.

pub mod log;
pub mod metrics;
pub mod recent;

pub use metrics::{EngineMetrics, Metrics, Outcome};
pub use recent::Recent;
