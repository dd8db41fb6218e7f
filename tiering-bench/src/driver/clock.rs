//! The time of a run, in nanoseconds from its start.

use std::time::Instant;

/// Reads the monotonic clock. Every thread of a phase has a copy of the same one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at zero.
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the start.
    #[inline]
    pub(super) fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
