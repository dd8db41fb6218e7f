//! Where a command's keys are among its arguments: for locking, for reading ahead, and for COMMAND GETKEYS.

use thermocline_protocol::{Arguments, parse_integer};

use crate::command::{Command, KeyPositions};

/// The positions of the keys of a request, whose arity was checked, in order. None where the arguments do not say how
/// many there are, or say something impossible: the handler has the error for that.
pub fn key_positions(
    command: &Command,
    arguments: Arguments<'_>,
) -> impl ExactSizeIterator<Item = usize> + Clone + use<> {
    let count = arguments.len();
    let (first, end, step) = match command.keys {
        KeyPositions::None => (0, 0, 1),
        KeyPositions::Range { first, last, step } => {
            let end = if last < 0 {
                (count + 1).saturating_sub(last.unsigned_abs() as usize)
            } else {
                last as usize + 1
            };
            (first, end.min(count), step)
        }
        KeyPositions::Counted { count: at } => {
            let announced = if at < count { parse_integer(arguments.get(at)) } else { None };
            let keys = announced.and_then(|keys| usize::try_from(keys).ok()).unwrap_or(0);
            let end = (at + 1).saturating_add(keys);
            if end <= count { (at + 1, end, 1) } else { (0, 0, 1) }
        }
    };
    (first..end.max(first)).step_by(step)
}

/// The keys themselves.
pub fn keys<'a>(
    command: &Command,
    arguments: Arguments<'a>,
) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
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
}
