//! `tiering-bench run`: one workload, one server.

use anyhow::{Result, anyhow};
use clap::Args;

use super::options::{ClientArgs, DataArgs, RequestArgs, TargetArgs, WorkArgs};
use crate::driver::Length;
use crate::measure::environment::Environment;
use crate::measure::in_process::{InProcessPlan, run_in_process};
use crate::measure::run::{LruCapacity, RunPlan, Versioning, Watcher, run};
use crate::report::{Body, Report};
use crate::target::engine::EngineOptions;
use crate::units::{parse_bytes, parse_count};

/// Options of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    requests: RequestArgs,
    #[command(flatten)]
    clients: ClientArgs,
    /// Measure for so many seconds.
    #[arg(long, default_value_t = 10.0, conflicts_with = "count")]
    seconds: f64,
    /// Measure so many requests instead; k, m and g are understood.
    #[arg(long = "requests", value_name = "COUNT", value_parser = parse_count)]
    count: Option<u64>,
    /// Send the load for so many seconds before the measurement.
    #[arg(long, default_value_t = 1.0)]
    warm_up_seconds: f64,
    /// Send so many requests before the measurement instead.
    #[arg(long, value_name = "COUNT", value_parser = parse_count, conflicts_with = "warm_up_seconds")]
    warm_up_requests: Option<u64>,
    /// Check every value that is read, and that no acknowledged write is lost.
    #[arg(long)]
    verify: bool,
    /// With --verify: the version that all keys were loaded with, which is the last pass of `load`; 0 if they may
    /// be missing.
    #[arg(long, default_value_t = 1)]
    loaded_version: u32,
    /// Share of the reads that are preceded by TIER WHERE, so that their latency can be told by tier.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    probe: f64,
    /// Capacity of the exact LRU cache to compare the hit ratio with, in items; without it, as many as the server
    /// holds in memory. 0 leaves the comparison out.
    #[arg(long, value_name = "ITEMS", value_parser = parse_count)]
    lru_items: Option<u64>,
    /// Name of the run in the report.
    #[arg(long, default_value = "run")]
    label: String,
    /// Measure the engine in this process instead of a server: it is loaded first, and gone afterwards.
    #[arg(long)]
    in_process: bool,
    /// With --in-process: DRAM for values and index.
    #[arg(long, default_value = "256mb", value_parser = parse_bytes)]
    memory: u64,
    /// With --in-process: SSD; 0 for none.
    #[arg(long, default_value = "4gb", value_parser = parse_bytes)]
    tier_capacity: u64,
    #[command(flatten)]
    work: WorkArgs,
}

pub(super) fn execute(args: &RunArgs, watcher: &dyn Watcher) -> Result<Report> {
    let environment = Environment::find(&args.work.work);
    if !(0.0..=1.0).contains(&args.probe) {
        return Err(anyhow!("--probe is a share between 0 and 1"));
    }
    let endpoint = args.target.target;
    let probe = if endpoint.wire.can_locate() { args.probe } else { 0.0 };
    let length = |seconds: f64, requests: Option<u64>| {
        if !(0.0..=1e9).contains(&seconds) {
            return Err(anyhow!("{seconds} seconds are not possible"));
        }
        Ok(requests.map_or(Length::Seconds(seconds), Length::Requests))
    };
    let warm_up = length(args.warm_up_seconds, args.warm_up_requests)?;
    let warm_up =
        Some(warm_up).filter(|&length| length != Length::Seconds(0.0) && length != Length::Requests(0));
    let lru = match args.lru_items {
        None => LruCapacity::ServerItems,
        Some(0) => LruCapacity::Off,
        Some(items) => LruCapacity::Items(items),
    };
    if args.in_process {
        std::fs::create_dir_all(&args.work.work)?;
        let plan = InProcessPlan {
            label: args.label.clone(),
            engine: EngineOptions {
                dir: args.work.work.clone(),
                maxmemory_bytes: args.memory,
                tier_capacity_bytes: args.tier_capacity,
            },
            workload: args.requests.apply(args.data.spec()),
            driver: args.clients.config(0.0).map_err(|reason| anyhow!(reason))?,
            warm_up,
            length: length(args.seconds, args.count)?,
            verify: args.verify,
            lru,
        };
        return Ok(Report { environment, body: Body::Runs { runs: run_in_process(&plan, watcher)? } });
    }
    let plan = RunPlan {
        label: args.label.clone(),
        endpoint,
        workload: args.requests.apply(args.data.spec()),
        driver: args.clients.config(probe).map_err(|reason| anyhow!(reason))?,
        warm_up,
        length: length(args.seconds, args.count)?,
        versioning: if args.verify { Versioning::Verified(args.loaded_version) } else { Versioning::Rising },
        pid: args.target.pid,
        lru,
    };
    Ok(Report { environment, body: Body::Runs { runs: vec![run(&plan, watcher)?] } })
}
