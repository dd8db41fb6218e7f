//! What data costs: per gigabyte, per million keys, and for a data set at a request rate.

use serde::{Deserialize, Serialize};

use super::footprint::{Fit, Footprint};
use super::nodes::{NodeTable, NodeType};

/// Share of a node's CPUs that requests may use: the rest is for background work and bursts.
pub const CPU_SHARE: f64 = 0.7;

/// What a request costs, by the tier that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestCosts {
    /// Server CPU of a request that DRAM answers, in microseconds.
    pub memory_cpu_us: f64,
    /// Server CPU of a request that the SSD answers, in microseconds.
    pub ssd_cpu_us: f64,
    /// Latency of a request that DRAM answers, in microseconds.
    pub memory_latency_us: f64,
    /// Latency of a request that the SSD answers, in microseconds.
    pub ssd_latency_us: f64,
}

impl RequestCosts {
    /// CPU and latency of the mean request at a memory hit ratio, in microseconds.
    pub fn mean_us(&self, hit_ratio: f64) -> (f64, f64) {
        let mean = |memory: f64, ssd: f64| hit_ratio * memory + (1.0 - hit_ratio) * ssd;
        (mean(self.memory_cpu_us, self.ssd_cpu_us), mean(self.memory_latency_us, self.ssd_latency_us))
    }
}

/// What is to be stored and served.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// Length of a key.
    pub key_bytes: f64,
    /// Length of a value.
    pub value_bytes: f64,
    /// Share of the requests that DRAM answers, where there is a second tier.
    pub hit_ratio: f64,
    /// Keys to store; `None` asks for unit prices only.
    pub keys: Option<f64>,
    /// Requests per second to serve; `None` if that does not decide.
    pub rate_per_s: Option<f64>,
}

/// What a node type costs for a demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodePrice {
    /// The node type.
    pub node: String,
    /// The store on it.
    pub store: String,
    /// Whether it has a second tier.
    pub is_tiered: bool,
    /// Price of one node per month.
    pub monthly: f64,
    /// How many keys fit one node.
    pub fit: Fit,
    /// Keys and values that fit one node, in GB (10^9 bytes).
    pub data_gb: f64,
    /// Price per GB of keys and values and month.
    pub per_gb_month: f64,
    /// Price per million keys and month.
    pub per_million_keys_month: f64,
    /// Requests per second that one node's CPUs can serve at the hit ratio.
    pub requests_per_s: f64,
    /// Latency of the mean read at the hit ratio, in microseconds.
    pub mean_latency_us: f64,
    /// Nodes for the demanded keys and rate; `None` if none was given.
    pub nodes_needed: Option<u64>,
    /// Their price per month.
    pub total_monthly: Option<f64>,
}

