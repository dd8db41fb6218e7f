//! The clients against a server that answers, stalls, lies, refuses, or goes away.

use std::time::Duration;

use super::support::{Faults, StubServer};
use tiering_bench::driver::pacer::Arrivals;
use tiering_bench::driver::recorder::Class;
use tiering_bench::driver::{DriverConfig, Length, Pace};
use tiering_bench::measure::run::{LruCapacity, RunPlan, RunResult, Unwatched, Versioning, run};
use tiering_bench::target::wire::Wire;
use tiering_bench::workload::WorkloadSpec;
use tiering_bench::workload::value_size::ValueSize;

fn plan(server: &StubServer, requests: u64) -> RunPlan {
    RunPlan {
        label: "test".to_owned(),
        endpoint: server.endpoint,
        workload: WorkloadSpec { keys: 1000, value_size: ValueSize::Fixed(100), ..WorkloadSpec::default() },
        driver: DriverConfig { clients: 4, timeout_ms: 10_000, ..DriverConfig::default() },
        warm_up: None,
        length: Length::Requests(requests),
        versioning: Versioning::Rising,
        pid: None,
        lru: LruCapacity::Off,
    }
}

fn load(server: &StubServer) -> RunResult {
    let plan = plan(server, 1000);
    let workload = plan.workload.loading();
    run(&RunPlan { workload, versioning: Versioning::Fixed(1), ..plan }, &Unwatched).expect("loaded")
}

fn loaded(wire: Wire, faults: Faults) -> StubServer {
    let server = StubServer::start(wire, faults);
    assert_eq!(load(&server).counts.stored, 1000);
    server
}

#[test]
fn every_key_is_loaded_once_and_read_back_in_both_protocols() {
    for wire in [Wire::Resp, Wire::Memcached] {
        let server = loaded(wire, Faults::default());
        assert_eq!((server.keys(), server.commands()), (1000, 1000), "{wire:?}");
        let mut plan = plan(&server, 5000);
        plan.versioning = Versioning::Verified(1);
        plan.workload.read_share = 0.5;
        plan.driver.pipeline = 7;
        let result = run(&plan, &Unwatched).expect("a run");
        let counts = &result.counts;
        assert_eq!(
            (counts.answered, counts.misses, counts.corrupt, counts.lost),
            (5000, 0, 0, 0),
            "{wire:?}"
        );
        assert_eq!(counts.hits + counts.stored, 5000);
        assert_eq!(result.latency_of(Class::Read).map(|summary| summary.count), Some(counts.hits));
        assert_eq!(server.commands(), 6000);
    }
}

#[test]
fn several_threads_share_the_requests_and_the_clients() {
    let server = StubServer::start(Wire::Resp, Faults::default());
    let mut plan = plan(&server, 1000);
    plan.workload = plan.workload.loading();
    plan.driver = DriverConfig { clients: 5, threads: 3, ..plan.driver };
    run(&plan, &Unwatched).expect("a run");
    assert_eq!((server.keys(), server.commands()), (1000, 1000));
}

#[test]
fn large_values_cross_many_reads_and_writes_of_the_socket() {
    let server = StubServer::start(Wire::Resp, Faults::default());
    let mut plan = plan(&server, 20);
    plan.workload =
        WorkloadSpec { keys: 20, value_size: "300kb-2mb".parse().expect("valid"), ..plan.workload };
    plan.driver.pipeline = 3;
    let loading =
        RunPlan { workload: plan.workload.loading(), versioning: Versioning::Fixed(1), ..plan.clone() };
    run(&loading, &Unwatched).expect("loaded");
    let result = run(&RunPlan { versioning: Versioning::Verified(1), ..plan }, &Unwatched).expect("a run");
    assert_eq!((result.counts.hits, result.counts.corrupt), (20, 0), "{:?}", result.messages);
}

#[test]
fn a_lost_write_is_found_by_verification() {
    let server = loaded(Wire::Resp, Faults { lose_every: Some(1_500), ..Faults::default() });
    let mut plan = plan(&server, 5000);
    // One client, so that no two writes of a key overlap and nothing is left uncertain.
    plan.driver.clients = 1;
    plan.workload = WorkloadSpec { keys: 10, read_share: 0.5, ..plan.workload };
    plan.versioning = Versioning::Verified(1);
    let result = run(&plan, &Unwatched).expect("a run");
    assert!(result.counts.lost > 0, "{:?}", result.counts);
    assert_eq!(result.counts.corrupt, 0);
}

#[test]
fn a_flipped_bit_is_found_by_verification() {
    let server = loaded(Wire::Memcached, Faults { corrupt_every: Some(100), ..Faults::default() });
    let plan = RunPlan { versioning: Versioning::Verified(1), ..plan(&server, 1000) };
    let result = run(&plan, &Unwatched).expect("a run");
    assert_eq!((result.counts.corrupt, result.counts.lost), (10, 0), "{:?}", result.messages);
}

#[test]
fn refusals_are_counted_and_quoted_and_do_not_end_the_run() {
    let server = StubServer::start(Wire::Resp, Faults { refuse_every: Some(10), ..Faults::default() });
    let mut plan = plan(&server, 1000);
    plan.workload = plan.workload.loading();
    let result = run(&plan, &Unwatched).expect("a run");
    assert_eq!((result.counts.stored, result.counts.refused), (900, 100));
    assert_eq!(result.messages, [("OOM command not allowed".to_owned(), 100)]);
}

