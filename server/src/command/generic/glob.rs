//! Glob patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^x]`, `\` before any of these.
//!
//! The oddities of Redis' matcher are part of what clients see and are kept: a class may lack its `]`, the bytes of
//! a range are compared as signed numbers, and an empty text matches nothing but an empty pattern, not even `*`.
//!
//! **Invariant:** a match takes at most pattern length times text length steps, whatever the pattern: after a
//! mismatch only the last `*` is tried anew. That is enough, because what an earlier `*` could win by taking more,
//! the last one has already tried.

/// Whether `a` in a pattern matches `A`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Case {
    /// It does not.
    Sensitive,
    /// It does, for ASCII letters.
    Insensitive,
}

impl Case {
    fn fold(self, byte: u8) -> u8 {
        match self {
            Self::Sensitive => byte,
            Self::Insensitive => byte.to_ascii_lowercase(),
        }
    }
}

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let (mut at, mut position) = (0, 0);
    // Behind the last star, and the first byte of the text that the star did not take.
    let mut last_star: Option<(usize, usize)> = None;
    loop {
        if at == pattern.len() && position == text.len() {
            return true;
        }
        if at < pattern.len() && position < text.len() {
            if pattern[at] == b'*' {
                at = behind_stars(pattern, at);
                if at == pattern.len() {
                    return true;
                }
                last_star = Some((at, position));
                continue;
            }
            let (is_match, length) = match_one(&pattern[at..], text[position], case);
            if is_match {
                at += length;
                position += 1;
                if position == text.len() {
                    at = behind_stars(pattern, at);
                }
                continue;
            }
        }
        let Some((behind_star, taken_to)) = last_star else { return false };
        if taken_to + 1 == text.len() {
            return false;
        }
        last_star = Some((behind_star, taken_to + 1));
        (at, position) = (behind_star, taken_to + 1);
    }
}

/// Whether `pattern` is one that every text matches but the empty one.
pub fn matches_all(pattern: &[u8]) -> bool {
    pattern == b"*"
}

fn behind_stars(pattern: &[u8], at: usize) -> usize {
    at + pattern[at..].iter().take_while(|&&byte| byte == b'*').count()
}

/// Whether the pattern's first element, which is no star, matches the byte, and how long the element is.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', ..] => match_class(pattern, byte, case),
        [b'\\', escaped, ..] => (case.fold(*escaped) == case.fold(byte), 2),
        _ => (case.fold(pattern[0]) == case.fold(byte), 1),
    }
}

/// The same for a class, which starts at the pattern's `[`.
fn match_class(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let is_negated = pattern.get(1) == Some(&b'^');
    let mut at = if is_negated { 2 } else { 1 };
    let mut is_member = false;
    let length = loop {
        at += match &pattern[at..] {
            // An escaped member is compared as it is, even where case does not matter.
            [b'\\', escaped, ..] => {
                is_member |= *escaped == byte;
                2
            }
            [b']', ..] => break at + 1,
            [] => break at,
            [first, b'-', last, ..] => {
                is_member |= in_range(*first, *last, byte, case);
                3
            }
            [member, ..] => {
                is_member |= case.fold(*member) == case.fold(byte);
                1
            }
        };
    };
    (is_member != is_negated, length)
}

/// Bytes are signed here, as `char` is in Redis, and the ends are put in order before their case is folded.
fn in_range(first: u8, last: u8, byte: u8, case: Case) -> bool {
    let (low, high) = if first as i8 > last as i8 { (last, first) } else { (first, last) };
    let signed = |byte| case.fold(byte) as i8;
    (signed(low)..=signed(high)).contains(&signed(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensitive(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive)
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, text) in [
            ("*", "a"),
            ("a*", "a"),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "ac"),
            ("a**c", "abbc"),
            ("?", "x"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("[b-a]", "a"),
            (r"\*", "*"),
            (r"[\]]", "]"),
            (r"\a", "a"),
            ("*a*b*", "xxaxxbxx"),
            ("", ""),
            ("ab***", "ab"),
        ] {
            assert!(sensitive(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "A"),
            ("a*", "ba"),
            ("*c", "abcd"),
            ("?", ""),
            ("??", "x"),
            ("h[^e]llo", "hello"),
            ("[a-c]", "d"),
            (r"\*", "a"),
            ("*a*b*", "xxbxxaxx"),
            ("a", "ab"),
            ("ab", "a"),
            ("", "a"),
            ("a*b", "abc"),
            ("*?*?", "x"),
        ] {
            assert!(!sensitive(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn only_an_empty_pattern_matches_an_empty_text() {
        assert!(!sensitive("*", ""));
        assert!(!sensitive("**", ""));
        assert!(sensitive("", ""));
    }

    #[test]
    fn a_class_may_lack_its_end() {
        assert!(sensitive("[ab", "b"));
        assert!(!sensitive("[ab", "c"));
        assert!(!sensitive("[", "["));
        assert!(sensitive("[^", "x"));
        assert!(sensitive("[a-", "-"));
        // A range may swallow the bracket: this class is `a` to `]`.
        assert!(sensitive("[a-]", "^"));
        assert!(sensitive(r"a\", r"a\"));
        assert!(sensitive(r"[\", r"\"));
    }

    #[test]
    fn ranges_compare_signed_bytes() {
        assert!(matches(b"[\x7f-\x80]", b"a", Case::Sensitive));
        assert!(!matches(b"[\x80-\x90]", b"a", Case::Sensitive));
        assert!(matches(b"[\x80-\x90]", b"\x85", Case::Sensitive));
    }

    #[test]
    fn case_is_ignored_on_demand() {
        for (pattern, text) in [("MAX*", "maxmemory"), ("[A-C]x", "bX"), (r"\a", "A"), ("[q]", "Q")] {
            assert!(matches(pattern.as_bytes(), text.as_bytes(), Case::Insensitive), "{pattern} {text}");
            assert!(!sensitive(pattern, text), "{pattern} {text}");
        }
        assert!(!matches(br"[\a]", b"A", Case::Insensitive));
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_exponential_time() {
        let pattern = "a*".repeat(5000) + "b";
        assert!(!sensitive(&pattern, &"a".repeat(20_000)));
    }
}
