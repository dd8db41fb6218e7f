//! One measured run: connect, warm up, look at every counter, send the load, look again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::exact_lru::{LaneLength, LruOutcome, ScanPart, replay};
use super::latency::LatencySummary;
use super::timeline::{Timeline, TimelinePoint};
use super::usage::{CpuPerRequest, Usage, listening_process};
use crate::driver::recorder::{Class, Counts, Record};
use crate::driver::{Driver, DriverConfig, Length, Observation, Outcome, Pace, Versions};
use crate::target::Endpoint;
use crate::target::control::{Control, ServerIdentity, ServerKind};
use crate::target::counters::TierCounters;
use crate::workload::WorkloadSpec;
use crate::workload::ledger::VersionLedger;

/// How often a timeline gets a point.
const TICK: Duration = Duration::from_secs(1);

/// The points of a run shorter than ten ticks are closer, but not closer than this: the server's counters are read
/// for each.
const SHORTEST_TICK: Duration = Duration::from_millis(200);

/// What to measure.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The name in reports.
    pub label: String,
    /// The server.
    pub endpoint: Endpoint,
    /// The requests.
    pub workload: WorkloadSpec,
    /// The clients.
    pub driver: DriverConfig,
    /// Sent before, and not measured.
    pub warm_up: Option<Length>,
    /// What is measured.
    pub length: Length,
    /// Which versions are written and expected.
    pub versioning: Versioning,
    /// The server's process, if it cannot be found by itself.
    pub pid: Option<u32>,
    /// Whether and with which capacity an exact LRU replays the requests.
    pub lru: LruCapacity,
}

/// Which versions a run writes and expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// Every write carries this version.
    Fixed(u32),
    /// Writes carry rising versions; nothing is checked.
    Rising,
    /// As above, and every value read is checked; all keys were loaded at this version, or maybe never if it is 0.
    Verified(u32),
}

impl Versioning {
    /// The versions of `keys` keys from here on.
    pub(super) fn versions(self, keys: u64) -> Versions {
        match self {
            Self::Fixed(version) => Versions::Fixed(version),
            Self::Rising => Versions::Rising,
            Self::Verified(loaded) => {
                Versions::Verified(Arc::new(Mutex::new(VersionLedger::new(keys, loaded))))
            }
        }
    }
}

/// The capacity of the exact LRU that a hit ratio is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LruCapacity {
    /// No comparison.
    Off,
    /// As many items as the server held in DRAM on average.
    ServerItems,
    /// So many items.
    Items(u64),
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The name in reports.
    pub label: String,
    /// Who answered.
    pub server: ServerIdentity,
    /// What was sent.
    pub workload: WorkloadSpec,
    /// By whom.
    pub driver: DriverConfig,
    /// Seconds from the first request to the last answer.
    pub elapsed_s: f64,
    /// Requests answered per second.
    pub requests_per_s: f64,
    /// Answers by kind.
    pub counts: Counts,
    /// Latencies by class; classes without a request are left out.
    pub latency: Vec<ClassLatency>,
    /// How late requests were sent (open loop): if this is not small, the client was the limit.
    pub send_lag: Option<LatencySummary>,
    /// What the server counted meanwhile.
    pub tiers: TierCounters,
    /// How often DRAM answered.
    pub hit_ratio: HitRatio,
    /// The server's CPU time, if its process is on this machine.
    pub server_cpu: Option<CpuPerRequest>,
    /// This process's CPU time.
    pub client_cpu: Option<CpuPerRequest>,
    /// The server's resident set size at the end.
    pub rss_bytes: Option<u64>,
    /// The highest it has been since the server started.
    pub peak_rss_bytes: Option<u64>,
    /// Bytes that the server's process made block devices read.
    pub device_bytes_read: Option<u64>,
    /// What the server said when it refused, and what failed checks found.
    pub messages: Vec<(String, u64)>,
    /// The run over time.
    pub timeline: Vec<TimelinePoint>,
}

/// The latencies of one class of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassLatency {
    /// What they have in common.
    pub class: String,
    /// The distribution.
    pub summary: LatencySummary,
}

