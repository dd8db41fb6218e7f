//! Cursors in hash order.
//!
//! A cursor names the next home bucket to visit: shard, hash prefix of the segment, bucket. Because it
//! names a position in the hash space, not in memory, it stays meaningful while segments split and merge:
//! a key present throughout is visited at least once, and a key is visited twice only if its segment
//! split or merged meanwhile.

use super::table::BUCKETS_PER_SEGMENT;

const BUCKET_BITS: u32 = BUCKETS_PER_SEGMENT.trailing_zeros();
const PREFIX_BITS: u32 = 24;
const SHARD_BITS: u32 = 10;

/// A position in hash order over all shards: zero is both the start and the end, as clients expect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor(u64);

/// The parts of a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) shard: usize,
    /// Left-aligned in 64 bits.
    pub(crate) prefix: u64,
    pub(crate) bucket: usize,
}

impl Cursor {
    /// Where every iteration starts, and where it has ended.
    pub const START: Self = Self(0);

    /// The cursor a client sent. Any number is accepted: one that no scan gave out leads somewhere in
    /// the key space, or to its end.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number to send to a client; below 2^40.
    pub fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn at(position: Position) -> Self {
        let prefix = position.prefix >> (64 - PREFIX_BITS);
        Self(
            ((position.shard as u64) << (PREFIX_BITS + BUCKET_BITS))
                | (prefix << BUCKET_BITS)
                | position.bucket as u64,
        )
    }

    pub(crate) fn position(self) -> Position {
        Position {
            shard: (self.0 >> (PREFIX_BITS + BUCKET_BITS)) as usize & ((1 << SHARD_BITS) - 1),
            prefix: (self.0 >> BUCKET_BITS) << (64 - PREFIX_BITS),
            bucket: self.0 as usize & (BUCKETS_PER_SEGMENT - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_number() {
        let position = Position { shard: 1023, prefix: 0xabcdef << 40, bucket: 63 };
        assert_eq!(Cursor::at(position).position(), position);
    }
}
