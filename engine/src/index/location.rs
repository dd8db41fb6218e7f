//! Where on the SSD a value's record lies, in 58 bits, so that it fits an index entry's first word.

/// Records start and end at multiples of this many bytes.
pub(crate) const RECORD_ALIGN_BYTES: u64 = 16;

/// The largest segment a location can address: 2^20 units of 16 bytes.
pub(crate) const MAX_SEGMENT_BYTES: u64 = RECORD_ALIGN_BYTES << UNIT_BITS;

/// The number of segments a location can tell apart; at 16 MiB each this is 4 TiB.
pub(crate) const MAX_SEGMENTS: u32 = 1 << SEGMENT_BITS;

const UNIT_BITS: u32 = 20;
const SEGMENT_BITS: u32 = 18;
const UNIT_MASK: u64 = (1 << UNIT_BITS) - 1;

/// How many bits of a word a location occupies.
pub(crate) const LOCATION_BITS: u32 = SEGMENT_BITS + 2 * UNIT_BITS;

/// A record on the SSD: segment, offset in it and length, the last two in units of 16 bytes.
///
/// While a record is referenced from the index, or its segment is pinned by a reader, no other record
/// has the same location: a location therefore also serves as the version of a cold value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location(u64);

impl Location {
    /// The location of `length_bytes` bytes at `offset_bytes` of `segment`.
    ///
    /// # Panics
    /// If offset or length is not a multiple of 16, the length is zero, or one of them is out of range.
    pub fn new(segment: u32, offset_bytes: u64, length_bytes: u64) -> Self {
        assert!(segment < MAX_SEGMENTS, "segment number out of range");
        assert!(
            offset_bytes.is_multiple_of(RECORD_ALIGN_BYTES)
                && length_bytes.is_multiple_of(RECORD_ALIGN_BYTES)
        );
        assert!(length_bytes > 0 && offset_bytes + length_bytes <= MAX_SEGMENT_BYTES);
        let (offset, length) = (offset_bytes / RECORD_ALIGN_BYTES, length_bytes / RECORD_ALIGN_BYTES - 1);
        Self((u64::from(segment) << (2 * UNIT_BITS)) | (offset << UNIT_BITS) | length)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        debug_assert!(bits >> LOCATION_BITS == 0);
        Self(bits)
    }

    /// The location as one number below 2^58.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The segment the record lies in.
    pub fn segment(self) -> u32 {
        (self.0 >> (2 * UNIT_BITS)) as u32
    }

    /// Where in the segment the record starts, in bytes.
    pub fn offset_bytes(self) -> u64 {
        ((self.0 >> UNIT_BITS) & UNIT_MASK) * RECORD_ALIGN_BYTES
    }

    /// How long the record is, in bytes, padding to 16 included.
    pub fn length_bytes(self) -> u64 {
        ((self.0 & UNIT_MASK) + 1) * RECORD_ALIGN_BYTES
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}+{}", self.segment(), self.offset_bytes(), self.length_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_at_their_limits() {
        for (segment, offset, length) in [
            (0, 0, 16),
            (MAX_SEGMENTS - 1, MAX_SEGMENT_BYTES - 16, 16),
            (7, 0, MAX_SEGMENT_BYTES),
            (1, 4096, 1040),
        ] {
            let location = Location::new(segment, offset, length);
            assert_eq!(
                (location.segment(), location.offset_bytes(), location.length_bytes()),
                (segment, offset, length)
            );
            assert!(location.bits() >> LOCATION_BITS == 0);
        }
    }
}
