//! What the engine needs of the world, each behind a trait so that tests and simulations can stand in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::device::Device;
use crate::time::UnixMillis;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> UnixMillis;

    /// Microseconds since some fixed moment; never goes back.
    fn monotonic_us(&self) -> u64;
}

/// What memory the process takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryUsage {
    /// The resident set size.
    pub resident_bytes: u64,
    /// The part of it that the allocator holds but nobody uses: the next values go there.
    pub reusable_bytes: u64,
    /// What the process has asked the allocator for and not given back.
    pub allocated_bytes: u64,
}

/// Tells how much memory the process takes.
pub trait MemoryGauge: Send + Sync {
    /// What the process takes now, `None` where it cannot be told. Asked several times a second.
    fn usage(&self) -> Option<MemoryUsage>;

    /// Asks the allocator to give unused pages back. May take milliseconds.
    fn give_back_unused(&self) {}
}

/// What the engine is given from outside.
#[derive(Clone)]
pub struct Components {
    /// The SSD tier's storage; without one the engine is a plain in-memory store.
    pub device: Option<Arc<dyn Device>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The process' memory.
    pub memory: Arc<dyn MemoryGauge>,
    /// Where all the engine's random numbers come from.
    pub seed: [u64; 4],
}

/// A clock that stands still until told to move; for tests and simulations.
#[derive(Default)]
pub struct ManualClock {
    us: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(now: UnixMillis) -> Self {
        Self { us: AtomicU64::new(now.0 * 1000) }
    }

    /// Moves on by so many microseconds.
    pub fn advance_us(&self, us: u64) {
        self.us.fetch_add(us, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.us.load(Ordering::Relaxed) / 1000)
    }

    fn monotonic_us(&self) -> u64 {
        self.us.load(Ordering::Relaxed)
    }
}

/// A gauge that knows nothing: the budget then counts values only.
pub struct NoMemoryGauge;

impl MemoryGauge for NoMemoryGauge {
    fn usage(&self) -> Option<MemoryUsage> {
        None
    }
}
