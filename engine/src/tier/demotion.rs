//! Demotion: values from the cold end of DRAM to the SSD.
//!
//! One value's way: it is copied under its shard's lock (`Preparing`), a long one piece by piece with the lock given back
//! in between, compressed and appended to a chunk without the lock, given its location under the lock again (`Writing`),
//! and when the write has succeeded it is clean and its DRAM copy can go. A change of the value at any point ends that:
//! what was written is dead then.
//!
//! **Invariant:** the DRAM copy is dropped only after the write's completion was checked.

use std::sync::Arc;

use parking_lot::MutexGuard;

use super::requests::Done;
use super::ssd::compression::Compressor;
use super::ssd::record::{RecordHead, RecordKind, Stored};
use super::ssd::segment_header::SegmentClass;
use super::ssd::writer::{NewRecord, Refusal};
use super::work::{Note, Work};
use crate::access::tick_at;
use crate::engine::Engine;
use crate::index::Location;
use crate::index::entry::Place;
use crate::shard::Shard;
use crate::shard::keyspace::{Keyspace, KeyspaceId};
use crate::tier::lru::{SsdCopy, TICKS_PER_SECOND};
use crate::time::UnixMillis;
use crate::value;

/// Values copied under one hold of a shard's lock.
const BATCH_VALUES: usize = 32;
/// Bytes of values copied under one hold, unless a single value is larger: some 20 us of copying.
const BATCH_BYTES: usize = 64 << 10;
/// How many residents from the cold end are looked at for a batch: those that cannot be written are passed over.
const BATCH_LOOKS: usize = 64;
/// A value that expires within this time stays in DRAM while there is room.
const SOON_MS: u64 = 5_000;
/// A value that expires within this time goes to a segment of its own kind.
const SHORT_LIFE_MS: u64 = 60_000;

/// Which values a batch may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// Those at the cold end, without those that expire soon.
    ColdEnd,
    /// Those at the cold end, whatever they are.
    Anything,
    /// All of one database, coldest first, whatever they are.
    Database(usize),
}

/// A value copied to be written.
struct Candidate {
    keyspace: KeyspaceId,
    resident: u32,
    ticket: u64,
    head: RecordHead,
    class: SegmentClass,
    key: std::ops::Range<usize>,
    payload: std::ops::Range<usize>,
    dram_bytes: usize,
}

/// Scratch space of demotion, kept from batch to batch.
pub(crate) struct Demoter {
    engine: Arc<Engine>,
    compressor: Compressor,
    compression_level: i32,
    copied: Vec<u8>,
    candidates: Vec<Candidate>,
    /// Where the last candidate's copy goes on, which was not copied whole.
    rest: Option<usize>,
    next_ticket: u64,
    next_sequence: u64,
}

/// What a batch did.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Batch {
    /// DRAM given back at once, by dropping clean values.
    pub(crate) freed_bytes: usize,
    /// DRAM that will be given back when the writes are done.
    pub(crate) writing_bytes: usize,
    /// How many residents were looked at, of how many that the batch may take from.
    pub(crate) looks: usize,
    pub(crate) residents: usize,
    /// Why not everything that was copied could be written.
    pub(crate) refusal: Option<Refusal>,
}

