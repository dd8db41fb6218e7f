//! The two tiers of values: DRAM with its budget and LRU order, and the SSD log.
//!
//! - [`lru`]: the values in DRAM and the order of their last accesses.
//! - [`budget`], [`ceiling`]: how much of DRAM values may take, so that the process stays below `maxmemory`.
//! - [`demotion`], [`movement`]: values on their way to the SSD, and what the index is told of it. [`drain`]: all of
//!   them. [`reserve`]: some ahead of need.
//! - [`ssd`]: the log. [`gc`] keeps it from filling up. [`ledger`]: what of it is live, and who reads it.
//! - [`work`], [`requests`]: the background thread's I/O, and what clients ask of it.

pub(crate) mod budget;
pub(crate) mod ceiling;
pub(crate) mod demotion;
pub(crate) mod drain;
pub(crate) mod gc;
pub(crate) mod ledger;
pub(crate) mod lru;
pub(crate) mod movement;
pub(crate) mod requests;
pub(crate) mod reserve;
pub(crate) mod ssd;
pub(crate) mod work;
