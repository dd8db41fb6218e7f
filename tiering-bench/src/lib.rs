//! Cost, capacity and latency of tiered stores, measured side by side.
//!
//! ```text
//!  cli ── options ──> measure ── plans ──> driver ── requests ──> target (a server, or the engine in this process)
//!                        │                   │
//!                        │                   └── draws from workload: a function of its seed
//!                        └── results ──> report: table, JSON, HTML
//! ```
//!
//! * [`cli`]: subcommands and their options
//! * [`report`]: results as plain data, and how they are shown
//! * [`measure`]: runs, comparisons, capacity; every counter before and after
//! * [`cost`]: which data set fits which node, and what it costs
//! * [`driver`]: clients, closed and open loop
//! * [`target`]: the servers, behind one adapter
//! * [`workload`]: keys, values, requests
//! * [`units`], [`interrupt`]: `64mb`, and Ctrl-C
//!
//! A module uses only what stands below it in this list.

pub mod cli;
pub mod cost;
pub mod driver;
pub mod interrupt;
pub mod measure;
pub mod report;
pub mod target;
pub mod units;
pub mod workload;
