//! Between replies and Lua values, in both directions, as [Redis converts
//! them](https://redis.io/docs/latest/develop/interact/programmability/lua-api/#data-type-conversion).

use std::convert::Infallible;

use thermocline_protocol::{Protocol, ReplyEncoder, parse_integer};

use super::lua::stack::TABLE_SIZE_MAX;
use super::lua::{Kind, Stack};

/// What pushing a reply may need of the stack at one level.
const ROOM_PER_LEVEL: i32 = 8;

/// Replies within replies deeper than this are refused. No command's reply comes near.
const DEPTH_MAX: u32 = 64;

/// Tables within tables deeper than this are cut short, as a table that holds itself must be.
const WRITTEN_DEPTH_MAX: u32 = 512;

/// Pushes what a reply is in Lua.
///
/// # Errors
/// The reply cannot be a Lua value; the text is an error reply.
pub(super) fn push_reply(stack: &mut Stack<'_>, reply: &[u8]) -> Result<(), &'static str> {
    let top = stack.top();
    match push(stack, reply, 0) {
        Ok([]) => return Ok(()),
        Ok(_) => stack.set_top(top),
        Err(problem) => {
            stack.set_top(top);
            return Err(problem);
        }
    }
    Err(BROKEN)
}

const BROKEN: &str = "ERR the reply of the command is broken";
const TOO_LARGE: &str = "ERR the reply of the command is too large for a script";

/// Pushes the first reply of `bytes` and returns the rest.
fn push<'b>(stack: &mut Stack<'_>, bytes: &'b [u8], depth: u32) -> Result<&'b [u8], &'static str> {
    let (kind, rest) = bytes.split_first().ok_or(BROKEN)?;
    let (line, rest) = split_line(rest)?;
    if depth > DEPTH_MAX || !stack.has_room(ROOM_PER_LEVEL) {
        return Err(TOO_LARGE);
    }
    match kind {
        b'$' => match length(line)? {
            None => stack.push_boolean(false),
            Some(length) => {
                let (text, rest) = split_bulk(rest, length)?;
                stack.push_bytes(text);
                return Ok(rest);
            }
        },
        b':' => stack.push_number(parse_integer(line).ok_or(BROKEN)? as f64),
        b'+' => push_field(stack, "ok", |stack| stack.push_bytes(line)),
        b'-' => push_field(stack, "err", |stack| stack.push_bytes(line)),
        b'*' => match length(line)? {
            None => stack.push_boolean(false),
            Some(length) => return push_array(stack, rest, length, depth),
        },
        b'|' => {
            let rest = skip_attribute(stack, rest, length(line)?.ok_or(BROKEN)?, depth)?;
            return push(stack, rest, depth + 1);
        }
        b'%' => return push_map(stack, rest, length(line)?.ok_or(BROKEN)?, depth),
        b'~' => return push_set(stack, rest, length(line)?.ok_or(BROKEN)?, depth),
        b'_' => stack.push_nil(),
        b'#' => stack.push_boolean(line == b"t"),
        b',' => {
            let number = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(BROKEN)?;
            push_field(stack, "double", |stack| stack.push_number(number));
        }
        b'(' => push_field(stack, "big_number", |stack| stack.push_bytes(line)),
        b'=' => {
            let (text, rest) = split_bulk(rest, length(line)?.ok_or(BROKEN)?)?;
            let (format, text) = text.split_at_checked(4).ok_or(BROKEN)?;
            push_field(stack, "verbatim_string", |stack| {
                stack.push_table(0, 2);
                stack.push_bytes(text);
                stack.raw_set_name(-2, "string");
                stack.push_bytes(&format[..3]);
                stack.raw_set_name(-2, "format");
            });
            return Ok(rest);
        }
        _ => return Err(BROKEN),
    }
    Ok(rest)
}

fn push_field(stack: &mut Stack<'_>, name: &str, value: impl FnOnce(&mut Stack<'_>)) {
    stack.push_table(0, 1);
    value(stack);
    stack.raw_set_name(-2, name);
}

