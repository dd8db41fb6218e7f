//! Results as they are shown: every kind of report becomes text, JSON and a page that needs no network.

use std::path::Path;

use super::support::{Faults, StubServer};
use tiering_bench::cost::footprint::Footprint;
use tiering_bench::cost::nodes::NodeTable;
use tiering_bench::cost::price::{Demand, RequestCosts, price};
use tiering_bench::driver::{DriverConfig, Length};
use tiering_bench::measure::capacity::{CapacityPoint, KeyCost};
use tiering_bench::measure::compare::{
    Comparison, Figures, LoadFigures, PageCache, ScenarioResult, ServerResult,
};
use tiering_bench::measure::environment::Environment;
use tiering_bench::measure::run::{LruCapacity, RunPlan, RunResult, Unwatched, Versioning, run};
use tiering_bench::report::{Body, CapacityReport, CostReport, Report, html, terminal};
use tiering_bench::target::wire::Wire;
use tiering_bench::workload::WorkloadSpec;

fn measured(label: &str) -> RunResult {
    let server = StubServer::start(Wire::Resp, Faults { has_tiers: true, ..Faults::default() });
    let plan = RunPlan {
        label: label.to_owned(),
        endpoint: server.endpoint,
        workload: WorkloadSpec { keys: 100, read_share: 0.5, scan_share: 0.1, ..WorkloadSpec::default() },
        driver: DriverConfig { clients: 2, probe_share: 0.2, ..DriverConfig::default() },
        warm_up: None,
        length: Length::Requests(2000),
        versioning: Versioning::Rising,
        pid: None,
        lru: LruCapacity::Items(50),
    };
    let loading =
        RunPlan { workload: plan.workload.loading(), length: Length::Requests(100), ..plan.clone() };
    run(&loading, &Unwatched).expect("loaded");
    run(&plan, &Unwatched).expect("a run")
}

fn report(body: Body) -> Report {
    Report { environment: Environment::find(Path::new(".")), body }
}

fn comparison() -> Report {
    let result = |name: &str| ServerResult {
        name: name.to_owned(),
        command_line: format!("{name} --port 1"),
        load: LoadFigures { sets_per_s: 1000.0, is_paced: true, refused: 3, peak_rss_bytes: Some(1 << 20) },
        median: Figures { requests_per_s: 1000.0, cpu_us: Some(5.0), ..Figures::default() },
        rounds: vec![measured(name)],
    };
    let scenario = ScenarioResult {
        name: "cold".to_owned(),
        description: "GET from SSD <uniform> & cold".to_owned(),
        maxmemory_bytes: 1 << 28,
        servers: vec![result("thermocline"), result("memcached")],
    };
    report(Body::Comparison(Comparison {
        rounds: 1,
        seconds: 1.0,
        page_cache: PageCache::Drop,
        scenarios: vec![scenario],
    }))
}

fn capacity() -> Report {
    let run = measured("thermocline");
    let point = |keys: u64| CapacityPoint {
        keys,
        rss_bytes: 1_000_000 + keys * 48,
        items_memory: Some(0),
        items_ssd: Some(keys),
    };
    let server = KeyCost {
        name: "thermocline".to_owned(),
        server: run.server,
        command_line: "thermocline".to_owned(),
        workload: WorkloadSpec { keys: 2_000_000, value_size: "100".parse().expect("valid"), ..run.workload },
        points: vec![point(0), point(1_000_000), point(2_000_000)],
        growth_bytes_per_key: 48.0,
        fitted_bytes_per_key: 48.0,
        ssd_bytes_per_item: Some(160.0),
        peak_rss_bytes: 1 << 30,
        refused: 0,
    };
    assert_eq!(server.overhead_bytes(), 32.0);
    assert_eq!(server.footprint().ssd_overhead_bytes, Some(44.0));
    let nodes = NodeTable::load(None).expect("valid");
    report(Body::Capacity(CapacityReport {
        servers: vec![server],
        nodes,
        table_value_bytes: vec![100.0, 1000.0],
    }))
}

fn cost() -> Report {
    let nodes = NodeTable::load(None).expect("valid");
    let costs =
        RequestCosts { memory_cpu_us: 6.0, ssd_cpu_us: 12.0, memory_latency_us: 60.0, ssd_latency_us: 150.0 };
    let demand = Demand {
        key_bytes: 16.0,
        value_bytes: 1000.0,
        hit_ratio: 0.9,
        keys: Some(1e9),
        rate_per_s: Some(1e6),
    };
    let footprints = vec![Footprint::redis_measured_before(), Footprint::thermocline_design()];
    let store = |has_ssd: bool| &footprints[usize::from(has_ssd)];
    let prices =
        nodes.nodes.iter().map(|node| price(node, &nodes, store(node.has_ssd()), &costs, &demand)).collect();
    report(Body::Cost(CostReport { demand, costs, footprints, nodes, prices }))
}

fn all() -> Vec<Report> {
    let runs = Body::Runs { runs: vec![measured("first"), measured("second <&>")] };
    vec![report(runs), comparison(), capacity(), cost()]
}

/// Every element is closed in the order in which it was opened.
fn assert_well_formed(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let mut open = Vec::new();
    for tag in body.split('<').skip(1).map(|rest| rest.split_once('>').expect("a tag that ends").0) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}> closes something else"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().expect("a name")),
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
}

#[test]
fn every_report_becomes_a_well_formed_page_with_plots() {
    for report in all() {
        let page = html::render(&report);
        assert_well_formed(&page);
        assert!(page.contains("<svg") && page.contains("class=\"tile\"") && page.contains("<table>"));
        assert!(!page.contains("NaN") && !page.contains("inf"), "a plot has a point nowhere");
    }
}

#[test]
fn a_page_needs_no_network_and_no_script() {
    for report in all() {
        let page = html::render(&report);
        for word in ["http://", "https://", "src=", "href=", "url(", "@import", "<script", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }
}

#[test]
fn the_latency_of_each_tier_has_a_curve() {
    let page = html::render(&report(Body::Runs { runs: vec![measured("run")] }));
    for class in ["read from memory", "read from ssd", "scan read", "write"] {
        assert!(page.contains(&format!("</i>{class}</span>")), "{class} is not in a legend");
    }
}

#[test]
fn a_report_survives_json() {
    for report in all() {
        let json = serde_json::to_string(&report).expect("plain data");
        let read: Report = serde_json::from_str(&json).expect("what was written");
        // Floating point numbers may lose their last bit; what is shown may not change.
        assert_eq!(terminal::render(&read), terminal::render(&report));
    }
}

#[test]
fn the_terminal_shows_what_counts() {
    let text = all().iter().map(terminal::render).collect::<Vec<_>>().join("\n");
    for word in [
        "read from ssd",
        "exact LRU",
        "thermocline beside the others",
        "1000 (paced)",
        "memcached refused 3 writes",
        "cache.r6gd.xlarge",
        "the second tier",
    ] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
}

#[test]
fn a_lost_or_corrupt_value_makes_a_report_unsound() {
    let mut run = measured("run");
    assert!(report(Body::Runs { runs: vec![run.clone()] }).is_sound());
    run.counts.lost = 1;
    assert!(!report(Body::Runs { runs: vec![run] }).is_sound());
}
