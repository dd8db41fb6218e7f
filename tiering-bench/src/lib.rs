//! Cost, capacity and latency of tiered stores, measured side by side.
pub mod units;
pub mod workload;
