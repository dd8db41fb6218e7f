//! Which keys and which channels a selector covers: glob patterns.

use crate::command::generic::glob::{self, Case};

/// What a command does with a key, as far as a pattern may forbid it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyAccess {
    /// It replies with what the value holds, or copies it.
    pub reads: bool,
    /// It changes or deletes the value.
    pub writes: bool,
}

impl KeyAccess {
    /// Reads and writes.
    pub const BOTH: Self = Self { reads: true, writes: true };

    fn covers(self, wanted: Self) -> bool {
        (self.reads || !wanted.reads) && (self.writes || !wanted.writes)
    }
}

/// The keys of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPatterns {
    /// `~*`: whatever the patterns say.
    all: bool,
    patterns: Vec<(Box<[u8]>, KeyAccess)>,
}

impl KeyPatterns {
    /// `~*`.
    pub const ALL: Self = Self { all: true, patterns: Vec::new() };

    /// Whether every key may be used in every way.
    #[inline]
    pub fn are_all(&self) -> bool {
        self.all
    }

    /// Whether a key may be used so. A command that looks at the key only needs any pattern that matches.
    pub fn permit(&self, key: &[u8], wanted: KeyAccess) -> bool {
        let permits = |(pattern, access): &(Box<[u8]>, KeyAccess)| {
            access.covers(wanted) && glob::matches(pattern, key, Case::Sensitive)
        };
        self.all || self.patterns.iter().any(permits)
    }

    /// Whether every key may be used so.
    pub fn permit_all(&self, wanted: KeyAccess) -> bool {
        let covers =
            |(pattern, access): &(Box<[u8]>, KeyAccess)| glob::matches_all(pattern) && access.covers(wanted);
        self.all || self.patterns.iter().any(covers)
    }

    /// Permits every key, and forgets the patterns.
    pub fn set_all(&mut self) {
        *self = Self::ALL;
    }

    /// Permits no key.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Permits one more pattern, or more with it than before.
    pub fn add(&mut self, pattern: &[u8], access: KeyAccess) {
        match self.patterns.iter_mut().find(|(known, _)| **known == *pattern) {
            Some((_, known)) => {
                known.reads |= access.reads;
                known.writes |= access.writes;
            }
            None => self.patterns.push((pattern.into(), access)),
        }
    }

    /// The rules that make these patterns, with blanks between them.
    pub fn describe(&self, text: &mut Vec<u8>) {
        if self.all {
            text.extend_from_slice(b"~*");
        }
        for (number, (pattern, access)) in self.patterns.iter().enumerate() {
            let prefix = match (access.reads, access.writes) {
                (true, true) => "~",
                (true, false) => "%R~",
                (false, _) => "%W~",
            };
            if number > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(prefix.as_bytes());
            text.extend_from_slice(pattern);
        }
    }
}

/// The channels of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelPatterns {
    /// `&*`: whatever the patterns say.
    all: bool,
    patterns: Vec<Box<[u8]>>,
}

impl ChannelPatterns {
    /// `&*`.
    pub const ALL: Self = Self { all: true, patterns: Vec::new() };

    /// Whether every channel may be used.
    #[inline]
    pub fn are_all(&self) -> bool {
        self.all
    }

    /// Whether a channel may be used. A pattern to subscribe to must be the very pattern of a rule: what it matches
    /// cannot be compared.
    pub fn permit(&self, channel: &[u8], is_pattern: bool) -> bool {
        let permits = |pattern: &[u8]| match is_pattern {
            true => pattern == channel,
            false => glob::matches(pattern, channel, Case::Sensitive),
        };
        self.all || self.patterns.iter().any(|pattern| permits(pattern))
    }

    /// Permits every channel, and forgets the patterns.
    pub fn set_all(&mut self) {
        *self = Self::ALL;
    }

    /// Permits no channel.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Permits one more pattern.
    pub fn add(&mut self, pattern: &[u8]) {
        if !self.patterns.iter().any(|known| **known == *pattern) {
            self.patterns.push(pattern.into());
        }
    }

    /// The rules that make these patterns, with blanks between them.
    pub fn describe(&self, text: &mut Vec<u8>) {
        if self.all {
            text.extend_from_slice(b"&*");
        }
        for (number, pattern) in self.patterns.iter().enumerate() {
            text.extend_from_slice(if number > 0 { b" &" } else { b"&" });
            text.extend_from_slice(pattern);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: KeyAccess = KeyAccess { reads: true, writes: false };
    const WRITE: KeyAccess = KeyAccess { reads: false, writes: true };
    const LOOK: KeyAccess = KeyAccess { reads: false, writes: false };

    fn keys(patterns: &[(&str, KeyAccess)]) -> KeyPatterns {
        let mut keys = KeyPatterns::default();
        patterns.iter().for_each(|(pattern, access)| keys.add(pattern.as_bytes(), *access));
        keys
    }

    #[test]
    fn a_key_is_permitted_by_one_pattern_that_allows_all_that_is_done_with_it() {
        let keys = keys(&[("r*", READ), ("*w", WRITE)]);
        let permits =
            |key: &str| [READ, WRITE, KeyAccess::BOTH, LOOK].map(|a| keys.permit(key.as_bytes(), a));
        assert_eq!(permits("r"), [true, false, false, true]);
        assert_eq!(permits("w"), [false, true, false, true]);
        // Reading by one pattern and writing by another do not add up.
        assert_eq!(permits("rw"), [true, true, false, true]);
        assert_eq!(permits("x"), [false; 4]);
        assert!(KeyPatterns::ALL.permit(b"x", KeyAccess::BOTH));
    }

    #[test]
    fn all_keys_are_all_whatever_a_pattern_looks_like() {
        assert!(keys(&[("*", READ)]).permit_all(READ));
        assert!(!keys(&[("*", READ)]).permit_all(WRITE));
        assert!(!keys(&[("a*", READ)]).permit_all(READ));
    }

    #[test]
    fn patterns_are_described_as_they_would_be_given() {
        let mut text = Vec::new();
        keys(&[("a", READ), ("b", WRITE), ("a", WRITE), ("c", READ)]).describe(&mut text);
        assert_eq!(text.escape_ascii().to_string(), "~a %W~b %R~c");
    }

    #[test]
    fn a_channel_matches_a_pattern_and_a_pattern_equals_one() {
        let mut channels = ChannelPatterns::default();
        channels.add(b"news.*");
        channels.add(b"news.*");
        assert!(channels.permit(b"news.today", false) && channels.permit(b"news.*", true));
        assert!(!channels.permit(b"old", false) && !channels.permit(b"news.today", true));
        let mut text = Vec::new();
        channels.describe(&mut text);
        assert_eq!(text, b"&news.*");
    }
}
