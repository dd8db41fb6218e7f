//! Where a command's keys are among its arguments: for locking, for reading ahead, and for COMMAND GETKEYS.

use thermocline_protocol::{Arguments, parse_integer};

use crate::command::arguments::is_word;
use crate::command::{Command, KeyPositions};

/// The positions of a request's keys.
#[derive(Clone, Debug)]
pub struct Positions {
    /// One before all others.
    lead: Option<usize>,
    next: usize,
    step: usize,
    left: usize,
}

impl Positions {
    const NONE: Self = Self { lead: None, next: 0, step: 1, left: 0 };

    fn range(first: usize, end: usize, step: usize) -> Self {
        Self { lead: None, next: first, step, left: end.saturating_sub(first).div_ceil(step) }
    }

    /// The first argument, of `count`, and perhaps another one.
    fn first_and(other: Option<usize>, count: usize) -> Self {
        match other {
            Some(at) => Self { lead: Some(1), ..Self::range(at, at + 1, 1) },
            None => Self::range(1, 2.min(count), 1),
        }
    }

    fn counted(at: usize, arguments: Arguments<'_>) -> Self {
        let announced = if at < arguments.len() { parse_integer(arguments.get(at)) } else { None };
        let keys = announced.and_then(|keys| usize::try_from(keys).ok()).unwrap_or(0);
        let end = (at + 1).saturating_add(keys);
        if end <= arguments.len() { Self::range(at + 1, end, 1) } else { Self::NONE }
    }
}

impl Iterator for Positions {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if let Some(lead) = self.lead.take() {
            return Some(lead);
        }
        self.left = self.left.checked_sub(1)?;
        let position = self.next;
        self.next += self.step;
        Some(position)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.left + usize::from(self.lead.is_some());
        (count, Some(count))
    }
}

impl ExactSizeIterator for Positions {}

/// The positions of the keys of a request, whose arity was checked, in order. None where the arguments do not say how
/// many there are, or say something impossible: the handler has the error for that.
pub fn key_positions(command: &Command, arguments: Arguments<'_>) -> Positions {
    let count = arguments.len();
    match command.keys {
        KeyPositions::None | KeyPositions::Channels { .. } => Positions::NONE,
        KeyPositions::Range { first, last, step } => {
            let end = if last < 0 {
                (count + 1).saturating_sub(last.unsigned_abs() as usize)
            } else {
                last as usize + 1
            };
            Positions::range(first, end.min(count), step)
        }
        KeyPositions::Counted { count } => Positions::counted(count, arguments),
        KeyPositions::TargetAndCounted { count } => {
            let counted = Positions::counted(count, arguments);
            if counted.left == 0 { Positions::NONE } else { Positions { lead: Some(1), ..counted } }
        }
        KeyPositions::HalfBehind { word, options, .. } => {
            let mut at = 1;
            while at < count && !is_word(arguments.get(at), word) {
                let option = options.iter().find(|(option, _)| is_word(arguments.get(at), option));
                at += 1 + option.map_or(0, |(_, values)| *values);
            }
            // An odd number of arguments, or no word at all, is an error of the handler's.
            let keys = count.saturating_sub(at + 1) / 2;
            Positions::range(at + 1, at + 1 + keys, 1)
        }
        KeyPositions::FirstAndBehind { words, from, others } => {
            Positions::first_and(last_behind(arguments, words, from, others), count)
        }
        KeyPositions::Sort { stores: false } => Positions::first_and(None, count),
        KeyPositions::Sort { stores: true } => {
            let others = &[("LIMIT", 2), ("BY", 1), ("GET", 1)];
            Positions::first_and(last_behind(arguments, &["STORE"], 2, others), count)
        }
        KeyPositions::OneOrBehind { at, word, from, options } => {
            let is_empty = arguments.get(at).is_empty();
            let mut option = from;
            while option < count {
                let name = arguments.get(option);
                if is_word(name, word) {
                    return match (is_empty, option + 1 < count) {
                        (true, true) => Positions::range(option + 1, count, 1),
                        (true, false) => Positions::range(at, at + 1, 1),
                        (false, _) => Positions::NONE,
                    };
                }
                let own = options.iter().find(|(other, _)| is_word(name, other));
                option += 1 + own.map_or(0, |(_, arguments)| *arguments);
            }
            Positions::range(at, at + 1, 1)
        }
    }
}

/// The argument behind the last of these words, reading options in order as the handler does: what follows a word is an
/// option only if the word takes nothing.
fn last_behind(
    arguments: Arguments<'_>,
    words: &[&str],
    from: usize,
    others: &[(&str, usize)],
) -> Option<usize> {
    let (mut at, mut found) = (from, None);
    while at < arguments.len() {
        let option = arguments.get(at);
        if words.iter().any(|word| is_word(option, word)) {
            found = Some(at + 1).filter(|&behind| behind < arguments.len()).or(found);
            at += 1;
        } else if let Some((_, taken)) = others.iter().find(|(word, _)| is_word(option, word)) {
            at += taken;
        }
        at += 1;
    }
    found
}