/// Prices `demand` on one node type with one store. On a node without SSD every request is answered by DRAM.
pub fn price(
    node: &NodeType,
    table: &NodeTable,
    store: &Footprint,
    costs: &RequestCosts,
    demand: &Demand,
) -> NodePrice {
    let fit = store.fit(node, table, demand.key_bytes, demand.value_bytes);
    let is_tiered = node.has_ssd() && store.ssd_overhead_bytes.is_some();
    let hit_ratio = if is_tiered { demand.hit_ratio } else { 1.0 };
    let (cpu_us, mean_latency_us) = costs.mean_us(hit_ratio);
    let cpus = store.command_threads.unwrap_or(node.vcpu).min(node.vcpu);
    let requests_per_s = f64::from(cpus) * CPU_SHARE * 1e6 / cpu_us;
    let monthly = node.monthly(table);
    let data_gb = fit.keys * (demand.key_bytes + demand.value_bytes) / 1e9;
    let for_keys = demand.keys.map(|keys| (keys / fit.keys).ceil());
    let for_rate = demand.rate_per_s.map(|rate| (rate / requests_per_s).ceil());
    let nodes_needed = match (for_keys, for_rate) {
        (None, None) => None,
        (keys, rate) => Some(keys.unwrap_or(1.0).max(rate.unwrap_or(1.0)).max(1.0) as u64),
    };
    NodePrice {
        node: node.name.clone(),
        store: store.store.clone(),
        is_tiered,
        monthly,
        fit,
        data_gb,
        per_gb_month: monthly / data_gb,
        per_million_keys_month: monthly / (fit.keys / 1e6),
        requests_per_s,
        mean_latency_us,
        nodes_needed,
        total_monthly: nodes_needed.map(|nodes| nodes as f64 * monthly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: RequestCosts =
        RequestCosts { memory_cpu_us: 5.0, ssd_cpu_us: 15.0, memory_latency_us: 50.0, ssd_latency_us: 150.0 };

    fn demand() -> Demand {
        Demand { key_bytes: 16.0, value_bytes: 1000.0, hit_ratio: 0.8, keys: None, rate_per_s: None }
    }

    fn price_of(name: &str, store: &Footprint, demand: &Demand) -> NodePrice {
        let table = NodeTable::load(None).expect("valid");
        let node = table.nodes.iter().find(|node| node.name == name).expect("in the table").clone();
        price(&node, &table, store, &COSTS, demand)
    }

    #[test]
    fn a_month_of_a_gigabyte_is_the_nodes_price_over_what_fits() {
        let redis = Footprint { dram_overhead_bytes: 84.0, ..Footprint::redis_measured_before() };
        let price = price_of("cache.r6g.xlarge", &redis, &demand());
        let keys = 26.32 * 1_073_741_824.0 * 0.75 / 1100.0;
        assert!((price.fit.keys - keys).abs() < 1.0);
        assert!((price.monthly - 0.411 * 730.0).abs() < 1e-9);
        assert!((price.per_gb_month - 0.411 * 730.0 / (keys * 1016.0 / 1e9)).abs() < 1e-9);
        assert!((price.per_million_keys_month - 0.411 * 730.0 / (keys / 1e6)).abs() < 1e-9);
    }

    #[test]
    fn the_second_tier_makes_a_gigabyte_cheaper() {
        let one = price_of("cache.r6g.xlarge", &Footprint::redis_measured_before(), &demand());
        let two = price_of("cache.r6gd.xlarge", &Footprint::thermocline_design(), &demand());
        let factor = one.per_gb_month / two.per_gb_month;
        assert!((2.0..3.0).contains(&factor), "{factor}");
    }

    #[test]
    fn the_hit_ratio_decides_rate_and_latency_where_there_is_an_ssd() {
        let ours = Footprint::thermocline_design();
        let tiered = price_of("cache.r6gd.xlarge", &ours, &demand());
        assert!((tiered.mean_latency_us - 70.0).abs() < 1e-9);
        assert!((tiered.requests_per_s - 4.0 * CPU_SHARE * 1e6 / 7.0).abs() < 1e-6);
        let flat = price_of("cache.r6g.xlarge", &ours, &demand());
        assert_eq!((flat.mean_latency_us, flat.is_tiered), (50.0, false));
    }

    #[test]
    fn a_store_with_one_thread_serves_no_more_on_a_larger_node() {
        let rate = |node| price_of(node, &Footprint::redis_measured_before(), &demand()).requests_per_s;
        assert_eq!(rate("cache.r6g.xlarge"), CPU_SHARE * 1e6 / 5.0);
        assert_eq!(rate("cache.r6g.16xlarge"), rate("cache.r6g.xlarge"));
    }

    #[test]
    fn nodes_are_bought_for_the_keys_or_for_the_rate_whichever_needs_more() {
        let ours = Footprint::thermocline_design();
        let unit = price_of("cache.r6gd.xlarge", &ours, &demand());
        assert_eq!(unit.nodes_needed, None);
        let keys = Demand { keys: Some(unit.fit.keys * 2.5), ..demand() };
        assert_eq!(price_of("cache.r6gd.xlarge", &ours, &keys).nodes_needed, Some(3));
        let rate = Demand { rate_per_s: Some(unit.requests_per_s * 4.5), ..keys };
        let price = price_of("cache.r6gd.xlarge", &ours, &rate);
        assert_eq!((price.nodes_needed, price.total_monthly), (Some(5), Some(5.0 * unit.monthly)));
    }
}
