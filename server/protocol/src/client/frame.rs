//! Finds where a reply ends.
//!
//! Nothing is decoded but lengths and nothing is allocated: an aggregate only raises the count of replies still to
//! pass, so depth costs nothing either. [`ReplyDecoder`] remembers how far it got, so a long reply in many pieces is
//! walked once.

use memchr::memchr;

use crate::integer::parse_integer;

/// The longest line of a length, an integer, a double. Simple strings and errors have no limit but the buffer.
const MAX_NUMBER_BYTES: usize = 64;

/// The bytes are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A reply starts with a byte that is no RESP type.
    #[error("{:?} starts no reply", char::from(*.0))]
    UnknownType(u8),
    /// A length or a scalar is not spelled as its type wants.
    #[error("malformed number, boolean or null in a reply")]
    MalformedScalar,
    /// A line or a string does not end in `\r\n`.
    #[error("a reply does not end where it should")]
    MissingLineEnd,
    /// Aggregates nest deeper than [`Reply`](crate::Reply) may.
    #[error("a reply nests too deeply")]
    TooDeep,
}

/// What kind of reply a frame is, as far as its first line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A status.
    Simple,
    /// An error, simple or bulk.
    Error,
    /// An integer.
    Integer(i64),
    /// A string, verbatim ones included, of that many bytes.
    Bulk {
        /// Its length, without header and line end.
        length_bytes: usize,
    },
    /// No value, of any spelling.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A double or a big number.
    Number,
    /// An array, set or map of that many replies (a map's keys and values counted each).
    Aggregate {
        /// How many.
        length: usize,
    },
    /// A push message, which answers no request.
    Push,
}

/// One complete reply at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The length of the reply, everything nested in it included.
    pub consumed_bytes: usize,
    /// What it is. Attributes before a reply belong to its length and do not show here.
    pub kind: FrameKind,
}

/// Finds the reply at the start of `buffer`; `None` if it goes on after the buffer.
///
/// # Errors
///
/// [`DecodeError`] for bytes that are no reply.
#[inline]
pub fn skip_reply(buffer: &[u8]) -> Result<Option<Frame>, DecodeError> {
    ReplyDecoder::new().next(buffer)
}

/// Progress through a reply that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct ReplyDecoder {
    /// Everything before this offset was passed.
    position: usize,
    /// How many replies are still to pass before the frame is complete; 0 at its start.
    pending: u64,
    kind: Option<FrameKind>,
}

impl ReplyDecoder {
    /// At the start of a reply.
    pub const fn new() -> Self {
        Self { position: 0, pending: 0, kind: None }
    }

    /// Goes on with the reply that starts at `buffer[0]`. `None` says that there is more to come: call again with the
    /// same bytes and more behind them; after a frame, with a buffer that starts behind it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; there is no way to go on from it.
    #[inline]
    pub fn next(&mut self, buffer: &[u8]) -> Result<Option<Frame>, DecodeError> {
        if self.pending == 0 {
            self.pending = 1;
        }
        while self.pending > 0 {
            let Some(header) = read_header(&buffer[self.position.min(buffer.len())..])? else {
                return Ok(None);
            };
            let end = self.position.checked_add(header.bytes).ok_or(DecodeError::MalformedScalar)?;
            if buffer.len() < end {
                return Ok(None);
            }
            if header.is_string && buffer[end - 2..end] != *b"\r\n" {
                return Err(DecodeError::MissingLineEnd);
            }
            self.position = end;
            // The reply itself is passed with nothing but itself pending; a leading attribute's pairs come before.
            if self.pending == 1 && self.kind.is_none() && !header.is_attribute {
                self.kind = Some(header.kind);
            }
            let passed = u64::from(!header.is_attribute);
            self.pending =
                (self.pending - passed).checked_add(header.nested).ok_or(DecodeError::MalformedScalar)?;
        }
        let kind = self.kind.expect("a reply was passed");
        let frame = Frame { consumed_bytes: self.position, kind };
        *self = Self::new();
        Ok(Some(frame))
    }
}

