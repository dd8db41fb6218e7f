//! The writer: records into open segments, chunk by chunk.
//!
//! Each class has an open segment and a chunk of it being filled. A full chunk, or one that has waited long
//! enough, is written with one request; its end is padded to a block. Up to [`MAX_WRITES`] requests are in
//! flight. What a record was written for is kept in a note beside the chunk and handed back when the write is
//! over, well or not.
//!
//! **Invariant:** a record's bytes are claimed in the ledger from the moment it has a location.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::record::{self, RecordHead, RecordSalt};
use super::segment::{Layout, Segments, State};
use super::segment_header::{SEGMENT_HEADER_BYTES, SegmentClass as Class, SegmentHeader};
use crate::device::buffer::AlignedBuffer;
use crate::device::{Completion, DeviceQueue};
use crate::index::Location;
use crate::tier::ledger::Ledger;

/// Bytes of a chunk, unless a record is larger: big enough for an SSD's full write rate, small enough that a
/// write delays reads by less than a millisecond.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;
/// Writes in flight at once.
pub(crate) const MAX_WRITES: usize = 16;

const CLASSES: [Class; 3] = [Class::Demoted, Class::Survivor, Class::ShortLived];

const fn slot(class: Class) -> usize {
    class as usize - 1
}

/// Why a record could not be appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// As many writes as allowed are in flight; try again after a completion.
    Busy,
    /// No free segment.
    NoSpace,
    /// The record is longer than a segment.
    TooLong,
}

/// A finished write: its notes, whether it succeeded, and the chunk with the records.
pub(crate) struct Written<N> {
    pub(crate) notes: Vec<N>,
    pub(crate) result: io::Result<()>,
    pub(crate) chunk: AlignedBuffer,
}

struct Open<N> {
    segment: u32,
    salt: RecordSalt,
    /// Where in the segment the chunk starts.
    chunk_start: u64,
    chunk: AlignedBuffer,
    filled: usize,
    notes: Vec<N>,
}

struct InFlight<N> {
    segment: u32,
    notes: Vec<N>,
}

/// A record to be written.
pub(crate) struct NewRecord<'a> {
    pub(crate) class: Class,
    pub(crate) head: &'a RecordHead,
    pub(crate) key: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Writes records; `N` is what the caller wants back with each.
pub(crate) struct Writer<N> {
    layout: Layout,
    ledger: Arc<Ledger>,
    open: [Option<Open<N>>; CLASSES.len()],
    in_flight: HashMap<u64, InFlight<N>>,
    /// Segments that had a write error: nothing more is appended to them.
    failed: HashSet<u32>,
    spare_chunks: Vec<AlignedBuffer>,
    next_token: u64,
    next_epoch: u64,
    /// Tells this tier's segments from those of an earlier start.
    tier_id: u64,
    pub(crate) written_bytes: u64,
    pub(crate) written_records: u64,
}

impl<N> Writer<N> {
    pub(crate) fn new(layout: Layout, ledger: Arc<Ledger>, tier_id: u64) -> Self {
        Self {
            layout,
            ledger,
            open: [None, None, None],
            in_flight: HashMap::new(),
            failed: HashSet::new(),
            spare_chunks: Vec::new(),
            next_token: 1,
            next_epoch: 1,
            tier_id,
            written_bytes: 0,
            written_records: 0,
        }
    }

