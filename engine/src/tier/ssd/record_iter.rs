//! Goes through records that lie back to back, as gc and recovery read them: a chunk of a segment at a time.
//!
//! The walk trusts no length before its record's checksum was verified; it ends at the first damage. A gc,
//! which knows from the index what is live, may then look for the next intact record with
//! [`RecordIter::skip_damage`]; a recovery must not, because a value may contain bytes that look like a
//! record.

use super::record::{Record, RecordError, RecordSalt, decode, padding_len};
use crate::index::location::RECORD_ALIGN_BYTES;

const ALIGN_BYTES: usize = RECORD_ALIGN_BYTES as usize;

/// How many times the chunk's length [`RecordIter::skip_damage`] may check, so that a value made of a
/// thousand false record heads cannot stall a gc.
const MAX_SKIP_EFFORT: usize = 16;

/// What lies at a place in the chunk. Offsets are in bytes from the chunk's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// An intact record.
    Record {
        /// Where it starts.
        offset_bytes: usize,
        /// The record.
        record: Record<'a>,
    },
    /// The chunk ends within a record, or exactly where one may start: go on with a chunk that starts here.
    NeedMore {
        /// Where it starts.
        offset_bytes: usize,
        /// How long that chunk has to be to get further; it does not go beyond the region.
        needed_bytes: usize,
    },
    /// No more records: the region ends, or what follows was never written (zeros). A caller that knows how
    /// far the segment was written compares: zeros before that are damage.
    End {
        /// Where the last record ends.
        offset_bytes: usize,
    },
    /// Not a record and not zeros.
    Damaged {
        /// Where an intact record was expected.
        offset_bytes: usize,
        /// What is wrong.
        error: RecordError,
    },
}

/// Yields the records of a chunk, then once why it stops, then nothing.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    chunk: &'a [u8],
    /// How much of the segment there is from the chunk's start: no record extends beyond it.
    region_bytes: usize,
    salt: RecordSalt,
    offset_bytes: usize,
    stopped: bool,
}

impl<'a> RecordIter<'a> {
    /// Walks `chunk`, which starts at a record's start; the segment has `region_bytes` from there to its end.
    ///
    /// # Panics
    ///
    /// When the chunk is longer than the region, or the region is no multiple of 16.
    pub fn new(chunk: &'a [u8], region_bytes: usize, salt: RecordSalt) -> Self {
        assert!(chunk.len() <= region_bytes && region_bytes.is_multiple_of(ALIGN_BYTES));
        Self { chunk, region_bytes, salt, offset_bytes: 0, stopped: false }
    }

    /// After [`Step::Damaged`]: goes to the next intact record in the chunk and returns whether there is one.
    /// Only for a caller that verifies each record against the index: what is found may be part of somebody's
    /// value.
    pub fn skip_damage(&mut self) -> bool {
        let mut effort_bytes = self.chunk.len().saturating_mul(MAX_SKIP_EFFORT);
        let mut offset_bytes = self.offset_bytes + ALIGN_BYTES;
        while offset_bytes < self.chunk.len() {
            let rest = &self.chunk[offset_bytes..];
            match decode(rest, self.salt) {
                Ok(_) => {
                    self.offset_bytes = offset_bytes;
                    self.stopped = false;
                    return true;
                }
                Err(RecordError::Checksum) => match effort_bytes.checked_sub(rest.len()) {
                    Some(left) => effort_bytes = left,
                    None => return false,
                },
                Err(_) => {}
            }
            offset_bytes += ALIGN_BYTES;
        }
        false
    }

