//! Which figures stand in which table.

use super::table::Table;
use super::{Body, Report};
use crate::driver::Pace;
use crate::measure::compare::{Comparison, PageCache, ScenarioResult, ServerResult};
use crate::measure::latency::LatencySummary;
use crate::measure::run::RunResult;
use crate::measure::usage::CpuPerRequest;
use crate::units::{format_bytes, format_count, format_us};

/// Stands where a figure is not known.
pub(super) const ABSENT: &str = "-";

/// All tables of a report.
pub fn tables(report: &Report) -> Vec<Table> {
    match &report.body {
        Body::Runs { runs } => run_tables(runs),
        Body::Comparison(comparison) => compare_tables(comparison),
    }
}

fn run_tables(runs: &[RunResult]) -> Vec<Table> {
    let mut tables = vec![throughput(runs), latency(runs)];
    tables.extend(tiers(runs));
    tables.extend(hit_ratio(runs));
    tables
}

fn throughput(runs: &[RunResult]) -> Table {
    let mut table = Table::new(
        "Throughput and CPU",
        [
            "run",
            "server",
            "requests",
            "seconds",
            "requests/s",
            "errors",
            "server CPU us/req",
            "user",
            "system",
            "client CPU us/req",
            "RSS",
            "peak RSS",
        ],
    );
    for run in runs {
        let cpu = |value: fn(&CpuPerRequest) -> f64| optional(run.server_cpu.as_ref().map(value), format_us);
        table.row([
            run.label.clone(),
            format!("{} {}", run.server.name, run.server.version),
            format_count(run.counts.answered as f64),
            format!("{:.2}", run.elapsed_s),
            format!("{:.0}", run.requests_per_s),
            run.counts.refused.to_string(),
            cpu(CpuPerRequest::total_us),
            cpu(|cpu| cpu.user_us),
            cpu(|cpu| cpu.system_us),
            optional(run.client_cpu.map(|cpu| cpu.total_us()), format_us),
            optional(run.rss_bytes.map(|bytes| bytes as f64), format_bytes),
            optional(run.peak_rss_bytes.map(|bytes| bytes as f64), format_bytes),
        ]);
        table.note(describe(run));
        for caveat in run.caveats() {
            table.note(format!("{}: {caveat}", run.label));
        }
        for (message, times) in &run.messages {
            table.note(format!("{}: {times} x {message}", run.label));
        }
    }
    table
}

/// What a run sent, as a sentence.
pub(super) fn describe(run: &RunResult) -> String {
    let (spec, driver) = (&run.workload, &run.driver);
    let pace = match driver.pace {
        Pace::Closed => "closed loop".to_owned(),
        Pace::Open { rate_per_s, arrivals } => {
            format!("open loop, {rate_per_s} requests/s, {arrivals} arrivals")
        }
    };
    let scan = match spec.scan_share {
        share if share > 0.0 => format!(", {:.0} % of all requests a scan", share * 100.0),
        _ => String::new(),
    };
    format!(
        "{}: {} keys of {} bytes, values of {} bytes; {}, {:.0} % reads{scan}; {} clients, pipeline {}, {pace}",
        run.label,
        format_count(spec.keys as f64),
        spec.key_bytes,
        spec.value_size,
        spec.distribution,
        spec.read_share * 100.0,
        driver.clients,
        driver.pipeline,
    )
}

