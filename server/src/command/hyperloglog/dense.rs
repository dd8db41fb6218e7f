//! Registers of six bits each, the first in the lowest bits of the first byte.

use super::hash::Mark;
use super::sketch::{REGISTERS, Registers};

/// What all registers take.
pub(super) const BYTES: usize = REGISTERS * REGISTER_BITS / 8;

const REGISTER_BITS: usize = 6;
const REGISTER_MASK: u16 = (1 << REGISTER_BITS) - 1;
/// Three bytes hold four registers exactly.
const GROUP_BYTES: usize = 3;
const GROUP_REGISTERS: usize = 4;

/// The register's value.
pub(super) fn get(body: &[u8], index: usize) -> u8 {
    let (at, shift) = position(index);
    (window(body, at) >> shift & REGISTER_MASK) as u8
}

/// Raises a register where it is lower.
pub(super) fn raise(body: &mut [u8], mark: Mark) {
    if get(body, mark.index) >= mark.rank {
        return;
    }
    let (at, shift) = position(mark.index);
    let word = window(body, at) & !(REGISTER_MASK << shift) | u16::from(mark.rank) << shift;
    let [low, high] = word.to_le_bytes();
    body[at] = low;
    if let Some(byte) = body.get_mut(at + 1) {
        *byte = high;
    }
}

/// The values of all registers.
pub(super) fn values(body: &[u8]) -> impl Iterator<Item = u8> {
    body.as_chunks::<GROUP_BYTES>().0.iter().flat_map(|&[low, middle, high]| {
        let word = u32::from_le_bytes([low, middle, high, 0]);
        [0, 1, 2, 3].map(|number| (word >> (REGISTER_BITS * number)) as u8 & REGISTER_MASK as u8)
    })
}

/// Writes all registers.
pub(super) fn write(body: &mut [u8], registers: &Registers) {
    let (groups, _) = registers.as_chunks::<GROUP_REGISTERS>();
    for (group, bytes) in groups.iter().zip(body.chunks_exact_mut(GROUP_BYTES)) {
        let word = group.iter().rev().fold(0, |word, value| word << REGISTER_BITS | u32::from(*value));
        bytes.copy_from_slice(&word.to_le_bytes()[..GROUP_BYTES]);
    }
}

/// The register's first byte, and the lowest of its bits there.
fn position(index: usize) -> (usize, usize) {
    let bit = index * REGISTER_BITS;
    (bit / 8, bit % 8)
}

/// The two bytes that hold a register; behind the last there is nothing.
fn window(body: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([body[at], body.get(at + 1).copied().unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_independent_of_each_other() {
        let mut body = vec![0; BYTES];
        let value = |index: usize| (index % 63 + 1) as u8;
        for index in (0..REGISTERS).rev() {
            raise(&mut body, Mark { index, rank: value(index) });
        }
        let expected: Vec<u8> = (0..REGISTERS).map(value).collect();
        assert_eq!((0..REGISTERS).map(|index| get(&body, index)).collect::<Vec<_>>(), expected);
        assert_eq!(values(&body).collect::<Vec<_>>(), expected);
        let mut written = vec![0; BYTES];
        write(&mut written, expected.as_slice().try_into().unwrap());
        assert_eq!(written, body);
    }

    #[test]
    fn a_register_never_falls() {
        let mut body = vec![0; BYTES];
        raise(&mut body, Mark { index: REGISTERS - 1, rank: 9 });
        raise(&mut body, Mark { index: REGISTERS - 1, rank: 3 });
        assert_eq!(get(&body, REGISTERS - 1), 9);
    }
}
