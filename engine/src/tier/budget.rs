//! The DRAM budget: how many bytes of values may be in memory, and how many are.
//!
//! `maxmemory` bounds the process. The budget is what it leaves for values and residents once the index, the
//! buffers, the allocator's slack and everything else are taken off; the background thread measures those
//! and sets the limit anew, several times a second (see `ceiling`). Writers compare and add.

use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// A shard reports its growth when it exceeds this, so that the shared counter is not written at every command.
/// The total is thus inexact by at most this times the number of shards.
const REPORT_BYTES: isize = 2 << 10;

/// How full the value tier is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pressure {
    /// Below the low watermark.
    None,
    /// Demotion should be at work.
    High,
    /// Writers must wait.
    Full,
}

/// The budget of values in DRAM.
pub(crate) struct Budget {
    used_bytes: AtomicIsize,
    limit_bytes: AtomicUsize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { used_bytes: AtomicIsize::new(0), limit_bytes: AtomicUsize::new(usize::MAX) }
    }

    /// Takes over a shard's growth, if it is worth it.
    #[inline]
    pub(crate) fn report(&self, unreported_bytes: &mut isize) {
        if unreported_bytes.unsigned_abs() >= REPORT_BYTES as usize {
            self.used_bytes.fetch_add(std::mem::take(unreported_bytes), Ordering::Relaxed);
        }
    }

    /// Takes over a shard's growth, however small.
    pub(crate) fn report_all(&self, unreported_bytes: &mut isize) {
        self.used_bytes.fetch_add(std::mem::take(unreported_bytes), Ordering::Relaxed);
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed).max(0) as usize
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit_bytes(&self, limit_bytes: usize) {
        self.limit_bytes.store(limit_bytes, Ordering::Relaxed);
    }

    /// What demotion aims at: it starts above this and stops a little below.
    pub(crate) fn high_watermark_bytes(&self) -> usize {
        let limit_bytes = self.limit_bytes();
        limit_bytes - limit_bytes / 16
    }

    pub(crate) fn low_watermark_bytes(&self) -> usize {
        let limit_bytes = self.limit_bytes();
        limit_bytes - limit_bytes / 12
    }

    #[inline]
    pub(crate) fn pressure(&self) -> Pressure {
        let (used, limit) = (self.used_bytes(), self.limit_bytes());
        if used >= limit {
            Pressure::Full
        } else if used > self.high_watermark_bytes() {
            Pressure::High
        } else {
            Pressure::None
        }
    }

    /// Whether demotion has something to do.
    pub(crate) fn is_short(&self) -> bool {
        self.used_bytes() > self.low_watermark_bytes()
    }

    /// Whether there is so much room that every value read may as well stay.
    pub(crate) fn has_ample_room(&self) -> bool {
        self.used_bytes() < self.low_watermark_bytes() - self.low_watermark_bytes() / 16
    }
}
