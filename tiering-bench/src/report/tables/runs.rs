//! Tables of measured runs.

use super::{ABSENT, optional, percent};
use crate::driver::Pace;
use crate::measure::latency::LatencySummary;
use crate::measure::run::RunResult;
use crate::measure::usage::CpuPerRequest;
use crate::report::table::Table;
use crate::units::{format_bytes, format_count, format_us};

pub(super) fn tables(runs: &[RunResult]) -> Vec<Table> {
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
fn describe(run: &RunResult) -> String {
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
    if runs.iter().any(|run| run.driver.probe_share > 0.0) && probed {
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
            "bytes per ssd read",
            "device bytes per ssd read",
            "ssd p50",
            "ssd p99",
            "added p50",
            "added p99",
            "write ampl.",
        ],
    );
    for run in runs {
        let tiers = &run.tiers;
        let ssd_reads = tiers.hits_ssd as f64;
        let per_read = |bytes: Option<u64>| {
            optional(bytes.filter(|_| ssd_reads > 0.0), |bytes| format!("{:.0}", bytes as f64 / ssd_reads))
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
