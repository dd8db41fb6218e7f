//! Reading decimal integers exactly as Redis does (`string2ll`).
//!
//! Strict on purpose: no sign but a leading `-`, no leading zeros, no blanks. The same rule decides what a length
//! on the wire is, what an integer argument is, and which strings are stored as integers.

/// The most characters an `i64` prints as: `-9223372036854775808`.
const MAX_DIGITS: usize = 20;

/// The integer that `text` spells in canonical form, or `None`.
///
/// ```
/// # use thermocline_protocol::parse_integer;
/// assert_eq!(parse_integer(b"-12"), Some(-12));
/// assert_eq!(parse_integer(b"+12"), None);
/// assert_eq!(parse_integer(b"012"), None);
/// ```
#[inline]
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    // At most 20 digits: 10^20 does not fit a u64, so the last two steps are checked.
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_of_i64_are_read_and_one_more_is_not() {
        assert_eq!(parse_integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_integer(b"9223372036854775808"), None);
        assert_eq!(parse_integer(b"-9223372036854775809"), None);
        assert_eq!(parse_integer(b"18446744073709551616"), None);
        assert_eq!(parse_integer(b"99999999999999999999"), None);
    }

    #[test]
    fn only_the_canonical_spelling_is_an_integer() {
        for text in ["", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "one"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_integer(b"0"), Some(0));
    }

    proptest! {
        #[test]
        fn every_integer_is_read_back(value: i64) {
            prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
    }
}
