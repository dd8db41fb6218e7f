//! Finds one request in the bytes that a client sent.
//!
//! A request is a multibulk, `*<n>\r\n` followed by n times `$<length>\r\n<bytes>\r\n`, or an inline line of words.
//! The parser works in place, on a buffer that starts at the request's first byte, and records where the arguments
//! lie. When bytes are missing it remembers how far it got, so a request that comes in many pieces costs no more than
//! one that comes whole: every byte of a header is looked at once, bytes of an argument never.
//!
//! **Invariant:** how a request is cut into pieces does not change the outcome.
//!
//! What is accepted is what Redis 7 accepts: the byte after a line's `\r` and the two bytes after an argument
//! are skipped unread. Not taken over: Redis searches line ends with `strchr`, so a zero byte in a header makes it
//! wait for ever; here it is an invalid length.

use memchr::memchr;

use crate::arguments::ArgumentRanges;
use crate::inline;
use crate::integer::parse_integer;

/// The longest request that ranges of 32 bits describe. What would be longer has an `invalid bulk length`; a server's
/// query buffer limit (1 GiB by default) is reached long before.
pub const MAX_REQUEST_BYTES: usize = u32::MAX as usize;

/// The most arguments of a request before its connection has authenticated.
const UNAUTHENTICATED_ARGUMENTS: i64 = 10;
/// The longest argument before the connection has authenticated.
const UNAUTHENTICATED_BULK_BYTES: i64 = 16 * 1024;

/// What a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest argument (`proto-max-bulk-len`).
    pub max_bulk_bytes: usize,
    /// The most arguments, the command's name included.
    pub max_arguments: usize,
    /// The longest inline request, and the longest line that announces a length. At least 16.
    pub max_inline_bytes: usize,
    /// Whether the client has yet to authenticate: then it may send 10 arguments of 16 KiB and no more, so that
    /// strangers cannot make the server hold memory for them.
    pub unauthenticated: bool,
}

impl Limits {
    /// Redis' own limits: 512 MiB, `INT_MAX` arguments, 64 KiB.
    pub const REDIS: Limits = Limits {
        max_bulk_bytes: 512 * 1024 * 1024,
        max_arguments: i32::MAX as usize,
        max_inline_bytes: 64 * 1024,
        unauthenticated: false,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::REDIS
    }
}

/// What [`RequestParser::parse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request of at least one argument; the next one starts `consumed_bytes` further on.
    Complete {
        /// The length of the request.
        consumed_bytes: usize,
    },
    /// A request without arguments (an empty line, `*0`, `*-1`), which gets no reply: skip `consumed_bytes`.
    Empty {
        /// The length of the request.
        consumed_bytes: usize,
    },
    /// The request goes on. Call again with the same start and more bytes.
    Incomplete {
        /// The least number of bytes, from the request's start, that the next call needs to get any further. It
        /// covers an announced argument whole, so a caller can make room for it at once.
        wanted_bytes: usize,
    },
}

/// The client does not speak the protocol: reply `-ERR Protocol error: <this>` and close the connection. The texts
/// are Redis'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The number after `*` is no number, or over the limit.
    #[error("invalid multibulk length")]
    InvalidMultibulkLength,
    /// The number after `$` is no number, negative, or over the limit.
    #[error("invalid bulk length")]
    InvalidBulkLength,
    /// An argument does not start with `$` but with this byte. Line ends print as a blank.
    #[error("expected '$', got '{}'", printable(*.0))]
    ExpectedBulk(u8),
    /// No line end within the limit after `*`.
    #[error("too big mbulk count string")]
    TooBigMultibulkCount,
    /// No line end within the limit after `$`.
    #[error("too big bulk count string")]
    TooBigBulkCount,
    /// No line end within the limit in an inline request.
    #[error("too big inline request")]
    TooBigInlineRequest,
    /// An inline request with quotes that do not close, or close in the middle of a word.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// More arguments than a client may send before it has authenticated.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// A longer argument than a client may send before it has authenticated.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
}

/// An error reply is one line. Bytes past ASCII print as the character of that number.
fn printable(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        other => char::from(other),
    }
}

/// One connection's progress through its current request. 40 bytes, no heap.
#[derive(Clone, Debug, Default)]
pub struct RequestParser {
    /// Everything before this offset from the request's start is done with.
    position: usize,
    /// How many bytes from `position` on are known to hold no line end.
    searched_bytes: usize,
    /// How many arguments are still to come; 0 at the start of a request.
    remaining_arguments: usize,
    /// The length of the argument that starts at `position`, when its header was read.
    bulk_bytes: Option<usize>,
}

