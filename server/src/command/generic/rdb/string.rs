//! Strings and lengths as RDB files have them.
//!
//! A string is its length and its bytes, an integer of 8, 16 or 32 bits, or an LZF stream:
//!
//! ```text
//! 00llllll | bytes                   01llllll llllllll | bytes       lengths in big-endian order
//! 10000000 l(4 bytes) | bytes        10000001 l(8 bytes) | bytes
//! 11000000 i(1 byte)    11000001 i(2 bytes)    11000010 i(4 bytes)   integers in little-endian order
//! 11000011 | stream's length | text's length | stream
//! ```

use thermocline_engine::value::StringValue;
use thermocline_protocol::parse_integer;

use crate::command::generic::lzf::{Compressor, decompress};

const LENGTH_14_BITS: u8 = 0x40;
const LENGTH_32_BITS: u8 = 0x80;
const LENGTH_64_BITS: u8 = 0x81;
const INTEGER_8_BITS: u8 = 0xc0;
const INTEGER_16_BITS: u8 = 0xc1;
const INTEGER_32_BITS: u8 = 0xc2;
const COMPRESSED: u8 = 0xc3;
/// The two bits that tell whether a length follows, and of which kind.
const KIND_MASK: u8 = 0xc0;

/// Longer strings are compressed, if that saves at least [`COMPRESSION_SAVES_BYTES`].
const COMPRESSED_ABOVE_BYTES: usize = 20;
const COMPRESSION_SAVES_BYTES: usize = 4;
/// Strings up to this length may be written as 32-bit integers.
const INTEGER_TEXT_BYTES: usize = 11;
/// The longest string that a payload may hold: the longest that any command makes.
const MAX_STRING_BYTES: usize = 512 << 20;

/// Appends a string: as an integer or compressed where that is shorter.
pub(super) fn write_string(out: &mut Vec<u8>, bytes: &[u8], compressor: &mut Compressor) {
    if bytes.len() <= INTEGER_TEXT_BYTES
        && let Some(integer) = parse_integer(bytes).and_then(|integer| i32::try_from(integer).ok())
    {
        return write_integer(out, integer);
    }
    if bytes.len() > COMPRESSED_ABOVE_BYTES
        && let Some(stream) = compressor.compress(bytes, bytes.len() - COMPRESSION_SAVES_BYTES)
    {
        out.push(COMPRESSED);
        write_length(out, stream.len());
        write_length(out, bytes.len());
        out.extend(stream);
        return;
    }
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_integer(out: &mut Vec<u8>, integer: i32) {
    if let Ok(integer) = i8::try_from(integer) {
        out.extend([INTEGER_8_BITS, integer as u8]);
    } else if let Ok(integer) = i16::try_from(integer) {
        out.push(INTEGER_16_BITS);
        out.extend(integer.to_le_bytes());
    } else {
        out.push(INTEGER_32_BITS);
        out.extend(integer.to_le_bytes());
    }
}

/// Appends a length, or any other unsigned number.
pub(super) fn write_length(out: &mut Vec<u8>, length: usize) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend([LENGTH_14_BITS | (length >> 8) as u8, length as u8]),
        0x4000..=0xffff_ffff => {
            out.push(LENGTH_32_BITS);
            out.extend((length as u32).to_be_bytes());
        }
        _ => {
            out.push(LENGTH_64_BITS);
            out.extend((length as u64).to_be_bytes());
        }
    }
}

/// The next string.
pub(super) fn read_string(rest: &mut Reader<'_>) -> Option<StringValue> {
    let integer = match *rest.0.first()? {
        INTEGER_8_BITS => i64::from(i8::from_le_bytes(rest.skip_one()?.array()?)),
        INTEGER_16_BITS => i64::from(i16::from_le_bytes(rest.skip_one()?.array()?)),
        INTEGER_32_BITS => i64::from(i32::from_le_bytes(rest.skip_one()?.array()?)),
        COMPRESSED => {
            let stream_bytes = rest.skip_one()?.length()?;
            let length = rest.length()?;
            let stream = rest.take(stream_bytes)?;
            if length > MAX_STRING_BYTES {
                return None;
            }
            return decompress(stream, length).map(|text| StringValue::encoded(&text));
        }
        control if control & KIND_MASK == KIND_MASK => return None,
        _ => {
            let length = rest.length()?;
            return rest.take(length).map(StringValue::encoded);
        }
    };
    Some(StringValue::integer(integer))
}

/// What is left to read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn skip_one(&mut self) -> Option<&mut Self> {
        self.take(1)?;
        Some(self)
    }

    /// A length, or any other unsigned number.
    pub(super) fn length(&mut self) -> Option<usize> {
        let [control] = self.array()?;
        let low_bits = u16::from(control & !KIND_MASK);
        let length = match control {
            LENGTH_32_BITS => u64::from(u32::from_be_bytes(self.array()?)),
            LENGTH_64_BITS => u64::from_be_bytes(self.array()?),
            _ if control & KIND_MASK == LENGTH_14_BITS => {
                let [low] = self.array()?;
                u64::from(low_bits << 8 | u16::from(low))
            }
            // Redis, too, reads six bits where it expects a plain length and finds an encoding.
            _ if control & KIND_MASK != LENGTH_32_BITS => u64::from(low_bits),
            _ => return None,
        };
        usize::try_from(length).ok()
    }
}