/// The first line of a reply.
pub(super) struct Header {
    pub(super) kind: FrameKind,
    /// The bytes of the reply itself: the line, and for strings the string and its line end. Not what nests in it.
    pub(super) bytes: usize,
    /// The bytes of the line.
    pub(super) line_bytes: usize,
    /// How many replies nest in it.
    pub(super) nested: u64,
    pub(super) is_string: bool,
    pub(super) is_attribute: bool,
}

/// Reads the first line of the reply at the start of `buffer`; `None` if it is not whole.
#[inline]
pub(super) fn read_header(buffer: &[u8]) -> Result<Option<Header>, DecodeError> {
    let Some(&kind) = buffer.first() else { return Ok(None) };
    // Checked first, so that garbage is told from a reply that has not ended yet.
    if !b"+-:$*_,#!=(%~>|".contains(&kind) {
        return Err(DecodeError::UnknownType(kind));
    }
    let Some(text) = read_line(buffer, kind)? else { return Ok(None) };
    let line_bytes = text.len() + 3;
    let plain = |kind| Header {
        kind,
        bytes: line_bytes,
        line_bytes,
        nested: 0,
        is_string: false,
        is_attribute: false,
    };
    let header = match kind {
        b'+' => plain(FrameKind::Simple),
        b'-' => plain(FrameKind::Error),
        b':' => plain(FrameKind::Integer(number(text)?)),
        b',' | b'(' => plain(FrameKind::Number),
        b'#' => match text {
            b"t" => plain(FrameKind::Boolean(true)),
            b"f" => plain(FrameKind::Boolean(false)),
            _ => return Err(DecodeError::MalformedScalar),
        },
        b'_' if text.is_empty() => plain(FrameKind::Null),
        b'_' => return Err(DecodeError::MalformedScalar),
        b'$' | b'*' if text == b"-1" => plain(FrameKind::Null),
        b'$' | b'=' | b'!' => {
            let length_bytes = length(text)?;
            let bytes = length_bytes.checked_add(line_bytes + 2).ok_or(DecodeError::MalformedScalar)?;
            let kind = if kind == b'!' { FrameKind::Error } else { FrameKind::Bulk { length_bytes } };
            Header { bytes, is_string: true, ..plain(kind) }
        }
        b'*' | b'~' => {
            let length = length(text)?;
            Header { nested: length as u64, ..plain(FrameKind::Aggregate { length }) }
        }
        b'>' => Header { nested: length(text)? as u64, ..plain(FrameKind::Push) },
        // Maps and attributes.
        _ => {
            let length = length(text)?.checked_mul(2).ok_or(DecodeError::MalformedScalar)?;
            let is_attribute = kind == b'|';
            Header { nested: length as u64, is_attribute, ..plain(FrameKind::Aggregate { length }) }
        }
    };
    Ok(Some(header))
}

/// What stands between the type byte and the line end.
#[inline]
fn read_line(buffer: &[u8], kind: u8) -> Result<Option<&[u8]>, DecodeError> {
    let is_number = !matches!(kind, b'+' | b'-' | b'(');
    let window = if is_number { &buffer[..buffer.len().min(MAX_NUMBER_BYTES)] } else { buffer };
    let Some(carriage_return) = memchr(b'\r', window) else {
        return if window.len() < buffer.len() { Err(DecodeError::MalformedScalar) } else { Ok(None) };
    };
    match buffer.get(carriage_return + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(&buffer[1..carriage_return])),
        Some(_) => Err(DecodeError::MissingLineEnd),
    }
}

#[inline]
fn number(text: &[u8]) -> Result<i64, DecodeError> {
    parse_integer(text).ok_or(DecodeError::MalformedScalar)
}

