//! Several servers, the same load, in one run.
//!
//! Rounds alternate between the servers, so that a drift of the machine meets all of them, and every figure is the
//! median over the rounds. A scenario's servers run at the same time, but only one of them is asked at a time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use thermocline_protocol::Reply;

use super::page_cache::PageCacheDropper;
use super::run::{LruCapacity, RunPlan, RunResult, Versioning, Watcher, run};
use super::scenario::{DataSizes, Scenario};
use crate::driver::pacer::Arrivals;
use crate::driver::recorder::Class;
use crate::driver::{DriverConfig, Length, Pace};
use crate::interrupt;
use crate::target::contestants::{
    Contestant, EXTSTORE_FILE, MEMCACHED_LOADED, Placement, Resources, Templates,
};
use crate::target::control::{Control, ServerKind};
use crate::target::counters::TierCounters;
use crate::target::process::ServerProcess;
use crate::target::wire::Wire;

/// The load that precedes each round's measurement.
const WARM_UP_S: f64 = 0.5;

/// Where servers place values by themselves, they see so many seconds of the load before the first round.
const PLACING_S: f64 = 8.0;

/// A loaded server has settled if it has moved no item to SSD for so long.
const SETTLED: Duration = Duration::from_secs(1);

/// Longest wait for that.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether reads of extstore's file may be served from the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageCache {
    /// Its pages are dropped all the time: an SSD read is one of the device.
    Drop,
    /// As the kernel likes: on a machine with spare memory most SSD reads are none.
    Keep,
}

/// What to compare.
#[derive(Clone, Debug)]
pub struct ComparePlan {
    /// Who takes part; ratios are those of the first to each other.
    pub contestants: Vec<Contestant>,
    /// In what.
    pub scenarios: Vec<Scenario>,
    /// How to start them.
    pub templates: Templates,
    /// The data sets.
    pub sizes: DataSizes,
    /// SSD for each.
    pub tier_capacity_bytes: u64,
    /// Threads of each.
    pub threads: usize,
    /// CPUs of the servers, as taskset takes them.
    pub server_cpus: Option<String>,
    /// Rounds per scenario.
    pub rounds: usize,
    /// Seconds per server and round.
    pub seconds: f64,
    /// For memcached.
    pub page_cache: PageCache,
    /// Loading faster than this makes memcached drop items that it could have written to its SSD.
    pub memcached_load_per_s: f64,
    /// Folder on the disk to measure.
    pub work: PathBuf,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Rounds per scenario.
    pub rounds: usize,
    /// Seconds per server and round.
    pub seconds: f64,
    /// For memcached.
    pub page_cache: PageCache,
    /// One after the other.
    pub scenarios: Vec<ScenarioResult>,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub description: String,
    /// DRAM of each server.
    pub maxmemory_bytes: u64,
    /// Each server, the first being the one that ratios are about.
    pub servers: Vec<ServerResult>,
}

/// One server in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerResult {
    /// Its name.
    pub name: String,
    /// The command that started it.
    pub command_line: String,
    /// The load of the data set.
    pub load: LoadFigures,
    /// Medians over the rounds.
    pub median: Figures,
    /// The rounds.
    pub rounds: Vec<RunResult>,
}

/// How the data set was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadFigures {
    /// Writes per second.
    pub sets_per_s: f64,
    /// Whether that was the rate of the client, not of the server.
    pub is_paced: bool,
    /// Writes that the server refused.
    pub refused: u64,
    /// Highest resident set size up to the end of the load.
    pub peak_rss_bytes: Option<u64>,
}

/// The figures that servers are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests answered per second.
    pub requests_per_s: f64,
    /// CPU time of the server per request, user and kernel, in microseconds.
    pub cpu_us: Option<f64>,
    /// Median latency of the main operation, in microseconds.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Share of the reads that were answered from SSD, by the server's counters.
    pub ssd_share: Option<f64>,
    /// Reads per second that were answered from SSD.
    pub ssd_reads_per_s: Option<f64>,
    /// Share of the reads that found no value.
    pub miss_share: Option<f64>,
    /// Bytes that the server's process made the device read, per read answered from SSD.
    pub device_bytes_per_ssd_read: Option<f64>,
}

/// Runs a comparison.
///
/// # Errors
///
/// If a server cannot be started or fails; all started ones are stopped and their files removed.
pub fn compare(plan: &ComparePlan, watcher: &dyn Watcher) -> Result<Comparison> {
    let mut scenarios = Vec::new();
    for placement in [Placement::AllInMemory, Placement::AllOnSsd, Placement::AsTheServerLikes] {
        let group: Vec<Scenario> =
            plan.scenarios.iter().copied().filter(|s| s.placement() == placement).collect();
        if !group.is_empty() {
            scenarios.extend(compare_on_one_data_set(plan, placement, &group, watcher)?);
        }
    }
    Ok(Comparison { rounds: plan.rounds, seconds: plan.seconds, page_cache: plan.page_cache, scenarios })
}

