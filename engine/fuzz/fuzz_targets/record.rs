//! Arbitrary bytes as a chunk of a segment: whatever is accepted as a record is one, and nothing panics.
//!
//! The checksum would keep nearly all inputs from getting past it, so the first record's is put right.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thermocline_engine::compression::Decompressor;
use thermocline_engine::record::{RecordSalt, Stored, decode, encode, encoded_len};
use thermocline_engine::record_iter::{RecordIter, Step};
use thermocline_engine::segment_header::{SEGMENT_HEADER_BYTES, SegmentHeader};

const SALT: RecordSalt = RecordSalt(1);

/// Keeps one input from taking gigabytes: a frame may claim to decode to 512 MiB.
const MAX_TRIED_DECODED_BYTES: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let mut bytes = input.to_vec();
    if let [_, _, _, _, _, _, _, flags, _, _, _, _, k0, k1, k2, k3, s0, s1, s2, s3, ..] = *bytes {
        let key_bytes = u32::from_le_bytes([k0, k1, k2, k3]) as usize;
        let stored_bytes = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        let len_bytes = encoded_len(key_bytes, stored_bytes, flags & 1 != 0);
        if let Some(record) = len_bytes.and_then(|len_bytes| bytes.get_mut(..len_bytes)) {
            let checksum = crc32c::crc32c_append(SALT.0, &record[4..]);
            record[..4].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    if let Ok(record) = decode(&bytes, SALT) {
        let mut again = vec![0; record.len_bytes];
        encode(&mut again, SALT, &record.head, record.key, record.payload);
        let read_again = decode(&again, SALT).expect("what was encoded is a record");
        assert_eq!(read_again, record);
        if let Stored::Zstd { decoded_bytes } = record.head.stored
            && decoded_bytes as usize <= MAX_TRIED_DECODED_BYTES
        {
            let mut decompressor = Decompressor::new().expect("memory");
            let mut out = Vec::new();
            if decompressor.decompress(record.payload, decoded_bytes as usize, &mut out).is_ok() {
                assert_eq!(out.len(), decoded_bytes as usize);
            }
        }
    }
    let mut iter = RecordIter::new(&bytes, bytes.len().next_multiple_of(16) + 64, SALT);
    loop {
        for step in iter.by_ref() {
            if let Step::Record { offset_bytes, record } = step {
                assert!(offset_bytes + record.len_bytes <= bytes.len());
            }
        }
        if !iter.skip_damage() {
            break;
        }
    }
    if let Some(block) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() {
        let _ = SegmentHeader::decode(block);
    }
});
