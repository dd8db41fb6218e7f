//! Values for tests: any length, told from one another by their key, compressible or not.

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

/// Whether a value has redundancy that zstd can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texture {
    /// Random bytes.
    Incompressible,
    /// A short phrase again and again.
    Compressible,
}

/// The value of `length_bytes` bytes that belongs to number `id`: the same whenever it is asked for, so a test need not
/// keep it.
pub fn payload(id: u64, length_bytes: usize, texture: Texture) -> Vec<u8> {
    match texture {
        Texture::Incompressible => {
            let mut bytes = vec![0; length_bytes];
            SmallRng::seed_from_u64(id).fill_bytes(&mut bytes);
            bytes
        }
        Texture::Compressible => {
            let phrase = format!("value {id} of a thermocline; ");
            phrase.bytes().cycle().take(length_bytes).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_reproducible_and_distinct() {
        for texture in [Texture::Incompressible, Texture::Compressible] {
            assert_eq!(payload(7, 1000, texture), payload(7, 1000, texture));
            assert_ne!(payload(7, 1000, texture), payload(8, 1000, texture));
            assert_eq!(payload(7, 0, texture), b"");
        }
    }
}