impl RequestParser {
    /// At the start of a request.
    pub const fn new() -> Self {
        Self { position: 0, searched_bytes: 0, remaining_arguments: 0, bulk_bytes: None }
    }

    /// Whether a request has been begun and not completed.
    pub fn is_within_request(&self) -> bool {
        self.remaining_arguments > 0 || self.searched_bytes > 0
    }

    /// Goes on with the request that starts at `buffer[0]`.
    ///
    /// Until it says [`Parsed::Complete`] or [`Parsed::Empty`], call it again with the same bytes and more behind
    /// them, and the same `arguments`; after that, with a buffer that starts `consumed_bytes` later. `arguments` is
    /// cleared when a request begins.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`]; there is no way to go on from it.
    #[inline]
    pub fn parse(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        arguments: &mut ArgumentRanges,
    ) -> Result<Parsed, ProtocolError> {
        if self.remaining_arguments == 0 {
            match buffer.first() {
                None => return Ok(Parsed::Incomplete { wanted_bytes: 1 }),
                Some(b'*') => {
                    arguments.clear();
                    if let Some(parsed) = self.begin_multibulk(buffer, limits, arguments)? {
                        return Ok(parsed);
                    }
                }
                Some(_) => return self.parse_inline(buffer, limits, arguments),
            }
        }
        self.parse_bulks(buffer, limits, arguments)
    }