    /// What lies at the present offset, and how far it extends; no step for padding, which is passed over.
    fn step(&self) -> (Option<Step<'a>>, usize) {
        let offset_bytes = self.offset_bytes;
        let left_bytes = self.region_bytes - offset_bytes;
        let stop = |step| (Some(step), 0);
        let damaged = |error| stop(Step::Damaged { offset_bytes, error });
        if left_bytes == 0 {
            return stop(Step::End { offset_bytes });
        }
        // Padding may have ended beyond the chunk.
        let rest = &self.chunk[offset_bytes.min(self.chunk.len())..];
        let Some(head) = rest.first_chunk::<ALIGN_BYTES>() else {
            return stop(Step::NeedMore { offset_bytes, needed_bytes: ALIGN_BYTES });
        };
        if *head == [0; ALIGN_BYTES] {
            return stop(Step::End { offset_bytes });
        }
        match padding_len(head, self.salt) {
            Some(Ok(len_bytes)) if len_bytes > left_bytes => return damaged(RecordError::Length),
            Some(Ok(len_bytes)) => return (None, len_bytes),
            Some(Err(error)) => return damaged(error),
            None => {}
        }
        match decode(rest, self.salt) {
            Ok(record) => (Some(Step::Record { offset_bytes, record }), record.len_bytes),
            Err(RecordError::Truncated { needed_bytes }) if needed_bytes <= left_bytes => {
                stop(Step::NeedMore { offset_bytes, needed_bytes })
            }
            Err(RecordError::Truncated { .. }) => damaged(RecordError::Length),
            Err(error) => damaged(error),
        }
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        while !self.stopped {
            let (step, len_bytes) = self.step();
            self.offset_bytes += len_bytes;
            // Only what has a length can be followed by something.
            self.stopped = len_bytes == 0;
            if step.is_some() {
                return step;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tier::ssd::record::{
        RecordHead, RecordKind, Stored, encode, encode_padding, encoded_len, place,
    };
    use crate::value::{Encoding, ValueType};

    const SALT: RecordSalt = RecordSalt(5);

    fn append(segment: &mut Vec<u8>, sequence: u64, payload: &[u8]) {
        let head = RecordHead {
            kind: RecordKind::Value,
            value_type: ValueType::String,
            encoding: Encoding::Raw,
            keyspace: 0,
            sequence,
            expiry: None,
            stored: Stored::Plain,
        };
        let len_bytes = encoded_len(3, payload.len(), false).expect("it fits");
        let start = segment.len();
        let placed = place(start as u64, len_bytes) as usize;
        segment.resize(placed + len_bytes, 0);
        if placed > start {
            encode_padding(&mut segment[start..placed], SALT);
        }
        encode(&mut segment[placed..], SALT, &head, b"key", payload);
    }

    /// Records of these payload lengths, and then unwritten space.
    fn segment(payload_lens: &[usize]) -> (Vec<u8>, usize) {
        let mut segment = Vec::new();
        for (sequence, len) in payload_lens.iter().enumerate() {
            append(&mut segment, sequence as u64, &vec![0xEE; *len]);
        }
        let written_bytes = segment.len();
        segment.resize((written_bytes + 64).next_multiple_of(512), 0);
        (segment, written_bytes)
    }

    /// Reads a segment in chunks of at least `chunk_bytes` and returns the payload lengths and the last step.
    fn walk(segment: &[u8], chunk_bytes: usize) -> (Vec<usize>, Step<'_>) {
        let mut lens = Vec::new();
        let (mut start, mut wanted) = (0, chunk_bytes);
        loop {
            let chunk = &segment[start..(start + wanted).min(segment.len())];
            let mut last = None;
            for step in RecordIter::new(chunk, segment.len() - start, SALT) {
                match step {
                    Step::Record { record, .. } => {
                        assert_eq!(record.head.sequence, lens.len() as u64);
                        lens.push(record.payload.len());
                    }
                    step => assert!(last.replace(step).is_none(), "it stops once"),
                }
            }
            match last.expect("it says why it stops") {
                Step::NeedMore { offset_bytes, needed_bytes } => {
                    assert!(offset_bytes > 0 || needed_bytes > chunk.len(), "it gets further");
                    start += offset_bytes;
                    wanted = needed_bytes.max(chunk_bytes);
                }
                Step::End { offset_bytes } => {
                    return (lens, Step::End { offset_bytes: start + offset_bytes });
                }
                step => return (lens, step),
            }
        }
    }

    proptest! {
        #[test]
        fn all_records_are_found_whatever_the_chunks(
            lens in prop::collection::vec(0..6000_usize, 0..40),
            chunk_bytes in 1..8000_usize,
        ) {
            let (segment, written_bytes) = segment(&lens);
            let (found, last) = walk(&segment, chunk_bytes);
            prop_assert_eq!(found, lens);
            prop_assert_eq!(last, Step::End { offset_bytes: written_bytes });
        }

        #[test]
        fn arbitrary_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let region_bytes = bytes.len().next_multiple_of(16);
            let mut iter = RecordIter::new(&bytes, region_bytes, SALT);
            prop_assert!(iter.by_ref().count() <= 1 + bytes.len() / 16);
            iter.skip_damage();
        }
    }

    #[test]
    fn padding_is_used_and_passed_over() {
        let lens = [3000, 1000, 3950];
        let (segment, _) = segment(&lens);
        let mut offsets = Vec::new();
        for step in RecordIter::new(&segment, segment.len(), SALT) {
            if let Step::Record { offset_bytes, .. } = step {
                offsets.push(offset_bytes);
            }
        }
        assert_eq!(offsets, [0, 3040, 4096]);
    }

    #[test]
    fn damage_stops_the_walk_and_can_be_skipped() {
        let (mut segment, _) = segment(&[100, 200, 300]);
        segment[200] ^= 1;
        let mut iter = RecordIter::new(&segment, segment.len(), SALT);
        assert!(matches!(iter.next(), Some(Step::Record { .. })));
        assert_eq!(iter.next(), Some(Step::Damaged { offset_bytes: 144, error: RecordError::Checksum }));
        assert_eq!(iter.next(), None);
        assert!(iter.skip_damage());
        let Some(Step::Record { record, .. }) = iter.next() else { panic!("the third record is intact") };
        assert_eq!(record.payload.len(), 300);
        assert!(matches!(iter.next(), Some(Step::End { .. })));
    }

    #[test]
    fn a_record_longer_than_its_segment_is_damage() {
        let (segment, _) = segment(&[1000]);
        let mut iter = RecordIter::new(&segment[..256], 512, SALT);
        assert_eq!(iter.next(), Some(Step::Damaged { offset_bytes: 0, error: RecordError::Length }));
    }

    #[test]
    fn records_of_an_earlier_life_do_not_appear() {
        let (old, _) = segment(&[100, 100, 100]);
        let mut iter = RecordIter::new(&old, old.len(), RecordSalt(6));
        assert_eq!(iter.next(), Some(Step::Damaged { offset_bytes: 0, error: RecordError::Checksum }));
        assert!(!iter.skip_damage());
    }

    #[test]
    fn skipping_through_false_heads_has_a_bound() {
        let mut chunk = vec![0xFF; 1 << 20];
        for head in chunk.chunks_mut(32) {
            head.fill(0);
            head[4] = super::super::record::RECORD_FORMAT;
            head[5] = RecordKind::Value as u8;
            head[16..20].copy_from_slice(&(1_u32 << 16).to_le_bytes());
        }
        let mut iter = RecordIter::new(&chunk, chunk.len(), SALT);
        assert!(matches!(iter.next(), Some(Step::Damaged { .. })));
        assert!(!iter.skip_damage());
    }
}
