//! The text of a key: `key:000000000042`.
//!
//! Keys are the decimal index, zero-padded to a fixed length, so that a data set of N keys of K bytes can be
//! described by two numbers and every tool that reads it (this one, a script, a person) names the same keys.

/// Shortest accepted key: room for the index of any data set is checked on top of it.
pub const MIN_KEY_BYTES: usize = 4;

/// Longest accepted key: memcached's limit.
pub const MAX_KEY_BYTES: usize = 250;

/// Put in front of the digits where the key is long enough for it.
const PREFIX: &[u8] = b"key:";

/// Writes the keys of one data set.
#[derive(Clone, Debug)]
pub struct KeyFormat {
    /// The key of index 0; the digits are overwritten from the end.
    template: Vec<u8>,
}

impl KeyFormat {
    /// Keys of `key_bytes` bytes for the indices `0..keys`.
    ///
    /// # Errors
    ///
    /// If such a key cannot hold the largest index, or is outside [`MIN_KEY_BYTES`] to [`MAX_KEY_BYTES`].
    pub fn new(key_bytes: usize, keys: u64) -> Result<Self, String> {
        if !(MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&key_bytes) {
            return Err(format!("a key must have {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, not {key_bytes}"));
        }
        let digits = keys.saturating_sub(1).checked_ilog10().map_or(1, |log| log as usize + 1);
        if digits > key_bytes {
            return Err(format!("{keys} keys need {digits} digits: {key_bytes} bytes are too few for a key"));
        }
        let mut template = vec![b'0'; key_bytes];
        if key_bytes >= digits + PREFIX.len() {
            template[..PREFIX.len()].copy_from_slice(PREFIX);
        }
        Ok(Self { template })
    }

    /// How long every key is.
    pub fn key_bytes(&self) -> usize {
        self.template.len()
    }

    /// Writes the key of `index` into `out`, replacing what is there.
    #[inline]
    pub fn write(&self, index: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.template);
        let mut rest = index;
        for digit in out.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        debug_assert_eq!(rest, 0, "the key of {index} does not fit {} bytes", self.template.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key_bytes: usize, keys: u64, index: u64) -> String {
        let mut out = b"old".to_vec();
        KeyFormat::new(key_bytes, keys).expect("valid").write(index, &mut out);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn keys_are_zero_padded_decimals_behind_a_prefix() {
        assert_eq!(key(16, 1_000_000, 0), "key:000000000000");
        assert_eq!(key(16, 1_000_000, 999_999), "key:000000999999");
        assert_eq!(key(4, 10_000, 42), "0042");
    }

    #[test]
    fn a_key_too_short_for_its_index_is_refused() {
        assert!(KeyFormat::new(4, 10_000).is_ok());
        assert!(KeyFormat::new(4, 10_001).is_err());
        assert!(KeyFormat::new(3, 10).is_err());
        assert!(KeyFormat::new(251, 10).is_err());
    }
}
