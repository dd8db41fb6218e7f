//! `tiering-bench capacity`: DRAM per key, and how many keys fit which node.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;

use super::options::{CommandArgs, WorkArgs};
use crate::cost::nodes::NodeTable;
use crate::measure::capacity::{CapacityPlan, measure_capacity};
use crate::measure::environment::Environment;
use crate::measure::run::Watcher;
use crate::report::{Body, CapacityReport, Report};
use crate::target::contestants::{Contestant, Placement, Resources};
use crate::units::{parse_bytes, parse_count};
use crate::workload::WorkloadSpec;
use crate::workload::value_size::ValueSize;

/// Options of `capacity`.
#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    /// Servers to fill: ours, redis. Without it, those that are installed.
    #[arg(long, value_delimiter = ',')]
    servers: Option<Vec<Contestant>>,
    #[command(flatten)]
    commands: CommandArgs,
    /// Keys to write.
    #[arg(long, default_value = "10m", value_parser = parse_count)]
    keys: u64,
    /// Length of every key.
    #[arg(long, default_value_t = 16)]
    key_bytes: usize,
    /// Length of the values. A value too small to be worth a place on SSD stays in DRAM: the report says how many.
    #[arg(long, default_value = "100", value_name = "SIZES")]
    value_bytes: ValueSize,
    /// How often resident set size is read on the way.
    #[arg(long, default_value_t = 10)]
    points: u64,
    /// DRAM of ours.
    #[arg(long, default_value = "2gb", value_parser = parse_bytes)]
    memory: u64,
    /// SSD of ours.
    #[arg(long, default_value = "8gb", value_parser = parse_bytes)]
    tier_capacity: u64,
    /// Value sizes of the table of nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [100.0, 500.0, 1000.0, 4000.0, 16000.0])]
    table_value_bytes: Vec<f64>,
    /// Table of node types instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    #[command(flatten)]
    work: WorkArgs,
}

pub(super) fn execute(args: &CapacityArgs, watcher: &dyn Watcher) -> Result<Report> {
    std::fs::create_dir_all(&args.work.work)?;
    let environment = Environment::find(&args.work.work);
    let nodes = NodeTable::load(args.nodes.as_deref())?;
    let templates = args.commands.templates();
    let resources = Resources {
        maxmemory_bytes: args.memory,
        tier_capacity_bytes: args.tier_capacity,
        threads: 1,
        cpus: None,
    };
    let default = [Contestant::Ours, Contestant::Redis];
    let contestants = args.servers.clone().unwrap_or_else(|| {
        default.into_iter().filter(|&contestant| templates.is_installed(contestant)).collect()
    });
    if contestants.is_empty() || contestants.contains(&Contestant::Memcached) {
        return Err(anyhow!("capacity needs ours or redis-server"));
    }
    let workload = WorkloadSpec {
        keys: args.keys,
        key_bytes: args.key_bytes,
        value_size: args.value_bytes.clone(),
        ..WorkloadSpec::default()
    };
    workload.validate().map_err(|reason| anyhow!(reason))?;
    let plan = CapacityPlan {
        servers: contestants
            .iter()
            .map(|&contestant| templates.command(contestant, Placement::AllOnSsd, &resources))
            .collect(),
        workload,
        points: args.points,
        work: args.work.work.clone(),
    };
    let servers = measure_capacity(&plan, watcher)?;
    let capacity = CapacityReport { servers, nodes, table_value_bytes: args.table_value_bytes.clone() };
    Ok(Report { environment, body: Body::Capacity(capacity) })
}
