//! Ids of entries as arguments: `1700000000000-5`, `1700000000000`, `-`, `+`, and `(` before a bound that is excluded.

use thermocline_engine::value::stream::StreamId;
use thermocline_protocol::parse_integer;

use crate::command::Failure;

/// The longest id that is looked at.
const MAX_ID_BYTES: usize = 127;

const INVALID: Failure =
    Failure::Error(std::borrow::Cow::Borrowed("ERR Invalid stream ID specified as stream command argument"));

/// An id for a new entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NewId {
    /// `*`: the server chooses it.
    Automatic,
    /// `ms-*`: the server chooses the sequence.
    AtTime(u64),
    /// This one.
    Given(StreamId),
}

impl NewId {
    /// # Errors
    /// Redis' error for what is no id.
    pub(super) fn parse(argument: &[u8]) -> Result<Self, Failure> {
        match argument {
            b"*" => Ok(Self::Automatic),
            _ => match argument.strip_suffix(b"-*").filter(|ms| !ms.contains(&b'-')) {
                Some(ms) if argument.len() <= MAX_ID_BYTES => number(ms).map(Self::AtTime).ok_or(INVALID),
                _ => parse(argument, 0).map(Self::Given),
            },
        }
    }

    /// The id that follows one of `last`; `None` where there is none, and as it was given if it does not follow.
    pub(super) fn after(self, last: StreamId, now_ms: u64) -> Option<StreamId> {
        match self {
            Self::Automatic => StreamId::at_time(now_ms, last),
            Self::AtTime(ms) if ms == last.ms => Some(StreamId::new(ms, last.sequence.checked_add(1)?)),
            Self::AtTime(ms) => Some(StreamId::new(ms, 0)),
            Self::Given(id) => Some(id),
        }
    }
}

/// An id; where it has no sequence, this one.
///
/// # Errors
/// Redis' error for what is no id.
pub(super) fn parse(argument: &[u8], sequence: u64) -> Result<StreamId, Failure> {
    let parts = || {
        if argument.len() > MAX_ID_BYTES {
            return None;
        }
        match argument.iter().position(|byte| *byte == b'-') {
            Some(at) => Some(StreamId::new(number(&argument[..at])?, number(&argument[at + 1..])?)),
            None => Some(StreamId::new(number(argument)?, sequence)),
        }
    };
    parts().ok_or(INVALID)
}

/// An id, or one of the words for the lowest and the highest.
///
/// # Errors
/// Redis' error for what is neither.
pub(super) fn parse_id_or_end(argument: &[u8]) -> Result<StreamId, Failure> {
    match argument {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        id => parse(id, 0),
    }
}

/// The lower bound of a range, itself included.
///
/// # Errors
/// Redis' errors for what is no id, and for an excluded bound above which there is nothing.
pub(super) fn parse_start(argument: &[u8]) -> Result<StreamId, Failure> {
    match bound(argument, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.next().ok_or_else(|| Failure::error("ERR invalid start ID for the interval")),
    }
}

/// The upper bound of a range, itself included.
///
/// # Errors
/// Redis' errors for what is no id, and for an excluded bound below which there is nothing.
pub(super) fn parse_end(argument: &[u8]) -> Result<StreamId, Failure> {
    match bound(argument, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.previous().ok_or_else(|| Failure::error("ERR invalid end ID for the interval")),
    }
}

/// A bound, and whether it is excluded.
fn bound(argument: &[u8], sequence: u64) -> Result<(StreamId, bool), Failure> {
    match argument {
        b"-" => Ok((StreamId::MIN, false)),
        b"+" => Ok((StreamId::MAX, false)),
        [b'(', id @ ..] if !id.is_empty() => Ok((parse(id, sequence)?, true)),
        id => Ok((parse(id, sequence)?, false)),
    }
}

/// A number of an id. What is not spelled as it would be printed is read as C's `strtoull` reads it, which takes blanks
/// and a sign before the digits, and zeros.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(integer) = parse_integer(text) {
        return u64::try_from(integer).ok();
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    let (is_negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (text, ms, sequence) in [
            ("5", 5, 9),
            ("5-3", 5, 3),
            ("0-0", 0, 0),
            ("18446744073709551615-18446744073709551615", u64::MAX, u64::MAX),
            ("007-01", 7, 1),
            (" 7-+1", 7, 1),
        ] {
            assert_eq!(parse(text.as_bytes(), 9), Ok(StreamId::new(ms, sequence)), "{text}");
        }
        for text in [
            "",
            "-",
            "+",
            "*",
            "a",
            "1-",
            "-1",
            "1-a",
            "1-2-3",
            "1.5",
            "18446744073709551616",
            "1 ",
            "(1",
            "1-*",
        ] {
            assert_eq!(parse(text.as_bytes(), 9), Err(INVALID), "{text}");
        }
    }

    #[test]
    fn bounds_may_be_open_or_excluded() {
        assert_eq!(parse_start(b"-"), Ok(StreamId::MIN));
        assert_eq!(parse_end(b"+"), Ok(StreamId::MAX));
        assert_eq!(parse_start(b"5"), Ok(StreamId::new(5, 0)));
        assert_eq!(parse_end(b"5"), Ok(StreamId::new(5, u64::MAX)));
        assert_eq!(parse_start(b"(5"), Ok(StreamId::new(5, 1)));
        assert_eq!(parse_end(b"(5-1"), Ok(StreamId::new(5, 0)));
        assert!(parse_end(b"(0-0").is_err() && parse_start(b"(").is_err() && parse_start(b"(-").is_err());
    }

    #[test]
    fn new_ids_follow_the_last_one_if_they_can() {
        let last = StreamId::new(10, 5);
        let after = |text: &str| NewId::parse(text.as_bytes()).expect("an id").after(last, 7);
        assert_eq!(after("*"), Some(StreamId::new(10, 6)));
        assert_eq!(after("10-*"), Some(StreamId::new(10, 6)));
        assert_eq!(after("9-*"), Some(StreamId::new(9, 0)));
        assert_eq!(after("11-*"), Some(StreamId::new(11, 0)));
        assert_eq!(after("3-3"), Some(StreamId::new(3, 3)));
        assert!(NewId::parse(b"-*").is_err() && NewId::parse(b"1-2-*").is_err());
    }
}
