//! The quoting rules of inline commands, which are also those of configuration files (`sdssplitargs`).
//!
//! Blanks separate arguments. `"..."` knows the escapes `\n \r \t \b \a \xHH` and `\` before anything else;
//! `'...'` knows `\'` only. A closing quote is followed by a blank or by the end. Unlike Redis, which ends a line at
//! the first zero byte, zero bytes are ordinary here.

use crate::arguments::ArgumentRanges;

/// The line ended inside quotes, or a closing quote was followed by more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// Splits a line into its arguments, quotes and escapes resolved.
///
/// # Errors
///
/// [`UnbalancedQuotes`].
pub fn split_line(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut ranges = ArgumentRanges::new();
    split_into(line, &mut ranges)?;
    Ok(ranges.in_buffer(&[]).iter().map(<[u8]>::to_vec).collect())
}

/// As [`split_line`], into storage that is reused. What was in `arguments` is expected to be cleared.
pub(crate) fn split_into(line: &[u8], arguments: &mut ArgumentRanges) -> Result<(), UnbalancedQuotes> {
    arguments.begin_inline();
    let mut rest = line;
    loop {
        while let [blank, tail @ ..] = rest
            && is_blank(*blank)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        arguments.begin_inline_argument();
        rest = take_argument(rest, arguments)?;
    }
}

/// Takes one argument off `rest`, whose first byte is not blank; returns what follows it.
fn take_argument<'a>(
    mut rest: &'a [u8],
    arguments: &mut ArgumentRanges,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            // Only these four end a bare word; vertical tabs and form feeds separate words but do not end one.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', tail @ ..] => return take_double_quoted(tail, arguments),
            [b'\'', tail @ ..] => return take_single_quoted(tail, arguments),
            [byte, tail @ ..] => {
                arguments.push_inline_byte(*byte);
                rest = tail;
            }
        }
    }
}

fn take_double_quoted<'a>(
    mut rest: &'a [u8],
    arguments: &mut ArgumentRanges,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', tail @ ..] => return after_closing_quote(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_value(*high) << 4 | hex_value(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => (unescape(*escaped), tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        arguments.push_inline_byte(byte);
        rest = tail;
    }
}

fn take_single_quoted<'a>(
    mut rest: &'a [u8],
    arguments: &mut ArgumentRanges,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', tail @ ..] => return after_closing_quote(tail),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        arguments.push_inline_byte(byte);
        rest = tail;
    }
}

fn after_closing_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

/// What C's `isspace` says in the C locale.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let arguments = split_line(line.as_bytes()).ok()?;
        Some(arguments.iter().map(|argument| argument.escape_ascii().to_string()).collect())
    }

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| word.to_string()).collect())
    }

    #[test]
    fn blanks_of_every_kind_separate() {
        assert_eq!(split("SET key value"), words(&["SET", "key", "value"]));
        assert_eq!(split(" \t SET\r\n\x0b key \x0c"), words(&["SET", "key"]));
        assert_eq!(split(" \t\r "), words(&[]));
        assert_eq!(split("a\x0bb"), words(&["a\\x0bb"]));
    }

    #[test]
    fn double_quotes_resolve_escapes() {
        assert_eq!(
            split(r#""a b" "\x41\xfF" "\n\r\t\b\a\q\"""#),
            words(&["a b", r"A\xff", r#"\n\r\t\x08\x07q\""#])
        );
        assert_eq!(split(r#""\x4" """#), words(&["x4", ""]));
    }

    #[test]
    fn single_quotes_know_one_escape() {
        assert_eq!(split(r"'a\'b' 'c\n'"), words(&[r"a\'b", r"c\\n"]));
    }

    #[test]
    fn quotes_may_open_inside_a_word() {
        assert_eq!(split(r#"foo"bar baz" x"#), words(&["foobar baz", "x"]));
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in [r#""abc"#, r#"'abc"#, r#""abc"d"#, r#"'abc'd"#, r#"a""b"#, r#""abc\"#] {
            assert_eq!(split(line), None, "{line}");
        }
    }
}
