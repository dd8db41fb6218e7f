//! Values made smaller with zstd where that pays, and back.
//!
//! Contexts are kept from value to value, one [`Compressor`] per thread that writes and one [`Decompressor`]
//! per thread that reads: making one costs more than compressing a small value.

use std::io;

use thiserror::Error;
use zstd::zstd_safe::CParameter;

use super::record::MAX_RECORD_BYTES;

/// Shorter values are stored as they are: hardly any JSON or text of 128 bytes gets enough smaller.
pub const MIN_COMPRESSED_BYTES: usize = 192;

/// Longer values are tried on a sample first.
const MIN_SAMPLED_BYTES: usize = 4 * SAMPLE_BYTES;

/// Longer values are not tried at all: one try would hold up its thread for a good part of a second.
const MAX_TRIED_BYTES: usize = 64 << 20;

/// How much of a long value is tried, from its middle: the start is often a header that compresses better
/// than the rest.
const SAMPLE_BYTES: usize = 4096;

/// A compressed value is kept only if it saves at least this part of the value. Decompressing 1 KiB takes 1
/// us (level -1) to 3 us (levels from 1), up to a quarter of the CPU time of the whole cold read, and every
/// read pays it.
const MIN_SAVED_DIVISOR: usize = 8;

/// After so many values in a row that did not compress, tries get rarer.
const PATIENCE: u32 = 8;

/// At most so many values pass untried after one that did not compress.
const MAX_SKIPPED: u32 = 63;

/// How much memory the output buffer keeps between values, in bytes.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// Compresses values and remembers when it is of no use.
pub struct Compressor {
    /// `None` when compression is off.
    context: Option<zstd::bulk::Compressor<'static>>,
    output: Vec<u8>,
    /// Values in a row that did not compress.
    failures: u32,
    /// How many values still pass untried.
    skip: u32,
}

impl Compressor {
    /// A compressor of this zstd level; 0 is off, negative levels are faster and compress less.
    ///
    /// # Errors
    ///
    /// When there is no memory for zstd's tables, or it does not know the level.
    pub fn new(level: i32) -> io::Result<Self> {
        let context = if level == 0 {
            None
        } else {
            let mut context = zstd::bulk::Compressor::new(level)?;
            // The record has the length and a checksum.
            context.set_parameter(CParameter::ContentSizeFlag(false))?;
            context.set_parameter(CParameter::ChecksumFlag(false))?;
            Some(context)
        };
        Ok(Self { context, output: Vec::new(), failures: 0, skip: 0 })
    }

    /// The value as a zstd frame; `None` if it is to be stored as it is, because it is short or huge, does
    /// not get at least an eighth smaller, or follows too many that did not.
    pub fn compress(&mut self, value: &[u8]) -> Option<&[u8]> {
        if self.context.is_none() || !(MIN_COMPRESSED_BYTES..=MAX_TRIED_BYTES).contains(&value.len()) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if self.sample_pays(value) && self.attempt(value) {
            self.failures = 0;
            return Some(&self.output);
        }
        self.failures = self.failures.saturating_add(1);
        // 1, 3, 7, ... up to the bound.
        let doublings = self.failures.saturating_sub(PATIENCE).min(MAX_SKIPPED.trailing_ones());
        self.skip = (1 << doublings) - 1;
        if self.output.capacity() > MAX_KEPT_BYTES {
            self.output = Vec::new();
        }
        None
    }

    fn sample_pays(&mut self, value: &[u8]) -> bool {
        if value.len() < MIN_SAMPLED_BYTES {
            return true;
        }
        let start = (value.len() - SAMPLE_BYTES) / 2;
        self.attempt(&value[start..start + SAMPLE_BYTES])
    }

    /// Compresses into `output`, and returns whether it saved enough.
    fn attempt(&mut self, value: &[u8]) -> bool {
        let Some(context) = &mut self.context else { return false };
        // What does not fit a record needs no room either.
        let limit_bytes = (value.len() - value.len() / MIN_SAVED_DIVISOR).min(MAX_RECORD_BYTES);
        self.output.clear();
        if self.output.capacity() > MAX_KEPT_BYTES.max(limit_bytes) {
            self.output.shrink_to(MAX_KEPT_BYTES);
        }
        self.output.reserve(limit_bytes);
        // The only error that can come is that the output does not fit, and then it has not saved enough. The
        // buffer may be bigger than the limit, so success is not yet enough either.
        context.compress_to_buffer(value, &mut self.output).is_ok_and(|bytes| bytes <= limit_bytes)
    }
}

/// Restores compressed values.
pub struct Decompressor {
    context: zstd::bulk::Decompressor<'static>,
}

/// A payload is not a zstd frame of a value of the given length. Its record's checksum was right, so it was
/// written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a compressed value does not decode to {decoded_bytes} bytes")]
pub struct DecompressError {
    /// The length that was expected.
    pub decoded_bytes: usize,
}

