//! Tables of a comparison.

use super::{optional, percent, ratio};
use crate::measure::compare::{Comparison, PageCache, ScenarioResult, ServerResult};
use crate::report::table::Table;
use crate::units::{format_bytes, format_count, format_us};

pub(super) fn tables(comparison: &Comparison) -> Vec<Table> {
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