/// The keys themselves.
pub fn keys<'a>(
    command: &Command,
    arguments: Arguments<'a>,
) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
    key_positions(command, arguments).map(move |position| arguments.get(position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use thermocline_protocol::{ArgumentRanges, Limits, RequestParser};

    fn positions(keys: KeyPositions, line: &str) -> Vec<usize> {
        let command = Command { keys, ..Command::NEW };
        let (bytes, mut ranges) = (format!("{line}\r\n"), ArgumentRanges::new());
        RequestParser::new().parse(bytes.as_bytes(), &Limits::REDIS, &mut ranges).expect("an inline request");
        key_positions(&command, ranges.in_buffer(bytes.as_bytes())).collect()
    }

    #[test]
    fn ranges_may_count_from_the_end_and_take_steps() {
        let all = KeyPositions::Range { first: 1, last: -1, step: 1 };
        assert_eq!(positions(all, "mget a b c"), [1, 2, 3]);
        let pairs = KeyPositions::Range { first: 1, last: -1, step: 2 };
        assert_eq!(positions(pairs, "mset a 1 b 2"), [1, 3]);
        let but_last = KeyPositions::Range { first: 1, last: -2, step: 1 };
        assert_eq!(positions(but_last, "blpop a b 0"), [1, 2]);
        assert_eq!(positions(but_last, "blpop"), []);
        assert_eq!(positions(KeyPositions::Range { first: 1, last: 1, step: 1 }, "get a"), [1]);
        assert_eq!(positions(KeyPositions::None, "ping a"), []);
    }

    #[test]
    fn a_count_that_cannot_be_is_no_keys() {
        let counted = KeyPositions::Counted { count: 2 };
        assert_eq!(positions(counted, "eval s 2 a b c"), [3, 4]);
        for line in
            ["eval s 0", "eval s", "eval s 9 a", "eval s -1 a", "eval s x a", "eval s 18446744073709551615 a"]
        {
            assert_eq!(positions(counted, line), [], "{line}");
        }
    }

    #[test]
    fn an_empty_key_stands_for_those_behind_a_word_among_the_options() {
        let keys =
            KeyPositions::OneOrBehind { at: 3, word: "KEYS", from: 6, options: &[("AUTH", 1), ("AUTH2", 2)] };
        for (line, expected) in [
            ("migrate h 1 k 0 10", &[3][..]),
            ("migrate h 1 k 0 10 copy auth keys", &[3]),
            ("migrate h 1 k 0 10 keys a", &[]),
            ("migrate h 1 '' 0 10 copy keys a b", &[8, 9]),
            ("migrate h 1 '' 0 10 keys", &[3]),
            ("migrate h 1 '' 0 10 auth keys keys a", &[9]),
            ("migrate h 1 '' 0 10 auth2 keys keys a b", &[3]),
            ("migrate h 1 '' 0 10 auth", &[3]),
        ] {
            assert_eq!(positions(keys, line), expected, "{line}");
        }
    }

    #[test]
    fn a_target_comes_before_the_counted_keys() {
        let keys = KeyPositions::TargetAndCounted { count: 2 };
        assert_eq!(positions(keys, "zunionstore t 2 a b weights 1 2"), [1, 3, 4]);
        assert_eq!(positions(keys, "zunionstore t 3 a b"), []);
    }

    #[test]
    fn keys_behind_a_word_are_found_wherever_it_stands() {
        let options = &[("COUNT", 1), ("GROUP", 2)];
        let streams = KeyPositions::HalfBehind { word: "STREAMS", from: 1, options };
        assert_eq!(positions(streams, "xread count 2 streams a b 0 0"), [4, 5]);
        assert_eq!(positions(streams, "xread group streams streams count streams streams a 0"), [7]);
        assert_eq!(positions(streams, "xread count 2 streams a b 0"), [4]);
        assert_eq!(positions(streams, "xread count 2 streams"), []);
        assert_eq!(positions(streams, "xread count 2"), []);
        let sort = KeyPositions::Sort { stores: true };
        assert_eq!(positions(sort, "sort a by x store b limit 0 1"), [1, 5]);
        assert_eq!(positions(sort, "sort a store b store c"), [1, 5]);
        assert_eq!(positions(sort, "sort a store"), [1]);
        assert_eq!(positions(sort, "sort a store store asc"), [1, 3]);
        assert_eq!(positions(sort, "sort a get store store b"), [1, 5]);
        assert_eq!(positions(sort, "sort a by store asc"), [1]);
        assert_eq!(positions(sort, "sort a store b store"), [1, 3]);
        assert_eq!(positions(KeyPositions::Sort { stores: false }, "sort_ro a store b"), [1]);
        let others = &[("COUNT", 1)];
        let radius = KeyPositions::FirstAndBehind { words: &["STORE", "STOREDIST"], from: 6, others };
        assert_eq!(positions(radius, "georadius a 1 2 3 km count store store b storedist c"), [1, 11]);
    }
}
