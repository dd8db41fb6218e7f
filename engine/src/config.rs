//! Settings as plain data. The engine reads no file and no environment.

use crate::access::AccessPolicy;
use crate::error::EngineError;
use crate::index::location::MAX_SEGMENT_BYTES;

/// The most shards there can be.
pub(crate) const MAX_SHARDS: usize = 1024;
/// The smallest log segment.
pub(crate) const LEAST_SEGMENT_BYTES: u64 = 64 << 10;

/// The most databases that `databases` may ask for.
pub const MAX_DATABASES: usize = 1024;

/// What to delete when DRAM and SSD are full: `maxmemory-policy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum EvictionPolicy {
    /// Nothing: writes are refused.
    #[default]
    NoEviction = 0,
    /// The key not used for the longest time.
    AllKeysLru = 1,
    /// The same, among keys that have an expiry.
    VolatileLru = 2,
    /// The key used least often.
    AllKeysLfu = 3,
    /// The same, among keys that have an expiry.
    VolatileLfu = 4,
    /// Any key.
    AllKeysRandom = 5,
    /// Any key that has an expiry.
    VolatileRandom = 6,
    /// The key that expires next.
    VolatileTtl = 7,
}

impl EvictionPolicy {
    /// All policies, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::NoEviction,
        Self::AllKeysLru,
        Self::VolatileLru,
        Self::AllKeysLfu,
        Self::VolatileLfu,
        Self::AllKeysRandom,
        Self::VolatileRandom,
        Self::VolatileTtl,
    ];

    /// The name in `redis.conf`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEviction => "noeviction",
            Self::AllKeysLru => "allkeys-lru",
            Self::VolatileLru => "volatile-lru",
            Self::AllKeysLfu => "allkeys-lfu",
            Self::VolatileLfu => "volatile-lfu",
            Self::AllKeysRandom => "allkeys-random",
            Self::VolatileRandom => "volatile-random",
            Self::VolatileTtl => "volatile-ttl",
        }
    }

    /// The policy of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(name))
    }

    /// Whether it deletes only keys that have an expiry.
    pub fn is_volatile(self) -> bool {
        matches!(self, Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl)
    }

    /// Whether accesses are to be counted rather than timed.
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::AllKeysLfu | Self::VolatileLfu)
    }
}

/// What can change while the engine runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `maxmemory`: what the whole process may take, in bytes; 0 for no limit.
    pub max_memory_bytes: u64,
    /// `maxmemory-policy`.
    pub eviction_policy: EvictionPolicy,
    /// `maxmemory-samples`: how many keys are compared to find one to delete.
    pub eviction_samples: u32,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`, in minutes.
    pub lfu_decay_minutes: u32,
    /// `tier-compression`: the zstd level for values on the SSD; 0 stores them as they are.
    pub compression_level: i32,
    /// `tier-write-timeout`: how long a writer waits for room before it is refused, in milliseconds.
    pub write_timeout_ms: u64,
}

impl Settings {
    pub(crate) fn access_policy(&self) -> AccessPolicy {
        if self.eviction_policy.is_lfu() {
            AccessPolicy::Lfu { log_factor: self.lfu_log_factor, decay_minutes: self.lfu_decay_minutes }
        } else {
            AccessPolicy::Lru
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_memory_bytes: 0,
            eviction_policy: EvictionPolicy::NoEviction,
            eviction_samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            compression_level: 1,
            write_timeout_ms: 10_000,
        }
    }
}

/// What is fixed when the engine starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineConfig {
    /// How many locks the keys are spread over: a power of two up to 1024.
    pub shard_count: usize,
    /// How many databases there are, up to [`MAX_DATABASES`].
    pub database_count: usize,
    /// Bytes of a log segment: a power of two from 64 KiB to 16 MiB.
    pub segment_bytes: u64,
    /// The settings to start with.
    pub settings: Settings,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { shard_count: 256, database_count: 16, segment_bytes: 16 << 20, settings: Settings::default() }
    }
}

impl EngineConfig {
    /// # Errors
    /// Which setting is out of its range.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let error = |text: String| Err(EngineError::Configuration(text));
        if !self.shard_count.is_power_of_two() || self.shard_count > MAX_SHARDS {
            return error(format!("the number of shards must be a power of two up to {MAX_SHARDS}"));
        }
        if !(1..=MAX_DATABASES).contains(&self.database_count) {
            return error(format!("the number of databases must be from 1 to {MAX_DATABASES}"));
        }
        if !self.segment_bytes.is_power_of_two()
            || !(LEAST_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes)
        {
            return error(format!(
                "the segment size must be a power of two from {LEAST_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES} bytes"
            ));
        }
        Ok(())
    }
}