    /// Reads `*<n>\r\n`. `None` says that n arguments follow.
    #[inline]
    fn begin_multibulk(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        arguments: &mut ArgumentRanges,
    ) -> Result<Option<Parsed>, ProtocolError> {
        let (count, line_bytes) = match read_length(buffer, self.searched_bytes, limits.max_inline_bytes) {
            Length::Known { value, line_bytes } => (value, line_bytes),
            Length::Unfinished { searched_bytes } => {
                self.searched_bytes = searched_bytes;
                return Ok(Some(Parsed::Incomplete { wanted_bytes: buffer.len() + 1 }));
            }
            Length::NotANumber => return Err(ProtocolError::InvalidMultibulkLength),
            Length::TooLong => return Err(ProtocolError::TooBigMultibulkCount),
        };
        if count > i64::try_from(limits.max_arguments).unwrap_or(i64::MAX) {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if limits.unauthenticated && count > UNAUTHENTICATED_ARGUMENTS {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        self.searched_bytes = 0;
        if count <= 0 {
            return Ok(Some(Parsed::Empty { consumed_bytes: line_bytes }));
        }
        self.position = line_bytes;
        self.remaining_arguments = count as usize;
        arguments.reserve(self.remaining_arguments);
        Ok(None)
    }

    /// Reads the arguments that have arrived. The hot loop: state is kept in locals until the buffer ends.
    #[inline]
    fn parse_bulks(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        arguments: &mut ArgumentRanges,
    ) -> Result<Parsed, ProtocolError> {
        let mut position = self.position;
        let mut remaining_arguments = self.remaining_arguments;
        let mut known_bulk_bytes = self.bulk_bytes.take();
        while remaining_arguments > 0 {
            let bulk_bytes = match known_bulk_bytes.take() {
                Some(bulk_bytes) => bulk_bytes,
                None => {
                    let header = &buffer[position..];
                    match read_length(header, self.searched_bytes, limits.max_inline_bytes) {
                        Length::Known { value, line_bytes } => {
                            check_bulk(header[0], value, position + line_bytes, limits)?;
                            self.searched_bytes = 0;
                            position += line_bytes;
                            value as usize
                        }
                        Length::Unfinished { searched_bytes } => {
                            self.searched_bytes = searched_bytes;
                            self.position = position;
                            self.remaining_arguments = remaining_arguments;
                            return Ok(Parsed::Incomplete { wanted_bytes: buffer.len() + 1 });
                        }
                        Length::NotANumber if header[0] != b'$' => {
                            return Err(ProtocolError::ExpectedBulk(header[0]));
                        }
                        Length::NotANumber => return Err(ProtocolError::InvalidBulkLength),
                        Length::TooLong => return Err(ProtocolError::TooBigBulkCount),
                    }
                }
            };
            let end = position + bulk_bytes;
            if buffer.len() < end + 2 {
                self.position = position;
                self.remaining_arguments = remaining_arguments;
                self.bulk_bytes = Some(bulk_bytes);
                return Ok(Parsed::Incomplete { wanted_bytes: end + 2 });
            }
            arguments.push(position, bulk_bytes);
            position = end + 2;
            remaining_arguments -= 1;
        }
        *self = Self::new();
        Ok(Parsed::Complete { consumed_bytes: position })
    }

    #[cold]
    fn parse_inline(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        arguments: &mut ArgumentRanges,
    ) -> Result<Parsed, ProtocolError> {
        let window = &buffer[..buffer.len().min(limits.max_inline_bytes.saturating_add(1))];
        let Some(line_feed) = memchr(b'\n', &window[self.searched_bytes.min(window.len())..]) else {
            if window.len() > limits.max_inline_bytes {
                return Err(ProtocolError::TooBigInlineRequest);
            }
            self.searched_bytes = window.len();
            return Ok(Parsed::Incomplete { wanted_bytes: buffer.len() + 1 });
        };
        let line_feed = line_feed + self.searched_bytes;
        *self = Self::new();
        arguments.clear();
        inline::split_into(&buffer[..line_feed], arguments).map_err(|_| ProtocolError::UnbalancedQuotes)?;
        let consumed_bytes = line_feed + 1;
        Ok(if arguments.is_empty() {
            Parsed::Empty { consumed_bytes }
        } else {
            Parsed::Complete { consumed_bytes }
        })
    }
}

/// Whether an argument of `value` bytes, which would start at `start`, may be sent. The order of the checks decides
/// which error a client sees, and is Redis'.
#[inline]
fn check_bulk(kind: u8, value: i64, start: usize, limits: &Limits) -> Result<(), ProtocolError> {
    if kind != b'$' {
        return Err(ProtocolError::ExpectedBulk(kind));
    }
    // A negative value is a huge one once it is unsigned.
    let longest = limits.max_bulk_bytes.min(MAX_REQUEST_BYTES.saturating_sub(start + 2));
    if value as u64 > longest as u64 {
        return Err(ProtocolError::InvalidBulkLength);
    }
    if limits.unauthenticated && value > UNAUTHENTICATED_BULK_BYTES {
        return Err(ProtocolError::UnauthenticatedBulkLength);
    }
    Ok(())
}

/// A line of a type byte and a number, as far as it is there.
enum Length {
    /// The number, and the length of the line with its end.
    Known {
        value: i64,
        line_bytes: usize,
    },
    /// The first `searched_bytes` bytes hold no line end.
    Unfinished {
        searched_bytes: usize,
    },
    NotANumber,
    /// No line end within the limit.
    TooLong,
}

/// Reads the number behind the type byte at the start of `line`. Nearly every number has one to three digits.
#[inline(always)]
fn read_length(line: &[u8], searched_bytes: usize, max_bytes: usize) -> Length {
    match *line {
        [_, a @ b'0'..=b'9', b'\r', _, ..] => Length::Known { value: digit(a), line_bytes: 4 },
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] => {
            Length::Known { value: digit(a) * 10 + digit(b), line_bytes: 5 }
        }
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'\r', _, ..] => {
            Length::Known { value: digit(a) * 100 + digit(b) * 10 + digit(c), line_bytes: 6 }
        }
        _ => read_any_length(line, searched_bytes, max_bytes),
    }
}

#[inline(always)]
fn digit(character: u8) -> i64 {
    i64::from(character - b'0')
}

#[inline(never)]
fn read_any_length(line: &[u8], searched_bytes: usize, max_bytes: usize) -> Length {
    let window = &line[..line.len().min(max_bytes.saturating_add(1))];
    let Some(carriage_return) = memchr(b'\r', &window[searched_bytes.min(window.len())..]) else {
        return if window.len() > max_bytes {
            Length::TooLong
        } else {
            Length::Unfinished { searched_bytes: window.len() }
        };
    };
    let carriage_return = carriage_return + searched_bytes;
    let line_bytes = carriage_return + 2;
    if line.len() < line_bytes {
        return Length::Unfinished { searched_bytes: carriage_return };
    }
    // An empty line: its `\r` stands where the type byte should.
    let text = line.get(1..carriage_return).unwrap_or_default();
    match parse_integer(text) {
        Some(value) => Length::Known { value, line_bytes },
        None => Length::NotANumber,
    }
}

#[cfg(test)]
mod tests;