impl Demoter {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            compressor: Compressor::new(0).expect("no compression needs no memory"),
            compression_level: 0,
            copied: Vec::new(),
            candidates: Vec::new(),
            rest: None,
            next_ticket: 0,
            next_sequence: 1,
        }
    }

    /// Demotes up to `wanted_bytes` of DRAM from the cold end of one shard: drops clean values, starts to write
    /// dirty ones.
    pub(crate) fn demote_from_shard(
        &mut self,
        work: &mut Work,
        shard_number: usize,
        wanted_bytes: usize,
        reach: Reach,
        now: UnixMillis,
    ) -> Batch {
        let mut batch = Batch::default();
        let engine = Arc::clone(&self.engine);
        {
            let mut shard = engine.lock_shard(shard_number);
            let clean_demotions_before = shard.counters.clean_demotions;
            self.copy_cold_end(&mut shard, wanted_bytes, reach, now, &mut batch);
            work.demoted_values += shard.counters.clean_demotions - clean_demotions_before;
            work.demoted_bytes += batch.freed_bytes as u64;
            engine.report_growth(&mut shard);
        }
        if !self.candidates.is_empty() {
            let nobody_waits = self.append_candidates(work, shard_number, None, false, &mut batch);
            assert!(nobody_waits.is_ok());
        }
        batch
    }

    /// Demotes one key's value, wherever it stands in LRU order. Gives `done` back if it must be asked again
    /// later, because a write of the value is under way.
    pub(crate) fn demote_key(
        &mut self,
        work: &mut Work,
        database: usize,
        key: &[u8],
        done: Done,
        now: UnixMillis,
    ) -> Result<(), Done> {
        let engine = Arc::clone(&self.engine);
        let (shard_number, hash) = engine.hasher().locate(key);
        let mut shard = engine.lock_shard(shard_number);
        let shard_ref = &mut *shard;
        let Some(keyspace) = shard_ref.databases[database].as_deref_mut() else { return Ok(()) };
        let Some(handle) = keyspace.find(hash, key) else { return Ok(()) };
        let Place::Dram(resident) = keyspace.head(handle).place() else { return Ok(()) };
        if keyspace.is_expired(handle, now) {
            return Ok(());
        }
        match keyspace.resident_copy(resident) {
            SsdCopy::Clean(_) => {
                keyspace.demote_clean(resident);
                shard_ref.counters.clean_demotions += 1;
                work.demoted_values += 1;
                engine.report_growth(&mut shard);
                done.add(1);
                Ok(())
            }
            SsdCopy::Writing(_) | SsdCopy::Preparing(_) => Err(done),
            SsdCopy::None => {
                self.copy_value(keyspace, resident, now);
                drop(shard);
                let mut batch = Batch::default();
                self.append_candidates(work, shard_number, Some(done), false, &mut batch)
            }
        }
    }

    /// Appends what was copied to be written ahead of need.
    pub(crate) fn append_ahead(&mut self, work: &mut Work, shard_number: usize) -> Batch {
        let mut batch = Batch::default();
        if !self.candidates.is_empty() {
            let nobody_waits = self.append_candidates(work, shard_number, None, true, &mut batch);
            assert!(nobody_waits.is_ok());
        }
        batch
    }

    fn copy_cold_end(
        &mut self,
        shard: &mut Shard,
        wanted_bytes: usize,
        reach: Reach,
        now: UnixMillis,
        batch: &mut Batch,
    ) {
        let tick = tick_at(now);
        let mut copied_bytes = 0;
        batch.residents = within(shard, reach).map(|(_, keyspace)| keyspace.resident_count()).sum();
        for _ in 0..BATCH_LOOKS {
            if batch.freed_bytes + copied_bytes >= wanted_bytes || self.is_full() {
                break;
            }
            let Some((database, resident)) = coldest(shard, reach, tick) else { break };
            batch.looks += 1;
            let counters = &mut shard.counters;
            let keyspace = shard.databases[database].as_deref_mut().expect("it has a resident");
            let (handle, copy) = (keyspace.resident(resident).entry(), keyspace.resident_copy(resident));
            let dram_bytes = keyspace.resident_cost_bytes(resident);
            let soon = UnixMillis(now.0 + SOON_MS);
            let stays = reach == Reach::ColdEnd && keyspace.expiry(handle).is_some_and(|at| at.is_due(soon));
            match copy {
                SsdCopy::Clean(_) if !stays => {
                    self.engine.note_tail_age(tick.wrapping_sub(keyspace.resident(resident).touched_tick()));
                    keyspace.demote_clean(resident);
                    counters.clean_demotions += 1;
                    batch.freed_bytes += dram_bytes;
                    continue;
                }
                SsdCopy::None
                    if !stays
                        && !self
                            .engine
                            .is_oversize(keyspace.key(handle), &keyspace.resident(resident).value) =>
                {
                    if copied_bytes > 0 && copied_bytes + dram_bytes > BATCH_BYTES {
                        batch.looks -= 1;
                        break;
                    }
                    self.engine.note_tail_age(tick.wrapping_sub(keyspace.resident(resident).touched_tick()));
                    self.copy_value(keyspace, resident, now);
                    copied_bytes += dram_bytes;
                }
                SsdCopy::Preparing(_) | SsdCopy::Writing(_) => {}
                SsdCopy::None | SsdCopy::Clean(_) => {
                    // As if it had been used: it must not be the coldest of the shard for ever.
                    keyspace.pass_over(resident, tick);
                    continue;
                }
            }
            // Out of the way of the next look: it is dropped when its write is done, by number, not by place.
            keyspace.move_to_warm_end(resident);
        }
    }

    /// Whether no further value may be copied under this hold of the lock.
    pub(crate) fn is_full(&self) -> bool {
        self.candidates.len() >= BATCH_VALUES || self.rest.is_some()
    }

    /// Copies a dirty value, of a long one its first piece, to be appended when the lock is released.
    pub(crate) fn copy_value(&mut self, keyspace: &mut Keyspace, resident: u32, now: UnixMillis) {
        let handle = keyspace.resident(resident).entry();
        let expiry = keyspace.expiry(handle);
        let value = &keyspace.resident(resident).value;
        let key_start = self.copied.len();
        self.copied.extend_from_slice(keyspace.key(handle));
        let payload_start = self.copied.len();
        assert_eq!(self.rest, None, "only the last value's copy goes on");
        self.rest = value::encode_piece(value, 0, &mut self.copied);
        let lives_short = expiry.is_some_and(|at| at.is_due(UnixMillis(now.0 + SHORT_LIFE_MS)));
        let head = RecordHead {
            kind: RecordKind::Value,
            value_type: value.value_type(),
            encoding: value.encoding(),
            keyspace: keyspace.id,
            sequence: self.next_sequence,
            expiry,
            stored: Stored::Plain,
        };
        self.next_sequence += 1;
        self.next_ticket += 1;
        self.candidates.push(Candidate {
            keyspace: keyspace.id,
            resident,
            ticket: self.next_ticket,
            head,
            class: if lives_short { SegmentClass::ShortLived } else { SegmentClass::Demoted },
            key: key_start..payload_start,
            payload: payload_start..self.copied.len(),
            dram_bytes: keyspace.resident_cost_bytes(resident),
        });
        keyspace.start_preparing(resident, self.next_ticket);
    }

    /// Copies what is left of the last candidate, under as many holds of the lock as it has pieces. Gives it up where it was
    /// changed in between.
    fn copy_rest(&mut self, shard_number: usize) {
        while let Some(position) = self.rest.take() {
            let candidate = self.candidates.last_mut().expect("it was copied in part");
            let mut shard = self.engine.lock_shard(shard_number);
            let keyspace = shard.keyspace_by_id(candidate.keyspace);
            if let Some(keyspace) =
                keyspace.filter(|keyspace| keyspace.is_preparing(candidate.resident, candidate.ticket))
            {
                let value = &keyspace.resident(candidate.resident).value;
                self.rest = value::encode_piece(value, position, &mut self.copied);
                candidate.payload.end = self.copied.len();
            } else {
                self.copied.truncate(candidate.key.start);
                self.candidates.pop();
            }
            // Whoever waits for the lock has it before the next piece.
            MutexGuard::unlock_fair(shard);
        }
    }

    /// Appends what was copied to the log and tells the shard where. Gives `done` back where the value it was
    /// for could not be appended right now.
    fn append_candidates(
        &mut self,
        work: &mut Work,
        shard_number: usize,
        mut done: Option<Done>,
        is_ahead: bool,
        batch: &mut Batch,
    ) -> Result<(), Done> {
        self.copy_rest(shard_number);
        let level = self.engine.settings().compression_level;
        if level != self.compression_level
            && let Ok(compressor) = Compressor::new(level)
        {
            (self.compressor, self.compression_level) = (compressor, level);
        }
        let mut outcomes: Vec<(KeyspaceId, u32, u64, Option<Location>)> =
            Vec::with_capacity(self.candidates.len());
        for candidate in self.candidates.drain(..) {
            let key = &self.copied[candidate.key];
            let payload = &self.copied[candidate.payload];
            let mut head = candidate.head;
            let stored = match self.compressor.compress(payload) {
                Some(compressed) => {
                    head.stored = Stored::Zstd { decoded_bytes: payload.len() as u32 };
                    compressed
                }
                None => payload,
            };
            let result = match batch.refusal {
                Some(refusal) => Err(refusal),
                None => {
                    let record = NewRecord { class: candidate.class, head: &head, key, payload: stored };
                    work.append(&record, |location, _| Note::Demoted {
                        shard: shard_number,
                        keyspace: candidate.keyspace,
                        resident: candidate.resident,
                        location,
                        dram_bytes: candidate.dram_bytes,
                        is_ahead,
                        done: done.take(),
                    })
                }
            };
            match result {
                Ok(_) => {
                    work.writing_bytes += if is_ahead { 0 } else { candidate.dram_bytes };
                    batch.writing_bytes += candidate.dram_bytes;
                }
                Err(refusal) => batch.refusal = Some(refusal),
            }
            outcomes.push((candidate.keyspace, candidate.resident, candidate.ticket, result.ok()));
        }
        self.copied.clear();
        self.copied.shrink_to(4 * BATCH_BYTES);
        let mut shard = self.engine.lock_shard(shard_number);
        for (keyspace_id, resident, ticket, location) in outcomes {
            let is_current = shard
                .keyspace_by_id(keyspace_id)
                .is_some_and(|keyspace| keyspace.finish_preparing(resident, ticket, location));
            if let (false, Some(location)) = (is_current, location) {
                self.engine.ledger().release(location);
            }
        }
        match (done, batch.refusal) {
            (Some(done), Some(Refusal::Busy)) => Err(done),
            _ => Ok(()),
        }
    }
}

