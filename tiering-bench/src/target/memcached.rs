//! `get` and `set` in memcached's text protocol:
//! <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>.

use std::io::Write;

use super::wire::{Answer, Question, WireError};

/// Longest line of a reply: `VALUE`, a key of 250 bytes, three numbers, or an error message.
const MAX_LINE_BYTES: usize = 2048;

/// What stands behind a value.
const VALUE_END: &[u8] = b"\r\nEND\r\n";

pub(super) fn encode_read(key: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"get ");
    out.extend_from_slice(key);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn encode_write(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"set ");
    out.extend_from_slice(key);
    out.extend_from_slice(b" 0 0 ");
    write!(out, "{}", value.len()).expect("a vector takes all");
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn decode(question: Question, input: &[u8]) -> Result<Option<(Answer<'_>, usize)>, WireError> {
    let Some(line_bytes) = input.iter().take(MAX_LINE_BYTES).position(|&byte| byte == b'\n') else {
        return if input.len() < MAX_LINE_BYTES {
            Ok(None)
        } else {
            Err(WireError::new("a line without an end", input))
        };
    };
    let line = input[..line_bytes].strip_suffix(b"\r").unwrap_or(&input[..line_bytes]);
    let consumed = line_bytes + 1;
    let answer = match (question, line) {
        (Question::Write, b"STORED") => Answer::Stored,
        (Question::Read, b"END") => Answer::Missing,
        (Question::Read, _) if line.starts_with(b"VALUE ") => return value(line, consumed, input),
        (Question::Write, b"NOT_STORED") => Answer::Refused(line),
        _ if line == b"ERROR" || line.starts_with(b"CLIENT_ERROR ") || line.starts_with(b"SERVER_ERROR ") => {
            Answer::Refused(line)
        }
        _ => return Err(WireError::new(format!("not an answer to a {question:?}"), input)),
    };
    Ok(Some((answer, consumed)))
}

/// `VALUE <key> <flags> <bytes>\r\n<data>\r\nEND\r\n`, from behind the first line on.
fn value<'a>(
    line: &[u8],
    line_bytes: usize,
    input: &'a [u8],
) -> Result<Option<(Answer<'a>, usize)>, WireError> {
    let length = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let length: usize = std::str::from_utf8(length)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&bytes| bytes <= crate::workload::value_size::MAX_VALUE_BYTES)
        .ok_or_else(|| WireError::new("a value without a length", input))?;
    let (data_end, end) = (line_bytes + length, line_bytes + length + VALUE_END.len());
    if input.len() < end {
        return Ok(None);
    }
    if &input[data_end..end] != VALUE_END {
        return Err(WireError::new("a value that does not end where it should", input));
    }
    Ok(Some((Answer::Value(&input[line_bytes..data_end]), end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_lines() {
        let mut out = Vec::new();
        encode_read(b"k", &mut out);
        encode_write(b"k", b"v\r\n", &mut out);
        assert_eq!(out, b"get k\r\nset k 0 0 3\r\nv\r\n\r\n");
    }

    #[test]
    fn replies_are_decoded_one_by_one() {
        let cases: [(Question, &[u8], Answer<'_>, usize); 6] = [
            (Question::Read, b"VALUE k 0 5\r\nEND\r\n\r\nEND\r\nEND\r\n", Answer::Value(b"END\r\n"), 25),
            (Question::Read, b"VALUE k 0 0\r\n\r\nEND\r\n", Answer::Value(b""), 20),
            (Question::Read, b"END\r\n", Answer::Missing, 5),
            (Question::Write, b"STORED\r\nSTORED\r\n", Answer::Stored, 8),
            (
                Question::Write,
                b"SERVER_ERROR out of memory storing object\r\n",
                Answer::Refused(b"SERVER_ERROR out of memory storing object"),
                43,
            ),
            (Question::Read, b"ERROR\r\n", Answer::Refused(b"ERROR"), 7),
        ];
        for (question, input, answer, consumed) in cases {
            assert_eq!(decode(question, input), Ok(Some((answer, consumed))), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn every_prefix_of_a_reply_waits_for_more() {
        let reply = b"VALUE key:1 0 10\r\n0123456789\r\nEND\r\n";
        for end in 0..reply.len() {
            assert_eq!(decode(Question::Read, &reply[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for input in
            [&b"VALUE k 0 x\r\n"[..], b"VALUE k 0 1\r\nabcdefghijk", b"+OK\r\n", &[b'x'; MAX_LINE_BYTES]]
        {
            assert!(decode(Question::Read, input).is_err(), "{}", input.escape_ascii());
        }
    }
}
