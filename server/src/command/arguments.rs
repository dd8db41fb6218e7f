//! What handlers read from their arguments: numbers, words and expiry times, with Redis' errors.
//!
//! Nothing here knows a command. The order in which arguments are checked is the handler's part: where two are wrong,
//! Redis' clients see the error of the one that Redis looks at first.

use thermocline_engine::UnixMillis;
use thermocline_protocol::parse_integer;

use super::Failure;
use super::strtod::whole_number;

/// Whether an argument is this word, in any case.
#[inline]
pub fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// The 64-bit integer that an argument spells.
///
/// # Errors
/// [`Failure::NOT_AN_INTEGER`] for any other spelling than the one it would be printed in.
#[inline]
pub fn integer(argument: &[u8]) -> Result<i64, Failure> {
    parse_integer(argument).ok_or(Failure::NOT_AN_INTEGER)
}

/// The number that an argument spells, as C's `strtod` reads it, infinities included.
///
/// # Errors
/// [`Failure::NOT_A_FLOAT`] for anything else, for NaN, and for numbers too large or too small for a double.
pub fn float(argument: &[u8]) -> Result<f64, Failure> {
    whole_number(argument).ok_or(Failure::NOT_A_FLOAT)
}

/// How an argument counts time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// EX, EXAT.
    Seconds,
    /// PX, PXAT.
    Milliseconds,
}

/// What an argument counts time from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeOrigin {
    /// The moment the command runs: EX, PX.
    Now,
    /// The Unix epoch: EXAT, PXAT.
    Epoch,
}

/// When a key expires, as SET and its kin are told. It may have passed already where the origin is the epoch.
///
/// # Errors
/// [`Failure::NOT_AN_INTEGER`], or [`invalid_expire_time`] where the time is not positive or overflows.
pub fn expiry(
    argument: &[u8],
    unit: TimeUnit,
    origin: TimeOrigin,
    now: UnixMillis,
    command: &str,
) -> Result<UnixMillis, Failure> {
    let count = integer(argument)?;
    let ms = match unit {
        TimeUnit::Seconds => count.checked_mul(1000),
        TimeUnit::Milliseconds => Some(count),
    };
    let at_ms = match origin {
        TimeOrigin::Now => ms.and_then(|ms| ms.checked_add_unsigned(now.0)),
        TimeOrigin::Epoch => ms,
    };
    match at_ms {
        Some(at_ms) if count > 0 => Ok(UnixMillis(at_ms.unsigned_abs())),
        _ => Err(invalid_expire_time(command)),
    }
}

/// The error for an expiry that cannot be; `command` in lower case.
pub fn invalid_expire_time(command: &str) -> Failure {
    Failure::error(format!("ERR invalid expire time in '{command}' command"))
}

/// The error for too few or too many arguments; `command` in lower case, with its container (`client|id`).
pub fn wrong_arity(command: &str) -> Failure {
    Failure::error(format!("ERR wrong number of arguments for '{command}' command"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_strtod_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("-1e3", -1000.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0e999", 0.0),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(float(text.as_bytes()), Ok(value), "{text}");
        }
        for text in ["", " 1", "1 ", "nan", "1e400", "-1e400", "1e-400", "e5", ".", "1e", "one", "\u{ff11}"] {
            assert_eq!(float(text.as_bytes()), Err(Failure::NOT_A_FLOAT), "{text}");
        }
    }

    #[test]
    fn expiries_are_positive_and_do_not_overflow() {
        use TimeOrigin::{Epoch, Now};
        use TimeUnit::{Milliseconds, Seconds};
        let now = UnixMillis(1_000);
        let read = |text: &str, unit, origin| expiry(text.as_bytes(), unit, origin, now, "set");
        assert_eq!(read("5", Seconds, Now), Ok(UnixMillis(6_000)));
        assert_eq!(read("5", Milliseconds, Now), Ok(UnixMillis(1_005)));
        assert_eq!(read("5", Seconds, Epoch), Ok(UnixMillis(5_000)));
        assert_eq!(read("5", Milliseconds, Epoch), Ok(UnixMillis(5)));
        let invalid = Failure::error("ERR invalid expire time in 'set' command");
        for (text, unit, origin) in [
            ("0", Seconds, Now),
            ("-1", Milliseconds, Epoch),
            ("-1", Milliseconds, Now),
            ("9223372036854775807", Seconds, Epoch),
            ("9223372036854775807", Milliseconds, Now),
        ] {
            assert_eq!(read(text, unit, origin), Err(invalid.clone()), "{text}");
        }
        assert_eq!(read("9223372036854775807", Milliseconds, Epoch), Ok(UnixMillis(i64::MAX as u64)));
        assert_eq!(read("1.5", Seconds, Now), Err(Failure::NOT_AN_INTEGER));
    }
}
