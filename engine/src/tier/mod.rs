//! The two tiers of values: DRAM with its budget and LRU order, and the SSD log.

pub(crate) mod budget;
pub(crate) mod ledger;
pub(crate) mod lru;
pub(crate) mod ssd;
