//! What a server has counted of its tiers, under one set of names for all servers.
//!
//! Ours reports it in INFO tiering. memcached reports reads that went to extstore in `stats`. A server with one
//! tier has memory hits only.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::control::{Control, ServerKind};

/// Mean and percentiles of a latency that the server has measured itself, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerLatency {
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
}

/// Counters at one moment; differences of two moments belong to what was asked between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TierCounters {
    /// Reads answered from DRAM.
    pub hits_memory: u64,
    /// Reads answered from SSD.
    pub hits_ssd: u64,
    /// Reads of keys that do not exist.
    pub misses: u64,
    /// Items with their value in DRAM, now.
    pub items_memory: Option<u64>,
    /// Items with their value on SSD only, now.
    pub items_ssd: Option<u64>,
    /// Items thrown away to make room.
    pub evictions: Option<u64>,
    /// Bytes that the server asked its SSD to read.
    pub ssd_bytes_read: Option<u64>,
    /// Bytes that the server asked its SSD to write.
    pub ssd_bytes_written: Option<u64>,
    /// Bytes written to SSD for every byte of values demoted, since the start.
    pub write_amplification: Option<f64>,
    /// Reads of the SSD, submission to completion, since the start or the last reset.
    pub ssd_latency: Option<ServerLatency>,
    /// What requests waited for the SSD in all, since the start or the last reset.
    pub added_latency: Option<ServerLatency>,
    /// Everything the server says about its tiers, in its own words.
    pub raw: BTreeMap<String, String>,
}

impl TierCounters {
    /// Asks the server.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn read(control: &mut Control, kind: ServerKind) -> Result<Self> {
        Ok(match kind {
            ServerKind::Thermocline => Self::from_thermocline(control.info("tiering")?),
            ServerKind::Redis => Self::from_redis(&control.info("stats")?, &control.info("keyspace")?),
            ServerKind::Memcached => Self::from_memcached(control.stats("")?),
        })
    }

    fn from_thermocline(info: BTreeMap<String, String>) -> Self {
        let latency = |name: &str| {
            let field = |suffix: &str| number::<f64>(&info, &format!("tier_{name}_latency_us_{suffix}"));
            Some(ServerLatency {
                mean_us: field("mean")?,
                p50_us: field("p50")?,
                p99_us: field("p99")?,
                p999_us: field("p999")?,
            })
        };
        Self {
            hits_memory: number(&info, "tier_hits_memory").unwrap_or(0),
            hits_ssd: number(&info, "tier_hits_ssd").unwrap_or(0),
            misses: number(&info, "tier_misses").unwrap_or(0),
            items_memory: number(&info, "tier_items_memory"),
            items_ssd: number(&info, "tier_items_ssd"),
            evictions: number(&info, "evicted_keys"),
            ssd_bytes_read: number(&info, "tier_bytes_read_from_disk"),
            ssd_bytes_written: number(&info, "tier_bytes_written_to_disk"),
            write_amplification: number(&info, "tier_write_amplification"),
            ssd_latency: latency("ssd"),
            added_latency: latency("added"),
            raw: info,
        }
    }

    fn from_redis(stats: &BTreeMap<String, String>, keyspace: &BTreeMap<String, String>) -> Self {
        let keys = keyspace
            .values()
            .filter_map(|text| text.strip_prefix("keys=")?.split(',').next()?.parse::<u64>().ok());
        Self {
            hits_memory: number(stats, "keyspace_hits").unwrap_or(0),
            misses: number(stats, "keyspace_misses").unwrap_or(0),
            items_memory: Some(keys.sum()),
            items_ssd: Some(0),
            evictions: number(stats, "evicted_keys"),
            ..Self::default()
        }
    }

    fn from_memcached(mut stats: BTreeMap<String, String>) -> Self {
        let field = |name: &str| number::<u64>(&stats, name);
        let (hits, ssd) = (field("get_hits").unwrap_or(0), field("get_extstore").unwrap_or(0));
        let items_ssd = field("extstore_objects_used").unwrap_or(0);
        let counters = Self {
            hits_memory: hits.saturating_sub(ssd),
            hits_ssd: ssd,
            misses: field("get_misses").unwrap_or(0),
            items_memory: field("curr_items").map(|items| items.saturating_sub(items_ssd)),
            items_ssd: Some(items_ssd),
            evictions: field("evictions"),
            ssd_bytes_read: field("extstore_bytes_read"),
            ssd_bytes_written: field("extstore_bytes_written"),
            ..Self::default()
        };
        stats.retain(|name, _| {
            name.contains("extstore") || name.starts_with("get_") || name.ends_with("_items")
        });
        Self { raw: stats, ..counters }
    }

    /// What was counted between `earlier` and now; levels and latencies are those of now.
    pub fn since(&self, earlier: &Self) -> Self {
        let difference = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        Self {
            hits_memory: self.hits_memory.saturating_sub(earlier.hits_memory),
            hits_ssd: self.hits_ssd.saturating_sub(earlier.hits_ssd),
            misses: self.misses.saturating_sub(earlier.misses),
            evictions: difference(self.evictions, earlier.evictions),
            ssd_bytes_read: difference(self.ssd_bytes_read, earlier.ssd_bytes_read),
            ssd_bytes_written: difference(self.ssd_bytes_written, earlier.ssd_bytes_written),
            ..self.clone()
        }
    }

    /// Share of the hits that were answered from DRAM; `None` without a hit.
    pub fn memory_hit_ratio(&self) -> Option<f64> {
        let hits = self.hits_memory + self.hits_ssd;
        (hits > 0).then(|| self.hits_memory as f64 / hits as f64)
    }

    /// Share of all reads that were answered from SSD; `None` without a read.
    pub fn ssd_share(&self) -> Option<f64> {
        let reads = self.hits_memory + self.hits_ssd + self.misses;
        (reads > 0).then(|| self.hits_ssd as f64 / reads as f64)
    }
}

