//! Numbers with units, as people write and read them: `64mb` on the command line, `1.5 GiB` in a table.

/// Bytes as in redis.conf: a number with an optional `k`, `m`, `g`, `t` (powers of 1000) or `kb`, `mb`, `gb`,
/// `tb` (powers of 1024), in either case.
///
/// # Errors
///
/// If the text is not such a number or does not fit 64 bits.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        "t" => 1_000_000_000_000,
        "tb" => 1 << 40,
        unit => return Err(format!("'{unit}' is not a unit of bytes")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("'{text}' is not a number of bytes"))?;
    number.checked_mul(factor).ok_or_else(|| format!("'{text}' is too large"))
}

/// A count as in `10m`: a number with an optional `k`, `m` or `g`, powers of 1000.
///
/// # Errors
///
/// If the text is not such a number or does not fit 64 bits.
pub fn parse_count(text: &str) -> Result<u64, String> {
    match text.to_ascii_lowercase().trim_start_matches(|c: char| c.is_ascii_digit() || c == '_') {
        "" | "k" | "m" | "g" => parse_bytes(&text.replace('_', "")),
        _ => Err(format!("'{text}' is not a count")),
    }
}

/// Bytes with a binary unit and three digits: `512 B`, `1.50 MiB`.
pub fn format_bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{value:.0} B")
            } else {
                format!("{} {unit}", three_digits(value))
            };
        }
        value /= 1024.0;
    }
    format!("{} TiB", three_digits(value))
}

/// A count with three digits: `950`, `1.23 k`, `4.56 M`.
pub fn format_count(count: f64) -> String {
    match count {
        c if c < 1e3 => format!("{c:.0}"),
        c if c < 1e6 => format!("{} k", three_digits(c / 1e3)),
        c if c < 1e9 => format!("{} M", three_digits(c / 1e6)),
        c => format!("{} G", three_digits(c / 1e9)),
    }
}

/// Microseconds with three digits: `8.25`, `82.5`, `825`.
pub fn format_us(us: f64) -> String {
    three_digits(us)
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_in_redis_conf() {
        assert_eq!(parse_bytes("100"), Ok(100));
        assert_eq!(parse_bytes("1k"), Ok(1000));
        assert_eq!(parse_bytes("64MB"), Ok(64 << 20));
        assert_eq!(parse_bytes("16gb"), Ok(16 << 30));
        for text in ["", "mb", "1.5gb", "-1", "1x", "99999999999tb"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_have_decimal_units_only() {
        assert_eq!(parse_count("10m"), Ok(10_000_000));
        assert_eq!(parse_count("1_000"), Ok(1000));
        assert!(parse_count("10mb").is_err());
        assert!(parse_count("").is_err());
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(format_bytes(512.0), "512 B");
        assert_eq!(format_bytes(1.5 * 1024.0 * 1024.0), "1.50 MiB");
        assert_eq!(format_count(123_456.0), "123 k");
        assert_eq!(format_count(999.0), "999");
        assert_eq!(format_us(82.49), "82.5");
    }
}
