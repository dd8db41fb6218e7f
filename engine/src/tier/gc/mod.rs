//! Garbage collection: survivors of the emptiest segments are copied, the segments become free.
//!
//! One segment is collected at a time. It is read front to back in chunks; each record that the index still
//! refers to is appended to a survivors' segment, and when that write has succeeded the index is told the new
//! location, under the shard's lock and only if it still has the old one. When no record is live any more and
//! nobody reads the segment, it is free.
//!
//! Collection starts when free segments run low and stops a few segments later; it is as lazy as the reserve
//! allows, because every write until then may kill another record of the victim.
//!
//! **Invariant:** a segment is collected only for its dead records. What it could not be filled with, because the next
//! record was longer, is no gain: its survivors may leave as much room elsewhere, and collection would never end.
//!
//! **Invariant:** a segment is retired only when the ledger counts none of its bytes as live.

use std::sync::Arc;

use super::requests::Done;
use super::ssd::record_iter::{RecordIter, Step};
use super::ssd::segment::RESERVED_FOR_GC;
use super::ssd::segment_header::{SEGMENT_HEADER_BYTES, SegmentClass};
use super::ssd::writer::{NewRecord, Refusal};
use super::work::{Note, Work};
use crate::device::Completion;
use crate::device::buffer::AlignedBuffer;
use crate::engine::Engine;
use crate::index::Location;

/// Bytes read at once, unless a record is longer: one step's work, some 300 us.
const READ_BYTES: usize = 256 << 10;
/// A segment is collected if at least this part of it is dead records, and at least so many blocks: a few blocks
/// may be the padding of chunks that were written before they were full.
const LEAST_GAIN_DIVISOR: u64 = 32;
const LEAST_GAIN_BLOCKS: u64 = 8;
/// Collection starts when fewer segments than this are free, and one in [`LOW_FREE_DIVISOR`].
const LOW_FREE_SEGMENTS: usize = RESERVED_FOR_GC + 3;
const LOW_FREE_DIVISOR: usize = 64;
/// It stops when so many more are free.
const HYSTERESIS_SEGMENTS: usize = 2;
/// Reads of the collector have tokens from here on.
const FIRST_TOKEN: u64 = 1 << 63;

/// The segment being collected.
struct Victim {
    segment: u32,
    /// How far the segment was written.
    end_bytes: u64,
    /// Where in the segment the next record is looked for.
    offset_bytes: u64,
    chunk: Chunk,
    relocations: usize,
    is_read: bool,
}

enum Chunk {
    /// Nothing was asked for.
    None { wanted_bytes: usize },
    /// A read is in flight; it starts here in the segment.
    Reading { start_bytes: u64 },
    /// These bytes, which start here in the segment.
    Read { start_bytes: u64, buffer: AlignedBuffer },
}

/// Collects segments.
pub(crate) struct Collector {
    engine: Arc<Engine>,
    victim: Option<Victim>,
    is_active: bool,
    spare: Option<AlignedBuffer>,
    /// Who wants every segment collected that gains anything.
    requested: Vec<Done>,
    /// Whether no segment is worth collecting while free ones are short.
    is_stuck: bool,
}

impl Collector {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, victim: None, is_active: false, spare: None, requested: Vec::new(), is_stuck: false }
    }

    pub(crate) fn is_token(token: u64) -> bool {
        token >= FIRST_TOKEN
    }

    /// Whether free segments are short and no segment has anything to gain: the SSD is full.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    pub(crate) fn request(&mut self, done: Done) {
        self.requested.push(done);
    }

    pub(crate) fn read_completed(&mut self, completion: Completion) {
        let victim = self.victim.as_mut().expect("a read belongs to a victim");
        let Chunk::Reading { start_bytes } = victim.chunk else { panic!("a read was in flight") };
        match completion.into_complete() {
            Ok(buffer) => victim.chunk = Chunk::Read { start_bytes, buffer },
            Err((error, _)) => {
                self.engine.tier_metrics().note_read_error();
                tracing::error!(segment = victim.segment, %error, "gc cannot read a segment; it stays as it is");
                // What follows cannot be found: the segment keeps its live records and is left alone.
                victim.chunk = Chunk::None { wanted_bytes: READ_BYTES };
                victim.is_read = true;
            }
        }
    }

    pub(crate) fn relocation_over(&mut self, segment: u32) {
        let victim = self.victim.as_mut().expect("a relocation belongs to a victim");
        assert_eq!(victim.segment, segment);
        victim.relocations -= 1;
    }

    fn low_free(segments: usize) -> usize {
        LOW_FREE_SEGMENTS + segments / LOW_FREE_DIVISOR
    }
}