fn push_array<'b>(
    stack: &mut Stack<'_>,
    mut rest: &'b [u8],
    length: usize,
    depth: u32,
) -> Result<&'b [u8], &'static str> {
    if length > TABLE_SIZE_MAX {
        return Err(TOO_LARGE);
    }
    stack.push_table(length, 0);
    for index in 1..=length {
        rest = push(stack, rest, depth + 1)?;
        stack.raw_set_index(-2, index as i32);
    }
    Ok(rest)
}

/// Passes over an attribute, of which scripts are told nothing.
fn skip_attribute<'b>(
    stack: &mut Stack<'_>,
    mut rest: &'b [u8],
    pairs: usize,
    depth: u32,
) -> Result<&'b [u8], &'static str> {
    let top = stack.top();
    for _ in 0..pairs {
        rest = push(stack, rest, depth + 1)?;
        rest = push(stack, rest, depth + 1)?;
        stack.set_top(top);
    }
    Ok(rest)
}

fn push_map<'b>(
    stack: &mut Stack<'_>,
    mut rest: &'b [u8],
    pairs: usize,
    depth: u32,
) -> Result<&'b [u8], &'static str> {
    if pairs > TABLE_SIZE_MAX {
        return Err(TOO_LARGE);
    }
    stack.push_table(0, 1);
    stack.push_table(0, pairs);
    for _ in 0..pairs {
        rest = push(stack, rest, depth + 1)?;
        rest = push(stack, rest, depth + 1)?;
        set_unless_nil(stack);
    }
    stack.raw_set_name(-2, "map");
    Ok(rest)
}

fn push_set<'b>(
    stack: &mut Stack<'_>,
    mut rest: &'b [u8],
    members: usize,
    depth: u32,
) -> Result<&'b [u8], &'static str> {
    if members > TABLE_SIZE_MAX {
        return Err(TOO_LARGE);
    }
    stack.push_table(0, 1);
    stack.push_table(0, members);
    for _ in 0..members {
        rest = push(stack, rest, depth + 1)?;
        stack.push_boolean(true);
        set_unless_nil(stack);
    }
    stack.raw_set_name(-2, "set");
    Ok(rest)
}

/// Puts the key and value on top into the table below them; nil is no key.
fn set_unless_nil(stack: &mut Stack<'_>) {
    match stack.kind(-2) {
        Kind::Nil => stack.pop(2),
        _ => stack.raw_set(-3),
    }
}

fn split_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let end = bytes.iter().position(|&byte| byte == b'\r').ok_or(BROKEN)?;
    Ok((&bytes[..end], bytes.get(end + 2..).ok_or(BROKEN)?))
}

fn split_bulk(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), &'static str> {
    let (text, rest) = bytes.split_at_checked(length).ok_or(BROKEN)?;
    Ok((text, rest.get(2..).ok_or(BROKEN)?))
}

/// The length of a string or aggregate; `None` is the null of RESP2.
fn length(line: &[u8]) -> Result<Option<usize>, &'static str> {
    match parse_integer(line) {
        Some(-1) => Ok(None),
        Some(length) => usize::try_from(length).map(Some).map_err(|_| BROKEN),
        None => Err(BROKEN),
    }
}

/// Writes the value on top as a reply, and drops it. `script` is the version that the script has chosen: it decides
/// what false is.
pub(super) fn write_reply(stack: &mut Stack<'_>, script: Protocol, reply: &mut ReplyEncoder<'_>) {
    Writer { script, reply, depth: 0 }.write(stack);
}

struct Writer<'w, 'r> {
    script: Protocol,
    reply: &'w mut ReplyEncoder<'r>,
    /// How many tables the value is in.
    depth: u32,
}

impl Writer<'_, '_> {
    /// Writes the value on top, and drops it.
    fn write(&mut self, stack: &mut Stack<'_>) {
        if self.depth > WRITTEN_DEPTH_MAX || !stack.has_room(ROOM_PER_LEVEL) {
            self.reply.error("ERR reached lua stack limit");
            return stack.pop(1);
        }
        match stack.kind(-1) {
            Kind::String => self.reply.bulk(stack.bytes(-1).unwrap_or_default()),
            Kind::Number => self.reply.integer(truncate(stack.number(-1).unwrap_or_default())),
            Kind::Boolean => match (self.script, stack.is_true(-1)) {
                (Protocol::Resp3, value) => self.reply.boolean(value),
                (Protocol::Resp2, true) => self.reply.integer(1),
                (Protocol::Resp2, false) => self.reply.null(),
            },
            Kind::Table => {
                self.depth += 1;
                self.write_table(stack);
                self.depth -= 1;
            }
            _ => self.reply.null(),
        }
        stack.pop(1);
    }

