//! Which register an element belongs to, and what it puts there.

use super::sketch::REGISTERS;

/// The seed of Redis' hash: other ones would give other registers for the same elements.
const SEED: u64 = 0xadc8_3b19;
/// Bits of the hash that choose a register.
const INDEX_BITS: u32 = REGISTERS.ilog2();

/// What an element does to a sketch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    /// The register, from 0 to 16383.
    pub(super) index: usize,
    /// The register's value is at least this afterwards, from 1 to 51.
    pub(super) rank: u8,
}

impl Mark {
    /// The low bits of the element's hash choose the register, and the rank is the position of the first one among the
    /// others.
    pub(super) fn of(element: &[u8]) -> Self {
        let hash = murmur_hash_64a(element);
        let rest = hash >> INDEX_BITS;
        // A bit above the hash's last ends the search where all others are zero.
        let rank = (rest | 1 << (u64::BITS - INDEX_BITS)).trailing_zeros() + 1;
        Self { index: (hash as usize) % REGISTERS, rank: rank as u8 }
    }
}

/// [MurmurHash64A](https://github.com/aappleby/smhasher), which reads words in little-endian order.
fn murmur_hash_64a(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let spread = |word: u64| word ^ word >> 47;
    let (words, tail) = bytes.as_chunks::<{ size_of::<u64>() }>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        let mixed = spread(u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        hash = (hash ^ mixed).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut last = [0; size_of::<u64>()];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    spread(spread(hash).wrapping_mul(MULTIPLIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the replies of redis-server 7.0 to PFDEBUG DECODE after PFADD of one element.
    #[test]
    fn elements_mark_the_registers_that_redis_marks() {
        for (element, index, rank) in [
            ("", 5938, 2),
            ("a", 12711, 2),
            ("1234567", 10327, 3),
            ("12345678", 10579, 3),
            ("123456789abcdef", 1977, 3),
            ("123456789abcdef0", 11382, 1),
        ] {
            assert_eq!(Mark::of(element.as_bytes()), Mark { index, rank }, "{element}");
        }
    }
}
