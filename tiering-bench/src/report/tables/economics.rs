//! Tables of capacity and cost.

use super::{optional, percent};
use crate::cost::footprint::{Fit, HOT_VALUES_SHARE, Limit, SSD_FILL_SHARE};
use crate::cost::price::{CPU_SHARE, NodePrice};
use crate::report::table::Table;
use crate::report::{CapacityReport, CostReport};
use crate::units::{format_bytes, format_count};

pub(super) fn capacity_tables(report: &CapacityReport) -> Vec<Table> {
    let mut tables = vec![bytes_per_key(report), points(report)];
    tables.extend(fits(report));
    tables
}

fn bytes_per_key(report: &CapacityReport) -> Table {
    let mut table = Table::new(
        "DRAM per key, by resident set size",
        [
            "server",
            "keys",
            "bytes/key",
            "fitted",
            "of it key",
            "of it value",
            "overhead",
            "items on SSD",
            "SSD bytes/item",
            "peak RSS",
            "refused",
        ],
    );
    for server in &report.servers {
        let spec = &server.workload;
        let own_bytes = spec.key_bytes as f64 + server.overhead_bytes();
        table.row([
            format!("{} {}", server.name, server.server.version),
            format_count(spec.keys as f64),
            format!("{:.1}", server.growth_bytes_per_key),
            format!("{:.1}", server.fitted_bytes_per_key),
            spec.key_bytes.to_string(),
            format!("{:.0}", server.growth_bytes_per_key - own_bytes),
            format!("{:.1}", server.overhead_bytes()),
            optional(server.ssd_share(), percent),
            optional(server.ssd_bytes_per_item, |bytes| format!("{bytes:.0}")),
            format_bytes(server.peak_rss_bytes as f64),
            server.refused.to_string(),
        ]);
    }
    table.note("bytes/key: growth of the process from empty to full over the number of keys, allocator slack included");
    table.note("fitted: slope of a line through the points below, without the empty server");
    table
}

fn points(report: &CapacityReport) -> Table {
    let mut table = Table::new(
        "Resident set size on the way",
        ["server", "keys", "RSS", "items in memory", "items on SSD"],
    );
    for server in &report.servers {
        for point in &server.points {
            table.row([
                server.name.clone(),
                format_count(point.keys as f64),
                format_bytes(point.rss_bytes as f64),
                optional(point.items_memory, |items| format_count(items as f64)),
                optional(point.items_ssd, |items| format_count(items as f64)),
            ]);
        }
    }
    table
}

/// Millions of keys that fit each node, one table per server, one column per value size.
fn fits(report: &CapacityReport) -> Vec<Table> {
    let table_of = |footprint: &crate::cost::footprint::Footprint, key_bytes: f64| {
        let is_tiered = footprint.ssd_overhead_bytes.is_some();
        let columns = report.table_value_bytes.iter().map(|bytes| format!("{bytes:.0} B values"));
        let title = format!("Million keys of {key_bytes} bytes that fit a node: {}", footprint.store);
        let mut table = Table::new(&title, ["node".to_owned()].into_iter().chain(columns));
        for node in report.nodes.nodes.iter().filter(|node| node.has_ssd() == is_tiered) {
            let cells = report.table_value_bytes.iter().map(|&value_bytes| {
                let fit = footprint.fit(node, &report.nodes, key_bytes, value_bytes);
                let memory = if fit.limit == Limit::Memory && is_tiered { " (DRAM full)" } else { "" };
                format!("{:.1}{memory}", fit.keys / 1e6)
            });
            table.row([node.name.clone()].into_iter().chain(cells));
        }
        table.note(assumptions(report.nodes.reserved_memory_share, is_tiered));
        table
    };
    report
        .servers
        .iter()
        .map(|server| table_of(&server.footprint(), server.workload.key_bytes as f64))
        .collect()
}

fn assumptions(reserved_memory_share: f64, is_tiered: bool) -> String {
    let reserved =
        format!("{:.0} % of the memory is reserved for what is not data", reserved_memory_share * 100.0);
    if !is_tiered {
        return reserved;
    }
    format!(
        "{reserved}; of the rest {:.0} % is kept for hot values; the SSD is filled to {:.0} %",
        HOT_VALUES_SHARE * 100.0,
        SSD_FILL_SHARE * 100.0
    )
}

