//! Segments: the pieces of the tier files that are written front to back and freed as a whole.
//!
//! ```text
//! free ──> open ──> sealed ──> collecting ──> free
//!            └─ write error ─> failed (out of use until the next start)
//! ```
//!
//! Segments are spread over the files in turn, so that several SSDs share the work. Only the background thread
//! changes a segment's state; readers need none of it.

use crate::device::Device;
use crate::index::Location;
use crate::index::location::MAX_SEGMENTS;
use crate::tier::ledger::Ledger;

/// Segments that ordinary writes may not take, so that gc always has room to copy survivors to.
pub(crate) const RESERVED_FOR_GC: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Free,
    Open,
    Sealed,
    Collecting,
    Failed,
}

/// Which file a segment is in, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) file: u16,
    pub(crate) offset_bytes: u64,
}

/// How segments lie in the tier files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    pub(crate) segment_bytes: u64,
    pub(crate) file_count: u16,
    pub(crate) block_bytes: usize,
    pub(crate) segment_count: u32,
}

impl Layout {
    /// Where there is no SSD tier.
    pub(crate) const NONE: Self = Self { segment_bytes: 0, file_count: 0, block_bytes: 0, segment_count: 0 };

    /// The layout over all of a device's files. Where one file is smaller, what the others have more is not used.
    pub(crate) fn over(device: &dyn Device, segment_bytes: u64) -> Self {
        let file_count = device.file_count();
        let smallest = (0..file_count).map(|file| device.capacity_bytes(file)).min().unwrap_or(0);
        let segment_count = (smallest / segment_bytes) * u64::from(file_count);
        Self {
            segment_bytes,
            file_count,
            block_bytes: device.block_bytes(),
            segment_count: u32::try_from(segment_count).unwrap_or(MAX_SEGMENTS).min(MAX_SEGMENTS),
        }
    }

    pub(crate) fn extent(&self, segment: u32) -> Extent {
        let files = u32::from(self.file_count);
        Extent {
            file: (segment % files) as u16,
            offset_bytes: u64::from(segment / files) * self.segment_bytes,
        }
    }

    /// The blocks that a record touches: file, offset in it and length, and where in them the record starts.
    pub(crate) fn blocks(&self, location: Location) -> (Extent, usize, usize) {
        let block_bytes = self.block_bytes as u64;
        let extent = self.extent(location.segment());
        let start = location.offset_bytes() / block_bytes * block_bytes;
        let end = (location.offset_bytes() + location.length_bytes()).next_multiple_of(block_bytes);
        let within = (location.offset_bytes() - start) as usize;
        (Extent { offset_bytes: extent.offset_bytes + start, ..extent }, (end - start) as usize, within)
    }
}

/// The states of all segments.
pub(crate) struct Segments {
    states: Vec<State>,
    /// How far each sealed segment was written; what lies behind is of an earlier life.
    written_bytes: Vec<u64>,
    /// Free ones; the one freed last is used first.
    free: Vec<u32>,
    /// Collected ones that a reader still pins.
    draining: Vec<u32>,
}

impl Segments {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            states: vec![State::Free; count as usize],
            written_bytes: vec![0; count as usize],
            free: (0..count).rev().collect(),
            draining: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    pub(crate) fn free_count(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn state(&self, segment: u32) -> State {
        self.states[segment as usize]
    }

    /// Takes a free segment into use; only gc gets the last few.
    pub(crate) fn open(&mut self, for_gc: bool) -> Option<u32> {
        let kept = if for_gc { 0 } else { RESERVED_FOR_GC };
        if self.free.len() <= kept {
            return None;
        }
        let segment = self.free.pop()?;
        self.change(segment, State::Free, State::Open);
        Some(segment)
    }

    pub(crate) fn seal(&mut self, segment: u32, written_bytes: u64) {
        self.change(segment, State::Open, State::Sealed);
        self.written_bytes[segment as usize] = written_bytes;
    }

    /// Where the records of a sealed segment end: at a block's end.
    pub(crate) fn written_bytes(&self, segment: u32) -> u64 {
        self.written_bytes[segment as usize]
    }

    pub(crate) fn start_collecting(&mut self, segment: u32) {
        self.change(segment, State::Sealed, State::Collecting);
    }

    /// A collection was given up: the segment stays as it was.
    pub(crate) fn stop_collecting(&mut self, segment: u32) {
        self.change(segment, State::Collecting, State::Sealed);
    }

    /// Takes an open or sealed segment out of use after a write error. Its live records stay readable.
    pub(crate) fn fail(&mut self, segment: u32) {
        let state = self.state(segment);
        assert!(matches!(state, State::Open | State::Sealed), "a {state:?} segment has no write in flight");
        self.change(segment, state, State::Failed);
    }

    /// All records of the segment are dead: it can be used again as soon as nobody reads it.
    pub(crate) fn retire(&mut self, segment: u32) {
        assert_eq!(self.state(segment), State::Collecting);
        self.draining.push(segment);
    }

    /// Frees retired segments that nobody pins any more; returns how many.
    pub(crate) fn free_retired(&mut self, ledger: &Ledger) -> usize {
        let before = self.draining.len();
        let mut draining = std::mem::take(&mut self.draining);
        draining.retain(|&segment| {
            assert_eq!(ledger.segment_live_bytes(segment), 0, "a retired segment has no live record");
            if ledger.is_pinned(segment) {
                return true;
            }
            self.change(segment, State::Collecting, State::Free);
            self.free.push(segment);
            false
        });
        self.draining = draining;
        before - self.draining.len()
    }

    pub(crate) fn sealed(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.states.len() as u32).filter(|&segment| self.state(segment) == State::Sealed)
    }

    pub(crate) fn count(&self, state: State) -> usize {
        self.states.iter().filter(|&&other| other == state).count()
    }

    fn change(&mut self, segment: u32, from: State, to: State) {
        let state = &mut self.states[segment as usize];
        assert_eq!(*state, from, "segment {segment} goes from {from:?} to {to:?}");
        *state = to;
    }
}
