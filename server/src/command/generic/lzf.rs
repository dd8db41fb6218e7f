//! LZF, the compression of strings in RDB files and DUMP payloads.
//!
//! ```text
//! 000lllll  l+1 bytes                copy the bytes
//! lllooooo  oooooooo                 copy l+2 bytes (l = 1..6) from o+1 bytes back
//! 111ooooo  llllllll oooooooo        copy l+9 bytes from o+1 bytes back
//! ```
//!
//! Any compressor makes some stream of these. This one makes, byte for byte, the stream of liblzf as Redis builds it
//! (hash of 16 bits, "very fast" mode), so that payloads equal Redis': the hash function, the two positions noted
//! after each match and the places where it gives up are liblzf's, even where another choice would compress better.

/// Slots of the table that finds earlier occurrences of three bytes.
const SLOTS: usize = 1 << 16;
/// The most bytes that one control byte announces to be copied as they are.
const MAX_LITERALS: usize = 1 << 5;
/// The farthest back that a match may be.
const MAX_OFFSET: usize = 1 << 13;
/// The longest match.
const MAX_MATCH: usize = (1 << 8) + (1 << 3);
/// A copy of the longest match takes three bytes: no stream grows by more than this factor.
const MAX_EXPANSION: usize = MAX_MATCH.div_ceil(3);

/// Compresses; keeps its table from one text to the next.
pub struct Compressor {
    /// For each hash, `base` plus the position of the last three bytes that have it. What is not above `base` is of
    /// an earlier text, so that the table need not be cleared between texts.
    slots: Box<[u32]>,
    base: u32,
}

impl Compressor {
    /// A compressor, with 256 KiB of table.
    pub fn new() -> Self {
        Self { slots: vec![0; SLOTS].into(), base: 0 }
    }

    /// Compresses `text` into at most about `limit_bytes`; `None` where that is not possible.
    ///
    /// # Panics
    /// If the text is 4 GiB or longer.
    pub fn compress(&mut self, text: &[u8], limit_bytes: usize) -> Option<Vec<u8>> {
        let length = u32::try_from(text.len()).expect("a string of less than 4 GiB");
        if text.is_empty() || limit_bytes == 0 {
            return None;
        }
        if self.base.checked_add(length).is_none() {
            self.slots.fill(0);
            self.base = 0;
        }
        let stream = self.compress_behind_base(text, limit_bytes);
        self.base += length;
        stream
    }

    fn compress_behind_base(&mut self, text: &[u8], limit_bytes: usize) -> Option<Vec<u8>> {
        let mut out = Output::with_capacity(limit_bytes.min(text.len()));
        let mut at = 0;
        // A match needs three bytes, so the last two are never looked up.
        while at + 2 < text.len() {
            let candidate = self.note(text, at);
            let Some(start) = candidate.filter(|&start| is_match(text, start, at)) else {
                if out.len() >= limit_bytes {
                    return None;
                }
                out.literal(text[at]);
                at += 1;
                continue;
            };
            let length = match_length(text, start, at);
            out.end_literals();
            if out.len() + 4 >= limit_bytes {
                return None;
            }
            out.copy(at - start - 1, length);
            out.begin_literals();
            at += length;
            if at + 2 >= text.len() {
                break;
            }
            // Of the positions inside the match only the last two can start later matches.
            self.note(text, at - 2);
            self.note(text, at - 1);
        }
        if out.len() + 3 > limit_bytes {
            return None;
        }
        for &byte in &text[at..] {
            out.literal(byte);
        }
        out.end_literals();
        Some(out.bytes)
    }

