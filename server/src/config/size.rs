//! Sizes in bytes as `redis.conf` writes them.
//!
//! Units are case-insensitive: `k`, `m`, `g` are powers of 1000; `kb`, `mb`, `gb` powers of 1024. `t` and `tb`
//! are ours: SSDs are that large.

const UNITS: [(&str, i64); 10] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1 << 40),
];

/// The bytes that `text` means; nothing is 0, as in Redis. `None` where it is no size.
pub(super) fn parse_size(text: &str) -> Option<i64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    let number = if number.is_empty() { 0 } else { number.parse::<i64>().ok()? };
    number.checked_mul(*factor)
}

/// The shortest text that [`parse_size`] reads as `bytes` and that uses units of 1024.
pub(super) fn format_size(bytes: i64) -> String {
    for (unit, factor) in [("gb", 1i64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes % factor == 0 {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1000_or_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("", 0),
            ("17", 17),
            ("1b", 1),
            ("2k", 2000),
            ("2KB", 2048),
            ("1m", 1_000_000),
            ("1Mb", 1 << 20),
            ("3g", 3_000_000_000),
            ("1gb", 1 << 30),
            ("2tb", 2 << 40),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["-1", "1.5gb", "gigabyte", "1 gb", "1kk", "99999999999999999999", "9223372036854775807kb"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_with_the_largest_unit_that_is_exact() {
        assert_eq!(format_size(0), "0");
        assert_eq!(format_size(100), "100");
        assert_eq!(format_size(1536), "1536");
        assert_eq!(format_size(2048), "2kb");
        assert_eq!(format_size(64 << 20), "64mb");
        assert_eq!(format_size(16 << 30), "16gb");
    }
}
