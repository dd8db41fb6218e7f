//! Movements between the tiers, as the index learns of them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::demotion::ticks_to_seconds;
use super::ssd::record::Record;
use crate::access::{AccessClock, tick_at};
use crate::engine::Engine;
use crate::index::Location;
use crate::index::table::TableHash;
use crate::shard::Shard;
use crate::shard::keyspace::{Keyspace, KeyspaceId};
use crate::tier::budget::Pressure;
use crate::tier::lru::TICKS_PER_SECOND;
use crate::value::Value;

/// An access moves a value in LRU order only if the last move is older than this part of the time that values
/// stay in DRAM: the order is exact to that part.
const BUMPS_PER_STAY: u32 = 16;
/// No more than this between moves, so that the order is good when the tier first fills up.
const LONGEST_BUMP_TICKS: u32 = TICKS_PER_SECOND as u32 * 10;
/// The part of a new observation in the moving average.
const AVERAGE_SHIFT: u32 = 6;
/// The part of the way that an observation of a value still there raises the average.
const RAISE_SHIFT: u32 = 3;
/// No value has left DRAM yet.
const UNKNOWN: u32 = u32::MAX;

/// How long values stay in DRAM unused before they are demoted: a moving average, in ticks.
pub(crate) struct Stay {
    ticks: AtomicU32,
    /// Whether DRAM keeps what it has, because nothing can leave it.
    is_frozen: AtomicBool,
}

impl Stay {
    pub(crate) fn new() -> Self {
        Self { ticks: AtomicU32::new(UNKNOWN), is_frozen: AtomicBool::new(false) }
    }

    /// A value was demoted after this time. Only the background thread calls this.
    pub(crate) fn note(&self, ticks: u32) {
        let average = self.ticks.load(Ordering::Relaxed);
        let next = match average {
            UNKNOWN => ticks,
            _ => {
                let step = (i64::from(ticks) - i64::from(average)) >> AVERAGE_SHIFT;
                (i64::from(average) + step + i64::from(ticks > average)) as u32
            }
        };
        self.ticks.store(next.min(UNKNOWN - 1), Ordering::Relaxed);
    }

    /// The coldest value of some shard has not been used for this long and is still there. Without this the average
    /// of a time of heavy writing would stand as long as nothing is demoted.
    pub(crate) fn note_still_there(&self, ticks: u32) {
        let average = self.ticks.load(Ordering::Relaxed);
        if average != UNKNOWN && ticks > average {
            let raised = average + (ticks - average).div_ceil(1 << RAISE_SHIFT);
            self.ticks.store(raised.min(UNKNOWN - 1), Ordering::Relaxed);
        }
    }

    pub(crate) fn bump_after_ticks(&self) -> u32 {
        (self.ticks.load(Ordering::Relaxed) / BUMPS_PER_STAY).min(LONGEST_BUMP_TICKS)
    }

    /// `None` if no value was demoted yet.
    fn seconds(&self) -> Option<u32> {
        match self.ticks.load(Ordering::Relaxed) {
            UNKNOWN => None,
            ticks => Some(ticks_to_seconds(ticks)),
        }
    }
}

impl Engine {
    /// Whether a cold value that was read should stay in DRAM: if there is room to spare, or if its access history,
    /// as it was before this read, says that it is used again so soon that LRU would have had it there (under an
    /// LFU policy: that it is used more often than a new key). A scan over the cold set promotes nothing: it comes
    /// back to a key only after a long time.
    pub(crate) fn should_promote(&self, clock: &AccessClock, access: u32) -> bool {
        if self.budget().has_ample_room() {
            return true;
        }
        if !self.promotes() || self.budget().pressure() == Pressure::Full {
            return false;
        }
        if self.is_lfu() {
            return clock.is_used_often(access);
        }
        self.stay().seconds().is_some_and(|stay_s| clock.idle_seconds(access) < stay_s)
    }

    /// Whether reads may promote: not where the SSD is full, because what has to make room could not be demoted.
    fn promotes(&self) -> bool {
        !self.stay().is_frozen.load(Ordering::Relaxed)
    }

    pub(crate) fn set_promotes(&self, promotes: bool) {
        self.stay().is_frozen.store(!promotes, Ordering::Relaxed);
    }