    /// Remembers the three bytes at `at`; returns where bytes of the same hash were last.
    #[inline]
    fn note(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let three = u32::from_be_bytes([0, text[at], text[at + 1], text[at + 2]]);
        let hash = (three >> 8).wrapping_sub(three.wrapping_mul(5)) as usize % SLOTS;
        let before = std::mem::replace(&mut self.slots[hash], self.base + at as u32);
        // The text's first position is never matched, so it may look like one of an earlier text.
        before.checked_sub(self.base).filter(|&position| position > 0).map(|position| position as usize)
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

fn is_match(text: &[u8], start: usize, at: usize) -> bool {
    at - start <= MAX_OFFSET && text[start..start + 3] == text[at..at + 3]
}

/// How many bytes at `at` equal those at `start`, as far as liblzf looks. It knows that three do, and looks at the
/// next sixteen without regard to the limit where the limit lets it look at most of them.
fn match_length(text: &[u8], start: usize, at: usize) -> usize {
    let limit = (text.len() - at - 2).min(MAX_MATCH);
    let limit = if limit > 16 { limit.max(19) } else { limit };
    let mut length = 3;
    while length < limit && text[start + length] == text[at + length] {
        length += 1;
    }
    length
}

/// A stream in the making: it ends with a run of literals, whose control byte is already there.
struct Output {
    bytes: Vec<u8>,
    literals: usize,
}

impl Output {
    fn with_capacity(capacity_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity_bytes + MAX_LITERALS);
        bytes.push(0);
        Self { bytes, literals: 0 }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn literal(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.literals += 1;
        if self.literals == MAX_LITERALS {
            self.end_literals();
            self.begin_literals();
        }
    }

    fn begin_literals(&mut self) {
        self.bytes.push(0);
        self.literals = 0;
    }

    /// Writes the run's length into its control byte, or takes that back where the run is empty.
    fn end_literals(&mut self) {
        let control = self.bytes.len() - self.literals - 1;
        match self.literals.checked_sub(1) {
            Some(control_bits) => self.bytes[control] = control_bits as u8,
            None => self.bytes.truncate(control),
        }
    }

    /// A match of `length` bytes that begins `offset + 1` bytes back.
    fn copy(&mut self, offset: usize, length: usize) {
        let (offset_high, offset_low) = ((offset >> 8) as u8, offset as u8);
        match length - 2 {
            short @ ..7 => self.bytes.push((short as u8) << 5 | offset_high),
            long => self.bytes.extend([7 << 5 | offset_high, (long - 7) as u8]),
        }
        self.bytes.push(offset_low);
    }
}

/// The text that `stream` was made of, if it is a stream of exactly `length` bytes of text; `None` otherwise.
pub(super) fn decompress(stream: &[u8], length: usize) -> Option<Vec<u8>> {
    // What cannot be must not be allocated: the length comes from outside.
    if length > stream.len().saturating_mul(MAX_EXPANSION) {
        return None;
    }
    let mut text = Vec::with_capacity(length);
    let mut rest = stream;
    while let [control, behind @ ..] = rest {
        rest = behind;
        let control = usize::from(*control);
        if control < MAX_LITERALS {
            let (literals, behind) = rest.split_at_checked(control + 1)?;
            text.extend_from_slice(literals);
            rest = behind;
        } else {
            let mut count = (control >> 5) + 2;
            if count == 9 {
                let (&more, behind) = rest.split_first()?;
                count += usize::from(more);
                rest = behind;
            }
            let (&offset_low, behind) = rest.split_first()?;
            rest = behind;
            let start = text.len().checked_sub(((control & 0x1f) << 8) + usize::from(offset_low) + 1)?;
            // A match may overlap what it produces.
            for position in start..start + count {
                text.push(text[position]);
            }
        }
        if text.len() > length {
            return None;
        }
    }
    (text.len() == length).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stream_that_is_damaged_has_no_text() {
        assert_eq!(decompress(b"\x02abc", 3).as_deref(), Some(&b"abc"[..]));
        for (stream, length) in [
            (&b"\x02abc"[..], 2),
            (b"\x02abc", 4),
            (b"\x02ab", 3),
            (b"\x00a\x20", 4),
            (b"\x00a\xe0\x01", 11),
            (b"\x00a\x20\x01", 4),
            (b"", 1),
            (b"\x00a\x20\x00", usize::MAX),
        ] {
            assert_eq!(decompress(stream, length), None, "{}", stream.escape_ascii());
        }
    }

    #[test]
    fn a_used_compressor_compresses_as_a_new_one() {
        let texts =
            [b"abcabcabcabcabcabcabcabc".repeat(9), b"cabcab12cabcab12cabcab12".repeat(3), vec![0; 5000]];
        let mut used = Compressor::new();
        for text in texts.iter().chain(&texts) {
            assert_eq!(used.compress(text, text.len()), Compressor::new().compress(text, text.len()));
        }
        used.base = u32::MAX - 100;
        assert_eq!(used.compress(&texts[0], 500), Compressor::new().compress(&texts[0], 500));
    }

    #[test]
    fn what_does_not_fit_is_not_compressed() {
        let text: Vec<u8> = (0..=255).collect();
        assert_eq!(Compressor::new().compress(&text, text.len() - 4), None);
        assert_eq!(Compressor::new().compress(b"", 10), None);
    }

    proptest! {
        #[test]
        fn every_text_comes_back(
            text in prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 1..600),
            copies in 1usize..40,
        ) {
            let text = text.repeat(copies);
            let stream = Compressor::new().compress(&text, 2 * text.len() + 8).expect("room enough");
            prop_assert_eq!(decompress(&stream, text.len()), Some(text));
        }

        #[test]
        fn no_stream_makes_decompression_panic(stream: Vec<u8>, length in 0usize..4000) {
            if let Some(text) = decompress(&stream, length) {
                prop_assert_eq!(text.len(), length);
            }
        }
    }
}
