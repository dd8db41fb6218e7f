//! What a value holds, and whether a value that was read is one that was written.
//!
//! A value is a function of its key's index and a version:
//!
//! ```text
//! 0        4        8                                            size
//! | version | tag    | a stretch of one fixed noise text ...        |
//! ```
//!
//! The tag is a hash of index, version and length, and the same hash says where in the noise the rest starts. So
//! a reader can tell, from the value alone, a wrong key's value, a torn one, a shortened one and a flipped bit,
//! and it learns the version, which [`ledger`](super::ledger) needs to recognise a lost write. Making a value is
//! one copy, so that the client stays light.
//!
//! The noise is laid out in cells of which a part is random and the rest a constant, which makes values
//! compressible to about the asked degree at any size. It never repeats within a value.

use super::random::{Random, mix};
use super::value_size::ValueSize;

/// Version and tag.
pub const HEADER_BYTES: usize = 8;

/// How far into the noise a value may start. Small enough to stay in a core's second-level cache.
const NOISE_SPAN_BYTES: usize = 256 << 10;

/// A cell of noise: this many bytes, of which the compressible share is constant.
const CELL_BYTES: usize = 64;

/// The noise is the same in every run, whatever the seed of the requests, so that one process can verify what
/// another has loaded.
const NOISE_SEED: u64 = 0x7468_6572_6d6f;

/// Makes and checks the values of one data set.
#[derive(Clone, Debug)]
pub struct ValueContent {
    sizes: ValueSize,
    noise: Vec<u8>,
}

/// Why a value cannot be what was written under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// The value is longer or shorter than the key's values are.
    #[error("{found} bytes where the key's values have {expected}")]
    Length {
        /// What the workload says.
        expected: usize,
        /// What was read.
        found: usize,
    },
    /// The header belongs to another key, or is damaged.
    #[error(
        "the tag does not match the key and the version {version}: another key's value, or a damaged one"
    )]
    Tag {
        /// What the header says.
        version: u32,
    },
    /// The header is right and what follows is not.
    #[error("byte {at} of version {version} is wrong")]
    Body {
        /// What the header says.
        version: u32,
        /// The first wrong byte.
        at: usize,
    },
}

impl ValueContent {
    /// Values of the given sizes, of which the share `compressibility` (in `0..=1`) can be compressed away.
    pub fn new(sizes: ValueSize, compressibility: f64) -> Self {
        assert!((0.0..=1.0).contains(&compressibility), "compressibility {compressibility}");
        let random_bytes = (CELL_BYTES as f64 * (1.0 - compressibility)).round() as usize;
        let mut noise = vec![b'.'; (NOISE_SPAN_BYTES + sizes.longest_bytes()).next_multiple_of(CELL_BYTES)];
        let mut random = Random::new(NOISE_SEED, 0);
        for cell in noise.chunks_exact_mut(CELL_BYTES) {
            for byte in &mut cell[..random_bytes] {
                *byte = random.bits() as u8;
            }
        }
        Self { sizes, noise }
    }

    /// The sizes given to [`new`](Self::new).
    pub fn sizes(&self) -> &ValueSize {
        &self.sizes
    }

    /// Writes the value of key `index` at `version` into `out`, replacing what is there. A value shorter than
    /// [`HEADER_BYTES`] has no header and cannot be verified.
    #[inline]
    pub fn write(&self, index: u64, version: u32, out: &mut Vec<u8>) {
        out.clear();
        let size_bytes = self.sizes.bytes(index);
        let hash = hash(index, version, size_bytes);
        if size_bytes >= HEADER_BYTES {
            out.extend_from_slice(&version.to_le_bytes());
            out.extend_from_slice(&tag(hash).to_le_bytes());
        }
        out.extend_from_slice(self.body(hash, size_bytes - out.len()));
    }

