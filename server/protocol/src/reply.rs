//! Appends replies to a connection's output, in its version of the protocol.
//!
//! A handler says what it means (a map, a double, no value) and the encoder says it in the client's language: RESP2
//! has no maps, sets, booleans or doubles, and gets arrays of pairs, arrays, integers and strings, exactly as Redis
//! falls back. Whether a reply is well formed, as many elements as announced, is the handler's part.

use crate::double::write_double;
use crate::request::ProtocolError;

/// The version of the protocol that a connection speaks; `HELLO` changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RESP2, in which every connection starts.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

impl Protocol {
    /// The number that `HELLO` knows it by.
    pub const fn version(self) -> i64 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

/// Where a reply begins whose number of elements is not known yet. Ended by [`ReplyEncoder::end_array`] or its kin.
#[derive(Debug)]
#[must_use = "the length is written when the aggregate ends"]
pub struct LengthMark {
    position: usize,
}

/// `$<20 digits>\r\n`
const HEADER_BYTES: usize = 23;

/// Writes replies behind what `out` already holds.
#[derive(Debug)]
pub struct ReplyEncoder<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> ReplyEncoder<'a> {
    /// Replies go to the end of `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The client's version of the protocol.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// From the next reply on, another version.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The bytes of output so far, those of earlier replies included.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is no output yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back everything after the first `len` bytes: a reply that turned out to be an error half-way.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status. `text` is one line.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.bytes().any(|byte| byte == b'\r' || byte == b'\n'));
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.line_end();
    }

    /// An error. `text` starts with its code (`ERR`, `WRONGTYPE`, ...); line ends in it become blanks, so that quoting
    /// a client's bytes is safe.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.out.push(b'-');
        let blank_line_ends = |&byte: &u8| if byte == b'\r' || byte == b'\n' { b' ' } else { byte };
        self.out.extend(text.as_ref().iter().map(blank_line_ends));
        self.line_end();
    }

    /// The last words to a client that does not speak the protocol.
    pub fn protocol_error(&mut self, error: ProtocolError) {
        self.out.extend_from_slice(b"-ERR Protocol error: ");
        match error {
            // The byte goes out as it came in, where `Display` has to make a character of it.
            ProtocolError::ExpectedBulk(byte) if !byte.is_ascii() => {
                self.out.extend_from_slice(b"expected '$', got '");
                self.out.extend_from_slice(&[byte, b'\'']);
            }
            other => self.out.extend_from_slice(other.to_string().as_bytes()),
        }
        self.line_end();
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match value {
            0 => self.out.extend_from_slice(b":0\r\n"),
            1 => self.out.extend_from_slice(b":1\r\n"),
            _ => self.header(b':', value),
        }
    }

    /// A string of any bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + HEADER_BYTES + 2);
        self.length(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.line_end();
    }

    /// An integer as a string, as `GET` of a number replies.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A string of `length_bytes` bytes that `fill` appends: for values that are decoded straight into the reply.
    ///
    /// # Panics
    ///
    /// If `fill` appends another number of bytes, or removes any.
    #[inline]
    pub fn bulk_with(&mut self, length_bytes: usize, fill: impl FnOnce(&mut Vec<u8>)) {
        self.out.reserve(length_bytes + HEADER_BYTES + 2);
        self.length(b'$', length_bytes);
        let end = self.out.len() + length_bytes;
        fill(self.out);
        assert_eq!(self.out.len(), end, "a string has the length that was announced");
        self.line_end();
    }

    /// No value.
    #[inline]
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"$-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// No array.
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"*-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// `length` replies follow.
    #[inline]
    pub fn array(&mut self, length: usize) {
        self.length(b'*', length);
    }

    /// `pairs` times a key and its value follow.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.length(b'*', 2 * pairs),
            Protocol::Resp3 => self.length(b'%', pairs),
        }
    }

    /// `length` members follow, in any order.
    pub fn set(&mut self, length: usize) {
        self.aggregate(b'~', length);
    }

    /// Something about the reply that follows it: `pairs` times a key and its value. RESP2 has no such thing.
    ///
    /// # Panics
    /// In RESP2.
    pub fn attribute(&mut self, pairs: usize) {
        assert_eq!(self.protocol, Protocol::Resp3, "RESP2 has no attributes");
        self.length(b'|', pairs);
    }

    /// A message that is no reply to a request, of `length` parts.
    pub fn push(&mut self, length: usize) {
        self.aggregate(b'>', length);
    }

    /// A floating-point number.
    pub fn double(&mut self, value: f64) {
        match self.protocol {
            Protocol::Resp2 => {
                let mut text = Vec::with_capacity(32);
                write_double(&mut text, value);
                self.bulk(&text);
            }
            Protocol::Resp3 => {
                self.out.push(b',');
                write_double(self.out, value);
                self.line_end();
            }
        }
    }

    /// True or false; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, value) => self.integer(i64::from(value)),
            (Protocol::Resp3, true) => self.out.extend_from_slice(b"#t\r\n"),
            (Protocol::Resp3, false) => self.out.extend_from_slice(b"#f\r\n"),
        }
    }

    /// Text for people, with the three letters of its format (`txt`, `mkd`).
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.length(b'=', text.len() + 4);
                self.out.extend_from_slice(format);
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.line_end();
            }
        }
    }

    /// An integer of any size, in decimal digits.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => {
                self.out.push(b'(');
                self.out.extend_from_slice(digits.as_bytes());
                self.line_end();
            }
        }
    }

    /// An array begins whose length is known when it ends: at [`end_array`](Self::end_array).
    #[inline]
    pub fn begin_array(&mut self) -> LengthMark {
        LengthMark { position: self.out.len() }
    }

    /// As [`begin_array`](Self::begin_array), for [`end_map`](Self::end_map).
    pub fn begin_map(&mut self) -> LengthMark {
        self.begin_array()
    }

    /// As [`begin_array`](Self::begin_array), for [`end_set`](Self::end_set).
    pub fn begin_set(&mut self) -> LengthMark {
        self.begin_array()
    }

    /// What was written since `mark` are the `length` elements of an array. Moves those bytes once, by the few that
    /// the length takes.
    pub fn end_array(&mut self, mark: LengthMark, length: usize) {
        self.end(mark, |encoder| encoder.array(length));
    }

    /// What was written since `mark` are `pairs` keys and values.
    pub fn end_map(&mut self, mark: LengthMark, pairs: usize) {
        self.end(mark, |encoder| encoder.map(pairs));
    }

    /// What was written since `mark` are the `length` members of a set.
    pub fn end_set(&mut self, mark: LengthMark, length: usize) {
        self.end(mark, |encoder| encoder.set(length));
    }

    /// Replies that were encoded elsewhere, in this connection's version.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    fn end(&mut self, mark: LengthMark, write_header: impl FnOnce(&mut ReplyEncoder<'_>)) {
        assert!(mark.position <= self.out.len(), "the aggregate began in this output");
        let elements_end = self.out.len();
        write_header(self);
        let header_bytes = self.out.len() - elements_end;
        self.out[mark.position..].rotate_right(header_bytes);
    }

    fn aggregate(&mut self, kind: u8, length: usize) {
        match self.protocol {
            Protocol::Resp2 => self.length(b'*', length),
            Protocol::Resp3 => self.length(kind, length),
        }
    }

    #[inline]
    fn length(&mut self, kind: u8, length: usize) {
        if length < 10 {
            self.out.extend_from_slice(&[kind, b'0' + length as u8, b'\r', b'\n']);
        } else if length < 100 {
            let (tens, ones) = (b'0' + (length / 10) as u8, b'0' + (length % 10) as u8);
            self.out.extend_from_slice(&[kind, tens, ones, b'\r', b'\n']);
        } else {
            self.header(kind, length as i64);
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, value: i64) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        self.out.reserve(HEADER_BYTES);
        self.out.push(kind);
        self.out.extend_from_slice(digits);
        self.line_end();
    }

    #[inline]
    fn line_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Write<'w> = &'w dyn Fn(&mut ReplyEncoder<'_>);

    fn both(write: impl Fn(&mut ReplyEncoder<'_>)) -> [String; 2] {
        [Protocol::Resp2, Protocol::Resp3].map(|protocol| {
            let mut out = b"before|".to_vec();
            write(&mut ReplyEncoder::new(&mut out, protocol));
            String::from_utf8(out).expect("text").strip_prefix("before|").expect("kept").to_owned()
        })
    }

    #[test]
    fn what_resp2_has_is_the_same_in_both() {
        let cases: &[(Write<'_>, &str)] = &[
            (&|e| e.ok(), "+OK\r\n"),
            (&|e| e.simple("PONG"), "+PONG\r\n"),
            (&|e| e.error("ERR no such key"), "-ERR no such key\r\n"),
            (&|e| e.integer(-42), ":-42\r\n"),
            (&|e| e.integer(0), ":0\r\n"),
            (&|e| e.integer(1), ":1\r\n"),
            (&|e| e.integer(i64::MIN), ":-9223372036854775808\r\n"),
            (&|e| e.bulk(b""), "$0\r\n\r\n"),
            (&|e| e.bulk(b"twelve bytes"), "$12\r\ntwelve bytes\r\n"),
            (&|e| e.bulk_integer(1234), "$4\r\n1234\r\n"),
            (&|e| e.bulk_with(3, |out| out.extend_from_slice(b"abc")), "$3\r\nabc\r\n"),
            (&|e| e.array(0), "*0\r\n"),
            (&|e| e.array(99), "*99\r\n"),
            (&|e| e.array(100), "*100\r\n"),
        ];
        for (write, expected) in cases {
            assert_eq!(both(write), [*expected, *expected]);
        }
    }

    #[test]
    fn resp3_types_fall_back_in_resp2_as_in_redis() {
        let cases: &[(Write<'_>, &str, &str)] = &[
            (&|e| e.null(), "$-1\r\n", "_\r\n"),
            (&|e| e.null_array(), "*-1\r\n", "_\r\n"),
            (&|e| e.map(3), "*6\r\n", "%3\r\n"),
            (&|e| e.set(3), "*3\r\n", "~3\r\n"),
            (&|e| e.push(3), "*3\r\n", ">3\r\n"),
            (&|e| e.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (&|e| e.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
            (&|e| e.boolean(true), ":1\r\n", "#t\r\n"),
            (&|e| e.boolean(false), ":0\r\n", "#f\r\n"),
            (&|e| e.verbatim(b"txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            (&|e| e.big_number("123"), "$3\r\n123\r\n", "(123\r\n"),
        ];
        for (write, resp2, resp3) in cases {
            assert_eq!(both(write), [*resp2, *resp3]);
        }
    }

    #[test]
    fn lengths_may_follow_the_elements() {
        let nested = both(|e| {
            let outer = e.begin_array();
            e.bulk(b"cursor");
            let inner = e.begin_map();
            e.integer(7);
            e.ok();
            e.end_map(inner, 1);
            let empty = e.begin_set();
            e.end_set(empty, 0);
            e.end_array(outer, 3);
        });
        let elements = "$6\r\ncursor\r\n";
        assert_eq!(nested[0], format!("*3\r\n{elements}*2\r\n:7\r\n+OK\r\n*0\r\n"));
        assert_eq!(nested[1], format!("*3\r\n{elements}%1\r\n:7\r\n+OK\r\n~0\r\n"));
    }

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        assert_eq!(
            both(|e| e.error("ERR unknown command 'a\r\n+OK\r\n'"))[0],
            "-ERR unknown command 'a  +OK  '\r\n"
        );
    }

    #[test]
    fn protocol_errors_quote_the_byte_they_met() {
        let mut out = Vec::new();
        ReplyEncoder::new(&mut out, Protocol::Resp2).protocol_error(ProtocolError::ExpectedBulk(0xff));
        assert_eq!(out, b"-ERR Protocol error: expected '$', got '\xff'\r\n");
        let [text, _] = both(|e| e.protocol_error(ProtocolError::ExpectedBulk(b'\r')));
        assert_eq!(text, "-ERR Protocol error: expected '$', got ' '\r\n");
    }
}