struct Loaded {
    server: ServerProcess,
    load: LoadFigures,
}

fn compare_on_one_data_set(
    plan: &ComparePlan,
    placement: Placement,
    group: &[Scenario],
    watcher: &dyn Watcher,
) -> Result<Vec<ScenarioResult>> {
    let maxmemory_bytes = match placement {
        Placement::AllInMemory => plan.sizes.hot_memory_bytes,
        _ => plan.sizes.cold_memory_bytes,
    };
    let resources = Resources {
        maxmemory_bytes,
        tier_capacity_bytes: plan.tier_capacity_bytes,
        threads: plan.threads,
        cpus: plan.server_cpus.clone(),
    };
    let mut loaded = Vec::new();
    for &contestant in &plan.contestants {
        let command = plan.templates.command(contestant, placement, &resources);
        let server = ServerProcess::start(&command, &plan.work)?;
        let load = load(plan, contestant, placement, group[0], &server, watcher)
            .with_context(|| format!("loading {}", server.name))?;
        loaded.push(Loaded { server, load });
    }
    group.iter().map(|&scenario| run_rounds(plan, scenario, maxmemory_bytes, &loaded, watcher)).collect()
}

fn load(
    plan: &ComparePlan,
    contestant: Contestant,
    placement: Placement,
    scenario: Scenario,
    server: &ServerProcess,
    watcher: &dyn Watcher,
) -> Result<LoadFigures> {
    let workload = scenario.workload(&plan.sizes).loading();
    let is_paced = contestant == Contestant::Memcached && placement != Placement::AllInMemory;
    let pace = if is_paced {
        Pace::Open { rate_per_s: plan.memcached_load_per_s, arrivals: Arrivals::Fixed }
    } else {
        Pace::Closed
    };
    let result = run(
        &RunPlan {
            label: format!("{}, loading {}", server.name, scenario.name()),
            endpoint: server.endpoint,
            length: Length::Requests(workload.keys),
            workload,
            driver: DriverConfig {
                clients: 16,
                pipeline: 16,
                pace,
                timeout_ms: 60_000,
                ..DriverConfig::default()
            },
            warm_up: None,
            versioning: Versioning::Fixed(1),
            pid: Some(server.pid()),
            lru: LruCapacity::Off,
        },
        watcher,
    )?;
    settle(server, contestant, placement)?;
    Ok(LoadFigures {
        sets_per_s: result.requests_per_s,
        is_paced,
        refused: result.counts.refused,
        peak_rss_bytes: result.peak_rss_bytes,
    })
}

/// Waits until the values are where they will stay.
fn settle(server: &ServerProcess, contestant: Contestant, placement: Placement) -> Result<()> {
    if placement == Placement::AllInMemory {
        return Ok(());
    }
    let mut control = Control::connect(&server.endpoint)?;
    let kind = control.identify()?.kind;
    if placement == Placement::AllOnSsd {
        drain(&mut control, kind)?;
    }
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    let (mut last, mut since) = (None, Instant::now());
    while since.elapsed() < SETTLED && Instant::now() < deadline && !interrupt::is_requested() {
        let items = TierCounters::read(&mut control, kind)?.items_ssd;
        if items != last {
            (last, since) = (items, Instant::now());
        }
        std::thread::sleep(SETTLED / 10);
    }
    if placement == Placement::AsTheServerLikes && contestant == Contestant::Memcached {
        // A memcached that the user has set up without extstore refuses, and needs no telling.
        control.line(MEMCACHED_LOADED)?;
    }
    Ok(())
}

/// Moves all values to SSD, where the server can be told to.
fn drain(control: &mut Control, kind: ServerKind) -> Result<()> {
    if kind == ServerKind::Thermocline
        && let Reply::Error(message) = control.command(&["TIER", "DRAIN"])?
    {
        bail!("TIER DRAIN: {}", String::from_utf8_lossy(&message));
    }
    Ok(())
}

