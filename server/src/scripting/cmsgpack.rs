//! The `cmsgpack` table: values as [MessagePack](https://github.com/msgpack/msgpack/blob/master/spec.md).

use super::lua::stack::TABLE_SIZE_MAX;
use super::lua::{Kind, Raised, Stack};
use super::sandbox::{add_natives, integer_argument};

/// Tables within tables deeper than this are packed as nil.
const NESTING_MAX: u32 = 16;
/// What unpacking may need of the stack at one level.
const ROOM_PER_LEVEL: i32 = 6;

/// Pushes the module.
pub(super) fn push_module(stack: &mut Stack<'_>) {
    stack.push_table(0, 8);
    add_natives(
        stack,
        &[("pack", pack), ("unpack", unpack), ("unpack_one", unpack_one), ("unpack_limit", unpack_limit)],
    );
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(text.as_bytes());
        stack.raw_set_name(-2, name);
    }
}

fn pack(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let count = stack.top();
    if count == 0 {
        return Err(stack.raise_argument(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for at in 1..=count {
        stack.push_copy(at);
        pack_value(stack, &mut out, 0);
    }
    stack.push_bytes(&out);
    Ok(1)
}

/// Packs the value on top, and drops it.
fn pack_value(stack: &mut Stack<'_>, out: &mut Vec<u8>, level: u32) {
    match stack.kind(-1) {
        Kind::String => {
            let bytes = stack.bytes(-1).unwrap_or_default();
            pack_length(
                out,
                bytes.len(),
                [Some((0xa0, 31)), Some((0xd9, 1)), Some((0xda, 2)), Some((0xdb, 4))],
            );
            out.extend_from_slice(bytes);
        }
        Kind::Boolean => out.push(if stack.is_true(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => pack_number(out, stack.number(-1).unwrap_or_default()),
        Kind::Table if level < NESTING_MAX => pack_table(stack, out, level),
        _ => out.push(0xc0),
    }
    stack.pop(1);
}

/// A length in the shortest of these forms: the first holds lengths up to its second part in its mark, the others are a
/// mark and so many bytes.
fn pack_length(out: &mut Vec<u8>, length: usize, forms: [Option<(u8, usize)>; 4]) {
    if let Some((mark, max)) = forms[0]
        && length <= max
    {
        return out.push(mark | length as u8);
    }
    for (mark, bytes) in forms[1..].iter().flatten().copied() {
        if bytes == 4 || length >> (8 * bytes) == 0 {
            out.push(mark);
            return out.extend_from_slice(&(length as u32).to_be_bytes()[4 - bytes..]);
        }
    }
}

fn pack_number(out: &mut Vec<u8>, number: f64) {
    // 2^63 is where conversion saturates.
    if number.trunc() == number && (-(2f64.powi(63))..2f64.powi(63)).contains(&number) {
        return pack_integer(out, number as i64);
    }
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xca);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn pack_integer(out: &mut Vec<u8>, value: i64) {
    let (mark, bytes) = match value {
        -32..=127 => return out.push(value as u8),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        i64::MIN..=-0x8000_0001 => (0xd3, 8),
    };
    out.push(mark);
    out.extend_from_slice(&value.to_be_bytes()[8 - bytes..]);
}

/// Packs the table on top, and leaves it there.
fn pack_table(stack: &mut Stack<'_>, out: &mut Vec<u8>, level: u32) {
    let (mut fields, mut highest, mut is_array) = (0usize, 0.0f64, true);
    let Ok(()) = stack.walk(-1, |stack| {
        fields += 1;
        match stack.number(-2) {
            Some(index) if index > 0.0 && index.trunc() == index => highest = highest.max(index),
            _ => is_array = false,
        }
        Ok::<(), std::convert::Infallible>(())
    });
    if is_array && highest == fields as f64 {
        let length = stack.length(-1);
        pack_length(out, length, [Some((0x90, 15)), None, Some((0xdc, 2)), Some((0xdd, 4))]);
        for index in 1..=length {
            stack.raw_get_index(-1, index as i32);
            pack_value(stack, out, level + 1);
        }
        return;
    }
    pack_length(out, fields, [Some((0x80, 15)), None, Some((0xde, 2)), Some((0xdf, 4))]);
    let Ok(()) = stack.walk(-1, |stack| {
        stack.push_copy(-2);
        pack_value(stack, out, level + 1);
        stack.push_copy(-1);
        pack_value(stack, out, level + 1);
        Ok::<(), std::convert::Infallible>(())
    });
}

fn unpack(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    unpack_from(stack, None, 0.0)
}

fn unpack_one(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let offset = optional_integer(stack, 2)?;
    unpack_from(stack, Some(1.0), offset)
}

fn unpack_limit(stack: &mut Stack<'_>) -> Result<i32, Raised> {
    let limit = integer_argument(stack, 2)?;
    let offset = optional_integer(stack, 3)?;
    unpack_from(stack, Some(limit), offset)
}

fn optional_integer(stack: &mut Stack<'_>, at: i32) -> Result<f64, Raised> {
    match stack.kind(at) {
        Kind::None | Kind::Nil => Ok(0.0),
        _ => integer_argument(stack, at),
    }
}

fn unpack_from(stack: &mut Stack<'_>, limit: Option<f64>, offset: f64) -> Result<i32, Raised> {
    let Some(bytes) = stack.as_bytes(1) else { return Err(stack.raise_type(1, "string")) };
    let bytes = bytes.to_vec();
    let unlimited = limit.is_none_or(|limit| limit == 0.0 && offset == 0.0);
    let limit = limit.unwrap_or(0.0);
    if offset < 0.0 || limit < 0.0 {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {}.", bytes.len());
        return Err(stack.raise(text));
    }
    if offset > bytes.len() as f64 {
        let text = format!("Start offset {offset} greater than input length {}.", bytes.len());
        return Err(stack.raise(text));
    }
    stack.set_top(1);
    let mut input = Input { bytes: &bytes, at: offset as usize };
    let mut results = 0;
    while input.at < bytes.len() && (unlimited || f64::from(results) < limit) {
        match input.push(stack) {
            Ok(()) => {}
            Err(problem @ (NIL_KEY | NAN_KEY)) => {
                // Lua itself raises these, and knows no place in a native function.
                stack.push_bytes(problem.as_bytes());
                return Err(stack.raise_top());
            }
            Err(problem) => return Err(stack.raise(problem)),
        }
        results += 1;
    }
    if !unlimited {
        let next = if input.at == bytes.len() { -1.0 } else { input.at as f64 };
        stack.push_number(next);
        stack.insert(2);
        results += 1;
    }
    Ok(results)
}

const MISSING: &str = "Missing bytes in input.";
const BROKEN: &str = "Bad data format in input.";
const NIL_KEY: &str = "table index is nil";
const NAN_KEY: &str = "table index is NaN";

/// What is being unpacked.
struct Input<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Input<'b> {
    /// Pushes the next value. After an error, the stack is higher than it was.
    fn push(&mut self, stack: &mut Stack<'_>) -> Result<(), &'static str> {
        if !stack.has_room(ROOM_PER_LEVEL) {
            return Err("stack overflow (in function mp_decode_to_lua_type)");
        }
        let mark = self.take(1)?[0];
        match mark {
            0x00..=0x7f => stack.push_number(f64::from(mark)),
            0x80..=0x8f => self.push_map(stack, usize::from(mark & 15))?,
            0x90..=0x9f => self.push_array(stack, usize::from(mark & 15))?,
            0xa0..=0xbf => stack.push_bytes(self.take(usize::from(mark & 31))?),
            0xc0 => stack.push_nil(),
            0xc2 | 0xc3 => stack.push_boolean(mark == 0xc3),
            0xd9 => self.push_string(stack, 1)?,
            0xda => self.push_string(stack, 2)?,
            0xdb => self.push_string(stack, 4)?,
            0xca => stack.push_number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => stack.push_number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => {
                let value = self.unsigned(1 << (mark - 0xcc))?;
                stack.push_number(value as f64);
            }
            0xd0..=0xd3 => {
                let bytes = 1 << (mark - 0xd0);
                let unused_bits = 64 - 8 * bytes as u32;
                let value = (self.unsigned(bytes)? << unused_bits) as i64 >> unused_bits;
                stack.push_number(value as f64);
            }
            0xdc | 0xdd => {
                let length = self.unsigned(if mark == 0xdc { 2 } else { 4 })?;
                self.push_array(stack, length as usize)?;
            }
            0xde | 0xdf => {
                let length = self.unsigned(if mark == 0xde { 2 } else { 4 })?;
                self.push_map(stack, length as usize)?;
            }
            0xe0..=0xff => stack.push_number(f64::from(mark as i8)),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => return Err(BROKEN),
        }
        Ok(())
    }

    fn push_string(&mut self, stack: &mut Stack<'_>, length_bytes: usize) -> Result<(), &'static str> {
        let length = self.unsigned(length_bytes)? as usize;
        stack.push_bytes(self.take(length)?);
        Ok(())
    }

    fn push_array(&mut self, stack: &mut Stack<'_>, length: usize) -> Result<(), &'static str> {
        // Each element takes a byte at least; the table grows as they come.
        stack.push_table(0, 0);
        for index in 1..=length {
            self.push(stack)?;
            if index > TABLE_SIZE_MAX {
                return Err("table overflow");
            }
            stack.raw_set_index(-2, index as i32);
        }
        Ok(())
    }

    fn push_map(&mut self, stack: &mut Stack<'_>, pairs: usize) -> Result<(), &'static str> {
        stack.push_table(0, 0);
        for index in 1..=pairs {
            self.push(stack)?;
            self.push(stack)?;
            if stack.kind(-2) == Kind::Nil {
                return Err(NIL_KEY);
            }
            if stack.number(-2).is_some_and(f64::is_nan) {
                return Err(NAN_KEY);
            }
            if index > TABLE_SIZE_MAX {
                return Err("table overflow");
            }
            stack.raw_set(-3);
        }
        Ok(())
    }

    fn unsigned(&mut self, bytes: usize) -> Result<u64, &'static str> {
        Ok(self.take(bytes)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn take(&mut self, bytes: usize) -> Result<&'b [u8], &'static str> {
        let taken = self.bytes[self.at..].get(..bytes).ok_or(MISSING)?;
        self.at += bytes;
        Ok(taken)
    }
}