/// The databases of a shard that a batch may take from.
fn within(shard: &Shard, reach: Reach) -> impl Iterator<Item = (usize, &Keyspace)> {
    let databases = match reach {
        Reach::Database(database) => database..database + 1,
        Reach::ColdEnd | Reach::Anything => 0..shard.databases.len(),
    };
    let first = databases.start;
    let keyspaces = shard.databases[databases].iter().enumerate();
    keyspaces.filter_map(move |(at, keyspace)| Some((first + at, keyspace.as_deref()?)))
}

/// The coldest resident that a batch may take.
fn coldest(shard: &Shard, reach: Reach, tick: u32) -> Option<(usize, u32)> {
    let oldest = |(database, keyspace): (usize, &Keyspace)| {
        let resident = keyspace.oldest_resident()?;
        let age = tick.wrapping_sub(keyspace.resident(resident).touched_tick());
        Some((age, database, resident))
    };
    let coldest = within(shard, reach).filter_map(oldest).max_by_key(|&(age, ..)| age)?;
    Some((coldest.1, coldest.2))
}

/// Seconds in a number of ticks, rounded up.
pub(crate) fn ticks_to_seconds(ticks: u32) -> u32 {
    ticks.div_ceil(TICKS_PER_SECOND as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{Components, ManualClock, NoMemoryGauge};
    use crate::config::EngineConfig;
    use crate::fetch::Fetched;
    use crate::keys::SetExpiry;
    use crate::value::{StringValue, Value};

    const KEY: &[u8] = b"long";

    /// An engine with one long value.
    fn engine() -> Arc<Engine> {
        let components = Components {
            device: None,
            clock: Arc::new(ManualClock::default()),
            memory: Arc::new(NoMemoryGauge),
            seed: [1, 2, 3, 4],
        };
        let engine = Engine::new(EngineConfig { shard_count: 1, ..EngineConfig::default() }, components);
        let engine = Arc::new(engine.expect("an engine"));
        let mut fetched = Fetched::new();
        let value = Value::from(StringValue::plain(&[1; 1 << 20]));
        engine.lock_key(0, KEY, UnixMillis(1), &mut fetched).set(KEY, value, SetExpiry::Clear);
        engine
    }

    /// Copies the value's first piece; the lock is free afterwards.
    fn begin(engine: &Arc<Engine>) -> Demoter {
        let mut demoter = Demoter::new(Arc::clone(engine));
        let mut shard = engine.lock_shard(0);
        let keyspace = shard.databases[0].as_deref_mut().expect("it has a key");
        let resident = keyspace.oldest_resident().expect("in DRAM");
        demoter.copy_value(keyspace, resident, UnixMillis(1));
        assert!(demoter.is_full(), "a long value is copied alone");
        drop(shard);
        demoter
    }

    #[test]
    fn a_long_value_is_copied_whole_piece_by_piece() {
        let engine = engine();
        let mut demoter = begin(&engine);
        demoter.copy_rest(0);
        let [candidate] = &demoter.candidates[..] else { panic!("one value") };
        assert!(demoter.copied[candidate.payload.clone()] == [1; 1 << 20]);
        assert!(!demoter.is_full());
    }

    #[test]
    fn a_long_value_that_changes_while_it_is_copied_is_given_up() {
        type Happening = fn(&Engine);
        let changes: [Happening; 3] = [
            |engine| {
                let mut fetched = Fetched::new();
                let mut keys = engine.lock_key(0, KEY, UnixMillis(1), &mut fetched);
                let shorten = |value: &mut Value| value.as_string_mut().expect("a string").edit(Vec::clear);
                assert_eq!(keys.modify(KEY, shorten), Ok(Some(())));
            },
            |engine| {
                let mut fetched = Fetched::new();
                assert!(engine.lock_key(0, KEY, UnixMillis(1), &mut fetched).remove(KEY));
            },
            |engine| {
                let mut fetched = Fetched::new();
                let mut keys = engine.lock_key(0, KEY, UnixMillis(1), &mut fetched);
                assert!(keys.remove(KEY));
                // In the place of the other.
                keys.set(KEY, StringValue::plain(&[2; 1 << 20]).into(), SetExpiry::Clear);
            },
        ];
        for change in changes {
            let engine = engine();
            let mut demoter = begin(&engine);
            change(&engine);
            demoter.copy_rest(0);
            assert!(demoter.candidates.is_empty() && demoter.copied.is_empty() && !demoter.is_full());
        }
    }
}
