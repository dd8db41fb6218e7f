//! The engine in this process, as a target: no server, the same results.

use std::path::Path;

use tiering_bench::driver::recorder::Class;
use tiering_bench::driver::{DriverConfig, Length, Pace};
use tiering_bench::measure::in_process::{InProcessPlan, run_in_process};
use tiering_bench::measure::run::{LruCapacity, Unwatched};
use tiering_bench::target::engine::EngineOptions;
use tiering_bench::workload::WorkloadSpec;
use tiering_bench::workload::value_size::ValueSize;

const KEYS: u64 = 30_000;

fn plan() -> InProcessPlan {
    InProcessPlan {
        label: "test".to_owned(),
        engine: EngineOptions {
            dir: Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned(),
            maxmemory_bytes: 16 << 20,
            tier_capacity_bytes: 512 << 20,
        },
        workload: WorkloadSpec {
            keys: KEYS,
            value_size: ValueSize::Fixed(2000),
            read_share: 0.8,
            ..WorkloadSpec::default()
        },
        driver: DriverConfig { clients: 32, threads: 2, ..DriverConfig::default() },
        warm_up: Some(Length::Requests(1000)),
        length: Length::Requests(20_000),
        verify: true,
        lru: LruCapacity::ServerItems,
    }
}

#[test]
fn values_beyond_dram_are_read_from_ssd_and_all_are_right() {
    let results = run_in_process(&plan(), &Unwatched).expect("a run");
    let [load, run] = &results[..] else { panic!("a load and a run") };
    assert_eq!((load.counts.stored, load.counts.refused), (KEYS, 0), "{:?}", load.messages);
    let counts = &run.counts;
    assert_eq!((counts.answered, counts.refused), (20_000, 0), "{:?}", run.messages);
    assert_eq!((counts.misses, counts.corrupt, counts.lost), (0, 0, 0), "{:?}", run.messages);
    // Every read is attributed, not a sample of them.
    assert_eq!(counts.probed_memory + counts.probed_ssd, counts.hits);
    // A value that another client's read promoted meanwhile was waited for, and is a hit in memory all the same.
    assert!(counts.probed_ssd.abs_diff(run.tiers.hits_ssd) < counts.hits / 100, "{counts:?} {:?}", run.tiers);
    assert!(counts.probed_ssd > counts.hits / 4, "{counts:?}");
    assert_eq!(run.latency_of(Class::ReadSsd).map(|summary| summary.count), Some(counts.probed_ssd));
    assert!(run.hit_ratio.lru.is_some_and(|lru| lru.reads == counts.hits));
}

#[test]
fn an_open_loop_is_refused() {
    let mut plan = plan();
    plan.driver.pace =
        Pace::Open { rate_per_s: 1000.0, arrivals: tiering_bench::driver::pacer::Arrivals::Fixed };
    let error = run_in_process(&plan, &Unwatched).expect_err("no schedule").to_string();
    assert!(error.contains("closed loop"), "{error}");
}
