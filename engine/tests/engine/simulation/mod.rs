//! Deterministic simulation: the whole engine, several clients and a faulty device in one thread, everything drawn
//! from one seed.
//!
//! [`plan`] draws configuration, faults and the order of events. [`clients`] runs commands that wait for cold values, for room
//! and for background work, and compares every reply with a model. [`scheduler`] decides what happens next: a client goes on,
//! the background work takes a step, reads complete, time passes, the disk is full for a while.
//!
//! Each seed runs twice, and both runs must be the same event for event: anything that is not drawn from the seed (the order
//! of a hash map, the time of day, a thread) is a failure of its own.
//!
//! `THERMOCLINE_SEED` runs one seed, `THERMOCLINE_COMMANDS` that many commands per seed; a failure prints both.

mod clients;
mod plan;
mod scheduler;

use plan::Plan;

/// Seeds of an ordinary run.
const SEEDS: u64 = 24;
/// Commands of one seed, of all clients together.
const COMMANDS: usize = 400;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Tells how to repeat a run that fails.
struct Repeat {
    seed: u64,
    commands: usize,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let plan = Plan::draw(self.seed);
            eprintln!("again: THERMOCLINE_SEED={} THERMOCLINE_COMMANDS={}", self.seed, self.commands);
            eprintln!("{plan:?}");
        }
    }
}

/// Runs a seed twice and returns how much of what the simulation is for has happened.
fn run_twice(seed: u64, commands: usize) -> scheduler::Summary {
    let repeat = Repeat { seed, commands };
    let (first, summary) = scheduler::run(Plan::draw(seed), commands);
    let (second, _) = scheduler::run(Plan::draw(seed), commands);
    let same = first.iter().zip(&second).take_while(|(one, other)| one == other).count();
    assert!(first == second, "two runs of seed {seed} differ from event {same} on");
    drop(repeat);
    summary
}

#[test]
fn every_reply_is_the_models_and_a_seed_decides_everything() {
    let commands = setting("THERMOCLINE_COMMANDS").map_or(COMMANDS, |commands| commands as usize);
    if let Some(seed) = setting("THERMOCLINE_SEED") {
        run_twice(seed, commands);
        return;
    }
    let mut total = scheduler::Summary::default();
    for seed in 0..SEEDS {
        total.add(&run_twice(seed, commands));
    }
    // A simulation in which little happens proves little.
    assert!(total.cold_reads > 500, "{total:?}");
    assert!(total.demotions > 500, "{total:?}");
    assert!(total.segments_collected > 10, "{total:?}");
    assert!(total.injected_faults > 50, "{total:?}");
    assert!(total.failed_reads > 10, "{total:?}");
    assert!(total.refused_writes > 10, "{total:?}");
    assert!(total.evicted_keys > 20, "{total:?}");
}
