//! The record: one key with its value, or a later kind of change to it, as it lies in a log segment.
//!
//! The bytes are described in `docs/internals/on_disk_format.md`; a change here is a change there and a new
//! format number. This file neither does I/O nor compresses.
//!
//! **Invariant:** a record starts and ends at a multiple of 16 bytes in its segment, and its CRC32C covers
//! every byte of it after the checksum itself, zero fill included.
//!
//! **Invariant:** the checksum starts from the salt of the segment's present life, so what an earlier life
//! left in the same place is never taken for a record of this one.
//!
//! **Invariant:** [`decode`] accepts any bytes: it never panics, reads beyond them or allocates.

use thiserror::Error;

use crate::index::location::{MAX_SEGMENT_BYTES, RECORD_ALIGN_BYTES};
use crate::time::UnixMillis;
use crate::value::{Encoding, ValueType};

/// The fixed part of a record, in bytes.
pub const RECORD_HEAD_BYTES: usize = 32;

/// The longest record, fill included, in bytes. Keys and values that do not fit one stay in DRAM.
pub const MAX_RECORD_BYTES: usize = MAX_SEGMENT_BYTES as usize;

/// The longest value that a record may decode to, in bytes: Redis' limit for a string.
pub const MAX_DECODED_BYTES: u32 = 512 << 20;

/// What a record avoids to straddle, if it is no longer than it: the unit in which disks map and read flash.
pub const PAGE_BYTES: u64 = 4096;

/// A gap in front of a page boundary is left if it is at most this part of the record. At random alignment
/// that costs `record / 524288` of the space (0.2 % at 1 KiB, 0.8 % at 4 KiB) and saves an eighth of the
/// straddles. On the disks measured a straddling read took at most 5 % longer, which is worth no more.
pub const MAX_GAP_DIVISOR: u64 = 8;

const ALIGN_BYTES: usize = RECORD_ALIGN_BYTES as usize;

/// Marks a record of this format: 0xA in the high bits, the version in the low ones.
pub const RECORD_FORMAT: u8 = 0xA1;

const FLAG_EXPIRY: u8 = 1;
const FLAG_ZSTD: u8 = 2;
const EXPIRY_BYTES: usize = 8;
const ENCODING_SHIFT: u32 = 4;
const TYPE_MASK: u8 = 0x0F;

/// The fields of a record and the bytes they occupy, in the order in which they lie.
mod field {
    use std::ops::Range;

    pub(super) const CHECKSUM: Range<usize> = 0..4;
    pub(super) const FORMAT: usize = 4;
    pub(super) const KIND: usize = 5;
    pub(super) const TYPE_AND_ENCODING: usize = 6;
    pub(super) const FLAGS: usize = 7;
    pub(super) const KEYSPACE: Range<usize> = 8..12;
    pub(super) const KEY_LEN: Range<usize> = 12..16;
    pub(super) const STORED_LEN: Range<usize> = 16..20;
    pub(super) const DECODED_LEN: Range<usize> = 20..24;
    pub(super) const SEQUENCE: Range<usize> = 24..32;

    /// Padding has its length in the keyspace's place, and is otherwise zero after the kind.
    pub(super) const PADDING_LEN: Range<usize> = KEYSPACE;
    pub(super) const PADDING_HEAD_BYTES: usize = 16;
}

const _: () = assert!(field::SEQUENCE.end == RECORD_HEAD_BYTES && RECORD_HEAD_BYTES == 32);
const _: () =
    assert!(RECORD_HEAD_BYTES.is_multiple_of(ALIGN_BYTES) && field::PADDING_HEAD_BYTES == ALIGN_BYTES);
const _: () = assert!(MAX_RECORD_BYTES <= u32::MAX as usize);

