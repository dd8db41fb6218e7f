//! Turns a load into results.
//!
//! * [`run`]: one measured run, with every counter before and after
//! * [`in_process`]: the same for the engine in this process
//! * [`latency`], [`timeline`]: distributions and courses as plain numbers
//! * [`usage`]: CPU, memory and device reads of a process, from /proc
//! * [`exact_lru`]: the hit ratio that the same requests would have had in an exact LRU cache
//! * [`capacity`]: DRAM per key
//! * [`compare`], [`scenario`]: several servers in one run
//! * [`types`]: commands and memory by data type
//! * [`page_cache`]: keeps a competitor's file out of DRAM that it would not have in production
//! * [`environment`]: machine, device, commit

pub mod capacity;
pub mod compare;
pub mod environment;
pub mod exact_lru;
pub mod in_process;
pub mod latency;
pub mod page_cache;
pub mod run;
pub mod scenario;
pub mod timeline;
pub mod types;
pub mod usage;
