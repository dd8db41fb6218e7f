//! The 80-bit floating-point numbers of x87, in which Redis computes INCRBYFLOAT.
//!
//! Replies and stored values show 17 digits after the point, so doubles would not do: Redis' sums are rounded to 64
//! significant bits, and clients see the difference. Numbers are read, added and printed exactly and rounded once, to
//! nearest and to even on a tie, as the processor and the C library do.

use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};

/// Significant bits.
const MANTISSA_BITS: u64 = 64;
/// The exponent of the least significant bit of the smallest numbers.
const MIN_EXPONENT: i32 = -16_445;
/// The exponent of the least significant bit of the largest numbers.
const MAX_EXPONENT: i32 = 16_320;
/// Strings this long or longer are no numbers: Redis reads them in a buffer of this size.
const MAX_TEXT_BYTES: usize = 5 * 1024;
/// A decimal exponent from which every number is infinite, and below whose negative every number is zero.
const DECIMAL_LIMIT: i64 = 5_000;
/// Exponents as written are cut off here: far outside of what can be represented with any mantissa.
const WRITTEN_EXPONENT_LIMIT: i64 = 1_000_000;
/// Digits after the point when printed.
const FRACTION_DIGITS: usize = 17;
/// One with that many zeros.
const FRACTION_UNIT: u128 = 100_000_000_000_000_000;

/// A number with 64 significant bits, or an infinity. There is no NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LongDouble {
    /// `mantissa` times two to the power of `exponent`.
    Finite { is_negative: bool, mantissa: u64, exponent: i32 },
    /// What `inf` spells. Nothing is computed with it.
    Infinite,
}

impl LongDouble {
    pub(crate) const ZERO: Self = Self::Finite { is_negative: false, mantissa: 0, exponent: 0 };

    /// The number that a string spells as C's `strtold` reads it, in decimal or hexadecimal. `None` where it spells
    /// none, or NaN, or a number that is too large or too small.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_TEXT_BYTES {
            return None;
        }
        let (is_negative, magnitude) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::Infinite);
        }
        let number = match magnitude {
            [b'0', b'x' | b'X', rest @ ..] => parse_hexadecimal(is_negative, rest),
            rest => parse_decimal(is_negative, rest),
        };
        // Infinity here is a number that is too large.
        number.filter(|number| *number != Self::Infinite)
    }

    /// About the same number as a double.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Self::Finite { is_negative, mantissa, exponent } => {
                let magnitude = mantissa as f64 * 2f64.powi(exponent);
                if is_negative { -magnitude } else { magnitude }
            }
            Self::Infinite => f64::INFINITY,
        }
    }

    /// The sum, `None` where it is not finite.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        let (Self::Finite { exponent, .. }, Self::Finite { exponent: other_exponent, .. }) = (self, other)
        else {
            return None;
        };
        let exponent = exponent.min(other_exponent);
        let sum = self.scaled(exponent) + other.scaled(exponent);
        let is_negative = sum.sign() == Sign::Minus;
        Some(round(is_negative, sum.into_parts().1, exponent, false)).filter(|sum| *sum != Self::Infinite)
    }

    /// The number as a multiple of two to the power of `to`, which is at most its exponent.
    fn scaled(self, to: i32) -> BigInt {
        let Self::Finite { is_negative, mantissa, exponent } = self else {
            panic!("nothing is computed with infinity");
        };
        let sign = if is_negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, BigUint::from(mantissa) << (exponent - to))
    }
}

/// As `%.17Lf` prints it, without trailing zeros, and without a sign where nothing but zero is left.
impl fmt::Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self::Finite { is_negative, mantissa, exponent } = self else {
            return f.write_str("inf");
        };
        if exponent >= 0 {
            let sign = if is_negative && mantissa != 0 { "-" } else { "" };
            return write!(f, "{sign}{}", BigUint::from(mantissa) << exponent);
        }
        // 64 bits times 57: the product fits.
        let scaled = shift_right_to_even(u128::from(mantissa) * FRACTION_UNIT, exponent.unsigned_abs());
        let sign = if is_negative && scaled != 0 { "-" } else { "" };
        write!(f, "{sign}{}", scaled / FRACTION_UNIT)?;
        let fraction = format!("{:0FRACTION_DIGITS$}", scaled % FRACTION_UNIT);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