    /// The version of the value that was read under key `index`.
    ///
    /// # Errors
    ///
    /// If it cannot have been written under that key by [`write`](Self::write).
    pub fn verify(&self, index: u64, value: &[u8]) -> Result<u32, Corruption> {
        let expected = self.sizes.bytes(index);
        assert!(expected >= HEADER_BYTES, "values of {expected} bytes cannot be verified");
        if value.len() != expected {
            return Err(Corruption::Length { expected, found: value.len() });
        }
        let word = |at: usize| u32::from_le_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]]);
        let version = word(0);
        let hash = hash(index, version, expected);
        if word(4) != tag(hash) {
            return Err(Corruption::Tag { version });
        }
        let (body, read) = (self.body(hash, expected - HEADER_BYTES), &value[HEADER_BYTES..]);
        match body.iter().zip(read).position(|(expected, found)| expected != found) {
            Some(at) => Err(Corruption::Body { version, at: at + HEADER_BYTES }),
            None => Ok(version),
        }
    }

    #[inline]
    fn body(&self, hash: u64, body_bytes: usize) -> &[u8] {
        let start = hash as usize % NOISE_SPAN_BYTES;
        &self.noise[start..start + body_bytes]
    }
}

#[inline]
fn hash(index: u64, version: u32, size_bytes: usize) -> u64 {
    mix(mix(index).wrapping_add(u64::from(version)) ^ ((size_bytes as u64) << 32))
}

/// The half of the hash that does not choose the place in the noise.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(content: &ValueContent, index: u64, version: u32) -> Vec<u8> {
        let mut out = b"old".to_vec();
        content.write(index, version, &mut out);
        out
    }

    #[test]
    fn a_value_is_verified_and_tells_its_version() {
        let content = ValueContent::new("8-2000".parse().expect("valid"), 0.5);
        for index in 0..1000 {
            let value = value(&content, index, 7);
            assert_eq!(value.len(), content.sizes().bytes(index));
            assert_eq!(content.verify(index, &value), Ok(7));
        }
    }

    #[test]
    fn another_keys_value_is_recognised() {
        let content = ValueContent::new(ValueSize::Fixed(100), 0.0);
        assert_eq!(content.verify(2, &value(&content, 1, 9)), Err(Corruption::Tag { version: 9 }));
    }

    #[test]
    fn any_flipped_byte_is_recognised() {
        let content = ValueContent::new(ValueSize::Fixed(100), 0.0);
        let good = value(&content, 1, 1);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(content.verify(1, &bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_value_torn_between_two_versions_is_recognised() {
        let content = ValueContent::new(ValueSize::Fixed(100), 0.0);
        let (mut torn, new) = (value(&content, 1, 1), value(&content, 1, 2));
        torn[..50].copy_from_slice(&new[..50]);
        assert!(matches!(content.verify(1, &torn), Err(Corruption::Body { version: 2, at: 50.. })));
    }

    #[test]
    fn a_shortened_value_is_recognised() {
        let content = ValueContent::new(ValueSize::Fixed(100), 0.0);
        let value = value(&content, 1, 1);
        assert_eq!(content.verify(1, &value[..99]), Err(Corruption::Length { expected: 100, found: 99 }));
    }

    #[test]
    fn longer_values_elsewhere_do_not_change_a_value() {
        let short = ValueContent::new(ValueSize::Fixed(100), 0.3);
        let long = ValueContent::new("100:1,1000000:1".parse().expect("valid"), 0.3);
        let index = (0..).find(|&index| long.sizes().bytes(index) == 100).expect("half of them");
        assert_eq!(value(&short, index, 1), value(&long, index, 1));
    }

    #[test]
    fn values_compress_to_about_the_asked_degree() {
        for (size_bytes, compressibility, low, high) in [
            (1000, 0.0, 0.99, 1.03),
            (1000, 0.5, 0.45, 0.65),
            (1000, 1.0, 0.0, 0.06),
            (100_000, 0.0, 0.99, 1.01),
            (100_000, 0.5, 0.45, 0.65),
        ] {
            let content = ValueContent::new(ValueSize::Fixed(size_bytes), compressibility);
            let ratios = (0..20).map(|index| {
                let value = value(&content, index, 1);
                zstd::bulk::compress(&value, 1).expect("in memory").len() as f64 / value.len() as f64
            });
            let mean = ratios.sum::<f64>() / 20.0;
            assert!((low..=high).contains(&mean), "{size_bytes} bytes at {compressibility}: {mean}");
        }
    }

    #[test]
    fn a_value_too_short_for_a_header_is_still_made() {
        let content = ValueContent::new(ValueSize::Fixed(3), 0.0);
        assert_eq!(value(&content, 1, 1).len(), 3);
    }
}
