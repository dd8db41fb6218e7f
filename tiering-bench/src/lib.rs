//! Cost, capacity and latency of tiered stores, measured side by side.
pub mod units;
pub mod workload;
pub mod driver;
pub mod measure;
pub mod interrupt;
pub mod target;
