//! What the control plane says of itself: JSON log lines on stderr, a level that can be changed, metrics.

pub mod level;
pub mod metrics;
