//! Servers that the tool starts by itself: as many of redis-server and memcached as are installed.

use std::path::{Path, PathBuf};

use tiering_bench::measure::capacity::{CapacityPlan, measure_capacity};
use tiering_bench::measure::compare::{ComparePlan, PageCache, compare};
use tiering_bench::measure::run::Unwatched;
use tiering_bench::measure::scenario::{DataSizes, Scenario};
use tiering_bench::target::contestants::{Contestant, Placement, Resources, Templates};
use tiering_bench::target::control::Control;
use tiering_bench::target::process::{ServerCommand, ServerProcess};
use tiering_bench::target::wire::Wire;
use tiering_bench::workload::WorkloadSpec;
use tiering_bench::workload::value_size::ValueSize;

const RESOURCES: Resources =
    Resources { maxmemory_bytes: 64 << 20, tier_capacity_bytes: 512 << 20, threads: 1, cpus: None };

/// A folder below the system's temporary one, empty again at the end.
struct Work(PathBuf);

impl Work {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tiering-bench-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn assert_empty(&self) {
        let left: Vec<_> = std::fs::read_dir(&self.0).expect("readable").flatten().collect();
        assert!(left.is_empty(), "{left:?} is left behind");
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn templates() -> Templates {
    Templates { ext_threads: 4, ..Templates::default() }
}

fn installed() -> Vec<Contestant> {
    let others = [Contestant::Redis, Contestant::Memcached];
    others.into_iter().filter(|&contestant| templates().is_installed(contestant)).collect()
}

#[test]
fn a_comparison_measures_all_servers_and_leaves_nothing_behind() {
    let contestants = installed();
    let work = Work::new("compare");
    let plan = ComparePlan {
        contestants: contestants.clone(),
        scenarios: vec![Scenario::Hot, Scenario::Cold],
        templates: templates(),
        sizes: DataSizes {
            hot_keys: 1000,
            hot_value_bytes: 100,
            cold_keys: 20_000,
            cold_value_bytes: 2000,
            hot_memory_bytes: 64 << 20,
            cold_memory_bytes: 64 << 20,
            seed: 1,
        },
        tier_capacity_bytes: 512 << 20,
        threads: 1,
        server_cpus: None,
        rounds: 2,
        seconds: 0.2,
        page_cache: PageCache::Drop,
        memcached_load_per_s: 20_000.0,
        work: work.0.clone(),
    };
    let comparison = compare(&plan, &Unwatched).expect("a comparison");
    assert_eq!(comparison.scenarios.len(), 2);
    for scenario in &comparison.scenarios {
        assert_eq!(scenario.servers.len(), contestants.len());
        for server in &scenario.servers {
            assert_eq!((server.rounds.len(), server.load.refused), (2, 0), "{}", server.name);
            assert!(server.median.requests_per_s > 0.0 && server.median.p50_us > 0.0, "{server:?}");
            assert!(server.median.miss_share.is_some_and(|share| share < 0.01), "{server:?}");
            let is_tiered = server.name == "memcached" && scenario.name == "cold";
            assert_eq!(server.median.ssd_share.is_some_and(|share| share > 0.9), is_tiered, "{server:?}");
        }
    }
    work.assert_empty();
}

#[test]
fn a_key_of_redis_costs_more_than_its_bytes() {
    if !installed().contains(&Contestant::Redis) {
        return;
    }
    let work = Work::new("capacity");
    let plan = CapacityPlan {
        servers: vec![templates().command(Contestant::Redis, Placement::AllOnSsd, &RESOURCES)],
        workload: WorkloadSpec {
            keys: 200_000,
            value_size: ValueSize::Fixed(100),
            ..WorkloadSpec::default()
        },
        points: 4,
        work: work.0.clone(),
    };
    let [cost] = &measure_capacity(&plan, &Unwatched).expect("measured")[..] else { panic!("one server") };
    assert_eq!((cost.points.len(), cost.points[4].keys), (5, 200_000));
    assert!((150.0..300.0).contains(&cost.growth_bytes_per_key), "{cost:?}");
    assert!((50.0..200.0).contains(&cost.overhead_bytes()), "{cost:?}");
    work.assert_empty();
}

fn command(template: &str) -> ServerCommand {
    ServerCommand {
        name: "test".to_owned(),
        wire: Wire::Resp,
        template: template.to_owned(),
        maxmemory_bytes: 0,
        tier_capacity_bytes: 0,
        threads: 1,
        cpus: None,
    }
}

#[test]
fn a_server_that_ends_at_once_is_reported_with_its_log() {
    let work = Work::new("failing");
    let script = "sh -c 'echo the disk is on fire; exit 3'";
    let error = ServerProcess::start(&command(script), &work.0).expect_err("it exits").to_string();
    assert!(error.contains("the disk is on fire") && error.contains("exit status: 3"), "{error}");
    work.assert_empty();
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let work = Work::new("missing");
    let error =
        ServerProcess::start(&command("/no/such/server {port}"), &work.0).expect_err("nothing").to_string();
    assert!(error.contains("/no/such/server"), "{error}");
    work.assert_empty();
}

#[test]
fn a_started_server_answers_until_it_is_dropped() {
    for contestant in installed() {
        let work = Work::new(contestant.name());
        let command = templates().command(contestant, Placement::AsTheServerLikes, &RESOURCES);
        let server = ServerProcess::start(&command, &work.0).expect("started");
        let identity = Control::connect(&server.endpoint).and_then(|mut c| c.identify()).expect("it answers");
        assert_eq!(identity.pid, Some(server.pid()));
        let (pid, endpoint) = (server.pid(), server.endpoint);
        drop(server);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert!(Control::connect(&endpoint).is_err());
        work.assert_empty();
    }
}
