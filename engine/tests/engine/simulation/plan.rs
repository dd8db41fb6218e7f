//! What a seed decides before a run: configuration and faults.

use thermocline_engine::device::fault::{FaultPlan, RATE_UNIT};
use thermocline_engine::{EngineConfig, EvictionPolicy, Settings};

/// Random numbers (SplitMix64), the same in every version of every library: a seed is a run's name.
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// What the device does to requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Faults {
    /// It delays and reorders them.
    None,
    /// Some fail, and it says so; sometimes it is full.
    Reported,
    /// It also loses writes and flips bits, and says nothing.
    Silent,
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) config: EngineConfig,
    pub(super) file_count: u16,
    pub(super) segments_per_file: u64,
    pub(super) clients: usize,
    pub(super) faults: Faults,
    pub(super) device: FaultPlan,
}

pub(super) const DATABASES: usize = 3;

impl Plan {
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let budgets = [40_000, 100_000, 250_000, 0];
        let policies = [EvictionPolicy::NoEviction, EvictionPolicy::AllKeysLru, EvictionPolicy::AllKeysLfu];
        let settings = Settings {
            max_memory_bytes: random.pick(&budgets),
            eviction_policy: random.pick(&policies),
            compression_level: random.pick(&[0, 1]),
            ..Settings::default()
        };
        let config = EngineConfig {
            shard_count: random.pick(&[1, 4, 64]),
            database_count: DATABASES,
            segment_bytes: 64 << 10,
            settings,
        };
        let faults = random.pick(&[Faults::None, Faults::Reported, Faults::Silent]);
        Self {
            seed,
            config,
            file_count: random.pick(&[1, 2]),
            segments_per_file: random.pick(&[8, 12, 60]),
            clients: 1 + random.below(6) as usize,
            faults,
            device: device_faults(faults, &mut random),
        }
    }

    /// Whether keys may go without anybody having deleted them.
    pub(super) fn evicts(&self) -> bool {
        self.config.settings.eviction_policy != EvictionPolicy::NoEviction
    }
}

fn device_faults(faults: Faults, random: &mut Random) -> FaultPlan {
    let mut rate = |at_most_one_in: u32| random.below(u64::from(RATE_UNIT / at_most_one_in)) as u32;
    let mut plan = FaultPlan { delays: rate(1), max_delay_polls: 20, reorders: true, ..FaultPlan::default() };
    if faults != Faults::None {
        // Every failed write takes a segment out of use, so they are rarer than failed reads.
        plan.read_errors = rate(20);
        plan.short_reads = rate(20);
        plan.read_bit_flips = rate(20);
        plan.write_errors = rate(100);
        plan.short_writes = rate(100);
        plan.torn_writes = rate(100);
    }
    if faults == Faults::Silent {
        plan.lost_writes = rate(20);
        plan.write_bit_flips = rate(20);
    }
    plan.seed = random.next();
    plan
}
