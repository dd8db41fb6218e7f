//! What a blocking command that found nothing waits for.
//!
//! The command runs again, from its start, whenever one of its keys may have what it waits for; clients that wait for
//! the same key are served in the order in which they began to.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::ValueType;

use super::Failure;
use super::string::long_double::LongDouble;

/// A wait, as a handler asks for it by returning [`Failure::Blocked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What a key must hold to be of interest.
    pub value_type: ValueType,
    /// When the wait is over; `None` is never.
    pub deadline: Option<UnixMillis>,
    /// The reply where the command may not wait: in transactions and scripts.
    pub unwaited: UnwaitedReply,
    /// Whether a key that vanishes is of interest, too.
    pub wakes_when_gone: bool,
    /// What the command is when it runs again, where that is something else than the client sent: XREAD with `$`. The
    /// keys are the same.
    pub arguments: Option<Vec<Vec<u8>>>,
}

/// What a client is told whose command may not wait. A client whose time is over gets a null array, whatever the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnwaitedReply {
    /// A null.
    Null,
    /// A null array, which RESP3 makes a null, too.
    NullArray,
}

/// When a wait is over that an argument gives in seconds: BLPOP and its kin. 0 is never.
///
/// # Errors
/// Redis' where it is no number, negative, or too long.
pub fn deadline(argument: &[u8], now: UnixMillis) -> Result<Option<UnixMillis>, Failure> {
    let not_a_float = || Failure::error("ERR timeout is not a float or out of range");
    let ms = (LongDouble::parse(argument).ok_or_else(not_a_float)?.to_f64() * 1000.0).ceil();
    if ms < 0.0 || ms.is_infinite() && argument.starts_with(b"-") {
        return Err(Failure::error("ERR timeout is negative"));
    }
    // The conversion ends at the highest number, so nothing is lost.
    match now.0.checked_add(ms as u64).filter(|&at_ms| at_ms <= i64::MAX as u64) {
        None => Err(Failure::error("ERR timeout is out of range")),
        Some(_) if ms == 0.0 => Ok(None),
        Some(at_ms) => Ok(Some(UnixMillis(at_ms))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_seconds_and_zero_is_none() {
        let read = |text: &str| deadline(text.as_bytes(), UnixMillis(1_000));
        assert_eq!(read("0"), Ok(None));
        assert_eq!(read("-0.0001"), Ok(None));
        assert_eq!(read("0.0001"), Ok(Some(UnixMillis(1_001))));
        assert_eq!(read("1.5"), Ok(Some(UnixMillis(2_500))));
        assert_eq!(read("0x10"), Ok(Some(UnixMillis(17_000))));
        for (text, error) in [
            ("-1", "ERR timeout is negative"),
            ("-inf", "ERR timeout is negative"),
            ("", "ERR timeout is not a float or out of range"),
            (" 1", "ERR timeout is not a float or out of range"),
            ("nan", "ERR timeout is not a float or out of range"),
            ("9223372036854775807", "ERR timeout is out of range"),
            ("inf", "ERR timeout is out of range"),
            ("1e400", "ERR timeout is out of range"),
        ] {
            assert_eq!(read(text), Err(Failure::error(error)), "{text}");
        }
    }
}
