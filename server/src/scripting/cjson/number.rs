//! Numbers as C's `strtod` reads them: also hexadecimal ones, infinity and NaN.

/// Reads the number at the start of `text`: it and its length; `None` if there is none.
pub(super) fn read_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let is_negative = text.first() == Some(&b'-');
    let (value, length) = read_unsigned(&text[sign..])?;
    Some((if is_negative { -value } else { value }, sign + length))
}

fn read_unsigned(text: &[u8]) -> Option<(f64, usize)> {
    for (word, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes())) {
            return Some((value, word.len()));
        }
    }
    if text.len() > 2 && text[0] == b'0' && text[1] | 0x20 == b'x' && has_hex_digit(&text[2..]) {
        return Some(read_hexadecimal(text));
    }
    let whole = digits(text, 0);
    let mut end = whole;
    let mut count = whole;
    if text.get(end) == Some(&b'.') {
        let fraction_end = digits(text, end + 1);
        count += fraction_end - end - 1;
        end = fraction_end;
    }
    if count == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'-' | b'+')));
        let exponent_end = digits(text, end + 1 + sign);
        if exponent_end > end + 1 + sign {
            end = exponent_end;
        }
    }
    let value = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some((value, end))
}

/// Where the decimal digits from `start` on end.
fn digits(text: &[u8], start: usize) -> usize {
    start + text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn has_hex_digit(text: &[u8]) -> bool {
    match text {
        [first, ..] if first.is_ascii_hexdigit() => true,
        [b'.', second, ..] => second.is_ascii_hexdigit(),
        _ => false,
    }
}

/// `0x` and at least one hexadecimal digit.
fn read_hexadecimal(text: &[u8]) -> (f64, usize) {
    let (mut value, mut exponent, mut at, mut is_fraction) = (0.0f64, 0i32, 2, false);
    while let Some(&byte) = text.get(at) {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                value = value * 16.0 + f64::from(digit);
                exponent -= if is_fraction { 4 } else { 0 };
            }
            None if byte == b'.' && !is_fraction => is_fraction = true,
            None => break,
        }
        at += 1;
    }
    if text.get(at).is_some_and(|byte| byte | 0x20 == b'p') {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'-' | b'+')));
        let end = digits(text, at + 1 + sign);
        if end > at + 1 + sign {
            let digits = std::str::from_utf8(&text[at + 1 + sign..end]).unwrap_or_default();
            let given = digits.parse::<i32>().unwrap_or(i32::MAX / 2);
            exponent = exponent.saturating_add(if text[at + 1] == b'-' { -given } else { given });
            at = end;
        }
    }
    (value * 2f64.powi(exponent), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        for (text, value, length) in [
            ("1", 1.0, 1),
            ("-1.5e3,", -1500.0, 6),
            ("1e", 1.0, 1),
            ("1.", 1.0, 2),
            (".5", 0.5, 2),
            ("0x1F]", 31.0, 4),
            ("0x", 0.0, 1),
            ("0x.8p1", 1.0, 6),
            ("Infinity", f64::INFINITY, 8),
            ("-infx", f64::NEG_INFINITY, 4),
            ("00012", 12.0, 5),
        ] {
            assert_eq!(read_number(text.as_bytes()), Some((value, length)), "{text}");
        }
        assert!(read_number(b"nan").is_some_and(|(value, length)| value.is_nan() && length == 3));
        for text in ["", "-", ".", "e5", "x"] {
            assert_eq!(read_number(text.as_bytes()), None, "{text}");
        }
    }
}