/// What a record says about its key. The number is the one on disk; 0 is what unwritten space reads as, 2 is
/// padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// The key has this whole value.
    Value = 1,
    /// Reserved: the value changed by what the payload says.
    Delta = 3,
    /// Reserved: the key was deleted.
    Deletion = 4,
    /// Reserved: only the expiry changed.
    Expiry = 5,
}

/// The kind of a record that only fills space.
const PADDING_KIND: u8 = 2;

impl RecordKind {
    fn from_number(number: u8) -> Option<Self> {
        [Self::Value, Self::Delta, Self::Deletion, Self::Expiry]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// As it is.
    Plain,
    /// As a zstd frame.
    Zstd {
        /// The length of what it decodes to, at most [`MAX_DECODED_BYTES`].
        decoded_bytes: u32,
    },
}

/// Tells the lives of segments apart: a record is read with the salt it was written with, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSalt(pub u32);

/// Everything in a record but key and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// What the record says.
    pub kind: RecordKind,
    /// The value's type.
    pub value_type: ValueType,
    /// The value's representation in DRAM, which the payload's codec needs.
    pub encoding: Encoding,
    /// The generation of the database the key is in.
    pub keyspace: u32,
    /// The record's place in the order of all writes.
    pub sequence: u64,
    /// When the key expires.
    pub expiry: Option<UnixMillis>,
    /// How the payload is stored.
    pub stored: Stored,
}

/// A verified record in somebody's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Everything but key and payload.
    pub head: RecordHead,
    /// The key.
    pub key: &'a [u8],
    /// The value as stored: see [`RecordHead::stored`].
    pub payload: &'a [u8],
    /// What the record occupies, fill included: a multiple of 16.
    pub len_bytes: usize,
}

impl Record<'_> {
    /// How long the payload is once decoded, in bytes.
    pub fn decoded_bytes(&self) -> usize {
        match self.head.stored {
            Stored::Plain => self.payload.len(),
            Stored::Zstd { decoded_bytes } => decoded_bytes as usize,
        }
    }
}

/// Why bytes are not a record that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The bytes end before the record does. The number comes from an unverified head.
    #[error("a record of at least {needed_bytes} bytes is cut off")]
    Truncated {
        /// How many bytes are needed from the record's start.
        needed_bytes: usize,
    },
    /// Not the start of a record, or one of another version.
    #[error("there is no record: format byte {0:#04x}")]
    Format(u8),
    /// Lengths that no record has: damaged.
    #[error("the record's lengths contradict each other")]
    Length,
    /// Damaged, or left by an earlier life of the segment.
    #[error("the record's checksum is wrong")]
    Checksum,
    /// Padding, where a record was asked for.
    #[error("there is padding in the place of a record")]
    Padding,
    /// Undamaged, but of a kind, type, encoding or storage that this version does not know.
    #[error("the record is of an unknown kind")]
    Unknown,
}

/// What a record occupies, fill included, in bytes; `None` for more than [`MAX_RECORD_BYTES`].
pub fn encoded_len(key_bytes: usize, payload_bytes: usize, has_expiry: bool) -> Option<usize> {
    let expiry_bytes = if has_expiry { EXPIRY_BYTES } else { 0 };
    let content_bytes =
        (RECORD_HEAD_BYTES + expiry_bytes).checked_add(key_bytes)?.checked_add(payload_bytes)?;
    let len_bytes = content_bytes.checked_next_multiple_of(ALIGN_BYTES)?;
    (len_bytes <= MAX_RECORD_BYTES).then_some(len_bytes)
}

