//! Numbers as C's `strtod` reads them from the beginning of a text: decimal and hexadecimal, infinities and NaN.

/// What [`strtod`] read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Number {
    /// The nearest double; zero where there is no number.
    pub value: f64,
    /// How many bytes of the text it took; 0 where there is no number.
    pub length: usize,
    /// Whether a number that is not infinite became so, or one that is not zero became zero.
    pub is_out_of_range: bool,
}

/// The bits of a mantissa that are read exactly; what follows only says "a little more".
const EXACT_BITS: u32 = 64;
/// Exponents as written are cut off here, far outside of what a double can be with any mantissa.
const EXPONENT_LIMIT: i64 = 1_000_000_000_000;

/// The number at the beginning of `text`, behind white space and a sign.
pub fn strtod(text: &[u8]) -> Number {
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    let (is_negative, sign_bytes) = match text.get(blanks) {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let start = blanks + sign_bytes;
    let rest = &text[start..];
    let word = [(&b"infinity"[..], f64::INFINITY), (b"inf", f64::INFINITY), (b"nan", f64::NAN)]
        .into_iter()
        .find(|(word, _)| rest.get(..word.len()).is_some_and(|rest| rest.eq_ignore_ascii_case(word)));
    let magnitude = match word {
        Some((word, value)) => {
            Some((value, word.len() + nan_payload_bytes(value, &rest[word.len()..]), false))
        }
        None => hexadecimal(rest).or_else(|| decimal(rest)),
    };
    match magnitude {
        Some((value, length, is_out_of_range)) => Number {
            value: if is_negative { -value } else { value },
            length: start + length,
            is_out_of_range,
        },
        None => Number { value: 0.0, length: 0, is_out_of_range: false },
    }
}

/// The number that a text spells, all of it and without white space before it; `None` for NaN and what is out of range.
pub fn whole_number(text: &[u8]) -> Option<f64> {
    let begins_blank = text.first().is_none_or(|byte| byte.is_ascii_whitespace() || *byte == 0x0b);
    let number = strtod(text);
    let is_whole = !begins_blank && number.length == text.len();
    (is_whole && !number.is_out_of_range && !number.value.is_nan()).then_some(number.value)
}

/// The `(letters)` that may follow `nan`.
fn nan_payload_bytes(value: f64, rest: &[u8]) -> usize {
    if !value.is_nan() || rest.first() != Some(&b'(') {
        return 0;
    }
    let letters = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if rest.get(letters + 1) == Some(&b')') { letters + 2 } else { 0 }
}

/// The digits before and after a point, and the bytes they took.
fn digits(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(&[u8], &[u8], usize)> {
    let count = |text: &[u8]| text.iter().take_while(|byte| is_digit(byte)).count();
    let (whole, rest) = text.split_at(count(text));
    let fraction = match rest.split_first() {
        Some((b'.', rest)) => &rest[..count(rest)],
        _ => &[],
    };
    let point_bytes = usize::from(rest.first() == Some(&b'.'));
    let is_number = !whole.is_empty() || !fraction.is_empty();
    is_number.then_some((whole, fraction, whole.len() + point_bytes + fraction.len()))
}

/// The exponent behind `letter`, and the bytes it took; nothing where there is none.
fn exponent(text: &[u8], letter: u8) -> (i64, usize) {
    let Some((first, rest)) = text.split_first() else { return (0, 0) };
    if !first.eq_ignore_ascii_case(&letter) {
        return (0, 0);
    }
    let (is_negative, sign_bytes) = match rest.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let written = &rest[sign_bytes..];
    let count = written.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = written[..count]
        .iter()
        .fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(EXPONENT_LIMIT));
    match count {
        0 => (0, 0),
        count => (if is_negative { -value } else { value }, 1 + sign_bytes + count),
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let (whole, fraction, mantissa_bytes) = digits(text, u8::is_ascii_digit)?;
    let (_, exponent_bytes) = exponent(&text[mantissa_bytes..], b'e');
    let length = mantissa_bytes + exponent_bytes;
    let text = std::str::from_utf8(&text[..length]).expect("digits are ASCII");
    let value: f64 = text.parse().expect("every such number can be read");
    let spells_zero = [whole, fraction].concat().iter().all(|&digit| digit == b'0');
    Some((value, length, value.is_infinite() || value == 0.0 && !spells_zero))
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let [b'0', b'x' | b'X', rest @ ..] = text else { return None };
    let (whole, fraction, mantissa_bytes) = digits(rest, u8::is_ascii_hexdigit)?;
    let (written, exponent_bytes) = exponent(&rest[mantissa_bytes..], b'p');
    let (mut mantissa, mut power) = (0u64, written - 4 * fraction.len() as i64);
    for &digit in whole.iter().chain(fraction) {
        let digit = u64::from(char::from(digit).to_digit(16).expect("a hexadecimal digit"));
        if mantissa.leading_zeros() >= 4 {
            mantissa = mantissa << 4 | digit;
        } else {
            // The lowest bit is far below the last that counts: it keeps a tie from being one.
            mantissa |= u64::from(digit != 0);
            power += 4;
        }
    }
    let value = scaled(mantissa, power);
    let length = 2 + mantissa_bytes + exponent_bytes;
    Some((value, length, value.is_infinite() || value == 0.0 && mantissa != 0))
}

/// `mantissa` times two to the power of `power`, rounded once, to even on a tie.
fn scaled(mantissa: u64, power: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let shift = mantissa.leading_zeros();
    let (mantissa, power) = (mantissa << shift, power - i64::from(shift));
    // The number is from 2^highest up to twice that.
    let highest = power + i64::from(EXACT_BITS) - 1;
    if highest >= i64::from(f64::MAX_EXP) {
        return f64::INFINITY;
    }
    let lowest_normal = i64::from(f64::MIN_EXP) - 1;
    if highest >= lowest_normal {
        // Two steps, because the power alone may be too small for a double. Only overflow changes anything in the second.
        let half = power / 2;
        return mantissa as f64 * power_of_two(half) * power_of_two(power - half);
    }
    // Subnormal: the last bit that counts is the same for all.
    let dropped = i64::from(EXACT_BITS - f64::MANTISSA_DIGITS) + lowest_normal - highest;
    if dropped > i64::from(EXACT_BITS) {
        return 0.0;
    }
    let unit = 1u128 << dropped;
    let (kept, rest) = (u128::from(mantissa) / unit, u128::from(mantissa) % unit);
    let rounds_up = rest > unit / 2 || rest == unit / 2 && kept % 2 == 1;
    f64::from_bits(kept as u64 + u64::from(rounds_up))
}

/// For the exponents of normal numbers.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + i64::from(f64::MAX_EXP) - 1) as u64) << (f64::MANTISSA_DIGITS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_read_as_far_as_it_goes() {
        for (text, value, length) in [
            ("12", 12.0, 2),
            (" \t\n+1.5x", 1.5, 7),
            (".5", 0.5, 2),
            ("5.", 5.0, 2),
            ("-1e3", -1000.0, 4),
            ("1e", 1.0, 1),
            ("1e+x", 1.0, 1),
            ("0x", 0.0, 1),
            ("0x.p1", 0.0, 1),
            ("0x1p", 1.0, 3),
            ("0X1.8p+1", 3.0, 8),
            ("0x.8p-1", 0.25, 7),
            ("inf", f64::INFINITY, 3),
            ("-INFINITY!", f64::NEG_INFINITY, 9),
            ("infinit", f64::INFINITY, 3),
            ("", 0.0, 0),
            ("-", 0.0, 0),
            (".", 0.0, 0),
            ("e5", 0.0, 0),
            ("- 1", 0.0, 0),
        ] {
            assert_eq!(strtod(text.as_bytes()), Number { value, length, is_out_of_range: false }, "{text}");
        }
        for (text, length) in [("nan", 3), ("-NaN(abc_1)x", 11), ("nan(-)", 3)] {
            let number = strtod(text.as_bytes());
            assert!(number.value.is_nan() && number.length == length, "{text}");
        }
    }

    #[test]
    fn hexadecimal_numbers_are_rounded_once_and_to_even_on_a_tie() {
        for (text, value) in [
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000000001p0", 1.0 + f64::EPSILON),
            ("0x1.00000000000018p0", 1.0 + 2.0 * f64::EPSILON),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.0000000000001p-1075", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1p-1022", f64::MIN_POSITIVE),
            ("0x0.fffffffffffff8p-1022", f64::MIN_POSITIVE),
            ("0x100000000000000000000p-80", 1.0),
            ("0x1p1024", f64::INFINITY),
            ("0x1p99999999999999999999", f64::INFINITY),
            ("0x1p-99999999999999999999", 0.0),
        ] {
            assert_eq!(strtod(text.as_bytes()).value, value, "{text}");
        }
    }

    #[test]
    fn only_a_whole_text_within_range_is_a_number() {
        for text in [
            "",
            " 1",
            "1 ",
            "1x",
            "nan",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p-1075",
            "0x1p1024",
            "\u{ff11}",
            "1\0",
        ] {
            assert_eq!(whole_number(text.as_bytes()), None, "{text:?}");
        }
        for (text, value) in
            [("+1.5", 1.5), ("inf", f64::INFINITY), ("0e999", 0.0), ("5e-324", 5e-324), ("0x1p3", 8.0)]
        {
            assert_eq!(whole_number(text.as_bytes()), Some(value), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_double_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(whole_number(format!("{value:e}").as_bytes()).map(f64::to_bits), Some(bits));
            let fraction = bits & ((1 << 52) - 1);
            let exponent = (bits >> 52 & 0x7ff) as i64;
            let (whole, power) = if exponent == 0 { (0, -1022) } else { (1, exponent - 1023) };
            let sign = if value.is_sign_negative() { "-" } else { "" };
            let text = format!("{sign}0x{whole}.{fraction:013x}p{power}");
            prop_assert_eq!(whole_number(text.as_bytes()).map(f64::to_bits), Some(bits));
        }
    }
}
