//! Commands and memory by data type, of as many servers as are installed.

use std::path::PathBuf;

use tiering_bench::measure::run::Unwatched;
use tiering_bench::measure::types::memory::MemoryPlan;
use tiering_bench::measure::types::tests::ALL;
use tiering_bench::measure::types::{TypesPlan, measure_types};
use tiering_bench::target::contestants::{Contestant, Templates};

#[test]
fn every_command_is_answered_and_every_type_takes_memory() {
    let templates = Templates::default();
    if !templates.is_installed(Contestant::Redis) {
        return;
    }
    let work: PathBuf = std::env::temp_dir().join(format!("tiering-bench-types-{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("a temporary folder");
    let plan = TypesPlan {
        contestants: vec![Contestant::Redis, Contestant::Redis],
        templates,
        tests: ALL.to_vec(),
        pipelines: vec![1, 16],
        clients: 5,
        requests: 500,
        keys: 100,
        rounds: 2,
        memory: MemoryPlan { collections: 3000, members: 50_000 },
        maxmemory_bytes: 1 << 30,
        threads: 1,
        server_cpus: None,
        seed: 1,
        work: work.clone(),
    };
    let types = measure_types(&plan, &Unwatched).expect("measured");
    let left: Vec<_> = std::fs::read_dir(&work).expect("readable").flatten().collect();
    assert!(left.is_empty(), "{left:?} is left behind");
    std::fs::remove_dir_all(&work).expect("it is ours");
    assert_eq!(types.commands.len(), ALL.len() * 2);
    for command in &types.commands {
        assert_eq!(command.servers.len(), 2);
        for figures in &command.servers {
            assert!(figures.requests_per_s > 0.0 && figures.cpu_us > 0.0, "{command:?}");
        }
    }
    assert_eq!(types.memory.len(), 8);
    for memory in &types.memory {
        assert!(memory.rss_growth_bytes.iter().all(|&bytes| bytes > memory.entries), "{memory:?}");
    }
}