/// Writes a record to the start of `out` and returns its length, which is [`encoded_len`].
///
/// # Panics
///
/// When the record does not fit into `out` or is longer than [`MAX_RECORD_BYTES`]: the caller asks
/// [`encoded_len`] first.
pub fn encode(out: &mut [u8], salt: RecordSalt, head: &RecordHead, key: &[u8], payload: &[u8]) -> usize {
    let len_bytes =
        encoded_len(key.len(), payload.len(), head.expiry.is_some()).expect("a record of allowed length");
    let out = &mut out[..len_bytes];
    let (decoded_len, zstd_flag) = match head.stored {
        Stored::Plain => (len_u32(payload.len()), 0),
        Stored::Zstd { decoded_bytes } => (decoded_bytes, FLAG_ZSTD),
    };
    assert!(decoded_len <= MAX_DECODED_BYTES);
    let expiry_flag = if head.expiry.is_some() { FLAG_EXPIRY } else { 0 };
    out[field::FORMAT] = RECORD_FORMAT;
    out[field::KIND] = head.kind as u8;
    out[field::TYPE_AND_ENCODING] = head.value_type as u8 | head.encoding.number() << ENCODING_SHIFT;
    out[field::FLAGS] = expiry_flag | zstd_flag;
    out[field::KEYSPACE].copy_from_slice(&head.keyspace.to_le_bytes());
    out[field::KEY_LEN].copy_from_slice(&len_u32(key.len()).to_le_bytes());
    out[field::STORED_LEN].copy_from_slice(&len_u32(payload.len()).to_le_bytes());
    out[field::DECODED_LEN].copy_from_slice(&decoded_len.to_le_bytes());
    out[field::SEQUENCE].copy_from_slice(&head.sequence.to_le_bytes());
    let mut rest = &mut out[RECORD_HEAD_BYTES..];
    let mut append = |bytes: &[u8]| {
        let (place, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        rest = after;
    };
    if let Some(UnixMillis(expiry)) = head.expiry {
        append(&expiry.to_le_bytes());
    }
    append(key);
    append(payload);
    rest.fill(0);
    let checksum = checksum(salt, &out[field::CHECKSUM.end..]);
    out[field::CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    len_bytes
}

/// Reads and verifies the record at the start of `bytes`, which may be longer than it.
///
/// # Errors
///
/// [`RecordError`]; nothing of the bytes can be used then.
pub fn decode(bytes: &[u8], salt: RecordSalt) -> Result<Record<'_>, RecordError> {
    match *bytes.get(field::FORMAT).unwrap_or(&RECORD_FORMAT) {
        RECORD_FORMAT => {}
        other => return Err(RecordError::Format(other)),
    }
    if bytes.get(field::KIND) == Some(&PADDING_KIND) {
        return Err(RecordError::Padding);
    }
    let Some(head) = bytes.first_chunk::<RECORD_HEAD_BYTES>() else {
        return Err(RecordError::Truncated { needed_bytes: RECORD_HEAD_BYTES });
    };
    let flags = head[field::FLAGS];
    let has_expiry = flags & FLAG_EXPIRY != 0;
    let (key_bytes, stored_bytes) = (u32_at(head, field::KEY_LEN), u32_at(head, field::STORED_LEN));
    let decoded_bytes = u32_at(head, field::DECODED_LEN);
    // A sum of two u32 and a few bytes cannot overflow a usize of 64 bits.
    let len_bytes =
        encoded_len(key_bytes as usize, stored_bytes as usize, has_expiry).ok_or(RecordError::Length)?;
    let record = bytes.get(..len_bytes).ok_or(RecordError::Truncated { needed_bytes: len_bytes })?;
    if checksum(salt, &record[field::CHECKSUM.end..]) != u32_at(head, field::CHECKSUM) {
        return Err(RecordError::Checksum);
    }

    // From here on the bytes are what some version wrote.
    if decoded_bytes > MAX_DECODED_BYTES {
        return Err(RecordError::Length);
    }
    let stored = match flags & FLAG_ZSTD {
        0 if decoded_bytes == stored_bytes => Stored::Plain,
        0 => return Err(RecordError::Length),
        _ => Stored::Zstd { decoded_bytes },
    };
    if flags & !(FLAG_EXPIRY | FLAG_ZSTD) != 0 {
        return Err(RecordError::Unknown);
    }
    let type_and_encoding = head[field::TYPE_AND_ENCODING];
    let (expiry, rest) = record[RECORD_HEAD_BYTES..].split_at(if has_expiry { EXPIRY_BYTES } else { 0 });
    let (key, rest) = rest.split_at(key_bytes as usize);
    let value_type = ValueType::from_number(type_and_encoding & TYPE_MASK).ok_or(RecordError::Unknown)?;
    let encoding = Encoding::from_number(value_type, type_and_encoding >> ENCODING_SHIFT);
    let head = RecordHead {
        kind: RecordKind::from_number(head[field::KIND]).ok_or(RecordError::Unknown)?,
        value_type,
        encoding: encoding.ok_or(RecordError::Unknown)?,
        keyspace: u32_at(head, field::KEYSPACE),
        sequence: u64::from_le_bytes(head[field::SEQUENCE].try_into().expect("eight bytes")),
        expiry: expiry.first_chunk().map(|bytes| UnixMillis(u64::from_le_bytes(*bytes))),
        stored,
    };
    Ok(Record { head, key, payload: &rest[..stored_bytes as usize], len_bytes })
}

/// Fills all of `out` with a padding record, which an iteration skips.
///
/// # Panics
///
/// When the length is zero, no multiple of 16, or above [`MAX_RECORD_BYTES`].
pub fn encode_padding(out: &mut [u8], salt: RecordSalt) {
    let len_bytes = out.len();
    assert!(len_bytes > 0 && len_bytes.is_multiple_of(ALIGN_BYTES) && len_bytes <= MAX_RECORD_BYTES);
    out.fill(0);
    out[field::FORMAT] = RECORD_FORMAT;
    out[field::KIND] = PADDING_KIND;
    out[field::PADDING_LEN].copy_from_slice(&len_u32(len_bytes).to_le_bytes());
    let checksum = checksum(salt, &out[field::CHECKSUM.end..field::PADDING_HEAD_BYTES]);
    out[field::CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

/// The length of the padding that starts with `head`, verified; `None` if there is no padding.
pub(super) fn padding_len(head: &[u8; ALIGN_BYTES], salt: RecordSalt) -> Option<Result<usize, RecordError>> {
    if head[field::FORMAT] != RECORD_FORMAT || head[field::KIND] != PADDING_KIND {
        return None;
    }
    if checksum(salt, &head[field::CHECKSUM.end..]) != u32_at(head, field::CHECKSUM) {
        return Some(Err(RecordError::Checksum));
    }
    let len_bytes = u32_at(head, field::PADDING_LEN) as usize;
    let is_possible =
        (ALIGN_BYTES..=MAX_RECORD_BYTES).contains(&len_bytes) && len_bytes.is_multiple_of(ALIGN_BYTES);
    Some(if is_possible { Ok(len_bytes) } else { Err(RecordError::Length) })
}

/// Where in a segment a record of `len_bytes` goes if `offset_bytes` is free: there, or at the next page
/// boundary if it would straddle that and the gap is small. The caller fills a gap by [`encode_padding`], and
/// checks that the record still fits the segment.
///
/// # Panics
///
/// When offset or length is no multiple of 16.
pub fn place(offset_bytes: u64, len_bytes: usize) -> u64 {
    let len_bytes = len_bytes as u64;
    assert!(offset_bytes.is_multiple_of(RECORD_ALIGN_BYTES) && len_bytes.is_multiple_of(RECORD_ALIGN_BYTES));
    let boundary_bytes = offset_bytes.next_multiple_of(PAGE_BYTES);
    let gap_bytes = boundary_bytes - offset_bytes;
    let straddles = gap_bytes > 0 && gap_bytes < len_bytes;
    if straddles && len_bytes <= PAGE_BYTES && gap_bytes <= len_bytes / MAX_GAP_DIVISOR {
        boundary_bytes
    } else {
        offset_bytes
    }
}

fn checksum(salt: RecordSalt, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(salt.0, bytes)
}

fn u32_at(bytes: &[u8], range: std::ops::Range<usize>) -> u32 {
    u32::from_le_bytes(bytes[range].try_into().expect("four bytes"))
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("bounded by MAX_RECORD_BYTES")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: RecordSalt = RecordSalt(77);

    fn heads() -> impl Strategy<Value = RecordHead> {
        let kinds = prop::sample::select(vec![
            RecordKind::Value,
            RecordKind::Delta,
            RecordKind::Deletion,
            RecordKind::Expiry,
        ]);
        let types = [ValueType::String, ValueType::Hash, ValueType::Stream].into_iter();
        let forms = types.flat_map(|value_type| {
            (0..8).filter_map(move |number| Some((value_type, Encoding::from_number(value_type, number)?)))
        });
        let forms = prop::sample::select(forms.collect::<Vec<_>>());
        let stored = prop_oneof![
            Just(Stored::Plain),
            (0..=MAX_DECODED_BYTES).prop_map(|decoded_bytes| Stored::Zstd { decoded_bytes })
        ];
        let expiries = prop::option::of(any::<u64>().prop_map(UnixMillis));
        (kinds, forms, any::<u32>(), any::<u64>(), expiries, stored).prop_map(
            |(kind, (value_type, encoding), keyspace, sequence, expiry, stored)| RecordHead {
                kind,
                value_type,
                encoding,
                keyspace,
                sequence,
                expiry,
                stored,
            },
        )
    }

    fn head() -> RecordHead {
        RecordHead {
            kind: RecordKind::Value,
            value_type: ValueType::String,
            encoding: Encoding::Raw,
            keyspace: 3,
            sequence: 12345,
            expiry: Some(UnixMillis(1_700_000_000_000)),
            stored: Stored::Plain,
        }
    }

    fn encoded(head: &RecordHead, key: &[u8], payload: &[u8]) -> Vec<u8> {
        let len_bytes = encoded_len(key.len(), payload.len(), head.expiry.is_some()).expect("it fits");
        let mut out = vec![0xFF; len_bytes];
        assert_eq!(encode(&mut out, SALT, head, key, payload), len_bytes);
        out
    }

    /// Fixes the format: when this fails, the format has changed and needs a new number.
    #[test]
    fn the_bytes_are_those_of_the_format_page() {
        let bytes = encoded(&head(), b"key", b"value");
        #[rustfmt::skip]
        let expected = [
            0xA1, 1, 0x20, 1,
            3, 0, 0, 0,
            3, 0, 0, 0,
            5, 0, 0, 0,
            5, 0, 0, 0,
            0x39, 0x30, 0, 0, 0, 0, 0, 0,
            0x00, 0x68, 0xE5, 0xCF, 0x8B, 0x01, 0, 0,
            b'k', b'e', b'y', b'v', b'a', b'l', b'u', b'e',
        ];
        assert_eq!(bytes[4..], expected);
        assert_eq!(bytes[..4], crc32c::crc32c_append(77, &expected).to_le_bytes());
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_written(
            head in heads(),
            key in prop::collection::vec(any::<u8>(), 0..300),
            payload in prop::collection::vec(any::<u8>(), 0..5000),
            after in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = encoded(&head, &key, &payload);
            let len_bytes = bytes.len();
            prop_assert!(len_bytes.is_multiple_of(16));
            bytes.extend_from_slice(&after);
            let record = decode(&bytes, SALT).expect("a record");
            prop_assert_eq!(record, Record { head, key: &key, payload: &payload, len_bytes });
        }

        #[test]
        fn a_cut_record_is_truncated(head in heads(), cut in 0..200_usize) {
            let bytes = encoded(&head, b"some key", &[7; 100]);
            let cut = cut % bytes.len();
            let error = decode(&bytes[..cut], SALT).expect_err("it is cut");
            let RecordError::Truncated { needed_bytes } = error else { panic!("{error}") };
            prop_assert!(needed_bytes > cut && needed_bytes <= bytes.len());
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert!(decode(&bytes, SALT).is_err());
            if let Some(format) = bytes.get_mut(field::FORMAT) {
                *format = RECORD_FORMAT;
            }
            prop_assert!(decode(&bytes, SALT).is_err());
        }

        /// The checksum is right here, so what follows it is reached.
        #[test]
        fn arbitrary_heads_with_a_right_checksum_do_not_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 32..=32),
        ) {
            bytes[field::FORMAT] = RECORD_FORMAT;
            bytes[field::KEY_LEN].copy_from_slice(&8_u32.to_le_bytes());
            bytes[field::STORED_LEN].copy_from_slice(&16_u32.to_le_bytes());
            bytes.resize(64, 9);
            // With and without an expiry it is 64 bytes long.
            let checksum = checksum(SALT, &bytes[field::CHECKSUM.end..]);
            bytes[field::CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
            match decode(&bytes, SALT) {
                Ok(record) => prop_assert_eq!((record.key.len(), record.payload.len()), (8, 16)),
                Err(error) => prop_assert!(error != RecordError::Checksum),
            }
        }

        #[test]
        fn a_placed_record_straddles_a_page_only_where_avoiding_it_is_dear(
            offset_units in 0..100_000_u64,
            len_units in 1..1000_u64,
        ) {
            let (offset, len) = (offset_units * 16, len_units * 16);
            let placed = place(offset, len as usize);
            let gap = placed - offset;
            prop_assert!(gap <= len / MAX_GAP_DIVISOR);
            prop_assert!(gap == 0 || placed.is_multiple_of(PAGE_BYTES));
            let straddles = placed / PAGE_BYTES != (placed + len - 1) / PAGE_BYTES;
            let gap_to_page = offset.next_multiple_of(PAGE_BYTES) - offset;
            let dear = len > PAGE_BYTES || gap_to_page > len / MAX_GAP_DIVISOR;
            prop_assert!(!straddles || dear);
        }
    }

    #[test]
    fn every_single_bit_error_is_detected() {
        let with_expiry = encoded(&head(), b"a key", &[0x55; 500]);
        let without = RecordHead { expiry: None, stored: Stored::Zstd { decoded_bytes: 900 }, ..head() };
        for record in [with_expiry, encoded(&without, b"", &[]), encoded(&without, b"another key", b"v")] {
            // What follows in the segment makes a longer length plausible.
            let mut bytes = record.repeat(3);
            for bit in 0..record.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                decode(&bytes, SALT).expect_err("a bit is wrong");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            decode(&bytes, SALT).expect("all bits are right again");
        }
    }

    #[test]
    fn a_record_of_another_life_of_the_segment_is_refused() {
        let bytes = encoded(&head(), b"key", b"value");
        assert_eq!(decode(&bytes, RecordSalt(78)), Err(RecordError::Checksum));
    }

    #[test]
    fn the_longest_record_fits_a_segment_and_no_longer_one_is_made() {
        let longest = MAX_RECORD_BYTES - RECORD_HEAD_BYTES;
        assert_eq!(encoded_len(longest, 0, false), Some(MAX_RECORD_BYTES));
        assert_eq!(encoded_len(longest, 1, false), None);
        assert_eq!(encoded_len(longest, 0, true), None);
        assert_eq!(encoded_len(usize::MAX, usize::MAX, true), None);
    }

    #[test]
    fn padding_is_not_a_record() {
        let mut bytes = vec![0xFF; 48];
        encode_padding(&mut bytes, SALT);
        assert_eq!(decode(&bytes, SALT), Err(RecordError::Padding));
        let head = bytes.first_chunk().expect("a head");
        assert_eq!(padding_len(head, SALT), Some(Ok(48)));
        assert_eq!(padding_len(head, RecordSalt(1)), Some(Err(RecordError::Checksum)));
    }
}