impl Decompressor {
    /// A decompressor.
    ///
    /// # Errors
    ///
    /// When there is no memory for zstd's tables.
    pub fn new() -> io::Result<Self> {
        Ok(Self { context: zstd::bulk::Decompressor::new()? })
    }

    /// Appends the value of `decoded_bytes` bytes that `payload` is the frame of to `out`. Takes no more
    /// memory than that whatever the frame says, so the caller bounds it by bounding `decoded_bytes`.
    ///
    /// # Errors
    ///
    /// [`DecompressError`]; `out` is as it was then.
    pub fn decompress(
        &mut self,
        payload: &[u8],
        decoded_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        let start = out.len();
        out.resize(start + decoded_bytes, 0);
        match self.context.decompress_to_buffer(payload, &mut out[start..]) {
            Ok(bytes) if bytes == decoded_bytes => Ok(()),
            _ => {
                out.truncate(start);
                Err(DecompressError { decoded_bytes })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that no compressor makes smaller.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..len).map(|_| next()).collect()
    }

    fn text(len: usize) -> Vec<u8> {
        b"a user wrote this, and then this again; ".iter().copied().cycle().take(len).collect()
    }

    fn restored(payload: &[u8], decoded_bytes: usize) -> Result<Vec<u8>, DecompressError> {
        let mut out = b"before".to_vec();
        let result =
            Decompressor::new().expect("a decompressor").decompress(payload, decoded_bytes, &mut out);
        assert_eq!(&out[..6], b"before");
        result.map(|()| out.split_off(6))
    }

    proptest! {
        #[test]
        fn a_compressed_value_comes_back_and_is_an_eighth_smaller(
            words in prop::collection::vec(0..20_u8, 1..4000),
            level in prop::sample::select(vec![-3, 1, 3]),
        ) {
            let value: Vec<u8> = words.iter().flat_map(|word| [*word, word * 3, 7, 7]).collect();
            let mut compressor = Compressor::new(level).expect("a compressor");
            if let Some(payload) = compressor.compress(&value) {
                prop_assert!(payload.len() <= value.len() - value.len() / 8);
                prop_assert_eq!(restored(payload, value.len()), Ok(value));
            }
        }

        #[test]
        fn arbitrary_payloads_are_refused_without_a_panic(
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            prop_assert!(restored(&payload, 1000).is_err());
        }
    }

    #[test]
    fn text_is_compressed_at_every_size() {
        let mut compressor = Compressor::new(1).expect("a compressor");
        for len in [MIN_COMPRESSED_BYTES, 4096, 100_000, 3 << 20, 200] {
            let payload = compressor.compress(&text(len)).expect("it pays").to_vec();
            assert_eq!(restored(&payload, len), Ok(text(len)));
        }
    }

    #[test]
    fn short_values_noise_and_level_zero_are_left_alone() {
        let mut compressor = Compressor::new(1).expect("a compressor");
        assert_eq!(compressor.compress(&text(MIN_COMPRESSED_BYTES - 1)), None);
        assert_eq!(compressor.compress(&noise(1000)), None);
        assert_eq!(compressor.compress(&noise(100_000)), None);
        assert_eq!(Compressor::new(0).expect("a compressor").compress(&text(1000)), None);
    }

    #[test]
    fn a_compressible_start_does_not_make_noise_compressible() {
        let mut value = text(4096);
        value.extend(noise(96 << 10));
        assert_eq!(Compressor::new(1).expect("a compressor").compress(&value), None);
    }

    #[test]
    fn noise_makes_tries_rare_and_a_success_makes_them_usual_again() {
        let mut compressor = Compressor::new(1).expect("a compressor");
        for _ in 0..1000 {
            compressor.compress(&noise(256));
        }
        assert!(compressor.failures < 40, "tried {} times", compressor.failures);
        let until_tried = (1..).find(|_| compressor.compress(&text(256)).is_some());
        assert!(until_tried.is_some_and(|tries| tries <= MAX_SKIPPED + 1));
        assert!(compressor.compress(&text(256)).is_some());
    }

    #[test]
    fn a_wrong_length_is_an_error() {
        let mut compressor = Compressor::new(1).expect("a compressor");
        let payload = compressor.compress(&text(1000)).expect("it pays").to_vec();
        for decoded_bytes in [0, 999, 1001] {
            assert_eq!(restored(&payload, decoded_bytes), Err(DecompressError { decoded_bytes }));
        }
    }

    #[test]
    fn memory_for_a_big_value_is_given_back() {
        let mut compressor = Compressor::new(1).expect("a compressor");
        compressor.compress(&text(8 << 20)).expect("it pays");
        compressor.compress(&text(200)).expect("it pays");
        assert!(compressor.output.capacity() <= MAX_KEPT_BYTES);
    }
}
