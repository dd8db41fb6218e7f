//! The clean reserve: values at the cold end of DRAM that are on the SSD already, so that a burst of writes finds
//! room at once.
//!
//! While nothing else is to be written and DRAM is nearly full, the coldest values are written ahead of need and stay in
//! DRAM, in their place in LRU order. Demotion then drops them without a write.
//!
//! **Invariant:** no more bytes are written ahead than the reserve has and demotion has freed: values that change again and
//! again before they leave DRAM cannot wear the SSD down.

use super::demotion::{Batch, Demoter};
use super::work::Work;
use crate::access::tick_at;
use crate::engine::Engine;
use crate::index::Location;
use crate::shard::Shard;
use crate::shard::keyspace::KeyspaceId;
use crate::tier::budget::Pressure;
use crate::tier::lru::{SsdCopy, TICKS_PER_SECOND};
use crate::time::UnixMillis;

/// The reserve is this part of the budget, of each keyspace in proportion.
const RESERVE_DIVISOR: usize = 16;
/// Values that one batch looks at, from the cold end: some 50 us under the shard's lock. A keyspace's reserve has no
/// more values than this.
const LOOKS: usize = 1024;
/// Bytes written by one batch.
const BATCH_BYTES: usize = 64 << 10;
/// Shards that one step looks at.
const SHARDS_PER_STEP: usize = 4;
/// A value used within this time is not written ahead: it may well change again.
const RECENT_TICKS: u32 = 2 * TICKS_PER_SECOND as u32;
/// Nor is one that expires within this time.
const SOON_MS: u64 = 60_000;

/// How far the reserve has been filled.
#[derive(Default)]
pub(crate) struct Reserve {
    next_shard: usize,
    /// DRAM of the values written ahead, less what the bound has forgiven.
    written_bytes: u64,
}

impl Reserve {
    /// Writes some values ahead, if there is need and nothing better to do; true if it wrote any.
    pub(crate) fn step(&mut self, demoter: &mut Demoter, work: &mut Work, now: UnixMillis) -> bool {
        let budget = work.engine.budget();
        let reserve_bytes = budget.limit_bytes() / RESERVE_DIVISOR;
        let is_needed = budget.pressure() == Pressure::None
            && budget.used_bytes() > budget.high_watermark_bytes().saturating_sub(reserve_bytes);
        if !is_needed || !work.is_idle() || !work.has_room() || work.is_paused() {
            return false;
        }
        self.written_bytes = self.written_bytes.max(work.demoted_bytes);
        let mut has_written = false;
        for _ in 0..SHARDS_PER_STEP {
            if self.written_bytes >= work.demoted_bytes + reserve_bytes as u64 {
                break;
            }
            let batch = demoter.write_ahead(work, self.next_shard, now);
            self.written_bytes += batch.writing_bytes as u64;
            has_written |= batch.writing_bytes > 0;
            self.next_shard = (self.next_shard + 1) % work.engine.shard_count();
            if batch.refusal.is_some() {
                break;
            }
        }
        has_written
    }
}

impl Demoter {
    /// Starts to write dirty values of the coldest part of one shard.
    fn write_ahead(&mut self, work: &mut Work, shard_number: usize, now: UnixMillis) -> Batch {
        {
            let mut shard = work.engine.lock_shard(shard_number);
            self.copy_ahead(&mut shard, &work.engine, now);
        }
        self.append_ahead(work, shard_number)
    }

    fn copy_ahead(&mut self, shard: &mut Shard, engine: &Engine, now: UnixMillis) {
        // An access is noted only if the last one noted was long enough ago.
        let recent_ticks = RECENT_TICKS + engine.stay().bump_after_ticks();
        let soon = UnixMillis(now.0 + SOON_MS);
        let mut copied_bytes = 0;
        for keyspace in shard.databases.iter_mut().flatten() {
            let reserve_bytes = keyspace.demotable_bytes() / RESERVE_DIVISOR;
            let mut covered_bytes = 0;
            let mut next = keyspace.oldest_resident();
            for _ in 0..LOOKS {
                let Some(number) = next else { break };
                if covered_bytes >= reserve_bytes || copied_bytes >= BATCH_BYTES || self.is_full() {
                    break;
                }
                next = keyspace.next_newer_resident(number);
                covered_bytes += keyspace.resident_cost_bytes(number);
                let resident = keyspace.resident(number);
                let handle = resident.entry();
                let is_wanted = keyspace.resident_copy(number) == SsdCopy::None
                    && tick_at(now).wrapping_sub(resident.touched_tick()) >= recent_ticks
                    && !keyspace.expiry(handle).is_some_and(|at| at.is_due(soon))
                    && !engine.is_oversize(keyspace.key(handle), &resident.value);
                if is_wanted {
                    copied_bytes += keyspace.resident_cost_bytes(number);
                    self.copy_value(keyspace, number, now);
                }
            }
        }
    }
}

impl Engine {
    /// A write ahead of need is over: the value is clean, and leaves DRAM only if room has become short meanwhile.
    /// Tells whether it left.
    pub(crate) fn finish_write_ahead(
        &self,
        shard_number: usize,
        keyspace_id: KeyspaceId,
        resident: u32,
        location: Location,
        succeeded: bool,
    ) -> bool {
        let mut shard = self.lock_shard(shard_number);
        let Some(keyspace) = shard.keyspace_by_id(keyspace_id) else { return false };
        let is_clean = keyspace.finish_writing(resident, location, succeeded) && succeeded;
        if !is_clean || self.budget().pressure() == Pressure::None {
            return false;
        }
        keyspace.demote_clean(resident);
        shard.counters.demotions += 1;
        self.report_growth(&mut shard);
        true
    }
}