fn latency(runs: &[RunResult]) -> Table {
    let mut table = Table::new(
        "Latency in microseconds",
        ["run", "class", "count", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"],
    );
    let mut row = |run: &str, class: &str, summary: &LatencySummary| {
        let figures = [
            summary.mean_us,
            summary.p50_us,
            summary.p90_us,
            summary.p99_us,
            summary.p999_us,
            summary.p9999_us,
            summary.max_us,
        ];
        let texts = [run.to_owned(), class.to_owned(), format_count(summary.count as f64)];
        table.row(texts.into_iter().chain(figures.map(format_us)));
    };
    let mut probed = false;
    for run in runs {
        for latency in &run.latency {
            row(&run.label, &latency.class, &latency.summary);
            probed |= latency.class.contains("from");
        }
        if let Some(lag) = &run.send_lag {
            row(&run.label, "sent late by", lag);
        }
    }
    if probed {
        table.note(
            "reads from memory and from ssd are a sample: the server was asked where the value is right before the read",
        );
    }
    if runs.iter().any(|run| run.driver.pipeline > 1) {
        table.note("with a pipeline, a latency is that of a request's whole batch");
    }
    table
}

fn tiers(runs: &[RunResult]) -> Option<Table> {
    let mut table = Table::new(
        "Tiers, by the server's own counters",
        [
            "run",
            "hits memory",
            "hits ssd",
            "misses",
            "items memory",
            "items ssd",
            "ssd bytes/read",
            "device bytes/read",
            "ssd p50",
            "ssd p99",
            "added p50",
            "added p99",
            "write ampl.",
        ],
    );
    for run in runs {
        let tiers = &run.tiers;
        let reads = (tiers.hits_memory + tiers.hits_ssd) as f64;
        let per_read = |bytes: Option<u64>| {
            optional(bytes.filter(|_| reads > 0.0), |bytes| format!("{:.0}", bytes as f64 / reads))
        };
        let (ssd, added) = (tiers.ssd_latency, tiers.added_latency);
        table.row([
            run.label.clone(),
            format_count(tiers.hits_memory as f64),
            format_count(tiers.hits_ssd as f64),
            format_count(tiers.misses as f64),
            optional(tiers.items_memory, |items| format_count(items as f64)),
            optional(tiers.items_ssd, |items| format_count(items as f64)),
            per_read(tiers.ssd_bytes_read),
            per_read(run.device_bytes_read),
            optional(ssd.map(|latency| latency.p50_us), format_us),
            optional(ssd.map(|latency| latency.p99_us), format_us),
            optional(added.map(|latency| latency.p50_us), format_us),
            optional(added.map(|latency| latency.p99_us), format_us),
            optional(tiers.write_amplification, |factor| format!("{factor:.2}")),
        ]);
    }
    let is_empty = runs.iter().all(|run| run.tiers.hits_memory + run.tiers.hits_ssd + run.tiers.misses == 0);
    (!is_empty).then_some(table)
}

fn hit_ratio(runs: &[RunResult]) -> Option<Table> {
    let mut table = Table::new(
        "Memory hit ratio",
        [
            "run",
            "server, all reads",
            "main stream (probed)",
            "scan (probed)",
            "exact LRU, all reads",
            "exact LRU, main",
            "exact LRU without scan",
            "LRU items",
        ],
    );
    let mut is_empty = true;
    for run in runs {
        let ratio = &run.hit_ratio;
        is_empty &= ratio.lru.is_none() && ratio.main_probed.is_none();
        let main = match (ratio.main_probed, ratio.main_probed_error) {
            (Some(share), Some(error)) => format!("{} ± {:.1} %", percent(share), error * 100.0),
            _ => ABSENT.to_owned(),
        };
        table.row([
            run.label.clone(),
            optional(ratio.server, percent),
            main,
            optional(ratio.scan_probed, percent),
            optional(ratio.lru.and_then(|lru| lru.overall_hit_ratio()), percent),
            optional(ratio.lru.and_then(|lru| lru.hit_ratio()), percent),
            optional(ratio.lru_without_scan.and_then(|lru| lru.hit_ratio()), percent),
            optional(ratio.lru_items, |items| format_count(items as f64)),
        ]);
    }
    (!is_empty).then_some(table)
}

fn compare_tables(comparison: &Comparison) -> Vec<Table> {
    let mut tables: Vec<Table> = comparison.scenarios.iter().map(scenario_table).collect();
    tables.extend(ratio_table(comparison));
    tables
}

fn scenario_table(scenario: &ScenarioResult) -> Table {
    let title = format!("{}: {}", scenario.name, scenario.description);
    let mut table = Table::new(
        &title,
        [
            "server",
            "requests/s",
            "CPU us/req",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "from SSD",
            "SSD reads/s",
            "device bytes per SSD read",
            "misses",
            "load SET/s",
            "peak RSS",
        ],
    );
    for server in &scenario.servers {
        let (median, load) = (&server.median, &server.load);
        table.row([
            server.name.clone(),
            format!("{:.0}", median.requests_per_s),
            optional(median.cpu_us, format_us),
            format_us(median.p50_us),
            format_us(median.p99_us),
            format_us(median.p999_us),
            optional(median.ssd_share, percent),
            optional(median.ssd_reads_per_s, |rate| format!("{rate:.0}")),
            optional(median.device_bytes_per_ssd_read, |bytes| format!("{bytes:.0}")),
            optional(median.miss_share, percent),
            format!("{:.0}{}", load.sets_per_s, if load.is_paced { " (paced)" } else { "" }),
            optional(load.peak_rss_bytes.map(|bytes| bytes as f64), format_bytes),
        ]);
        if load.refused > 0 {
            table.note(format!("{} refused {} writes of the load", server.name, load.refused));
        }
    }
    if let Some(run) = scenario.servers.first().and_then(|server| server.rounds.first()) {
        let spec = &run.workload;
        table.note(format!(
            "{} keys of {} bytes, values of {} bytes ({}), {} of memory for each server with a second tier",
            format_count(spec.keys as f64),
            spec.key_bytes,
            spec.value_size,
            format_bytes(spec.data_bytes()),
            format_bytes(scenario.maxmemory_bytes as f64),
        ));
    }
    table
}

/// The first server's figures over each other's.
fn ratio_table(comparison: &Comparison) -> Option<Table> {
    let first = comparison.scenarios.first()?.servers.first()?;
    let title = format!("{} beside the others (medians of {} rounds)", first.name, comparison.rounds);
    let mut table = Table::new(
        &title,
        [
            "scenario",
            "other",
            "x its rate",
            "x its SSD reads/s",
            "x its CPU per request",
            "x its p50",
            "x its p99",
        ],
    );
    let ratio =
        |ours: f64, theirs: f64| optional((theirs > 0.0).then(|| ours / theirs), |r| format!("{r:.2}"));
    for scenario in &comparison.scenarios {
        let [first, others @ ..] = &scenario.servers[..] else { continue };
        for ServerResult { name, median: theirs, .. } in others {
            let ours = &first.median;
            let of = |ours: Option<f64>, theirs: Option<f64>| {
                optional(ours.zip(theirs), |(ours, theirs)| ratio(ours, theirs))
            };
            table.row([
                scenario.name.clone(),
                name.clone(),
                ratio(ours.requests_per_s, theirs.requests_per_s),
                of(ours.ssd_reads_per_s, theirs.ssd_reads_per_s),
                of(ours.cpu_us, theirs.cpu_us),
                ratio(ours.p50_us, theirs.p50_us),
                ratio(ours.p99_us, theirs.p99_us),
            ]);
        }
    }
    if comparison.page_cache == PageCache::Drop {
        table.note("memcached's file is kept out of the page cache: its SSD reads are reads of the device, as ours are");
    } else {
        table.note("memcached's file may be in the page cache: look at its device bytes per SSD read");
    }
    (!table.rows().is_empty()).then_some(table)
}

pub(super) fn optional<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| ABSENT.to_owned(), format)
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
