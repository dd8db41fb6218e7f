//! What a key takes of DRAM and SSD, and so how many keys fit a node.

use serde::{Deserialize, Serialize};

use super::nodes::{NodeTable, NodeType};

/// Share of the usable DRAM that a tiered store keeps for hot values and buffers: keys may not fill it all.
pub const HOT_VALUES_SHARE: f64 = 0.2;

/// Share of an SSD that may be filled with live records: the rest is gc's room.
pub const SSD_FILL_SHARE: f64 = 0.85;

/// What a store needs for one key, beside the bytes of key and value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// The store.
    pub store: String,
    /// DRAM per key, without the key's and, if values are in DRAM, the value's own bytes.
    pub dram_overhead_bytes: f64,
    /// SSD per key beside key and value; `None` if the store has one tier and values are in DRAM.
    pub ssd_overhead_bytes: Option<f64>,
    /// Threads that can carry out commands; as many as the node has CPUs if `None`.
    pub command_threads: Option<u32>,
    /// Where the numbers are from.
    pub basis: String,
}

/// What stops a node from holding more keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Its DRAM is full.
    Memory,
    /// Its SSD is full.
    Ssd,
}

/// How many keys fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Keys.
    pub keys: f64,
    /// What stops it from holding more.
    pub limit: Limit,
    /// Share of the values that fit DRAM at the same time.
    pub memory_share: f64,
}

impl Footprint {
    /// Thermocline by its design: 32 bytes beside the key; a record has 40 bytes of header and padding.
    pub fn thermocline_design() -> Self {
        Self {
            store: "thermocline".to_owned(),
            dram_overhead_bytes: 32.0,
            ssd_overhead_bytes: Some(40.0),
            command_threads: None,
            basis: "design target; measure with: tiering-bench capacity".to_owned(),
        }
    }

    /// redis-server 7.0 with 16-byte keys and 100-byte values, as `capacity` measures it.
    pub fn redis_measured_before() -> Self {
        Self {
            store: "redis-server".to_owned(),
            dram_overhead_bytes: 93.0,
            ssd_overhead_bytes: None,
            command_threads: Some(1),
            basis: "redis-server 7.0.15, 10 M keys; measure with: tiering-bench capacity".to_owned(),
        }
    }

    /// DRAM that a key needs at least, in bytes.
    pub fn dram_bytes(&self, key_bytes: f64, value_bytes: f64) -> f64 {
        let value_in_dram = if self.ssd_overhead_bytes.is_some() { 0.0 } else { value_bytes };
        self.dram_overhead_bytes + key_bytes + value_in_dram
    }

    /// How many keys of a size fit `node`. A store with two tiers keeps every value on SSD, hot ones in DRAM as
    /// well; a node without SSD makes it a store with one.
    pub fn fit(&self, node: &NodeType, table: &NodeTable, key_bytes: f64, value_bytes: f64) -> Fit {
        let memory_bytes = node.usable_memory_bytes(table);
        match self.ssd_overhead_bytes.filter(|_| node.has_ssd()) {
            None => {
                let keys = memory_bytes / (self.dram_overhead_bytes + key_bytes + value_bytes);
                Fit { keys, limit: Limit::Memory, memory_share: 1.0 }
            }
            Some(overhead_bytes) => {
                let per_key_bytes = self.dram_bytes(key_bytes, value_bytes);
                let by_memory = memory_bytes * (1.0 - HOT_VALUES_SHARE) / per_key_bytes;
                let by_ssd = node.ssd_bytes() * SSD_FILL_SHARE / (overhead_bytes + key_bytes + value_bytes);
                let (keys, limit) =
                    if by_memory < by_ssd { (by_memory, Limit::Memory) } else { (by_ssd, Limit::Ssd) };
                let free_bytes = memory_bytes - keys * per_key_bytes;
                Fit { keys, limit, memory_share: (free_bytes / (keys * value_bytes.max(1.0))).min(1.0) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ssd_gib: f64) -> (NodeTable, NodeType) {
        let node = NodeType { name: "n".to_owned(), vcpu: 4, memory_gib: 10.0, ssd_gib, hourly: 1.0 };
        let table = NodeTable {
            source: String::new(),
            as_of: String::new(),
            note: String::new(),
            currency: "USD".to_owned(),
            hours_per_month: 730.0,
            reserved_memory_share: 0.25,
            nodes: vec![node.clone()],
        };
        (table, node)
    }

    const GIB: f64 = (1u64 << 30) as f64;

    #[test]
    fn one_tier_holds_keys_and_values_in_dram() {
        let (table, node) = table(0.0);
        let redis = Footprint { dram_overhead_bytes: 84.0, ..Footprint::redis_measured_before() };
        let fit = redis.fit(&node, &table, 16.0, 100.0);
        assert_eq!((fit.keys, fit.limit), (7.5 * GIB / 200.0, Limit::Memory));
    }

    #[test]
    fn large_values_fill_the_ssd_and_small_ones_the_dram() {
        let (table, node) = table(40.0);
        let ours = Footprint::thermocline_design();
        let large = ours.fit(&node, &table, 16.0, 1000.0);
        assert_eq!((large.keys, large.limit), (40.0 * GIB * SSD_FILL_SHARE / 1056.0, Limit::Ssd));
        let small = ours.fit(&node, &table, 16.0, 10.0);
        assert_eq!((small.keys, small.limit), (7.5 * GIB * 0.8 / 48.0, Limit::Memory));
    }

    #[test]
    fn the_dram_that_keys_leave_holds_hot_values() {
        let (table, node) = table(40.0);
        let fit = Footprint::thermocline_design().fit(&node, &table, 16.0, 1000.0);
        let expected = (7.5 * GIB - fit.keys * 48.0) / (fit.keys * 1000.0);
        assert!((fit.memory_share - expected).abs() < 1e-9 && fit.memory_share > 0.1, "{fit:?}");
    }

    #[test]
    fn a_tiered_store_on_a_node_without_ssd_keeps_values_in_dram() {
        let (table, node) = table(0.0);
        let fit = Footprint::thermocline_design().fit(&node, &table, 16.0, 152.0);
        assert_eq!((fit.keys, fit.memory_share), (7.5 * GIB / 200.0, 1.0));
    }
}
