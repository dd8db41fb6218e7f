//! Node types, their memory, SSD and price.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The table that comes with the tool.
const ELASTICACHE_NODES: &str = include_str!("../../data/elasticache_nodes.json");

/// Node types of one provider and region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeTable {
    /// Where sizes and prices are from.
    pub source: String,
    /// When they were looked up.
    pub as_of: String,
    /// What to know before relying on them.
    pub note: String,
    /// Of the prices.
    pub currency: String,
    /// Hours that a month is billed with.
    pub hours_per_month: f64,
    /// Share of a node's memory that the operator keeps for everything that is not data: the operating system,
    /// replication buffers, fragmentation, a fork.
    pub reserved_memory_share: f64,
    /// The types.
    pub nodes: Vec<NodeType>,
}

/// One node type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeType {
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpu: u32,
    /// DRAM in GiB.
    pub memory_gib: f64,
    /// Local SSD in GiB; 0 without one.
    pub ssd_gib: f64,
    /// Price per hour.
    pub hourly: f64,
}

impl NodeTable {
    /// The built-in table, or that of a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a size or price in it makes no sense.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let text = match file {
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
            }
            None => ELASTICACHE_NODES.to_owned(),
        };
        let table: Self = serde_json::from_str(&text).context("not a table of node types")?;
        let is_share = |share: f64| (0.0..1.0).contains(&share);
        if table.nodes.is_empty() || table.hours_per_month <= 0.0 || !is_share(table.reserved_memory_share) {
            bail!("the table needs nodes, hours per month, and a reserved share between 0 and 1");
        }
        for node in &table.nodes {
            if !(node.memory_gib > 0.0 && node.ssd_gib >= 0.0 && node.hourly > 0.0 && node.vcpu > 0) {
                bail!("{}: memory, vCPUs and price must be positive", node.name);
            }
        }
        Ok(table)
    }
}

impl NodeType {
    /// DRAM that data may use, in bytes.
    pub fn usable_memory_bytes(&self, table: &NodeTable) -> f64 {
        self.memory_gib * (1u64 << 30) as f64 * (1.0 - table.reserved_memory_share)
    }

    /// SSD in bytes.
    pub fn ssd_bytes(&self) -> f64 {
        self.ssd_gib * (1u64 << 30) as f64
    }

    /// Whether it has a second tier.
    pub fn has_ssd(&self) -> bool {
        self.ssd_gib > 0.0
    }

    /// Price per month.
    pub fn monthly(&self, table: &NodeTable) -> f64 {
        self.hourly * table.hours_per_month
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_holds_both_families() {
        let table = NodeTable::load(None).expect("valid");
        let family = |prefix: &str| table.nodes.iter().filter(|node| node.name.starts_with(prefix)).count();
        assert_eq!((family("cache.r6g."), family("cache.r6gd.")), (7, 6));
        for node in &table.nodes {
            assert_eq!(node.has_ssd(), node.name.contains("r6gd"), "{}", node.name);
            if node.has_ssd() {
                // The provider says 4.8 times the capacity of the same memory without an SSD.
                let factor = (node.memory_gib + node.ssd_gib) / node.memory_gib;
                assert!((4.7..4.9).contains(&factor), "{}: {factor}", node.name);
            }
        }
    }

    #[test]
    fn a_table_with_a_wrong_price_is_refused() {
        let path = std::env::temp_dir().join(format!("nodes-{}.json", std::process::id()));
        std::fs::write(&path, ELASTICACHE_NODES.replace("0.411", "-1")).expect("written");
        let error = NodeTable::load(Some(&path)).expect_err("a negative price").to_string();
        std::fs::remove_file(&path).expect("removed");
        assert!(error.contains("cache.r6g.xlarge"), "{error}");
    }
}