/// How often DRAM answered, by every way it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HitRatio {
    /// By the server's counters: hits in DRAM over all hits, of both streams together. Exact.
    pub server: Option<f64>,
    /// Of the main stream, by the probed reads. A sample.
    pub main_probed: Option<f64>,
    /// Of the scan, by the probed reads. A sample.
    pub scan_probed: Option<f64>,
    /// Standard error of `main_probed`.
    pub main_probed_error: Option<f64>,
    /// Capacity of the exact LRU.
    pub lru_items: Option<u64>,
    /// The exact LRU on the same requests.
    pub lru: Option<LruOutcome>,
    /// The exact LRU on the main stream alone, if there was a scan.
    pub lru_without_scan: Option<LruOutcome>,
}

/// Is told how a run goes.
pub trait Watcher {
    /// A phase begins.
    fn phase(&self, _label: &str, _phase: &str, _length: Length) {}
    /// Part of it is done.
    fn observed(&self, _observation: &Observation<'_>) {}
    /// It is over.
    fn finished(&self) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Watcher for Unwatched {}

/// Runs `plan`.
///
/// # Errors
///
/// If the server cannot be reached, fails, or answers nonsense. Errors that the server answers with are results,
/// not errors.
pub fn run(plan: &RunPlan, watcher: &dyn Watcher) -> Result<RunResult> {
    let mut control = Control::connect(&plan.endpoint)?;
    let server = control.identify()?;
    let pid = plan.pid.or_else(|| local_process(&plan.endpoint, &server));
    let versions = plan.versioning.versions(plan.workload.keys);
    let mut config = plan.driver.clone();
    if server.kind != ServerKind::Thermocline {
        // Nobody else can say where a value is.
        config.probe_share = 0.0;
    }
    let mut driver = Driver::connect(&plan.endpoint, &config, &plan.workload, &versions)?;
    if let Some(length) = plan.warm_up {
        watcher.phase(&plan.label, "warm-up", length);
        driver.run(length, TICK, &mut |observation| {
            watcher.observed(observation);
            Ok(())
        })?;
        watcher.finished();
    }
    let warm_up_drawn = driver.drawn();
    if server.kind == ServerKind::Thermocline {
        control.command(&["TIER", "LATENCY", "RESET"])?;
    }

    watcher.phase(&plan.label, "measuring", plan.length);
    let before = Look::take(&mut control, &server, pid)?;
    let mut timeline = Timeline::start(before.tiers.clone(), before.server);
    let outcome = driver.run(plan.length, tick(plan.length), &mut |observation| {
        watcher.observed(observation);
        let look = Look::take(&mut control, &server, pid)?;
        timeline.add(observation, look.tiers, look.server);
        Ok(())
    })?;
    let after = Look::take(&mut control, &server, pid)?;
    watcher.finished();

    let lanes: Vec<LaneLength> = std::iter::zip(&warm_up_drawn, driver.drawn())
        .map(|(&warm_up, all)| LaneLength { warm_up, measured: all - warm_up })
        .collect();
    let items = match plan.lru {
        LruCapacity::Off => None,
        LruCapacity::Items(items) => Some(items),
        LruCapacity::ServerItems => timeline.mean_items_memory(),
    };
    let hit_ratio =
        hit_ratio(&plan.workload, &lanes, items, &outcome.record, &after.tiers.since(&before.tiers));
    let described = Described { label: &plan.label, workload: &plan.workload, driver: config, server };
    Ok(assemble(described, outcome, (before, after), hit_ratio, timeline.into_points()))
}

/// What was run, on what.
pub(super) struct Described<'a> {
    pub(super) label: &'a str,
    pub(super) workload: &'a WorkloadSpec,
    pub(super) driver: DriverConfig,
    pub(super) server: ServerIdentity,
}

/// Everything that can be read beside the load, read once.
pub(super) struct Look {
    pub(super) tiers: TierCounters,
    pub(super) server: Option<Usage>,
    pub(super) client: Usage,
}

impl Look {
    fn take(control: &mut Control, server: &ServerIdentity, pid: Option<u32>) -> Result<Self> {
        Ok(Self {
            tiers: TierCounters::read(control, server.kind)?,
            server: pid.and_then(|pid| Usage::of(pid).ok()),
            client: Usage::of_this_process()?,
        })
    }
}

/// The server's process, if it is on this machine: what it says itself, checked by its port.
pub fn local_process(endpoint: &Endpoint, server: &ServerIdentity) -> Option<u32> {
    if !endpoint.address.ip().is_loopback() {
        return None;
    }
    listening_process(&endpoint.address).or(server.pid)
}

pub(super) fn tick(length: Length) -> Duration {
    match length {
        Length::Requests(_) => TICK,
        Length::Seconds(seconds) => Duration::from_secs_f64(seconds / 10.0).clamp(SHORTEST_TICK, TICK),
    }
}

pub(super) fn hit_ratio(
    spec: &WorkloadSpec,
    lanes: &[LaneLength],
    items: Option<u64>,
    record: &Record,
    tiers: &TierCounters,
) -> HitRatio {
    let share = |memory: u64, ssd: u64| (memory + ssd > 0).then(|| memory as f64 / (memory + ssd) as f64);
    let counts = &record.counts;
    let main_probed = share(counts.probed_memory, counts.probed_ssd);
    let probes = (counts.probed_memory + counts.probed_ssd) as f64;
    let capacity = items.map(|items| items as usize);
    HitRatio {
        server: tiers.memory_hit_ratio(),
        main_probed,
        scan_probed: share(counts.scan_probed_memory, counts.scan_probed_ssd),
        main_probed_error: main_probed.map(|p| (p * (1.0 - p) / probes).sqrt()),
        lru_items: items,
        lru: capacity.map(|capacity| replay(spec, lanes, capacity, ScanPart::Included)),
        lru_without_scan: capacity
            .filter(|_| spec.scan_share > 0.0)
            .map(|capacity| replay(spec, lanes, capacity, ScanPart::LeftOut)),
    }
}

/// Puts a result together.
pub(super) fn assemble(
    described: Described<'_>,
    outcome: Outcome,
    (before, after): (Look, Look),
    hit_ratio: HitRatio,
    timeline: Vec<TimelinePoint>,
) -> RunResult {
    let Described { label, workload, driver, server } = described;
    let Outcome { elapsed_s, record } = outcome;
    let answered = record.counts.answered;
    let cpu = |before: &Usage, after: &Usage| CpuPerRequest::between(before, after, answered, elapsed_s);
    let latency = Class::ALL
        .iter()
        .filter_map(|&class| {
            let summary = LatencySummary::of(record.latency(class))?;
            Some(ClassLatency { class: class.name().to_owned(), summary })
        })
        .collect();
    let is_open = matches!(driver.pace, Pace::Open { .. });
    RunResult {
        label: label.to_owned(),
        workload: workload.clone(),
        driver,
        elapsed_s,
        requests_per_s: answered as f64 / elapsed_s.max(1e-9),
        latency,
        send_lag: LatencySummary::of(&record.send_lag).filter(|_| is_open),
        tiers: after.tiers.since(&before.tiers),
        hit_ratio,
        server_cpu: before.server.zip(after.server).and_then(|(before, after)| cpu(&before, &after)),
        client_cpu: cpu(&before.client, &after.client),
        rss_bytes: after.server.map(|usage| usage.rss_bytes),
        peak_rss_bytes: after.server.map(|usage| usage.peak_rss_bytes),
        device_bytes_read: before.server.zip(after.server).and_then(|(before, after)| {
            Some(after.device_bytes_read?.saturating_sub(before.device_bytes_read?))
        }),
        messages: record.messages,
        counts: record.counts,
        server,
        timeline,
    }
}

impl RunResult {
    /// The latencies of a class, if there was a request of it.
    pub fn latency_of(&self, class: Class) -> Option<&LatencySummary> {
        self.latency.iter().find(|latency| latency.class == class.name()).map(|latency| &latency.summary)
    }

    /// What a reader of the result must know to trust it, each as a sentence.
    pub fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if let Some(cpu) = self.client_cpu
            && cpu.cores > 0.95 * self.driver.threads as f64
        {
            caveats.push(
                "the client's threads were busy all the time: the server may be faster than this".to_owned(),
            );
        }
        if let Some(lag) = &self.send_lag
            && lag.p99_us > 1000.0
        {
            caveats.push(format!("1 % of the requests were sent {:.1} ms late or later", lag.p99_us / 1e3));
        }
        let counts = &self.counts;
        if counts.misses > 0 {
            let reads = counts.misses + counts.hits;
            caveats.push(format!("{} of {reads} reads found no value", counts.misses));
        }
        if counts.refused > 0 {
            caveats.push(format!("the server refused {} requests", counts.refused));
        }
        if counts.corrupt + counts.lost > 0 {
            caveats
                .push(format!("{} values were corrupt and {} writes were lost", counts.corrupt, counts.lost));
        }
        caveats
    }
}