    /// Whether some record waits in a chunk that was not handed to the device.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.open.iter().flatten().any(|open| !open.notes.is_empty())
    }

    /// Whether this segment has records that are not on the device yet.
    pub(crate) fn is_writing(&self, segment: u32) -> bool {
        self.in_flight.values().any(|write| write.segment == segment)
    }

    /// The longest record that fits a segment.
    pub(crate) fn max_record_bytes(&self) -> usize {
        (self.layout.segment_bytes as usize) - SEGMENT_HEADER_BYTES - self.layout.block_bytes
    }

    /// Puts a record into a chunk and gives it its location. `note` is made from the location and the record's
    /// place in the chunk, and comes back from [`Self::finish`].
    pub(crate) fn append(
        &mut self,
        queue: &mut dyn DeviceQueue,
        segments: &mut Segments,
        record: &NewRecord<'_>,
        note: impl FnOnce(Location, usize) -> N,
    ) -> Result<Location, Refusal> {
        let &NewRecord { class, head, key, payload } = record;
        let length = record::encoded_len(key.len(), payload.len(), head.expiry.is_some());
        let length = length.filter(|&length| length <= self.max_record_bytes()).ok_or(Refusal::TooLong)?;
        self.make_room(queue, segments, class, length)?;
        let open = self.open[slot(class)].as_mut().expect("room was made in an open segment");
        let offset = open.chunk_start + open.filled as u64;
        let placed = record::place(offset, length);
        let gap = (placed - offset) as usize;
        if gap > 0 {
            record::encode_padding(&mut open.chunk[open.filled..open.filled + gap], open.salt);
            open.filled += gap;
        }
        let at = open.filled;
        let written = record::encode(&mut open.chunk[at..at + length], open.salt, head, key, payload);
        assert_eq!(written, length);
        open.filled += length;
        let location = Location::new(open.segment, placed, length as u64);
        self.ledger.claim(location);
        open.notes.push(note(location, at));
        self.written_records += 1;
        Ok(location)
    }

    /// Hands every chunk that has records to the device, full or not, as far as requests are free.
    pub(crate) fn write_out(&mut self, queue: &mut dyn DeviceQueue) {
        for class in CLASSES {
            if self.open[slot(class)].as_ref().is_some_and(|open| !open.notes.is_empty()) {
                let _ = self.write_chunk(queue, class);
            }
        }
    }

    /// Takes a completion of [`Self::append`]'s writes; `None` if the token is not of this writer.
    pub(crate) fn finish(&mut self, segments: &mut Segments, completion: Completion) -> Option<Written<N>> {
        let write = self.in_flight.remove(&completion.token)?;
        let (result, chunk) = match completion.into_complete() {
            Ok(chunk) => (Ok(()), chunk),
            Err((error, chunk)) => (Err(error), chunk),
        };
        if result.is_err() {
            self.abandon(segments, write.segment);
        }
        Some(Written { notes: write.notes, result, chunk })
    }

    /// Takes back the chunk of a finished write, for reuse.
    pub(crate) fn recycle(&mut self, chunk: AlignedBuffer) {
        if chunk.capacity() == CHUNK_BYTES && self.spare_chunks.len() < 4 {
            self.spare_chunks.push(chunk);
        }
    }

    fn make_room(
        &mut self,
        queue: &mut dyn DeviceQueue,
        segments: &mut Segments,
        class: Class,
        length: usize,
    ) -> Result<(), Refusal> {
        let segment_bytes = self.layout.segment_bytes;
        // A gap that keeps the record within a page is a small part of it.
        let needed = length + (length as u64 / record::MAX_GAP_DIVISOR) as usize;
        if let Some(open) = &self.open[slot(class)] {
            let failed = self.failed.contains(&open.segment);
            if open.filled + needed <= open.chunk.len() && !failed {
                return Ok(());
            }
            if !open.notes.is_empty() {
                self.write_chunk(queue, class)?;
            }
        }
        if let Some(open) = &self.open[slot(class)]
            && (open.chunk_start + (open.filled + needed) as u64 > segment_bytes
                || self.failed.contains(&open.segment))
        {
            self.close(segments, class);
        }
        if self.open[slot(class)].is_none() {
            let segment = segments.open(class == Class::Survivor).ok_or(Refusal::NoSpace)?;
            self.open[slot(class)] = Some(self.start_segment(segment, class));
        }
        let chunk_room = self.open[slot(class)].as_ref().map_or(0, |open| open.chunk.len() - open.filled);
        if chunk_room < needed {
            // An empty chunk that is too small for this record: take a larger one.
            let filled = self.open[slot(class)].as_ref().map_or(0, |open| open.filled);
            let larger = self.take_chunk(filled + needed);
            let open = self.open[slot(class)].as_mut().expect("it is open");
            let mut old = std::mem::replace(&mut open.chunk, larger);
            open.chunk[..filled].copy_from_slice(&old[..filled]);
            let room = (segment_bytes - open.chunk_start) as usize;
            let length = open.chunk.len().min(room);
            open.chunk.set_len(length);
            old.set_len(0);
            self.recycle(old);
        }
        Ok(())
    }

    fn start_segment(&mut self, segment: u32, class: Class) -> Open<N> {
        let mut chunk = self.take_chunk(CHUNK_BYTES);
        let header = SegmentHeader {
            segment,
            segment_bytes: self.layout.segment_bytes as u32,
            epoch: self.next_epoch,
            tier: self.tier_id,
            class,
        };
        self.next_epoch += 1;
        let block = chunk.first_chunk_mut().expect("a chunk is longer than a header");
        header.encode(block);
        self.ledger.set_salt(segment, header.salt());
        let length = chunk.len().min(self.layout.segment_bytes as usize);
        chunk.set_len(length);
        let filled = SEGMENT_HEADER_BYTES;
        Open { segment, salt: header.salt(), chunk_start: 0, chunk, filled, notes: Vec::new() }
    }

    fn take_chunk(&mut self, least_bytes: usize) -> AlignedBuffer {
        if least_bytes <= CHUNK_BYTES
            && let Some(mut chunk) = self.spare_chunks.pop()
        {
            chunk.set_len(CHUNK_BYTES);
            return chunk;
        }
        AlignedBuffer::zeroed(least_bytes.max(CHUNK_BYTES).next_multiple_of(4096))
    }

    /// Writes the chunk of an open segment and starts the next one behind it.
    fn write_chunk(&mut self, queue: &mut dyn DeviceQueue, class: Class) -> Result<(), Refusal> {
        if self.in_flight.len() >= MAX_WRITES || queue.outstanding() >= queue.depth() {
            return Err(Refusal::Busy);
        }
        let next = self.take_chunk(CHUNK_BYTES);
        let segment_bytes = self.layout.segment_bytes;
        let block_bytes = self.layout.block_bytes;
        let open = self.open[slot(class)].as_mut().expect("a chunk of an open segment");
        let padded = open.filled.next_multiple_of(block_bytes);
        if padded > open.filled {
            let filled = open.filled;
            record::encode_padding(&mut open.chunk[filled..padded], open.salt);
        }
        let mut chunk = std::mem::replace(&mut open.chunk, next);
        chunk.set_len(padded);
        let start = open.chunk_start;
        open.chunk_start += padded as u64;
        open.filled = 0;
        let room = (segment_bytes - open.chunk_start) as usize;
        let length = open.chunk.len().min(room);
        open.chunk.set_len(length);
        let notes = std::mem::take(&mut open.notes);
        let segment = open.segment;
        let extent = self.layout.extent(segment);
        let token = self.next_token;
        self.next_token += 1;
        self.written_bytes += padded as u64;
        queue
            .submit_write(token, extent.file, extent.offset_bytes + start, chunk)
            .expect("the queue has room: it was asked");
        self.in_flight.insert(token, InFlight { segment, notes });
        Ok(())
    }

    /// Ends an open segment whose chunk is empty.
    fn close(&mut self, segments: &mut Segments, class: Class) {
        let Some(open) = self.open[slot(class)].take() else { return };
        assert!(open.notes.is_empty(), "a closed segment has no unwritten record");
        if self.failed.contains(&open.segment) {
            segments.fail(open.segment);
        } else {
            segments.seal(open.segment, open.chunk_start);
        }
        self.recycle(open.chunk);
    }

    /// A write failed: nothing more is appended to its segment. What was written before stays readable.
    fn abandon(&mut self, segments: &mut Segments, segment: u32) {
        if self.failed.insert(segment) && segments.state(segment) == State::Sealed {
            segments.fail(segment);
        }
    }
}
