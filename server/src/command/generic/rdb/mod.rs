//! The payload of DUMP and RESTORE: a value as in an RDB file, and a footer.
//!
//! ```text
//! type 1 | value | RDB version 2 | CRC-64 of all before 8          numbers of the footer in little-endian order
//! ```
//!
//! - [`string`]: strings and lengths, which everything else is made of.
//! - [`listpack`], [`ziplist`]: small collections as one string.
//! - [`functions`]: libraries of functions, for FUNCTION DUMP.
//! - [`list`], [`set`], [`sorted_set`], [`hash`], [`stream`]: what the types are made of.
//!
//! **Invariant:** [`dump`] writes what redis-server 7.0 writes for the same string, byte for byte, and for other types
//! what it reads.

#[cfg(test)]
mod collections;
mod functions;
mod hash;
mod list;
mod listpack;
mod set;
mod sorted_set;
mod stream;
mod string;
mod ziplist;

use crc::{CRC_64_REDIS, Crc, Table};
use thermocline_engine::value::{IntegerDigits, Value};

pub use functions::{FunctionPayloadError, dump_functions, restore_functions};

use super::lzf::Compressor;
use crate::config::Config;
use string::{Reader, read_string, write_string};

/// The version that is written: strings have not changed since, and servers from Redis 7.0 on read it.
const WRITTEN_VERSION: u16 = 10;
/// The highest version that is read: Redis 7.2's.
const NEWEST_VERSION: u16 = 11;
/// The version of what only Redis 7.4 knows: hashes some of whose fields expire.
const VERSION_OF_REDIS_7_4: u16 = 12;
const FOOTER_BYTES: usize = 10;

const TYPE_STRING: u8 = 0;

static CHECKSUM: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Why a payload holds no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadError {
    /// It is damaged, or of a version to come.
    VersionOrChecksum,
    /// Its value is malformed, or of a type that is not known.
    BadFormat,
}

/// The payload of a value.
pub fn dump(value: &Value, compressor: &mut Compressor) -> Vec<u8> {
    let mut payload = Vec::new();
    match value {
        Value::String(string) => {
            payload.push(TYPE_STRING);
            write_string(&mut payload, string.bytes(&mut IntegerDigits::new()), compressor);
        }
        Value::List(list) => list::write(list, &mut payload, compressor),
        Value::Set(set) => set::write(set, &mut payload, compressor),
        Value::SortedSet(sorted_set) => sorted_set::write(sorted_set, &mut payload, compressor),
        Value::Hash(hash) => hash::write(hash, &mut payload, compressor),
        Value::Stream(stream) => stream::write(stream, &mut payload, compressor),
    }
    let version = if hash::is_of_redis_7_4(payload[0]) { VERSION_OF_REDIS_7_4 } else { WRITTEN_VERSION };
    sealed(payload, version)
}

/// A payload with its footer.
fn sealed(mut payload: Vec<u8>, version: u16) -> Vec<u8> {
    payload.extend(version.to_le_bytes());
    payload.extend(CHECKSUM.checksum(&payload).to_le_bytes());
    payload
}

/// What a payload holds before its footer; `None` if that does not fit.
fn opened(payload: &[u8]) -> Option<&[u8]> {
    let body_bytes = payload.len().checked_sub(FOOTER_BYTES)?;
    let (checked, checksum) = payload.split_at(payload.len() - size_of::<u64>());
    let (body, version) = checked.split_at(body_bytes);
    let version = u16::from_le_bytes([version[0], version[1]]);
    let newest_version =
        if hash::is_of_redis_7_4(payload[0]) { VERSION_OF_REDIS_7_4 } else { NEWEST_VERSION };
    (version <= newest_version && CHECKSUM.checksum(checked).to_le_bytes() == checksum).then_some(body)
}

