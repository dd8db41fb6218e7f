//! How replies print floating-point numbers: C's `%.17g`, as Redis 7 does in `addReplyDouble`.
//!
//! 17 significant digits, trailing zeros dropped, an exponent where the number is below 1e-4 or has more than 17 digits
//! before the point; `inf`, `-inf`, `nan`.

use std::io::Write as _;

/// Significant digits of `%.17g`: as many as tell every number from every other.
const PRECISION: usize = 17;
/// Integers up to here print exactly, and as themselves.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
/// `-1.2345678901234567e-308` and a little more.
const SCIENTIFIC_BYTES: usize = 32;

/// Appends `value` to `out` as replies print it.
pub fn write_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value.abs() <= MAX_EXACT_INTEGER && value.trunc() == value && !is_negative_zero(value) {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        write_digits(out, value, PRECISION);
    }
}

/// Appends a finite `value` as C's `%.<precision>g` prints it; `precision` is 1 to 17.
///
/// # Panics
///
/// If `value` is not finite or `precision` is out of range.
pub fn write_general(out: &mut Vec<u8>, value: f64, precision: usize) {
    assert!(value.is_finite() && (1..=PRECISION).contains(&precision));
    write_digits(out, value, precision);
}

fn is_negative_zero(value: f64) -> bool {
    value == 0.0 && value.is_sign_negative()
}

fn write_digits(out: &mut Vec<u8>, value: f64, precision: usize) {
    // Rust rounds `{:.16e}` correctly, so these are the digits that C prints: d.dddddddddddddddde<exponent>.
    let mut storage = [0u8; SCIENTIFIC_BYTES];
    let mut rest = &mut storage[..];
    write!(rest, "{:.*e}", precision - 1, value.abs()).expect("17 digits and an exponent fit");
    let unused_bytes = rest.len();
    let text = &storage[..SCIENTIFIC_BYTES - unused_bytes];
    let mark = text.iter().position(|&byte| byte == b'e').expect("scientific notation");
    let exponent = crate::parse_integer(&text[mark + 1..]).expect("an exponent") as i32;
    let mut digits = [b'0'; PRECISION];
    digits[0] = text[0];
    if precision > 1 {
        digits[1..precision].copy_from_slice(&text[2..mark]);
    }
    let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);

    if value.is_sign_negative() {
        out.push(b'-');
    }
    if !(-4..precision as i32).contains(&exponent) {
        write_fraction(out, &digits[..1], &digits[1..significant]);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.extend_from_slice(&digits[..significant]);
    } else {
        let whole = exponent as usize + 1;
        write_fraction(out, &digits[..whole], &digits[whole..significant.max(whole)]);
    }
}

fn write_fraction(out: &mut Vec<u8>, whole: &[u8], fraction: &[u8]) {
    out.extend_from_slice(whole);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_double(&mut out, value);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn numbers_print_as_c_prints_them() {
        // Each of these was printed by `printf("%.17g")`.
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (0.1, "0.10000000000000001"),
            (3.1, "3.1000000000000001"),
            (1.5, "1.5"),
            (-0.5, "-0.5"),
            (100.25, "100.25"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e17, "1.5e+17"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e21, "1e+21"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "4.9406564584124654e-324"),
            (9007199254740993.0, "9007199254740992"),
            (99999999999999999.0, "1e+17"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