pub(super) fn cost_tables(report: &CostReport) -> Vec<Table> {
    let demand = &report.demand;
    let currency = &report.nodes.currency;
    let title = format!(
        "Price of keys of {} bytes with values of {} bytes, at a memory hit ratio of {}",
        demand.key_bytes,
        demand.value_bytes,
        percent(demand.hit_ratio)
    );
    let has_total = report.prices.iter().any(|price| price.nodes_needed.is_some());
    let mut header = vec![
        "node",
        "store",
        "month",
        "million keys",
        "GB of data",
        "full first",
        "values in DRAM",
        "per GB-month",
        "per million keys",
        "requests/s",
        "mean read us",
    ];
    if has_total {
        header.extend(["nodes", "total month"]);
    }
    let mut table = Table::new(&title, header);
    for price in &report.prices {
        let Fit { keys, limit, memory_share } = price.fit;
        let mut row = vec![
            price.node.clone(),
            price.store.clone(),
            format!("{:.0}", price.monthly),
            format!("{:.1}", keys / 1e6),
            format!("{:.1}", price.data_gb),
            if limit == Limit::Memory { "DRAM" } else { "SSD" }.to_owned(),
            percent(memory_share),
            format!("{:.2}", price.per_gb_month),
            format!("{:.2}", price.per_million_keys_month),
            format_count(price.requests_per_s),
            format!("{:.0}", price.mean_latency_us),
        ];
        if has_total {
            row.push(optional(price.nodes_needed, |nodes| nodes.to_string()));
            row.push(optional(price.total_monthly, |total| format!("{total:.0}")));
        }
        table.row(row);
    }
    table.note(format!(
        "prices in {currency}; {} ({}). {}",
        report.nodes.source, report.nodes.as_of, report.nodes.note
    ));
    table.note(assumptions(report.nodes.reserved_memory_share, true));
    table.note(format!(
        "requests/s: what {:.0} % of the CPUs can do at {} us (DRAM) and {} us (SSD) of CPU per request, redis-server's on one thread; network and SSD limits are not in it",
        CPU_SHARE * 100.0,
        report.costs.memory_cpu_us,
        report.costs.ssd_cpu_us
    ));
    for footprint in &report.footprints {
        table.note(format!(
            "{}: {:.1} bytes of DRAM per key beside the data{}; {}",
            footprint.store,
            footprint.dram_overhead_bytes,
            optional_text(footprint.ssd_overhead_bytes),
            footprint.basis
        ));
    }
    let mut tables = vec![table];
    tables.extend(savings(report));
    tables
}

fn optional_text(ssd_overhead_bytes: Option<f64>) -> String {
    ssd_overhead_bytes.map_or_else(String::new, |bytes| format!(", {bytes:.0} of SSD"))
}

/// The cheapest node of each kind, side by side.
fn savings(report: &CostReport) -> Option<Table> {
    let cheapest = |is_tiered: bool, by: fn(&NodePrice) -> f64| {
        report
            .prices
            .iter()
            .filter(|price| price.is_tiered == is_tiered)
            .min_by(|a, b| by(a).total_cmp(&by(b)))
    };
    let by: fn(&NodePrice) -> f64 = |price| price.total_monthly.unwrap_or(price.per_gb_month);
    let (one, two) = (cheapest(false, by)?, cheapest(true, by)?);
    let mut table = Table::new(
        "The cheapest node of each kind",
        ["", "node", "per GB-month", "per million keys", "total month"],
    );
    for (kind, price) in [("DRAM only", one), ("DRAM and SSD", two)] {
        table.row([
            kind.to_owned(),
            price.node.clone(),
            format!("{:.2}", price.per_gb_month),
            format!("{:.2}", price.per_million_keys_month),
            optional(price.total_monthly, |total| format!("{total:.0}")),
        ]);
    }
    let factor = by(one) / by(two);
    table.note(format!("the second tier makes it {factor:.2} times cheaper"));
    Some(table)
}
