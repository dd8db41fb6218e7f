//! Sets as RDB files have them.
//!
//! ```text
//! 2   members | member | ...            strings
//! 11  a string that is an intset: bytes of an integer 4 | members 4 | integers, ascending      little-endian
//! 20  a string that is a listpack       only read: Redis 7.0 does not know it
//! ```

use thermocline_engine::value::{Encoding, IntegerDigits, SetLimits, SetValue};

use super::listpack;
use super::string::{Reader, read_string, write_length, write_string};
use crate::command::generic::lzf::Compressor;

const TYPE_SET: u8 = 2;
const TYPE_INTSET: u8 = 11;
const TYPE_LISTPACK: u8 = 20;

/// Appends the type's number and the value.
pub(super) fn write(value: &SetValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    if value.encoding() == Encoding::IntSet {
        out.push(TYPE_INTSET);
        return write_string(out, &intset(value), compressor);
    }
    out.push(TYPE_SET);
    write_length(out, value.len());
    for member in value.iter() {
        write_string(out, member.bytes(&mut IntegerDigits::new()), compressor);
    }
}

fn intset(value: &SetValue) -> Vec<u8> {
    let integers = || value.iter().map(|member| member.as_integer().expect("an intset has integers only"));
    let width = match integers().map(|integer| integer.max(!integer)).max() {
        None | Some(..=0x7fff) => 2,
        Some(..=0x7fff_ffff) => 4,
        Some(_) => 8,
    };
    let mut intset = Vec::with_capacity(8 + width * value.len());
    intset.extend((width as u32).to_le_bytes());
    intset.extend((value.len() as u32).to_le_bytes());
    integers().for_each(|integer| intset.extend_from_slice(&integer.to_le_bytes()[..width]));
    intset
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>, limits: SetLimits) -> Option<SetValue> {
    if type_number == TYPE_SET {
        return read_members(body, limits);
    }
    let text = read_string(body)?;
    let mut digits = IntegerDigits::new();
    let bytes = text.bytes(&mut digits);
    match type_number {
        TYPE_INTSET => read_intset(bytes, limits),
        TYPE_LISTPACK => read_listpack(bytes, limits),
        _ => None,
    }
}

fn read_members(body: &mut Reader<'_>, limits: SetLimits) -> Option<SetValue> {
    let members = body.length()?;
    let mut set = SetValue::new_intset();
    for _ in 0..members {
        let member = read_string(body)?;
        if !set.insert(member.bytes(&mut IntegerDigits::new()), limits) {
            return None;
        }
    }
    (!set.is_empty()).then_some(set)
}

fn read_intset(intset: &[u8], limits: SetLimits) -> Option<SetValue> {
    let mut rest = Reader(intset);
    let width = usize::try_from(u32::from_le_bytes(rest.array()?)).ok()?;
    let members = usize::try_from(u32::from_le_bytes(rest.array()?)).ok()?;
    if !matches!(width, 2 | 4 | 8) || members.checked_mul(width)? != rest.0.len() {
        return None;
    }
    let mut set = SetValue::new_intset();
    let mut last = None;
    for bytes in rest.0.chunks_exact(width) {
        let integer = match *bytes {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => i64::from_le_bytes(bytes.try_into().ok()?),
        };
        if last.is_some_and(|last| last >= integer) {
            return None;
        }
        last = Some(integer);
        set.insert(itoa::Buffer::new().format(integer).as_bytes(), limits);
    }
    (!set.is_empty()).then_some(set)
}

fn read_listpack(bytes: &[u8], limits: SetLimits) -> Option<SetValue> {
    let (elements, count) = listpack::read(bytes)?;
    let mut set = SetValue::new_pack();
    set.prepare(count, limits);
    let mut limits = limits;
    // However long they are, the members stay a pack, as in Redis.
    limits.pack.element_bytes = usize::MAX;
    for element in elements {
        if !set.insert(element.bytes(&mut IntegerDigits::new()), limits) {
            return None;
        }
    }
    (!set.is_empty()).then_some(set)
}