    /// Looks at the coldest value of one shard; see [`Stay::note_still_there`].
    pub(crate) fn observe_tail(&self, shard_number: usize) {
        let tick = tick_at(self.clock().now());
        let shard = self.lock_shard(shard_number);
        let age = |keyspace: &Keyspace| {
            let oldest = keyspace.oldest_resident()?;
            Some(tick.wrapping_sub(keyspace.resident(oldest).touched_tick()))
        };
        if let Some(ticks) = shard.keyspaces().filter_map(age).max() {
            self.stay().note_still_there(ticks);
        }
    }

    pub(crate) fn note_tail_age(&self, ticks: u32) {
        self.stay().note(ticks);
    }

    /// Whether a value can never be demoted, because its record would not fit a segment.
    pub(crate) fn is_oversize(&self, key: &[u8], value: &Value) -> bool {
        key.len() + value.payload_bytes() > self.max_value_bytes()
    }

    /// A demotion's write is over. Where it succeeded and the value was not used meanwhile (or somebody asked for
    /// it), the DRAM copy goes. Tells whether it went.
    pub(crate) fn finish_demotion(
        &self,
        shard_number: usize,
        keyspace_id: KeyspaceId,
        resident: u32,
        location: Location,
        succeeded: bool,
        asked_for: bool,
    ) -> bool {
        let recent = tick_at(self.clock().now()).wrapping_sub(TICKS_PER_SECOND as u32 / 4);
        let mut shard = self.lock_shard(shard_number);
        let Some(keyspace) = shard.keyspace_by_id(keyspace_id) else { return false };
        if !keyspace.finish_writing(resident, location, succeeded) || !succeeded {
            return false;
        }
        let touched = keyspace.resident(resident).touched_tick();
        let is_cold = (touched.wrapping_sub(recent) as i32) < 0;
        if !is_cold && !asked_for && !self.budget().is_short() {
            return false;
        }
        keyspace.demote_clean(resident);
        shard.counters.demotions += 1;
        self.report_growth(&mut shard);
        true
    }

    /// If the record at `location` is some key's value: that key's database contents, and its name where it is not
    /// the one in the record.
    pub(crate) fn live_name(
        &self,
        record: &Record<'_>,
        location: Location,
    ) -> Option<(KeyspaceId, Option<Box<[u8]>>)> {
        if self.is_value_at(record.head.keyspace, record.key, location) {
            return Some((record.head.keyspace, None));
        }
        // A renamed record has an alias as long as it is live. It may be renamed again between the two looks.
        let mut seen = None;
        while let Some(alias) = self.ledger().alias(location) {
            if self.is_value_at(alias.keyspace, &alias.key, location) {
                return Some((alias.keyspace, Some(alias.key)));
            }
            if seen.as_ref() == Some(&alias) {
                break;
            }
            seen = Some(alias);
        }
        None
    }

    /// Gc has copied a record to `to`. The key follows, if its value is still the one at `from`; else the copy is
    /// dead.
    pub(crate) fn finish_relocation(&self, copy: &Record<'_>, from: Location, to: Location) {
        let (shard, hash) = self.hasher().locate(copy.key);
        let mut shard = self.lock_shard(shard);
        if let Some(keyspace) = shard.keyspace_by_id(copy.head.keyspace)
            && let Some(handle) = keyspace.find(hash, copy.key)
            && keyspace.is_at(handle, from)
        {
            keyspace.relocate(handle, from, to);
            return;
        }
        drop(shard);
        self.ledger().release(to);
        // Renamed since the copy was made: the next collection of the segment finds it under its new name.
    }

    /// Whether the record at `location` is the key's value now.
    pub(crate) fn is_value_at(&self, keyspace: KeyspaceId, key: &[u8], location: Location) -> bool {
        let (number, hash) = self.hasher().locate(key);
        is_value_in(&mut self.lock_shard(number), keyspace, (hash, key), location)
    }

    /// The same for who may hold shards already: `None` where the key's is locked by anybody.
    pub(crate) fn is_value_at_now(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        location: Location,
    ) -> Option<bool> {
        let (number, hash) = self.hasher().locate(key);
        let mut shard = self.try_lock_shard(number)?;
        Some(is_value_in(&mut shard, keyspace, (hash, key), location))
    }
}

fn is_value_in(
    shard: &mut Shard,
    keyspace: KeyspaceId,
    (hash, key): (TableHash, &[u8]),
    location: Location,
) -> bool {
    shard.keyspace_by_id(keyspace).is_some_and(|keyspace| {
        keyspace.find(hash, key).is_some_and(|handle| keyspace.is_at(handle, location))
    })
}