/// `value` divided by two to the power of `bits`, rounded to nearest.
fn shift_right_to_even(value: u128, bits: u32) -> u128 {
    // From here on the quotient is less than a half: no value has the topmost bits set.
    assert!(value.leading_zeros() > 1);
    if bits >= u128::BITS {
        return 0;
    }
    let quotient = value >> bits;
    let remainder = value - (quotient << bits);
    let half = 1 << (bits - 1);
    quotient + u128::from(remainder > half || remainder == half && quotient & 1 == 1)
}

/// The nearest number to `magnitude` times two to the power of `exponent`; `has_more` says that there is a little more
/// to it, less than one unit of `magnitude`.
fn round(is_negative: bool, magnitude: BigUint, exponent: i32, has_more: bool) -> LongDouble {
    if magnitude.bits() == 0 {
        return LongDouble::Finite { is_negative, mantissa: 0, exponent: 0 };
    }
    let surplus_bits = i64::try_from(magnitude.bits()).expect("far below 2^63") - MANTISSA_BITS as i64;
    let shift = surplus_bits.max(i64::from(MIN_EXPONENT) - i64::from(exponent));
    let mut exponent = i64::from(exponent) + shift;
    let mut mantissa = if shift <= 0 {
        // Exact: what comes in with more to it has bits to spare.
        assert!(!has_more);
        magnitude << shift.unsigned_abs()
    } else {
        let shift = shift.unsigned_abs();
        let kept = &magnitude >> shift;
        let is_half = magnitude.bit(shift - 1);
        let has_more = has_more || magnitude.trailing_zeros().is_some_and(|zeros| zeros < shift - 1);
        let rounds_up = is_half && (has_more || kept.bit(0));
        kept + u32::from(rounds_up)
    };
    if mantissa.bits() > MANTISSA_BITS {
        mantissa >>= 1;
        exponent += 1;
    }
    if exponent > i64::from(MAX_EXPONENT) {
        return LongDouble::Infinite;
    }
    let mantissa = u64::try_from(mantissa).expect("at most 64 bits are left");
    let exponent = i32::try_from(exponent).expect("within the limits");
    LongDouble::Finite { is_negative, mantissa, exponent }
}

/// Reads `digits[.digits][e[+-]digits]`; at least one digit before the `e`.
fn parse_decimal(is_negative: bool, text: &[u8]) -> Option<LongDouble> {
    let (mantissa, exponent) = split_exponent(text, b'e')?;
    let (digits, fraction_digits) = join_fraction(mantissa, u8::is_ascii_digit)?;
    let magnitude = BigUint::parse_bytes(&digits, 10).expect("only digits, and at least one");
    if magnitude == BigUint::ZERO {
        return Some(LongDouble::Finite { is_negative, mantissa: 0, exponent: 0 });
    }
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let power = exponent - fraction_digits as i64;
    let leading_power = power + (digits.len() - zeros) as i64;
    if leading_power.abs() > DECIMAL_LIMIT {
        return None;
    }
    let ten = BigUint::from(10u32);
    let scale = ten.pow(u32::try_from(power.unsigned_abs()).expect("digits and limit are far below 2^32"));
    let number = if power >= 0 {
        round(is_negative, magnitude * scale, 0, false)
    } else {
        // Enough bits for the quotient to have more than are kept, so that the remainder only says "a little more".
        let shift = (scale.bits() + MANTISSA_BITS + 2).saturating_sub(magnitude.bits());
        let dividend = magnitude << shift;
        let quotient = &dividend / &scale;
        let has_more = &quotient * &scale != dividend;
        let exponent = -i32::try_from(shift).expect("at most a few times the limit");
        round(is_negative, quotient, exponent, has_more)
    };
    not_underflown(number)
}