fn run_rounds(
    plan: &ComparePlan,
    scenario: Scenario,
    maxmemory_bytes: u64,
    loaded: &[Loaded],
    watcher: &dyn Watcher,
) -> Result<ScenarioResult> {
    let mut rounds: Vec<Vec<RunResult>> = loaded.iter().map(|_| Vec::new()).collect();
    for round in 1..=plan.rounds {
        for (Loaded { server, .. }, results) in std::iter::zip(loaded, &mut rounds) {
            if scenario.placement() == Placement::AllOnSsd {
                let mut control = Control::connect(&server.endpoint)?;
                let kind = control.identify()?.kind;
                drain(&mut control, kind)?;
            }
            let _dropper = keep_out_of_page_cache(plan, scenario, server)?;
            let is_first = round == 1 && scenario.placement() == Placement::AsTheServerLikes;
            let run_plan = RunPlan {
                label: format!("{}, {} {round}/{}", server.name, scenario.name(), plan.rounds),
                endpoint: server.endpoint,
                // Every round asks for other keys, the same of all servers: a value that one round has brought into
                // DRAM is not hot in the next by design.
                workload: scenario
                    .workload(&DataSizes { seed: round_seed(plan, round), ..plan.sizes.clone() }),
                driver: scenario.driver(),
                warm_up: Some(Length::Seconds(if is_first { PLACING_S } else { WARM_UP_S })),
                length: Length::Seconds(plan.seconds),
                versioning: Versioning::Rising,
                pid: Some(server.pid()),
                lru: LruCapacity::Off,
            };
            let result = run(&run_plan, watcher);
            results.push(result.with_context(|| format!("{}, {}", server.name, scenario.name()))?);
        }
    }
    let servers = std::iter::zip(loaded, rounds)
        .map(|(Loaded { server, load }, rounds)| ServerResult {
            name: server.name.clone(),
            command_line: server.command_line.clone(),
            load: load.clone(),
            median: Figures::median(&rounds),
            rounds,
        })
        .collect();
    Ok(ScenarioResult {
        name: scenario.name().to_owned(),
        description: scenario.description().to_owned(),
        maxmemory_bytes,
        servers,
    })
}

/// The seed of a round's requests.
fn round_seed(plan: &ComparePlan, round: usize) -> u64 {
    plan.sizes.seed.wrapping_mul(1000).wrapping_add(round as u64)
}

/// Keeps memcached's file out of the page cache while the result lives, if the plan says so.
fn keep_out_of_page_cache(
    plan: &ComparePlan,
    scenario: Scenario,
    server: &ServerProcess,
) -> Result<Option<PageCacheDropper>> {
    let file = server.dir.join(EXTSTORE_FILE);
    let is_wanted = plan.page_cache == PageCache::Drop
        && scenario.placement() != Placement::AllInMemory
        && server.endpoint.wire == Wire::Memcached
        && file.exists();
    is_wanted.then(|| PageCacheDropper::start(&file)).transpose()
}

impl Figures {
    fn of(run: &RunResult) -> Self {
        let latency = run.latency_of(Class::Read).or_else(|| run.latency_of(Class::Write));
        let reads = (run.counts.hits + run.counts.misses) as f64;
        let ssd_reads = run.tiers.hits_ssd as f64;
        Self {
            requests_per_s: run.requests_per_s,
            cpu_us: run.server_cpu.map(|cpu| cpu.total_us()),
            p50_us: latency.map_or(0.0, |latency| latency.p50_us),
            p99_us: latency.map_or(0.0, |latency| latency.p99_us),
            p999_us: latency.map_or(0.0, |latency| latency.p999_us),
            ssd_share: run.tiers.ssd_share(),
            ssd_reads_per_s: (reads > 0.0).then(|| ssd_reads / run.elapsed_s),
            miss_share: (reads > 0.0).then(|| run.counts.misses as f64 / reads),
            device_bytes_per_ssd_read: run
                .device_bytes_read
                .filter(|_| ssd_reads > 0.0)
                .map(|bytes| bytes as f64 / ssd_reads),
        }
    }

    /// The median of every figure by itself.
    fn median(rounds: &[RunResult]) -> Self {
        let all: Vec<Self> = rounds.iter().map(Self::of).collect();
        let of = |figure: fn(&Self) -> f64| median(all.iter().map(figure)).unwrap_or(0.0);
        let of_known = |figure: fn(&Self) -> Option<f64>| median(all.iter().filter_map(figure));
        Self {
            requests_per_s: of(|f| f.requests_per_s),
            cpu_us: of_known(|f| f.cpu_us),
            p50_us: of(|f| f.p50_us),
            p99_us: of(|f| f.p99_us),
            p999_us: of(|f| f.p999_us),
            ssd_share: of_known(|f| f.ssd_share),
            ssd_reads_per_s: of_known(|f| f.ssd_reads_per_s),
            miss_share: of_known(|f| f.miss_share),
            device_bytes_per_ssd_read: of_known(|f| f.device_bytes_per_ssd_read),
        }
    }
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median([].into_iter()), None);
    }
}
