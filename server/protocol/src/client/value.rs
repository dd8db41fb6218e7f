//! A reply, decoded into a tree.

use std::fmt;

use super::frame::{DecodeError, read_header, skip_reply};

/// How deep aggregates may nest. Redis' own replies stay below ten.
const MAX_DEPTH: usize = 64;
/// How many elements are made room for before they were seen.
const RESERVED_ELEMENTS: usize = 1024;

/// One reply of RESP2 or RESP3. Equal if it says the same thing in the same type; doubles are kept as text, because
/// their spelling is part of the contract.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// `+`
    Simple(Vec<u8>),
    /// `-`, the code included
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `*`
    Array(Vec<Reply>),
    /// `%`
    Map(Vec<(Reply, Reply)>),
    /// `~`
    Set(Vec<Reply>),
    /// `>`
    Push(Vec<Reply>),
    /// `|`, and the reply that it is for
    Attributed(Vec<(Reply, Reply)>, Box<Reply>),
    /// `,`
    Double(Vec<u8>),
    /// `#`
    Boolean(bool),
    /// `=`: the format's three letters, `:`, the text
    Verbatim(Vec<u8>),
    /// `(`
    BigNumber(Vec<u8>),
    /// `!`
    BulkError(Vec<u8>),
}

impl Reply {
    /// Decodes the reply at the start of `buffer`, and says how long it is; `None` if it goes on after the buffer.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for bytes that are no reply.
    pub fn decode(buffer: &[u8]) -> Result<Option<(Reply, usize)>, DecodeError> {
        let Some(frame) = skip_reply(buffer)? else { return Ok(None) };
        let mut rest = &buffer[..frame.consumed_bytes];
        let reply = take(&mut rest, 0)?;
        assert!(rest.is_empty(), "skipping and decoding agree on where a reply ends");
        Ok(Some((reply, frame.consumed_bytes)))
    }

    /// Whether it is an error, of either kind.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_) | Reply::BulkError(_))
    }

    /// Whether it is a null, of any kind.
    pub fn is_null(&self) -> bool {
        matches!(self, Reply::NullBulk | Reply::NullArray | Reply::Null)
    }

    /// The bytes of a string, status, error or number-as-text; `None` for everything else.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Simple(bytes)
            | Reply::Error(bytes)
            | Reply::Bulk(bytes)
            | Reply::Double(bytes)
            | Reply::BigNumber(bytes)
            | Reply::BulkError(bytes) => Some(bytes),
            Reply::Verbatim(bytes) => Some(bytes.get(4..).unwrap_or_default()),
            _ => None,
        }
    }

    /// The value of an integer reply.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Reply::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub fn as_elements(&self) -> Option<&[Reply]> {
        match self {
            Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => Some(elements),
            _ => None,
        }
    }
}

/// Takes a reply that is known to be whole off the start of `rest`.
fn take(rest: &mut &[u8], depth: usize) -> Result<Reply, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep);
    }
    let buffer = *rest;
    let header = read_header(buffer)?.expect("the whole reply is there");
    *rest = &buffer[header.bytes..];
    let line = &buffer[1..header.line_bytes - 2];
    let string = || buffer[header.line_bytes..header.bytes - 2].to_vec();
    let nested = header.nested as usize;
    Ok(match buffer[0] {
        b'+' => Reply::Simple(line.to_vec()),
        b'-' => Reply::Error(line.to_vec()),
        b':' => Reply::Integer(crate::parse_integer(line).expect("checked with the header")),
        b',' => Reply::Double(line.to_vec()),
        b'(' => Reply::BigNumber(line.to_vec()),
        b'#' => Reply::Boolean(line == b"t"),
        b'_' => Reply::Null,
        b'$' if line == b"-1" => Reply::NullBulk,
        b'*' if line == b"-1" => Reply::NullArray,
        b'$' => Reply::Bulk(string()),
        b'=' => Reply::Verbatim(string()),
        b'!' => Reply::BulkError(string()),
        b'*' => Reply::Array(take_elements(rest, nested, depth)?),
        b'~' => Reply::Set(take_elements(rest, nested, depth)?),
        b'>' => Reply::Push(take_elements(rest, nested, depth)?),
        b'%' => Reply::Map(take_pairs(rest, nested, depth)?),
        _ => Reply::Attributed(take_pairs(rest, nested, depth)?, Box::new(take(rest, depth + 1)?)),
    })
}

fn take_elements(rest: &mut &[u8], length: usize, depth: usize) -> Result<Vec<Reply>, DecodeError> {
    let mut elements = Vec::with_capacity(length.min(RESERVED_ELEMENTS));
    for _ in 0..length {
        elements.push(take(rest, depth + 1)?);
    }
    Ok(elements)
}

fn take_pairs(rest: &mut &[u8], length: usize, depth: usize) -> Result<Vec<(Reply, Reply)>, DecodeError> {
    let mut pairs = Vec::with_capacity((length / 2).min(RESERVED_ELEMENTS));
    for _ in 0..length / 2 {
        pairs.push((take(rest, depth + 1)?, take(rest, depth + 1)?));
    }
    Ok(pairs)
}

/// As redis-cli would show it, on one line, with bytes that do not print escaped.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Simple(text) => write!(f, "+{}", Line(text)),
            Reply::Error(text) => write!(f, "-{}", Line(text)),
            Reply::BulkError(text) => write!(f, "!{}", Line(text)),
            Reply::Integer(value) => write!(f, ":{value}"),
            Reply::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Reply::Verbatim(bytes) => write!(f, "=\"{}\"", bytes.escape_ascii()),
            Reply::Double(text) => write!(f, ",{}", text.escape_ascii()),
            Reply::BigNumber(text) => write!(f, "({}", text.escape_ascii()),
            Reply::Boolean(value) => write!(f, "#{value}"),
            Reply::NullBulk => f.write_str("$-1"),
            Reply::NullArray => f.write_str("*-1"),
            Reply::Null => f.write_str("_"),
            Reply::Array(elements) => f.debug_list().entries(elements).finish(),
            Reply::Set(elements) => write_tagged(f, "~", elements),
            Reply::Push(elements) => write_tagged(f, ">", elements),
            Reply::Map(pairs) => write_pairs(f, "%", pairs),
            Reply::Attributed(pairs, reply) => {
                write_pairs(f, "|", pairs)?;
                write!(f, " {reply:?}")
            }
        }
    }
}

/// A line as text: escaped but for its quotes, which need none outside of quotes.
struct Line<'a>(&'a [u8]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| match byte {
            b'\'' | b'"' => write!(f, "{}", char::from(*byte)),
            other => write!(f, "{}", other.escape_ascii()),
        })
    }
}

fn write_tagged(f: &mut fmt::Formatter<'_>, tag: &str, elements: &[Reply]) -> fmt::Result {
    f.write_str(tag)?;
    f.debug_list().entries(elements).finish()
}

fn write_pairs(f: &mut fmt::Formatter<'_>, tag: &str, pairs: &[(Reply, Reply)]) -> fmt::Result {
    f.write_str(tag)?;
    f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish()
}

#[cfg(test)]
mod tests;