#[test]
fn a_server_that_stops_answering_fails_the_run_within_the_timeout() {
    let server = StubServer::start(Wire::Resp, Faults { silent_from: Some(100), ..Faults::default() });
    let mut plan = plan(&server, 1000);
    plan.driver.timeout_ms = 200;
    let error = run(&plan, &Unwatched).expect_err("no answers").to_string();
    assert!(error.contains("had no answer to a read of key") && error.contains("0.2 s"), "{error}");
}

#[test]
fn a_closed_connection_fails_the_run() {
    let server = StubServer::start(Wire::Resp, Faults { close_at: Some(100), ..Faults::default() });
    let error = format!("{:#}", run(&plan(&server, 1000), &Unwatched).expect_err("closed"));
    assert!(error.contains("closed the connection") || error.contains("cannot send"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_named_in_the_error() {
    let mut plan = plan(&StubServer::start(Wire::Resp, Faults::default()), 1);
    plan.endpoint = "resp://127.0.0.1:1".parse().expect("valid");
    let error = format!("{:#}", run(&plan, &Unwatched).expect_err("nobody listens"));
    assert!(error.contains("resp://127.0.0.1:1"), "{error}");
}

const STALL: Duration = Duration::from_millis(500);

/// Requests that took longer than a tenth of the stall, as a share of all.
fn slow_share(result: &RunResult) -> f64 {
    let curve = &result.latency_of(Class::Read).expect("reads").curve;
    let limit_us = STALL.as_micros() as f64 / 10.0;
    let fast = curve.iter().take_while(|point| point.us < limit_us).last();
    1.0 - fast.map_or(0.0, |point| point.percentile / 100.0)
}

#[test]
fn a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one() {
    // 1500 requests at 1000/s: a third of them is due while the server stalls.
    let stall = Faults { stall: Some((1_500, STALL)), ..Faults::default() };
    let mut open = plan(&loaded(Wire::Resp, stall), 1500);
    open.driver.pace = Pace::Open { rate_per_s: 1000.0, arrivals: Arrivals::Fixed };
    let open = run(&open, &Unwatched).expect("a run");
    assert_eq!(open.counts.answered, 1500);
    let share = slow_share(&open);
    assert!(share > 0.25, "only {share} of the open loop's requests were slow");
    assert!(open.latency_of(Class::Read).is_some_and(|summary| summary.p90_us > 100_000.0));

    let closed = run(&plan(&loaded(Wire::Resp, stall), 20_000), &Unwatched).expect("a run");
    let share = slow_share(&closed);
    assert!(share < 0.01, "{share} of the closed loop's requests were slow: this test proves nothing");
}

#[test]
fn an_open_loop_keeps_its_rate_on_few_connections() {
    let server = loaded(Wire::Resp, Faults::default());
    let mut plan = plan(&server, 0);
    plan.length = Length::Seconds(1.0);
    plan.driver = DriverConfig {
        clients: 2,
        pace: Pace::Open { rate_per_s: 500.0, arrivals: Arrivals::Fixed },
        ..plan.driver
    };
    let result = run(&plan, &Unwatched).expect("a run");
    assert_eq!(result.counts.answered, 500);
    assert!(result.elapsed_s >= 0.99, "{}", result.elapsed_s);
    assert!(result.send_lag.is_some());
}

#[test]
fn probed_reads_are_told_apart_by_the_tier_that_answered() {
    let server = loaded(Wire::Resp, Faults { has_tiers: true, ..Faults::default() });
    for pace in [Pace::Closed, Pace::Open { rate_per_s: 20_000.0, arrivals: Arrivals::Poisson }] {
        let before = server.probes();
        let mut plan = plan(&server, 10_000);
        plan.driver = DriverConfig { probe_share: 0.1, pace, ..plan.driver };
        plan.lru = LruCapacity::ServerItems;
        let result = run(&plan, &Unwatched).expect("a run");
        let (memory, ssd) = (result.counts.probed_memory, result.counts.probed_ssd);
        assert_eq!(memory + ssd, server.probes() - before);
        assert!((memory + ssd).abs_diff(1000) < 150 && memory.abs_diff(ssd) < 150, "{memory} {ssd}");
        assert_eq!(result.counts.answered, 10_000);
        assert_eq!(result.latency_of(Class::ReadSsd).map(|summary| summary.count), Some(ssd));
        assert!(result.hit_ratio.server.is_some_and(|ratio| (ratio - 0.5).abs() < 0.05));
        // The stub says that half of the keys are in memory; uniform reads of an LRU of that size hit half the time.
        assert_eq!(result.hit_ratio.lru_items, Some(500));
        assert!(result.hit_ratio.lru.and_then(|lru| lru.hit_ratio()).is_some_and(|r| (r - 0.5).abs() < 0.05));
    }
}

#[test]
fn a_scan_is_accounted_apart() {
    let server = loaded(Wire::Resp, Faults::default());
    let mut plan = plan(&server, 10_000);
    plan.workload.scan_share = 0.2;
    let counts = run(&plan, &Unwatched).expect("a run").counts;
    assert!(counts.scan_hits.abs_diff(2000) < 200, "{counts:?}");
    assert_eq!(counts.hits + counts.scan_hits, 10_000);
}

#[test]
fn a_warm_up_is_sent_and_not_counted() {
    let server = loaded(Wire::Resp, Faults::default());
    let plan = RunPlan { warm_up: Some(Length::Requests(300)), ..plan(&server, 500) };
    let result = run(&plan, &Unwatched).expect("a run");
    assert_eq!((result.counts.answered, server.commands()), (500, 1800));
}
