//! GET, SET and TIER WHERE in RESP, through the codec that the server itself uses.

use thermocline_protocol::{FrameKind, encode_request, skip_reply};

use super::wire::{Answer, Question, Tier, WireError};

pub(super) fn encode_read(key: &[u8], out: &mut Vec<u8>) {
    encode_request(out, &[b"GET".as_slice(), key]);
}

pub(super) fn encode_write(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    encode_request(out, &[b"SET".as_slice(), key, value]);
}

pub(super) fn encode_where(key: &[u8], out: &mut Vec<u8>) {
    encode_request(out, &[b"TIER".as_slice(), b"WHERE", key]);
}

pub(super) fn decode(question: Question, input: &[u8]) -> Result<Option<(Answer<'_>, usize)>, WireError> {
    let frame = match skip_reply(input) {
        Ok(Some(frame)) => frame,
        Ok(None) => return Ok(None),
        Err(error) => return Err(WireError::new(error.to_string(), input)),
    };
    let line = || &input[1..frame.consumed_bytes - 2];
    let answer = match (question, frame.kind) {
        (Question::Read, FrameKind::Bulk { length_bytes }) => {
            Answer::Value(bulk(input, &frame, length_bytes))
        }
        (Question::Write, FrameKind::Simple) => Answer::Stored,
        (Question::Where, FrameKind::Bulk { length_bytes }) => {
            tier(bulk(input, &frame, length_bytes), input)?
        }
        (Question::Where, FrameKind::Simple) => tier(line(), input)?,
        (Question::Read | Question::Where, FrameKind::Null) => Answer::Missing,
        (_, FrameKind::Error) => Answer::Refused(line()),
        _ => return Err(WireError::new(format!("not an answer to a {question:?}"), input)),
    };
    Ok(Some((answer, frame.consumed_bytes)))
}

fn bulk<'a>(input: &'a [u8], frame: &thermocline_protocol::Frame, length_bytes: usize) -> &'a [u8] {
    let end = frame.consumed_bytes - 2;
    &input[end - length_bytes..end]
}

fn tier<'a>(word: &[u8], input: &[u8]) -> Result<Answer<'a>, WireError> {
    match word {
        b"dram" | b"both" => Ok(Answer::Tier(Tier::Memory)),
        b"ssd" => Ok(Answer::Tier(Tier::Ssd)),
        _ => Err(WireError::new("no tier has this name", input)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_arrays_of_bulk_strings() {
        let mut out = Vec::new();
        encode_read(b"k", &mut out);
        encode_write(b"k", b"v\r\n", &mut out);
        encode_where(b"k", &mut out);
        assert_eq!(
            out,
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nv\r\n\r\n\
              *3\r\n$4\r\nTIER\r\n$5\r\nWHERE\r\n$1\r\nk\r\n"
        );
    }

    #[test]
    fn replies_are_decoded_one_by_one() {
        let cases: [(Question, &[u8], Answer<'_>, usize); 7] = [
            (Question::Read, b"$3\r\na\r\n\r\n+next", Answer::Value(b"a\r\n"), 9),
            (Question::Read, b"$0\r\n\r\n", Answer::Value(b""), 6),
            (Question::Read, b"$-1\r\n", Answer::Missing, 5),
            (Question::Write, b"+OK\r\n+OK\r\n", Answer::Stored, 5),
            (Question::Write, b"-OOM no\r\n", Answer::Refused(b"OOM no"), 9),
            (Question::Where, b"$3\r\nssd\r\n", Answer::Tier(Tier::Ssd), 9),
            (Question::Where, b"+both\r\n", Answer::Tier(Tier::Memory), 7),
        ];
        for (question, input, answer, consumed) in cases {
            assert_eq!(decode(question, input), Ok(Some((answer, consumed))), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn an_incomplete_reply_waits_for_more() {
        for input in [&b""[..], b"$", b"$3\r\nab", b"$3\r\nabc\r", b"+OK"] {
            assert_eq!(decode(Question::Read, input), Ok(None), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_reply_to_something_else_is_an_error() {
        for (question, input) in [
            (Question::Read, &b":1\r\n"[..]),
            (Question::Write, b"$1\r\na\r\n"),
            (Question::Where, b"$4\r\nmoon\r\n"),
            (Question::Read, b"VALUE"),
        ] {
            assert!(decode(question, input).is_err(), "{}", input.escape_ascii());
        }
    }
}
