//! Cost, capacity and latency of tiered stores, measured side by side.

fn main() {}
