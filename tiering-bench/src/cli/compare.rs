//! `tiering-bench compare`: several servers in one run, started and stopped here.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::options::{CommandArgs, WorkArgs};
use crate::measure::compare::{ComparePlan, PageCache, compare};
use crate::measure::environment::Environment;
use crate::measure::run::Watcher;
use crate::measure::scenario::{DataSizes, Scenario};
use crate::report::{Body, Report};
use crate::target::contestants::{Contestant, Templates};
use crate::units::{parse_bytes, parse_count};
use crate::workload::DEFAULT_SEED;

/// Options of `compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Who takes part: ours, redis, memcached. Without it, all that are installed.
    #[arg(long, value_delimiter = ',')]
    servers: Option<Vec<Contestant>>,
    /// What they are put through: hot, hot-p16, hot-set, cold, cold-1, zipf.
    #[arg(long, value_delimiter = ',', default_values_t = Scenario::ALL.map(Scenario::name).map(str::to_owned))]
    scenarios: Vec<String>,
    /// Rounds per scenario; figures are medians over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds per server and round.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    commands: CommandArgs,
    /// Command of memcached; {maxmemory_mb}, {tier_capacity_mb} are filled in, too.
    #[arg(long, value_name = "COMMAND")]
    memcached: Option<String>,
    /// Threads of extstore that read, each with one read at a time.
    #[arg(long, default_value_t = 32)]
    ext_threads: usize,
    /// Threads of each server that serve clients; without it, one per CPU.
    #[arg(long)]
    server_threads: Option<usize>,
    /// Servers on the first CPU, with one thread, and the clients on the second.
    #[arg(long)]
    pin: bool,
    /// Keys of the data set that fits DRAM.
    #[arg(long, default_value = "100k", value_parser = parse_count)]
    hot_keys: u64,
    /// Length of its values.
    #[arg(long, default_value_t = 100)]
    hot_value_bytes: usize,
    /// Keys of the data set that is several times the memory.
    #[arg(long, default_value = "1m", value_parser = parse_count)]
    cold_keys: u64,
    /// Length of its values.
    #[arg(long, default_value_t = 1000)]
    cold_value_bytes: usize,
    /// DRAM of each server for the large data set.
    #[arg(long, default_value = "256mb", value_parser = parse_bytes)]
    memory: u64,
    /// SSD of each server.
    #[arg(long, default_value = "4gb", value_parser = parse_bytes)]
    tier_capacity: u64,
    /// Whether memcached may read its file from the page cache, which is DRAM beyond its limit.
    #[arg(long, value_enum, default_value_t = PageCacheArg::Drop)]
    page_cache: PageCacheArg,
    /// Rate at which memcached is loaded where its data goes to SSD: faster, and it drops items.
    #[arg(long, default_value_t = 50_000.0)]
    memcached_load_rate: f64,
    /// Seed of all requests.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PageCacheArg {
    Drop,
    Keep,
}

/// DRAM of each server for the data set that fits.
const HOT_MEMORY_BYTES: u64 = 1 << 30;

pub(super) fn execute(args: &CompareArgs, watcher: &dyn Watcher) -> Result<Report> {
    std::fs::create_dir_all(&args.work.work)?;
    let environment = Environment::find(&args.work.work);
    let templates = Templates {
        memcached: args.memcached.clone(),
        ext_threads: args.ext_threads,
        ..args.commands.templates()
    };
    let cpus = environment.cpus.max(1);
    if args.pin {
        if cpus < 2 {
            bail!("--pin needs two CPUs");
        }
        pin_this_process(1)?;
    }
    let threads = if args.pin { 1 } else { args.server_threads.unwrap_or(cpus) };
    let plan = ComparePlan {
        contestants: contestants(args, &templates)?,
        scenarios: args
            .scenarios
            .iter()
            .map(|name| name.parse::<Scenario>().map_err(anyhow::Error::msg))
            .collect::<Result<_>>()?,
        templates,
        sizes: DataSizes {
            hot_keys: args.hot_keys,
            hot_value_bytes: args.hot_value_bytes,
            cold_keys: args.cold_keys,
            cold_value_bytes: args.cold_value_bytes,
            hot_memory_bytes: HOT_MEMORY_BYTES,
            cold_memory_bytes: args.memory,
            seed: args.seed,
        },
        tier_capacity_bytes: args.tier_capacity,
        threads,
        server_cpus: args.pin.then(|| "0".to_owned()),
        rounds: args.rounds.max(1),
        seconds: args.seconds,
        page_cache: match args.page_cache {
            PageCacheArg::Drop => PageCache::Drop,
            PageCacheArg::Keep => PageCache::Keep,
        },
        memcached_load_per_s: args.memcached_load_rate,
        work: args.work.work.clone(),
    };
    let comparison = compare(&plan, watcher)?;
    Ok(Report { environment, body: Body::Comparison(comparison) })
}

/// The asked-for servers, or those that can be found.
fn contestants(args: &CompareArgs, templates: &Templates) -> Result<Vec<Contestant>> {
    if let Some(servers) = &args.servers {
        return Ok(servers.clone());
    }
    let found: Vec<Contestant> =
        Contestant::ALL.into_iter().filter(|&contestant| templates.is_installed(contestant)).collect();
    for missing in Contestant::ALL.into_iter().filter(|contestant| !found.contains(contestant)) {
        eprintln!("tiering-bench: {} is not here: the comparison goes without it", missing.name());
    }
    if found.is_empty() {
        bail!(
            "no server to compare: build ours with cargo build --release, or install redis-server or memcached"
        );
    }
    Ok(found)
}

pub(super) fn pin_this_process(cpu: usize) -> Result<()> {
    let mut cpus = rustix::thread::CpuSet::new();
    cpus.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &cpus)?)
}