fn number<T: std::str::FromStr>(fields: &BTreeMap<String, String>, name: &str) -> Option<T> {
    fields.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> BTreeMap<String, String> {
        text.split_whitespace()
            .filter_map(|field| field.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn our_own_counters_are_taken_by_name() {
        let counters = TierCounters::from_thermocline(fields(
            "tier_hits_memory:70 tier_hits_ssd:20 tier_misses:10 tier_items_memory:5 tier_items_ssd:50 \
             tier_ssd_latency_us_mean:80.5 tier_ssd_latency_us_p50:75 tier_ssd_latency_us_p99:200 \
             tier_ssd_latency_us_p999:400",
        ));
        assert_eq!((counters.hits_memory, counters.hits_ssd, counters.misses), (70, 20, 10));
        assert_eq!((counters.items_memory, counters.items_ssd), (Some(5), Some(50)));
        assert_eq!(counters.ssd_latency.map(|latency| latency.p99_us), Some(200.0));
        assert_eq!(counters.added_latency, None);
        assert_eq!(counters.ssd_share(), Some(0.2));
    }

    #[test]
    fn memcached_counts_extstore_reads_among_its_hits() {
        let counters = TierCounters::from_memcached(fields(
            "get_hits:90 get_misses:10 get_extstore:60 curr_items:1000 extstore_objects_used:800",
        ));
        assert_eq!((counters.hits_memory, counters.hits_ssd), (30, 60));
        assert_eq!(counters.items_memory, Some(200));
        assert_eq!(counters.memory_hit_ratio(), Some(30.0 / 90.0));
    }

    #[test]
    fn a_server_with_one_tier_has_memory_hits_only() {
        let counters = TierCounters::from_redis(
            &fields("keyspace_hits:9 keyspace_misses:1"),
            &fields("db0:keys=100,expires=0,avg_ttl=0"),
        );
        assert_eq!((counters.hits_memory, counters.ssd_share()), (9, Some(0.0)));
        assert_eq!(counters.items_memory, Some(100));
    }

    #[test]
    fn a_difference_keeps_levels_and_subtracts_counts() {
        let before =
            TierCounters { hits_ssd: 5, items_ssd: Some(10), ssd_bytes_read: Some(7), ..Default::default() };
        let after =
            TierCounters { hits_ssd: 8, items_ssd: Some(20), ssd_bytes_read: Some(9), ..Default::default() };
        let between = after.since(&before);
        assert_eq!((between.hits_ssd, between.items_ssd, between.ssd_bytes_read), (3, Some(20), Some(2)));
    }
}
