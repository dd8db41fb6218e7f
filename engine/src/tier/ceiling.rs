//! The ceiling: keeps the process below `maxmemory`.
//!
//! What the process takes beyond its values (index, buffers, allocator slack, code) is measured, not guessed:
//! resident set size, less what the allocator holds unused, less the values. The budget of values is what
//! `maxmemory` leaves after that and a margin for what may come until the next measurement.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::Engine;

/// Time between measurements while memory is in motion, and while it is not, in microseconds.
const BUSY_INTERVAL_US: u64 = 5_000;
const IDLE_INTERVAL_US: u64 = 100_000;
/// The margin below `maxmemory`: this part of it...
const MARGIN_DIVISOR: u64 = 40;
/// ...but at least what a fast load takes until this thread looks again, should it have to wait for a CPU.
const LEAST_MARGIN_BYTES: u64 = 8 << 20;
/// A small `maxmemory` is not spent on that: this part of it is enough then.
const SMALL_MARGIN_DIVISOR: u64 = 16;
const LEAST_SMALL_MARGIN_BYTES: u64 = 4 << 20;
/// Values may always take this part of `maxmemory`... of what is left when everything else is over it.
const LEAST_VALUES_DIVISOR: u64 = 64;

/// When memory was measured, and what it was.
#[derive(Default)]
pub(crate) struct Ceiling {
    measured_us: AtomicU64,
    values_then_bytes: AtomicU64,
    /// Resident set size at the last measurement.
    resident_bytes: AtomicU64,
    peak_resident_bytes: AtomicU64,
}

impl Ceiling {
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.resident_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn peak_resident_bytes(&self) -> u64 {
        self.peak_resident_bytes.load(Ordering::Relaxed)
    }
}

impl Engine {
    /// Measures, if it is time to, and sets the budget.
    pub(crate) fn keep_ceiling(&self) {
        let ceiling = self.ceiling();
        let now_us = self.clock().monotonic_us();
        let values_bytes = self.budget().used_bytes() as u64;
        let elapsed_us = now_us.saturating_sub(ceiling.measured_us.load(Ordering::Relaxed));
        let moved = values_bytes.abs_diff(ceiling.values_then_bytes.load(Ordering::Relaxed)) > 1 << 20;
        if elapsed_us >= if moved { BUSY_INTERVAL_US } else { IDLE_INTERVAL_US } {
            self.measure();
        }
    }

    /// Measures the process' memory and sets the budget of values.
    pub(crate) fn measure(&self) {
        let ceiling = self.ceiling();
        let values_bytes = self.budget().used_bytes() as u64;
        ceiling.measured_us.store(self.clock().monotonic_us(), Ordering::Relaxed);
        ceiling.values_then_bytes.store(values_bytes, Ordering::Relaxed);
        let max_bytes = self.settings().max_memory_bytes;
        let usage = self.memory().usage();
        if let Some(usage) = usage {
            ceiling.resident_bytes.store(usage.resident_bytes, Ordering::Relaxed);
            ceiling.peak_resident_bytes.fetch_max(usage.resident_bytes, Ordering::Relaxed);
        }
        if max_bytes == 0 {
            self.budget().set_limit_bytes(usize::MAX);
            return;
        }
        let (other_bytes, margin_bytes) = match usage {
            None => (0, 0),
            // Without another tier values can only be deleted, which does not make the process smaller at once: the rest
            // of a page keeps it. As in Redis, what was asked for counts then.
            Some(usage) if self.device().is_none() => (usage.allocated_bytes.saturating_sub(values_bytes), 0),
            Some(usage) => {
                let is_close = usage.resident_bytes + self.margin_bytes() / 4 * 3 > max_bytes;
                if is_close && usage.reusable_bytes > 0 {
                    self.memory().give_back_unused();
                }
                let held_bytes = usage.resident_bytes - usage.reusable_bytes.min(usage.resident_bytes);
                (held_bytes.saturating_sub(values_bytes), self.margin_bytes())
            }
        };
        let left_bytes = max_bytes.saturating_sub(margin_bytes + other_bytes);
        let limit_bytes = left_bytes.max(max_bytes / LEAST_VALUES_DIVISOR / 16);
        self.budget().set_limit_bytes(usize::try_from(limit_bytes).unwrap_or(usize::MAX));
    }

    fn margin_bytes(&self) -> u64 {
        let max_bytes = self.settings().max_memory_bytes;
        let least_bytes =
            (max_bytes / SMALL_MARGIN_DIVISOR).clamp(LEAST_SMALL_MARGIN_BYTES, LEAST_MARGIN_BYTES);
        (max_bytes / MARGIN_DIVISOR).max(least_bytes)
    }
}
