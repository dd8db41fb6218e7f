//! Passwords, of which only the SHA-256 digest is ever kept.

use std::fmt;
use std::hint::black_box;

use sha2::{Digest, Sha256};

/// How many hexadecimal digits a digest has.
pub const DIGITS: usize = 64;

/// The SHA-256 digest of a password.
#[derive(Clone, Copy, Debug)]
pub struct PasswordDigest([u8; 32]);

impl PasswordDigest {
    /// The digest of this password.
    pub fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// The digest that is written in 64 lower-case hexadecimal digits; `None` for anything else.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if digits.len() != DIGITS {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

/// How long a comparison takes says nothing about where the digests differ.
impl PartialEq for PasswordDigest {
    fn eq(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |sum, (one, two)| sum | black_box(one ^ two));
        black_box(difference) == 0
    }
}

impl Eq for PasswordDigest {}

impl fmt::Display for PasswordDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_and_reads_what_it_shows() {
        let digest = PasswordDigest::of(b"abc");
        let shown = digest.to_string();
        assert_eq!(shown, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(PasswordDigest::parse(shown.as_bytes()), Some(digest));
        assert_ne!(PasswordDigest::of(b"abd"), digest);
    }

    #[test]
    fn other_spellings_are_no_digests() {
        let shown = PasswordDigest::of(b"abc").to_string();
        for wrong in [&shown[1..], &format!("{shown}0"), &shown.to_uppercase(), &shown.replace('b', "g"), ""]
        {
            assert_eq!(PasswordDigest::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
