//! Hashes as RDB files have them.
//!
//! ```text
//! 4   fields | field | value | ...                strings
//! 9   a string that is a zipmap                   only read
//! 13  a string that is a ziplist                  only read
//! 16  a string that is a listpack
//! ```

use thermocline_engine::UnixMillis;
use thermocline_engine::value::{Element, Encoding, HashValue, IntegerDigits, PackLimits};

use super::string::{Reader, read_string, write_length, write_string};
use super::{listpack, ziplist};
use crate::command::generic::lzf::Compressor;

const TYPE_HASH: u8 = 4;
const TYPE_ZIPMAP: u8 = 9;
const TYPE_ZIPLIST: u8 = 13;
const TYPE_LISTPACK: u8 = 16;

/// What has not begun to expire at this time never expires.
const NEVER: UnixMillis = UnixMillis(0);

/// Appends the type's number and the value, without the expiries of its fields.
pub(super) fn write(value: &HashValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    if value.encoding() == Encoding::ListPack {
        out.push(TYPE_LISTPACK);
        let elements = value.iter(NEVER).flat_map(|(field, value)| [field, value]);
        return write_string(out, &listpack::write(elements), compressor);
    }
    out.push(TYPE_HASH);
    write_length(out, value.len());
    for (field, value) in value.iter(NEVER) {
        for element in [field, value] {
            write_string(out, element.bytes(&mut IntegerDigits::new()), compressor);
        }
    }
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>, limits: PackLimits) -> Option<HashValue> {
    if type_number == TYPE_HASH {
        return read_fields(body, limits);
    }
    let text = read_string(body)?;
    let mut digits = IntegerDigits::new();
    let bytes = text.bytes(&mut digits);
    match type_number {
        TYPE_ZIPMAP => read_zipmap(bytes, limits),
        TYPE_ZIPLIST => {
            let (elements, count) = ziplist::read(bytes)?;
            from_pairs(elements, count, limits)
        }
        TYPE_LISTPACK => {
            let (elements, count) = listpack::read(bytes)?;
            from_pairs(elements, count, limits)
        }
        _ => None,
    }
}

fn read_fields(body: &mut Reader<'_>, limits: PackLimits) -> Option<HashValue> {
    let fields = body.length()?;
    let mut hash = HashValue::new();
    // The number is not to be trusted: room is made as the fields come.
    hash.prepare(fields.min(limits.entries.saturating_add(1)), 0, limits);
    for _ in 0..fields {
        let (field, value) = (read_string(body)?, read_string(body)?);
        let (mut field_digits, mut value_digits) = (IntegerDigits::new(), IntegerDigits::new());
        if !hash.set(field.bytes(&mut field_digits), value.bytes(&mut value_digits), limits) {
            return None;
        }
    }
    (!hash.is_empty()).then_some(hash)
}

/// A hash of elements that are fields and values in turn. However long they are, they stay a pack, as in Redis.
fn from_pairs<'a>(
    mut elements: impl Iterator<Item = Element<'a>>,
    count: usize,
    limits: PackLimits,
) -> Option<HashValue> {
    if count == 0 || !count.is_multiple_of(2) {
        return None;
    }
    let limits = PackLimits { element_bytes: usize::MAX, ..limits };
    let mut hash = HashValue::new();
    hash.prepare(count / 2, 0, limits);
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        let (mut field_digits, mut value_digits) = (IntegerDigits::new(), IntegerDigits::new());
        if !hash.set(field.bytes(&mut field_digits), value.bytes(&mut value_digits), limits) {
            return None;
        }
    }
    Some(hash)
}

fn read_zipmap(zipmap: &[u8], limits: PackLimits) -> Option<HashValue> {
    let (_, fields) = zipmap.split_first()?;
    let mut rest = Reader(fields);
    let mut hash = HashValue::new();
    while let Some((field, value)) = ziplist::next_of_zipmap(&mut rest)? {
        if !hash.set(field, value, limits) {
            return None;
        }
    }
    (!hash.is_empty()).then_some(hash)
}
