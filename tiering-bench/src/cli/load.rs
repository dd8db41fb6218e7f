//! `tiering-bench load`: every key written once per pass, and on request every value read back and checked.

use anyhow::{Result, anyhow};
use clap::Args;

use super::options::{ClientArgs, DataArgs, TargetArgs};
use crate::driver::Length;
use crate::measure::environment::Environment;
use crate::measure::run::{LruCapacity, RunPlan, Versioning, Watcher, run};
use crate::report::{Body, Report};
use crate::workload::WorkloadSpec;
use crate::workload::distribution::KeyDistribution;

/// Options of `load`.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    clients: ClientArgs,
    /// Write the whole data set so often, each time with new values.
    #[arg(long, default_value_t = 1)]
    passes: u32,
    /// Read every key afterwards and check that its value is that of the last pass.
    #[arg(long)]
    verify: bool,
}

/// Requests in flight per connection, if the user does not say: a load is a matter of throughput.
const DEFAULT_PIPELINE: usize = 32;

pub(super) fn execute(args: &LoadArgs, watcher: &dyn Watcher) -> Result<Report> {
    let environment = Environment::find(std::path::Path::new("."));
    let spec = args.data.spec();
    let mut driver = args.clients.config(0.0).map_err(|reason| anyhow!(reason))?;
    if driver.pipeline == 1 && args.clients.rate.is_none() {
        driver.pipeline = DEFAULT_PIPELINE;
    }
    let plan = |label: String, workload: WorkloadSpec, versioning: Versioning| RunPlan {
        label,
        endpoint: args.target.target,
        length: Length::Requests(workload.keys),
        workload,
        driver: driver.clone(),
        warm_up: None,
        versioning,
        pid: args.target.pid,
        lru: LruCapacity::Off,
    };
    let mut runs = Vec::new();
    for pass in 1..=args.passes {
        let label = if args.passes == 1 { "load".to_owned() } else { format!("load, pass {pass}") };
        runs.push(run(&plan(label, spec.loading(), Versioning::Fixed(pass)), watcher)?);
    }
    if args.verify {
        let reading = WorkloadSpec { distribution: KeyDistribution::Sequential, read_share: 1.0, ..spec };
        runs.push(run(&plan("verify".to_owned(), reading, Versioning::Verified(args.passes)), watcher)?);
    }
    Ok(Report { environment, body: Body::Runs { runs } })
}