/// One bounded step of collection; true if it did something.
pub(crate) fn step(work: &mut Work) -> bool {
    if work.collector.victim.is_none() {
        work.collector.victim = choose(work);
    }
    let Some(mut victim) = work.collector.victim.take() else { return false };
    let did_something = advance(work, &mut victim);
    if victim.is_read && victim.relocations == 0 && !matches!(victim.chunk, Chunk::Reading { .. }) {
        finish(work, &victim);
        return true;
    }
    work.collector.victim = Some(victim);
    did_something
}

/// Chooses a victim where one is needed: the sealed segment with the fewest live bytes.
fn choose(work: &mut Work) -> Option<Victim> {
    let segment_bytes = work.engine.layout().segment_bytes;
    let low = Collector::low_free(work.segments.len());
    let free = work.segments.free_count();
    let was_active = work.collector.is_active;
    work.collector.is_active = free < low || (was_active && free < low + HYSTERESIS_SEGMENTS);
    if !work.collector.is_active && work.collector.requested.is_empty() {
        work.collector.is_stuck = false;
        return None;
    }
    let ledger = work.engine.ledger();
    let block_bytes = work.engine.layout().block_bytes as u64;
    let least_gain_bytes = (segment_bytes / LEAST_GAIN_DIVISOR).max(LEAST_GAIN_BLOCKS * block_bytes);
    let gains = |&segment: &u32| {
        let records_bytes = work.segments.written_bytes(segment).saturating_sub(SEGMENT_HEADER_BYTES as u64);
        let live_bytes = ledger.segment_live_bytes(segment);
        live_bytes == 0 || records_bytes.saturating_sub(live_bytes) >= least_gain_bytes
    };
    let candidates = work.segments.sealed().filter(|&segment| !work.is_writing_segment(segment));
    let emptiest = candidates.filter(gains).min_by_key(|&segment| ledger.segment_live_bytes(segment));
    match emptiest {
        Some(segment) => {
            let live_bytes = ledger.segment_live_bytes(segment);
            work.segments.start_collecting(segment);
            work.collector.is_stuck = false;
            Some(Victim {
                segment,
                end_bytes: work.segments.written_bytes(segment),
                offset_bytes: SEGMENT_HEADER_BYTES as u64,
                chunk: Chunk::None { wanted_bytes: READ_BYTES },
                relocations: 0,
                is_read: live_bytes == 0,
            })
        }
        None => {
            work.collector.requested.clear();
            work.collector.is_stuck = free <= RESERVED_FOR_GC;
            None
        }
    }
}

fn finish(work: &mut Work, victim: &Victim) {
    let left = work.engine.ledger().segment_live_bytes(victim.segment);
    if left == 0 {
        work.segments.retire(victim.segment);
        work.segments.free_retired(work.engine.ledger());
        work.engine.tier_metrics().note_collected();
        for done in &work.collector.requested {
            done.add(1);
        }
    } else {
        // Something in it could not be read or written elsewhere. What is live stays readable where it is.
        tracing::warn!(segment = victim.segment, live_bytes = left, "a segment could not be emptied");
        work.segments.stop_collecting(victim.segment);
        work.segments.fail(victim.segment);
    }
}

/// Reads on, or copies the survivors of what was read.
fn advance(work: &mut Work, victim: &mut Victim) -> bool {
    match std::mem::replace(&mut victim.chunk, Chunk::None { wanted_bytes: READ_BYTES }) {
        Chunk::None { wanted_bytes } => {
            victim.chunk = Chunk::None { wanted_bytes };
            !victim.is_read && start_read(work, victim, wanted_bytes)
        }
        Chunk::Reading { start_bytes } => {
            victim.chunk = Chunk::Reading { start_bytes };
            false
        }
        Chunk::Read { start_bytes, buffer } => {
            let moved_on = copy_survivors(work, victim, start_bytes, &buffer);
            match moved_on {
                Copied::All { wanted_bytes } => {
                    victim.chunk = Chunk::None { wanted_bytes };
                    work.collector.spare = Some(buffer);
                    if !victim.is_read {
                        start_read(work, victim, wanted_bytes);
                    }
                    true
                }
                Copied::Waiting { progressed } => {
                    victim.chunk = Chunk::Read { start_bytes, buffer };
                    progressed
                }
            }
        }
    }
}