/// The value of a payload, represented as the settings say.
///
/// # Errors
/// [`PayloadError`], the footer's first.
pub fn restore(payload: &[u8], config: &Config) -> Result<Value, PayloadError> {
    let body = opened(payload).ok_or(PayloadError::VersionOrChecksum)?;
    let (&type_number, body) = body.split_first().ok_or(PayloadError::BadFormat)?;
    let mut body = Reader(body);
    let value = match type_number {
        TYPE_STRING => read_string(&mut body).map(Value::from),
        1 | 10 | 14 | 18 => list::read(type_number, &mut body, config.list_limits()).map(Value::from),
        2 | 11 | 20 => set::read(type_number, &mut body, config.set_limits()).map(Value::from),
        3 | 5 | 12 | 17 => {
            sorted_set::read(type_number, &mut body, config.sorted_set_limits()).map(Value::from)
        }
        4 | 9 | 13 | 16 | 24 | 25 => {
            hash::read(type_number, &mut body, config.hash_limits()).map(Value::from)
        }
        15 | 19 | 21 => stream::read(type_number, &mut body).map(Value::from),
        _ => None,
    };
    value.ok_or(PayloadError::BadFormat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_engine::value::StringValue;

    pub(super) fn restored(payload: &[u8]) -> Result<Value, PayloadError> {
        restore(payload, &Config::default())
    }

    fn string(bytes: &[u8]) -> Value {
        StringValue::encoded(bytes).into()
    }

    fn payload(bytes: &[u8]) -> Vec<u8> {
        dump(&string(bytes), &mut Compressor::new())
    }

    /// A payload with a footer that fits.
    pub(super) fn signed(body: &[u8], version: u16) -> Vec<u8> {
        let mut payload = body.to_vec();
        payload.extend(version.to_le_bytes());
        payload.extend(CHECKSUM.checksum(&payload).to_le_bytes());
        payload
    }

    #[test]
    fn payloads_are_those_of_redis() {
        let long = [b"ab".repeat(40), b"xyz".to_vec()].concat();
        for (bytes, expected) in [
            (&b""[..], &b"\x00\x00\x0a\x00]\x9b\\@\x0f\x7f\xa2\xda"[..]),
            (b"0", b"\x00\xc0\x00\x0a\x00\x98@\xa7x\xf8P\x03\x08"),
            (b"-1", b"\x00\xc0\xff\x0a\x00\x0c\x93~$\x85\x08\x9d\xc5"),
            (b"127", b"\x00\xc0\x7f\x0a\x00\x0d\xb5\xeb1RT\xc5\x14"),
            (b"128", b"\x00\xc1\x80\x00\x0a\x00\xebz\xb3\xb5\x10\xcfKe"),
            (b"-129", b"\x00\xc1\x7f\xff\x0a\x00\x17`\x82(T\x80\x84\x80"),
            (b"32767", b"\x00\xc1\xff\x7f\x0a\x00IZ7\xda\x17\xf4\xd5+"),
            (b"-32769", b"\x00\xc2\xff\x7f\xff\xff\x0a\x00\xae\xe3LM\x06\xc6\x856"),
            (b"2147483647", b"\x00\xc2\xff\xff\xff\x7f\x0a\x00,t\xe5\x9e\xe0.\xad\xa1"),
            (b"-2147483648", b"\x00\xc2\x00\x00\x00\x80\x0a\x00\xc7O\x87>3U\x81\x87"),
            (b"2147483648", b"\x00\x0a2147483648\x0a\x00\xe7\xb1)\xa3L\x1dv\xee"),
            (b"007", b"\x00\x03007\x0a\x00rX\xe2{Li\xba\xd9"),
            (b"hello", b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a"),
            (&[b'a'; 20], b"\x00\x14aaaaaaaaaaaaaaaaaaaa\x0a\x00\x83\xb4k^\x1b\x11\xac\xf1"),
            (&[b'a'; 21], b"\x00\xc3\x06\x15\x01aa\xe0\x0a\x00\x0a\x00\xfd\x0c\xb3h\x07A?h"),
            (b"abcdefghijklmnopqrstu", b"\x00\x15abcdefghijklmnopqrstu\x0a\x00\xad\x1c#\x02\x9a\x10\xe3\x06"),
            (&[b'a'; 64], b"\x00\xc3\x09@@\x01aa\xe03\x00\x01aa\x0a\x00\xc3e\x96\x12\xce\x1c\xc4l"),
            (&long, b"\x00\xc3\x0b@S\x02aba\xe0D\x01\x02xyz\x0a\x00\xfd\xcb\xf1\xd3\xa3c\xdf\xfe"),
            (
                &[b'z'; 300],
                b"\x00\xc3\x0cA,\x01zz\xe0\xff\x00\xe0\x17\x00\x01zz\x0a\x00\x0bL\xff\xb7\xbf\xd5\xb5R",
            ),
        ] {
            assert_eq!(payload(bytes).escape_ascii().to_string(), expected.escape_ascii().to_string());
            assert_eq!(restored(expected), Ok(string(bytes)));
        }
    }

    #[test]
    fn many_texts_are_compressed_as_redis_compresses_them() {
        let mut state = 42u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut compressor = Compressor::new();
        // A checksum over whole payloads would be zero whatever they hold: each ends with its own.
        let mut footers = Vec::new();
        for _ in 0..300 {
            let (length, letters) = (draw(3000), 1 + draw(40));
            let text: Vec<u8> = (0..length).map(|_| b'a' + draw(letters) as u8).collect();
            let payload = dump(&string(&text), &mut compressor);
            footers.extend_from_slice(payload.last_chunk::<8>().expect("a payload has a footer"));
        }
        // Computed from what redis-server 7.0.15 replied to DUMP for the same texts, 143 of them compressed.
        assert_eq!(CHECKSUM.checksum(&footers), 0x4b38_823d_04d7_cd30);
    }

    #[test]
    fn lengths_of_every_size_come_back() {
        for length in [0, 63, 64, 0x3fff, 0x4000, 1 << 17] {
            let text: Vec<u8> =
                (0..length).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            assert_eq!(restored(&payload(&text)), Ok(string(&text)), "{length}");
        }
        assert_eq!(restored(&signed(b"\x00\x81\0\0\0\0\0\0\0\x02ab", 10)), Ok(string(b"ab")));
        assert_eq!(restored(&signed(b"\x00\x80\0\0\0\x02ab", 10)), Ok(string(b"ab")));
    }

    #[test]
    fn versions_up_to_that_of_redis_7_2_are_read() {
        for version in [1, 6, 9, 10, 11] {
            assert_eq!(restored(&signed(b"\x00\x02ab", version)), Ok(string(b"ab")));
        }
        assert_eq!(restored(&signed(b"\x00\x02ab", 12)), Err(PayloadError::VersionOrChecksum));
    }

    #[test]
    fn a_damaged_bit_is_noticed() {
        let payload = payload(b"hello");
        for bit in 0..payload.len() * 8 {
            let mut damaged = payload.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(restored(&damaged), Err(PayloadError::VersionOrChecksum), "bit {bit}");
        }
        for length in 0..payload.len() {
            assert_eq!(restored(&payload[..length]), Err(PayloadError::VersionOrChecksum), "{length} bytes");
        }
    }

    #[test]
    fn a_value_that_is_none_is_refused() {
        for body in [
            &b""[..],
            b"\x01\x00",
            b"\x04\x00",
            b"\x00",
            b"\x00\x03ab",
            b"\x00\xc4",
            b"\x00\xc1\x00",
            b"\x00\x82ab",
            b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xffab",
            b"\x00\xc3\x02\x05\x00a",
            b"\x00\xc3\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00a",
        ] {
            assert_eq!(restored(&signed(body, 10)), Err(PayloadError::BadFormat), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn what_follows_the_value_is_ignored() {
        assert_eq!(restored(&signed(b"\x00\x02abcd", 10)), Ok(string(b"ab")));
    }
}
