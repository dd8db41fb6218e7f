//! Scores as elements of a pack: the shortest of an integer, a single and a double.
//!
//! | element | score |
//! |---|---|
//! | integer of at most 32 bits | that number |
//! | 4 bytes | a 32-bit floating-point number, little-endian |
//! | 8 bytes | a 64-bit one |
//! | 9 bytes | a 64-bit one behind a byte 0xFF |
//!
//! A string that spells an integer would become one in a pack, so a score whose bytes do, such as those of `"1234"`, gets the
//! next longer form; no text begins with 0xFF.

use crate::value::Element;
use crate::value::element::Encoded;

/// What a double begins with whose bytes spell an integer.
const MARK: u8 = 0xff;

/// A score's bytes, where it is no integer.
pub(super) struct PackedScore {
    integer: Option<i64>,
    bytes: [u8; 9],
    length: u8,
}

impl PackedScore {
    #[inline]
    pub(super) fn new(score: f64) -> Self {
        let mut packed = Self { integer: None, bytes: [0; 9], length: 0 };
        let integer = score as i32;
        let single = score as f32;
        // Zero loses its sign, as in Redis' small sorted sets.
        if f64::from(integer) == score {
            packed.integer = Some(i64::from(integer));
        } else if f64::from(single) != score || !packed.set(&single.to_le_bytes()) {
            let [a, b, c, d, e, f, g, h] = score.to_le_bytes();
            if !packed.set(&[a, b, c, d, e, f, g, h]) {
                packed.set(&[MARK, a, b, c, d, e, f, g, h]);
            }
        }
        packed
    }

    /// False where the bytes would become an integer.
    fn set(&mut self, bytes: &[u8]) -> bool {
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.length = bytes.len() as u8;
        Element::of(bytes).as_integer().is_none()
    }

    #[inline]
    pub(super) fn encoded(&self) -> Encoded<'_> {
        match self.integer {
            Some(integer) => Encoded::integer(integer),
            None => Encoded::new(&self.bytes[..usize::from(self.length)]),
        }
    }
}

/// The score that an element is; `None` for one that [`PackedScore`] does not make.
#[inline]
pub(super) fn unpack(element: Element<'_>) -> Option<f64> {
    let score = match element {
        Element::Integer(integer) => return i32::try_from(integer).ok().map(f64::from),
        Element::Bytes(bytes) => match bytes.len() {
            4 => f64::from(f32::from_le_bytes(bytes.try_into().ok()?)),
            8 => f64::from_le_bytes(bytes.try_into().ok()?),
            _ => f64::from_le_bytes(bytes.strip_prefix(&[MARK])?.try_into().ok()?),
        },
    };
    (!score.is_nan()).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::element::decode;
    use proptest::prelude::*;

    fn packed(score: f64) -> Vec<u8> {
        let packed = PackedScore::new(score);
        let encoded = packed.encoded();
        let mut bytes = vec![0; encoded.len()];
        encoded.write::<false>(&mut bytes);
        bytes
    }

    fn comes_back(score: f64) -> bool {
        let bytes = packed(score);
        let (element, length) = decode(&bytes).expect("an element");
        length == bytes.len() && unpack(element) == Some(score)
    }

    #[test]
    fn the_shortest_form_is_taken() {
        for (score, bytes) in [
            (0.0, 1),
            (100.0, 1),
            (-1.0, 2),
            (1000.0, 2),
            (1e6, 4),
            (-2147483648.0, 5),
            (-0.0, 1),
            (1.5, 5),
            (f64::INFINITY, 5),
            (2147483648.0, 5),
            (0.1, 9),
            (3_479_099_956_230_698.0, 9),
        ] {
            assert_eq!(packed(score).len(), bytes, "{score}");
            assert!(comes_back(score), "{score}");
        }
    }

    #[test]
    fn scores_whose_bytes_spell_an_integer_come_back() {
        let single = f64::from(f32::from_le_bytes(*b"1234"));
        let double = f64::from_le_bytes(*b"-1234567");
        assert_eq!((packed(single).len(), packed(double).len()), (9, 10));
        assert!(comes_back(single) && comes_back(double));
    }

    #[test]
    fn other_elements_are_no_scores() {
        for bytes in [&b""[..], b"abc", b"\x01\x02\x03\x04\x05", &[0xfe; 9], &f64::NAN.to_le_bytes()] {
            assert_eq!(unpack(Element::Bytes(bytes)), None);
        }
        assert_eq!(unpack(Element::Integer(1 << 31)), None);
    }

    proptest! {
        #[test]
        fn every_score_comes_back(bits: u64, single: f32, integer: i32) {
            for score in [f64::from_bits(bits), f64::from(single), f64::from(integer)] {
                prop_assert!(score.is_nan() || comes_back(score));
            }
        }
    }
}