/// Reads what follows `0x`: `digits[.digits][p[+-]digits]`, the exponent in decimal and of two.
fn parse_hexadecimal(is_negative: bool, text: &[u8]) -> Option<LongDouble> {
    let (mantissa, exponent) = split_exponent(text, b'p')?;
    let (digits, fraction_digits) = join_fraction(mantissa, u8::is_ascii_hexdigit)?;
    let magnitude = BigUint::parse_bytes(&digits, 16).expect("only digits, and at least one");
    if magnitude == BigUint::ZERO {
        return Some(LongDouble::Finite { is_negative, mantissa: 0, exponent: 0 });
    }
    let exponent = exponent - 4 * fraction_digits as i64;
    not_underflown(round(is_negative, magnitude, i32::try_from(exponent).expect("cut off"), false))
}

/// `None` for zero: what was read was not.
fn not_underflown(number: LongDouble) -> Option<LongDouble> {
    match number {
        LongDouble::Finite { mantissa: 0, .. } => None,
        number => Some(number),
    }
}

/// The text before the exponent's letter, and the exponent, cut off at [`WRITTEN_EXPONENT_LIMIT`].
fn split_exponent(text: &[u8], letter: u8) -> Option<(&[u8], i64)> {
    let Some(at) = text.iter().position(|byte| byte.eq_ignore_ascii_case(&letter)) else {
        return Some((text, 0));
    };
    let (is_negative, digits) = match &text[at + 1..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent = digits
        .iter()
        .fold(0, |exponent, digit| (exponent * 10 + i64::from(digit - b'0')).min(WRITTEN_EXPONENT_LIMIT));
    Some((&text[..at], if is_negative { -exponent } else { exponent }))
}

/// The digits before and after the point, and how many were after it.
fn join_fraction(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<(Vec<u8>, usize)> {
    let point = text.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.iter().all(is_digit) {
        return None;
    }
    Some((digits, fraction.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(one: &str, other: &str) -> String {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect("a number");
        parse(one).add(parse(other)).map_or("none".to_owned(), |sum| sum.to_string())
    }

    #[test]
    fn sums_are_those_of_x87() {
        for (one, other, expected) in [
            ("0", "0.1", "0.1"),
            ("0.1", "0.2", "0.3"),
            ("3.0", "0.000000000000000001", "3"),
            ("-0", "-0", "0"),
            ("-1e-30", "0", "0"),
            ("1e-17", "0", "0.00000000000000001"),
            ("0.5e-17", "0", "0"),
            ("0.500000000000000001e-17", "0", "0.00000000000000001"),
            ("0x1p-18", "0", "0.00000381469726562"),
            ("0x3p-18", "0", "0.00001144409179688"),
            ("18446744073709551615", "0", "18446744073709551615"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("18446744073709551616", "3", "18446744073709551620"),
            ("9223372036854775807.5", "0", "9223372036854775807.5"),
            ("1e22", "-1e22", "0"),
            ("5.0e3", "200", "5200"),
            ("0x1.8p1", "0", "3"),
            ("0x.8p-1", "0.25", "0.5"),
            ("1e4932", "1e4932", "none"),
            ("inf", "1", "none"),
            ("inf", "-inf", "none"),
        ] {
            assert_eq!(sum(one, other), expected, "{one} + {other}");
        }
    }

    #[test]
    fn the_largest_and_smallest_numbers_are_read() {
        for text in
            ["1.18973149535723176502e+4932", "3.6451995318824746025e-4951", "0x1p-16445", "0e99999999999"]
        {
            assert!(LongDouble::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["1.1897314953572317651e+4932", "1e-4951", "0x1p-16446", "0x1p16384", "1e99999999999"] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn other_text_is_no_number() {
        for text in [
            "", "+", ".", "e5", "1e", "1e+", " 1", "1 ", "--1", "1_0", "0x", "0x.", "0x1p", "0xg", "nan",
            "nan(1)", "infi", "1.2.3", "1\0",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; MAX_TEXT_BYTES]), None);
    }

    #[test]
    fn decimals_are_rounded_once_and_to_even_on_a_tie() {
        // Half-way between two neighbours of 64 bits, exactly and a digit off.
        let tie = "18446744073709551617";
        assert_eq!(sum(tie, "0"), "18446744073709551616");
        assert_eq!(sum(&format!("{tie}.{:0400}1", 0), "0"), "18446744073709551618");
        assert_eq!(sum("18446744073709551619", "0"), "18446744073709551620");
    }
}
