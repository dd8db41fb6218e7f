//! `tiering-bench types`: commands of every data type, and what the types cost in memory, beside redis-server.

use anyhow::{Result, bail};
use clap::Args;

use super::compare::pin_this_process;
use super::options::{CommandArgs, WorkArgs};
use crate::measure::environment::Environment;
use crate::measure::run::Watcher;
use crate::measure::types::memory::MemoryPlan;
use crate::measure::types::tests::{ALL, CommandTest};
use crate::measure::types::{TypesPlan, measure_types};
use crate::report::{Body, Report};
use crate::target::contestants::Contestant;
use crate::units::{parse_bytes, parse_count};
use crate::workload::DEFAULT_SEED;

/// Options of `types`.
#[derive(Debug, Args)]
pub(super) struct TypesArgs {
    /// Who takes part: ours, redis. Ratios are those of the first to each other.
    #[arg(long, value_delimiter = ',', default_values_t = ["ours".to_owned(), "redis".to_owned()])]
    servers: Vec<String>,
    /// The commands, by the beginnings of their names; all without it, none with `none`.
    #[arg(long, value_delimiter = ',')]
    tests: Option<Vec<String>>,
    /// Requests in flight per client.
    #[arg(long, short = 'P', value_delimiter = ',', default_values_t = [1, 16])]
    pipelines: Vec<usize>,
    /// Connections.
    #[arg(long, short, default_value_t = 50)]
    clients: usize,
    /// Requests per server, command, pipeline and round.
    #[arg(long, short = 'n', default_value = "200k", value_parser = parse_count)]
    requests: u64,
    /// How many keys, fields or members random ones are drawn from.
    #[arg(long, default_value = "100k", value_parser = parse_count)]
    keys: u64,
    /// Rounds per command; figures are medians over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many small collections of each type to measure the memory of; 0 for none.
    #[arg(long, default_value = "1m", value_parser = parse_count)]
    collections: u64,
    /// How many members of one large collection of each type to measure the memory of; 0 for none.
    #[arg(long, default_value = "1m", value_parser = parse_count)]
    members: u64,
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    commands: CommandArgs,
    /// DRAM that ours may take: more than the data, so that all of it stays there.
    #[arg(long, default_value = "8gb", value_parser = parse_bytes)]
    memory: u64,
    /// Let servers and clients run on any CPU, instead of the servers on the first and the clients on the second.
    #[arg(long)]
    no_pin: bool,
    /// Seed of all requests.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
}

pub(super) fn execute(args: &TypesArgs, watcher: &dyn Watcher) -> Result<Report> {
    std::fs::create_dir_all(&args.work.work)?;
    let environment = Environment::find(&args.work.work);
    let contestants = args.servers.iter().map(|name| name.parse::<Contestant>().map_err(anyhow::Error::msg));
    let contestants = contestants.collect::<Result<Vec<_>>>()?;
    if contestants.contains(&Contestant::Memcached) {
        bail!("memcached has no data types to compare");
    }
    let tests = match &args.tests {
        None => ALL.to_vec(),
        Some(names) if names[..] == ["none"] => Vec::new(),
        Some(names) => CommandTest::named(names).map_err(anyhow::Error::msg)?,
    };
    let is_pinned = !args.no_pin && environment.cpus > 1;
    if is_pinned {
        pin_this_process(1)?;
    }
    let plan = TypesPlan {
        contestants,
        templates: args.commands.templates(),
        tests,
        pipelines: args.pipelines.iter().map(|&pipeline| pipeline.max(1)).collect(),
        clients: args.clients.max(1),
        requests: args.requests.max(1),
        keys: args.keys.max(1),
        rounds: args.rounds.max(1),
        memory: MemoryPlan { collections: args.collections, members: args.members },
        maxmemory_bytes: args.memory,
        threads: 1,
        server_cpus: is_pinned.then(|| "0".to_owned()),
        seed: args.seed,
        work: args.work.work.clone(),
    };
    let types = measure_types(&plan, watcher)?;
    Ok(Report { environment, body: Body::Types(types) })
}