#[inline]
fn length(text: &[u8]) -> Result<usize, DecodeError> {
    if let [digit @ b'0'..=b'9'] = text {
        return Ok(usize::from(digit - b'0'));
    }
    usize::try_from(number(text)?).map_err(|_| DecodeError::MalformedScalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(bytes: &[u8]) -> FrameKind {
        let frame = skip_reply(bytes).expect("a reply").expect("a whole reply");
        assert_eq!(frame.consumed_bytes, bytes.len());
        frame.kind
    }

    #[test]
    fn the_first_line_tells_the_kind() {
        assert_eq!(kind_of(b"+OK\r\n"), FrameKind::Simple);
        assert_eq!(kind_of(b"-ERR no\r\n"), FrameKind::Error);
        assert_eq!(kind_of(b"!5\r\nERR x\r\n"), FrameKind::Error);
        assert_eq!(kind_of(b":-7\r\n"), FrameKind::Integer(-7));
        assert_eq!(kind_of(b"$12\r\n0123456789\r\n\r\n"), FrameKind::Bulk { length_bytes: 12 });
        assert_eq!(kind_of(b"=6\r\ntxt:ab\r\n"), FrameKind::Bulk { length_bytes: 6 });
        for null in [&b"$-1\r\n"[..], b"*-1\r\n", b"_\r\n"] {
            assert_eq!(kind_of(null), FrameKind::Null);
        }
        assert_eq!(kind_of(b"#t\r\n"), FrameKind::Boolean(true));
        assert_eq!(kind_of(b",1.5\r\n"), FrameKind::Number);
        assert_eq!(kind_of(b"(123\r\n"), FrameKind::Number);
        assert_eq!(kind_of(b"*0\r\n"), FrameKind::Aggregate { length: 0 });
        assert_eq!(kind_of(b"%1\r\n+a\r\n*1\r\n:1\r\n"), FrameKind::Aggregate { length: 2 });
        assert_eq!(kind_of(b"~1\r\n:1\r\n"), FrameKind::Aggregate { length: 1 });
        assert_eq!(kind_of(b">1\r\n:1\r\n"), FrameKind::Push);
        assert_eq!(kind_of(b"|1\r\n+a\r\n*1\r\n:1\r\n:5\r\n"), FrameKind::Integer(5));
    }

    #[test]
    fn only_the_first_reply_is_consumed() {
        assert_eq!(
            skip_reply(b":1\r\n:2\r\n"),
            Ok(Some(Frame { consumed_bytes: 4, kind: FrameKind::Integer(1) }))
        );
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        assert_eq!(skip_reply(b"GET"), Err(DecodeError::UnknownType(b'G')));
        assert_eq!(skip_reply(b"$x\r\n"), Err(DecodeError::MalformedScalar));
        assert_eq!(skip_reply(b"$-2\r\n"), Err(DecodeError::MalformedScalar));
        assert_eq!(skip_reply(b"~-1\r\n"), Err(DecodeError::MalformedScalar));
        assert_eq!(skip_reply(b"#x\r\n"), Err(DecodeError::MalformedScalar));
        assert_eq!(skip_reply(b"$1\r\nabcd"), Err(DecodeError::MissingLineEnd));
        assert_eq!(skip_reply(b"+OK\rX"), Err(DecodeError::MissingLineEnd));
        assert_eq!(skip_reply(&[b':'; 1000]), Err(DecodeError::MalformedScalar));
        assert_eq!(skip_reply(b"%9223372036854775807\r\n"), Ok(None));
        assert_eq!(
            skip_reply(b"*3\r\n%9223372036854775807\r\n%9223372036854775807\r\n"),
            Err(DecodeError::MalformedScalar)
        );
    }

    #[test]
    fn a_million_elements_in_small_pieces_are_walked_once() {
        let mut bytes = b"*1000000\r\n".to_vec();
        bytes.extend(b":1\r\n".repeat(1_000_000));
        let mut decoder = ReplyDecoder::new();
        for end in (0..bytes.len()).step_by(64) {
            assert_eq!(decoder.next(&bytes[..end]), Ok(None));
        }
        let frame = decoder.next(&bytes).expect("a reply").expect("whole");
        assert_eq!(frame.consumed_bytes, bytes.len());
    }
}
