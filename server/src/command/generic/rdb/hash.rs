//! Hashes as RDB files have them.
//!
//! ```text
//! 4   fields | field | value | ...                strings
//! 9   a string that is a zipmap                   only read
//! 13  a string that is a ziplist                  only read
//! 16  a string that is a listpack
//! 24  earliest expiry 8 | fields | expiry | field | value | ...
//! 25  earliest expiry 8 | a string that is a listpack: field, value, expiry, ... in order of expiry
//! ```
//!
//! Types 24 and 25 are of hashes some of whose fields expire, and of Redis 7.4. Expiries are Unix milliseconds; type 24
//! has them as numbers, less the earliest, plus one; 0 is none.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::{Element, Encoding, HashValue, IntegerDigits, PackLimits};

use super::string::{Reader, read_string, write_length, write_string};
use super::{listpack, ziplist};
use crate::command::generic::lzf::Compressor;
use crate::command::hash::MAX_EXPIRY_MS;

const TYPE_HASH: u8 = 4;
const TYPE_ZIPMAP: u8 = 9;
const TYPE_ZIPLIST: u8 = 13;
const TYPE_LISTPACK: u8 = 16;
const TYPE_EXPIRING_HASH: u8 = 24;
const TYPE_EXPIRING_LISTPACK: u8 = 25;

/// What has not begun to expire at this time never expires.
const NEVER: UnixMillis = UnixMillis(0);

/// Appends the type's number and the value.
pub(super) fn write(value: &HashValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    match value.encoding() {
        Encoding::ListPackEx => return write_expiring_listpack(value, out, compressor),
        Encoding::HashTableEx => return write_expiring_fields(value, out, compressor),
        _ => {}
    }
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

fn earliest_expiry(value: &HashValue) -> u64 {
    value.iter_with_expiries().filter_map(|(.., expiry)| expiry).min().map_or(0, |at| at.0)
}

fn write_expiring_listpack(value: &HashValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    out.push(TYPE_EXPIRING_LISTPACK);
    out.extend(earliest_expiry(value).to_le_bytes());
    let mut fields: Vec<_> = value.iter_with_expiries().collect();
    fields.sort_by_key(|(.., expiry)| expiry.map_or(u64::MAX, |at| at.0));
    let elements = fields.into_iter().flat_map(|(field, value, expiry)| {
        [field, value, Element::Integer(expiry.map_or(0, |at| at.0 as i64))]
    });
    write_string(out, &listpack::write(elements), compressor);
}

fn write_expiring_fields(value: &HashValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    out.push(TYPE_EXPIRING_HASH);
    let earliest = earliest_expiry(value);
    out.extend(earliest.to_le_bytes());
    write_length(out, value.len());
    for (field, value, expiry) in value.iter_with_expiries() {
        write_length(out, expiry.map_or(0, |at| (at.0 - earliest) as usize + 1));
        for element in [field, value] {
            write_string(out, element.bytes(&mut IntegerDigits::new()), compressor);
        }
    }
}

/// Whether servers before Redis 7.4 do not know this type.
pub(super) fn is_of_redis_7_4(type_number: u8) -> bool {
    matches!(type_number, TYPE_EXPIRING_HASH | TYPE_EXPIRING_LISTPACK)
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>, limits: PackLimits) -> Option<HashValue> {
    match type_number {
        TYPE_HASH => return read_fields(body, limits),
        TYPE_EXPIRING_HASH => return read_expiring_fields(body, limits),
        // The earliest expiry follows from the others.
        TYPE_EXPIRING_LISTPACK => drop(body.take(size_of::<u64>())?),
        _ => {}
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
        TYPE_EXPIRING_LISTPACK => {
            let (elements, count) = listpack::read(bytes)?;
            from_triples(elements, count, limits)
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

/// The same of fields, values and expiries in turn.
fn from_triples<'a>(
    mut elements: impl Iterator<Item = Element<'a>>,
    count: usize,
    limits: PackLimits,
) -> Option<HashValue> {
    if count == 0 || !count.is_multiple_of(3) {
        return None;
    }
    let limits = PackLimits { element_bytes: usize::MAX, ..limits };
    let mut hash = HashValue::new();
    hash.prepare(count / 3, 0, limits);
    while let (Some(field), Some(value), Some(expiry)) = (elements.next(), elements.next(), elements.next()) {
        let (mut field_digits, mut value_digits) = (IntegerDigits::new(), IntegerDigits::new());
        let expiry = u64::try_from(expiry.as_integer()?).ok().filter(|&ms| ms <= MAX_EXPIRY_MS)?;
        let expiry = (expiry > 0).then_some(UnixMillis(expiry));
        let (field, value) = (field.bytes(&mut field_digits), value.bytes(&mut value_digits));
        if !hash.set_with_expiry(field, value, expiry, limits) {
            return None;
        }
    }
    Some(hash)
}

fn read_expiring_fields(body: &mut Reader<'_>, limits: PackLimits) -> Option<HashValue> {
    let earliest = u64::from_le_bytes(body.array()?);
    let fields = body.length()?;
    let mut hash = HashValue::new();
    hash.prepare(fields.min(limits.entries.saturating_add(1)), 0, limits);
    for _ in 0..fields {
        let expiry = match body.length()? as u64 {
            0 => None,
            later => Some(UnixMillis(
                earliest.checked_add(later - 1).filter(|&ms| (1..=MAX_EXPIRY_MS).contains(&ms))?,
            )),
        };
        let (field, value) = (read_string(body)?, read_string(body)?);
        let (mut field_digits, mut value_digits) = (IntegerDigits::new(), IntegerDigits::new());
        let (field, value) = (field.bytes(&mut field_digits), value.bytes(&mut value_digits));
        if !hash.set_with_expiry(field, value, expiry, limits) {
            return None;
        }
    }
    (!hash.is_empty()).then_some(hash)
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
