//! `tiering-bench cost`: what data costs on which node type.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cost::footprint::Footprint;
use crate::cost::nodes::NodeTable;
use crate::cost::price::{Demand, RequestCosts, price};
use crate::measure::environment::Environment;
use crate::report::{Body, CostReport, Report};
use crate::units::{parse_bytes, parse_count};

/// Options of `cost`.
#[derive(Debug, Args)]
pub(super) struct CostArgs {
    /// Length of a key.
    #[arg(long, default_value = "16", value_parser = parse_bytes)]
    key_bytes: u64,
    /// Length of a value.
    #[arg(long, default_value = "1000", value_parser = parse_bytes)]
    value_bytes: u64,
    /// Share of the requests that DRAM answers on a node with SSD; `run` measures it.
    #[arg(long, default_value_t = 0.9)]
    hit_ratio: f64,
    /// Keys to store: asks for a number of nodes and their price.
    #[arg(long, value_parser = parse_count)]
    keys: Option<u64>,
    /// Requests per second to serve, likewise.
    #[arg(long, value_parser = parse_count)]
    rate: Option<u64>,
    /// Take the stores' bytes per key from this result of `capacity --json`.
    #[arg(long, value_name = "FILE")]
    capacity: Option<PathBuf>,
    /// Server CPU of a request that DRAM answers, in microseconds; `compare` measures it (hot).
    #[arg(long, default_value_t = 6.0)]
    memory_cpu_us: f64,
    /// Server CPU of a request that the SSD answers; `compare` measures it (cold).
    #[arg(long, default_value_t = 12.0)]
    ssd_cpu_us: f64,
    /// Latency of a request that DRAM answers, in microseconds.
    #[arg(long, default_value_t = 60.0)]
    memory_latency_us: f64,
    /// Latency of a request that the SSD answers.
    #[arg(long, default_value_t = 150.0)]
    ssd_latency_us: f64,
    /// Table of node types instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
}

pub(super) fn execute(args: &CostArgs) -> Result<Report> {
    let nodes = NodeTable::load(args.nodes.as_deref())?;
    if !(0.0..=1.0).contains(&args.hit_ratio) {
        bail!("--hit-ratio is a share between 0 and 1");
    }
    let costs = RequestCosts {
        memory_cpu_us: args.memory_cpu_us,
        ssd_cpu_us: args.ssd_cpu_us,
        memory_latency_us: args.memory_latency_us,
        ssd_latency_us: args.ssd_latency_us,
    };
    if !(costs.memory_cpu_us > 0.0 && costs.ssd_cpu_us > 0.0) {
        bail!("a request costs more than no CPU time");
    }
    let demand = Demand {
        key_bytes: args.key_bytes as f64,
        value_bytes: args.value_bytes as f64,
        hit_ratio: args.hit_ratio,
        keys: args.keys.map(|keys| keys as f64),
        rate_per_s: args.rate.map(|rate| rate as f64),
    };
    let (ours, redis) = footprints(args)?;
    let prices = nodes
        .nodes
        .iter()
        .map(|node| price(node, &nodes, if node.has_ssd() { &ours } else { &redis }, &costs, &demand))
        .collect();
    let environment = Environment::find(std::path::Path::new("."));
    let report = CostReport { demand, costs, footprints: vec![redis, ours], nodes, prices };
    Ok(Report { environment, body: Body::Cost(report) })
}

/// Ours and that of a store with one tier: measured ones where there are.
fn footprints(args: &CostArgs) -> Result<(Footprint, Footprint)> {
    let (mut ours, mut redis) = (Footprint::thermocline_design(), Footprint::redis_measured_before());
    if let Some(path) = &args.capacity {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let report: Report = serde_json::from_str(&text).context("not a result of this tool")?;
        let Body::Capacity(capacity) = report.body else {
            bail!("{} is no result of capacity", path.display())
        };
        for footprint in capacity.servers.iter().map(|server| server.footprint()) {
            if footprint.ssd_overhead_bytes.is_some() { ours = footprint } else { redis = footprint }
        }
    }
    Ok((ours, redis))
}