fn start_read(work: &mut Work, victim: &mut Victim, wanted_bytes: usize) -> bool {
    let layout = work.engine.layout();
    let block_bytes = layout.block_bytes as u64;
    let start_bytes = victim.offset_bytes / block_bytes * block_bytes;
    let wanted = (victim.offset_bytes - start_bytes) + wanted_bytes.max(READ_BYTES) as u64;
    let length = wanted.next_multiple_of(block_bytes).min(victim.end_bytes - start_bytes) as usize;
    if length == 0 {
        victim.is_read = true;
        return true;
    }
    let mut buffer = match work.collector.spare.take() {
        Some(buffer) if buffer.capacity() >= length => buffer,
        _ => AlignedBuffer::zeroed(length.max(READ_BYTES + layout.block_bytes)),
    };
    buffer.set_len(length);
    let extent = layout.extent(victim.segment);
    let token = FIRST_TOKEN + u64::from(victim.segment);
    match work.queue.submit_read(token, extent.file, extent.offset_bytes + start_bytes, buffer) {
        Ok(()) => {
            victim.chunk = Chunk::Reading { start_bytes };
            work.engine.tier_metrics().note_gc_read(length);
            true
        }
        Err(full) => {
            work.collector.spare = Some(full.buffer);
            false
        }
    }
}

enum Copied {
    /// The chunk is done; the next read should have so many bytes.
    All { wanted_bytes: usize },
    /// The writer is busy: go on with the same chunk later.
    Waiting { progressed: bool },
}

fn copy_survivors(work: &mut Work, victim: &mut Victim, start_bytes: u64, buffer: &AlignedBuffer) -> Copied {
    let skip = (victim.offset_bytes - start_bytes) as usize;
    let salt = work.engine.ledger().salt(victim.segment);
    let region_bytes = (victim.end_bytes - victim.offset_bytes) as usize;
    let chunk = &buffer[skip..];
    let first_bytes = victim.offset_bytes;
    let mut records = RecordIter::new(chunk, region_bytes, salt);
    while let Some(step) = records.next() {
        match step {
            Step::Record { offset_bytes, record } => {
                let at_bytes = first_bytes + offset_bytes as u64;
                let from = Location::new(victim.segment, at_bytes, record.len_bytes as u64);
                if let Some((keyspace, key)) = work.engine.live_name(&record, from) {
                    let mut head = record.head;
                    head.keyspace = keyspace;
                    let survivor = NewRecord {
                        class: SegmentClass::Survivor,
                        head: &head,
                        key: key.as_deref().unwrap_or(record.key),
                        payload: record.payload,
                    };
                    let appended = work.append(&survivor, |to, at| Note::Relocated { from, to, at });
                    match appended {
                        Ok(to) => {
                            victim.relocations += 1;
                            work.engine.tier_metrics().note_relocated(to.length_bytes());
                        }
                        Err(Refusal::Busy) => {
                            victim.offset_bytes = at_bytes;
                            return Copied::Waiting { progressed: offset_bytes > 0 };
                        }
                        Err(Refusal::NoSpace | Refusal::TooLong) => {
                            // The reserve is gone, by write errors: leave the rest where it is.
                            victim.is_read = true;
                            return Copied::All { wanted_bytes: READ_BYTES };
                        }
                    }
                }
            }
            Step::NeedMore { offset_bytes, needed_bytes } => {
                victim.offset_bytes = first_bytes + offset_bytes as u64;
                return Copied::All { wanted_bytes: needed_bytes };
            }
            Step::End { .. } => victim.is_read = true,
            Step::Damaged { offset_bytes, error } => {
                work.engine.tier_metrics().note_checksum_error();
                tracing::error!(segment = victim.segment, offset_bytes, %error, "gc found a damaged record");
                if !records.skip_damage() {
                    victim.is_read = true;
                }
            }
        }
    }
    Copied::All { wanted_bytes: READ_BYTES }
}