    /// Writes the table on top, as the first of these fields that it has says, else as an array.
    fn write_table(&mut self, stack: &mut Stack<'_>) {
        type Write = fn(&mut Writer<'_, '_>, &mut Stack<'_>) -> bool;
        const FIELDS: [(&str, Kind, Write); 7] = [
            ("err", Kind::String, |writer, stack| {
                writer.reply.error(stack.bytes(-1).unwrap_or_default());
                true
            }),
            ("ok", Kind::String, |writer, stack| writer.write_status(stack)),
            ("double", Kind::Number, |writer, stack| {
                writer.reply.double(stack.number(-1).unwrap_or_default());
                true
            }),
            ("map", Kind::Table, |writer, stack| writer.write_map(stack)),
            ("set", Kind::Table, |writer, stack| writer.write_set(stack)),
            ("big_number", Kind::String, |writer, stack| writer.write_big_number(stack)),
            ("verbatim_string", Kind::Table, |writer, stack| writer.write_verbatim(stack)),
        ];
        for (name, kind, write) in FIELDS {
            let is_written = stack.raw_get_name(-1, name) == kind && write(self, stack);
            stack.pop(1);
            if is_written {
                return;
            }
        }
        self.write_array(stack);
    }

    fn write_status(&mut self, stack: &mut Stack<'_>) -> bool {
        let mut line = one_line(stack.bytes(-1).unwrap_or_default());
        line.insert(0, b'+');
        line.extend_from_slice(b"\r\n");
        self.reply.raw(&line);
        true
    }

    fn write_map(&mut self, stack: &mut Stack<'_>) -> bool {
        let mark = self.reply.begin_map();
        let mut pairs = 0;
        let Ok(()) = stack.walk(-1, |stack| {
            pairs += 1;
            stack.push_copy(-2);
            self.write(stack);
            stack.push_copy(-1);
            self.write(stack);
            Ok::<(), Infallible>(())
        });
        self.reply.end_map(mark, pairs);
        true
    }

    fn write_set(&mut self, stack: &mut Stack<'_>) -> bool {
        let mark = self.reply.begin_set();
        let mut members = 0;
        let Ok(()) = stack.walk(-1, |stack| {
            members += 1;
            stack.push_copy(-2);
            self.write(stack);
            Ok::<(), Infallible>(())
        });
        self.reply.end_set(mark, members);
        true
    }

    fn write_big_number(&mut self, stack: &mut Stack<'_>) -> bool {
        let digits = one_line(stack.bytes(-1).unwrap_or_default());
        self.reply.big_number(&String::from_utf8_lossy(&digits));
        true
    }

    /// Writes the table on top, if it has a text and its format.
    fn write_verbatim(&mut self, stack: &mut Stack<'_>) -> bool {
        let has_format = stack.raw_get_name(-1, "format") == Kind::String;
        let has_text = stack.raw_get_name(-2, "string") == Kind::String;
        if has_format && has_text {
            let mut format = [b' '; 3];
            let given = stack.bytes(-2).unwrap_or_default();
            let kept = given.len().min(3);
            format[..kept].copy_from_slice(&given[..kept]);
            self.reply.verbatim(&format, stack.bytes(-1).unwrap_or_default());
        }
        stack.pop(2);
        has_format && has_text
    }

    fn write_array(&mut self, stack: &mut Stack<'_>) {
        let mark = self.reply.begin_array();
        let mut length = 0;
        loop {
            stack.raw_get_index(-1, length as i32 + 1);
            if stack.kind(-1) == Kind::Nil {
                break stack.pop(1);
            }
            self.write(stack);
            length += 1;
        }
        self.reply.end_array(mark, length);
    }
}

/// A number as C converts it to a 64-bit integer on the machines that Redis runs on: what does not fit is the smallest.
fn truncate(number: f64) -> i64 {
    if (-(2f64.powi(63))..2f64.powi(63)).contains(&number) { number as i64 } else { i64::MIN }
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}
