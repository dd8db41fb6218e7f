//! The first block of a segment: which segment this is, and which of its lives.
//!
//! **Invariant:** the header has a block of its own, so writing it is atomic on every device and touches no
//! record.
//!
//! **Invariant:** an epoch is given out once in the life of a tier, so a segment's records and those of its
//! earlier lives have different salts.

use thiserror::Error;

use super::record::RecordSalt;
use crate::device::MAX_BLOCK_BYTES;

/// What the header occupies at a segment's start, in bytes. The first record starts behind it.
pub const SEGMENT_HEADER_BYTES: usize = MAX_BLOCK_BYTES;

/// The version of the segment's layout.
pub const SEGMENT_FORMAT: u16 = 1;

const MAGIC: [u8; 8] = *b"THRMCSEG";

/// The fields of the header and the bytes they occupy; everything behind them is zero.
mod field {
    use std::ops::Range;

    pub(super) const MAGIC: Range<usize> = 0..8;
    pub(super) const CHECKSUM: Range<usize> = 8..12;
    pub(super) const FORMAT: Range<usize> = 12..14;
    pub(super) const CLASS: usize = 14;
    pub(super) const SEGMENT: Range<usize> = 16..20;
    pub(super) const SEGMENT_LEN: Range<usize> = 20..24;
    pub(super) const EPOCH: Range<usize> = 24..32;
    pub(super) const TIER: Range<usize> = 32..40;
}

/// What a segment's records have in common. The number is the one on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SegmentClass {
    /// Values that left DRAM.
    Demoted = 1,
    /// Values that survived a gc, so likely to live on.
    Survivor = 2,
    /// Values that expire soon, so that the segment dies as a whole.
    ShortLived = 3,
}

/// What is known of a segment from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The segment's number.
    pub segment: u32,
    /// The segment's length, in bytes.
    pub segment_bytes: u32,
    /// Which of all openings of segments in this tier this is.
    pub epoch: u64,
    /// A random number of the tier, so that files of two tiers are not mixed up.
    pub tier: u64,
    /// What is in it.
    pub class: SegmentClass,
}

/// Why a block is not a header that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SegmentHeaderError {
    /// Never written, or something else.
    #[error("there is no segment header")]
    Missing,
    /// Damaged.
    #[error("the segment header's checksum is wrong")]
    Checksum,
    /// Undamaged, but of a layout that this version does not know.
    #[error("the segment is of an unknown format: {0}")]
    Format(u16),
    /// Undamaged, but of a class that this version does not know.
    #[error("the segment is of an unknown class: {0}")]
    Class(u8),
}

impl SegmentHeader {
    /// What the checksums of the records in this life of the segment start from.
    pub fn salt(&self) -> RecordSalt {
        // The low half suffices: to be mistaken for one of this life, a record would have to lie untouched
        // while 2^32 segments were opened.
        RecordSalt(self.epoch as u32)
    }

    /// Writes the header to all of `block`.
    pub fn encode(&self, block: &mut [u8; SEGMENT_HEADER_BYTES]) {
        block.fill(0);
        block[field::MAGIC].copy_from_slice(&MAGIC);
        block[field::FORMAT].copy_from_slice(&SEGMENT_FORMAT.to_le_bytes());
        block[field::CLASS] = self.class as u8;
        block[field::SEGMENT].copy_from_slice(&self.segment.to_le_bytes());
        block[field::SEGMENT_LEN].copy_from_slice(&self.segment_bytes.to_le_bytes());
        block[field::EPOCH].copy_from_slice(&self.epoch.to_le_bytes());
        block[field::TIER].copy_from_slice(&self.tier.to_le_bytes());
        let checksum = crc32c::crc32c(&block[field::CHECKSUM.end..]);
        block[field::CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads and verifies a header.
    ///
    /// # Errors
    ///
    /// [`SegmentHeaderError`]; nothing of the block can be used then.
    pub fn decode(block: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, SegmentHeaderError> {
        if block[field::MAGIC] != MAGIC {
            return Err(SegmentHeaderError::Missing);
        }
        if crc32c::crc32c(&block[field::CHECKSUM.end..]) != u32_at(block, field::CHECKSUM) {
            return Err(SegmentHeaderError::Checksum);
        }
        let format = u16::from_le_bytes(block[field::FORMAT].try_into().expect("two bytes"));
        if format != SEGMENT_FORMAT {
            return Err(SegmentHeaderError::Format(format));
        }
        let class = match block[field::CLASS] {
            1 => SegmentClass::Demoted,
            2 => SegmentClass::Survivor,
            3 => SegmentClass::ShortLived,
            other => return Err(SegmentHeaderError::Class(other)),
        };
        Ok(Self {
            segment: u32_at(block, field::SEGMENT),
            segment_bytes: u32_at(block, field::SEGMENT_LEN),
            epoch: u64_at(block, field::EPOCH),
            tier: u64_at(block, field::TIER),
            class,
        })
    }
}

fn u32_at(block: &[u8], range: std::ops::Range<usize>) -> u32 {
    u32::from_le_bytes(block[range].try_into().expect("four bytes"))
}

fn u64_at(block: &[u8], range: std::ops::Range<usize>) -> u64 {
    u64::from_le_bytes(block[range].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        segment: 7,
        segment_bytes: 16 << 20,
        epoch: (1 << 32) + 9,
        tier: 0x0102_0304_0506_0708,
        class: SegmentClass::Survivor,
    };

    fn encoded(header: &SegmentHeader) -> Box<[u8; SEGMENT_HEADER_BYTES]> {
        let mut block = Box::new([0xFF; SEGMENT_HEADER_BYTES]);
        header.encode(&mut block);
        block
    }

    /// Fixes the format: when this fails, the format has changed and needs a new number.
    #[test]
    fn the_bytes_are_those_of_the_format_page() {
        let block = encoded(&HEADER);
        assert_eq!(&block[..8], b"THRMCSEG");
        #[rustfmt::skip]
        let expected = [
            1, 0, 2, 0,
            7, 0, 0, 0,
            0, 0, 0, 1,
            9, 0, 0, 0, 1, 0, 0, 0,
            8, 7, 6, 5, 4, 3, 2, 1,
        ];
        assert_eq!(block[12..40], expected);
        assert!(block[40..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_header_is_read_as_written() {
        for class in [SegmentClass::Demoted, SegmentClass::Survivor, SegmentClass::ShortLived] {
            let header = SegmentHeader { class, ..HEADER };
            assert_eq!(SegmentHeader::decode(&encoded(&header)), Ok(header));
        }
    }

    #[test]
    fn every_single_bit_error_is_detected() {
        let mut block = encoded(&HEADER);
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            SegmentHeader::decode(&block).expect_err("a bit is wrong");
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn unwritten_space_has_no_header() {
        assert_eq!(SegmentHeader::decode(&[0; SEGMENT_HEADER_BYTES]), Err(SegmentHeaderError::Missing));
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut block = encoded(&HEADER);
        block[12] = 2;
        let checksum = crc32c::crc32c(&block[12..]);
        block[8..12].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&block), Err(SegmentHeaderError::Format(2)));
    }

    #[test]
    fn two_lives_have_different_salts() {
        let next = SegmentHeader { epoch: HEADER.epoch + 1, ..HEADER };
        assert_ne!(HEADER.salt(), next.salt());
    }
}
