//! Registers as runs of equal values, for sketches of few elements.
//!
//! ```text
//! 00llllll             a run of l + 1 zeros
//! 01llllll llllllll    a run of l + 1 zeros, the length in big-endian order
//! 1vvvvvll             a run of l + 1 times the value v + 1
//! ```
//!
//! A register is raised by splitting its run and joining equal ones near it, step by step as Redis does, so that the same
//! elements in the same order give the same bytes.

use super::hash::Mark;
use super::sketch::{Corrupted, HEADER_BYTES, REGISTERS};

/// The highest value that a run may have.
const MAX_VALUE: u8 = 32;
/// The longest run of a value above zero.
const MAX_VALUE_RUN: usize = 4;
/// The longest run of zeros that takes one byte.
const MAX_SHORT_RUN: usize = 64;

const LONG_ZEROS: u8 = 0x40;
const VALUE: u8 = 0x80;
/// How many runs are looked at for equal neighbours after a change, from the one before it on.
const JOINED_RUNS: usize = 5;

/// Consecutive registers of the same value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) length: usize,
    /// Whether it takes two bytes.
    pub(super) is_long: bool,
}

impl Run {
    fn width(self) -> usize {
        1 + usize::from(self.is_long)
    }

    /// The run that begins at a position. A long one that is cut off reads as if a zero followed: Redis sees the byte that
    /// ends its strings there.
    fn read(body: &[u8], at: usize) -> Option<Self> {
        let first = *body.get(at)?;
        let low_bits = usize::from(first % LONG_ZEROS);
        Some(if first & VALUE != 0 {
            Self { value: (first >> 2) % MAX_VALUE + 1, length: low_bits % MAX_VALUE_RUN + 1, is_long: false }
        } else if first & LONG_ZEROS != 0 {
            let second = body.get(at + 1).copied().unwrap_or(0);
            Self { value: 0, length: (low_bits << 8 | usize::from(second)) + 1, is_long: true }
        } else {
            Self { value: 0, length: low_bits + 1, is_long: false }
        })
    }
}

/// All runs.
pub(super) fn runs(body: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = Run::read(body, at)?;
        at += run.width();
        Some(run)
    })
}

/// All runs, which together are as long as there are registers.
pub(super) fn whole_runs(body: &[u8]) -> Result<impl Iterator<Item = Run>, Corrupted> {
    let registers: usize = runs(body).map(|run| run.length).sum();
    if registers == REGISTERS { Ok(runs(body)) } else { Err(Corrupted) }
}

/// The register's value, where there is one.
pub(super) fn get(body: &[u8], index: usize) -> Option<u8> {
    let mut end = 0;
    runs(body)
        .find(|run| {
            end += run.length;
            index < end
        })
        .map(|run| run.value)
}

/// Appends a run of zeros.
pub(super) fn push_zeros(out: &mut Vec<u8>, length: usize) {
    let stored = (length - 1) as u16;
    if length > MAX_SHORT_RUN {
        out.extend((u16::from(LONG_ZEROS) << 8 | stored).to_be_bytes());
    } else {
        out.push(stored as u8);
    }
}

/// Raises a register of a whole sketch where it is lower; false where that takes more than `max_bytes` or the value is
/// too high, and nothing was changed.
pub(super) fn raise(bytes: &mut Vec<u8>, mark: Mark, max_bytes: usize) -> Result<bool, Corrupted> {
    if mark.rank > MAX_VALUE {
        return Ok(false);
    }
    let place = Place::find(&bytes[HEADER_BYTES..], mark.index).ok_or(Corrupted)?;
    let run = place.run;
    if run.value >= mark.rank {
        return Ok(true);
    }
    let at = HEADER_BYTES + place.at;
    let end = at + run.width();
    if end > bytes.len() {
        return Err(Corrupted);
    }
    let mut pieces = Vec::with_capacity(5);
    let before = mark.index - place.first;
    push_run(&mut pieces, run.value, before);
    push_run(&mut pieces, mark.rank, 1);
    push_run(&mut pieces, run.value, run.length - before - 1);
    let length = bytes.len() - run.width() + pieces.len();
    if length > max_bytes && length > bytes.len() {
        return Ok(false);
    }
    bytes.splice(at..end, pieces);
    join(bytes, HEADER_BYTES + place.previous);
    Ok(true)
}

fn push_run(out: &mut Vec<u8>, value: u8, length: usize) {
    match (value, length) {
        (_, 0) => {}
        (0, _) => push_zeros(out, length),
        _ => out.push(value_run(value, length)),
    }
}

fn value_run(value: u8, length: usize) -> u8 {
    VALUE | (value - 1) << 2 | (length - 1) as u8
}

/// Where a register is.
struct Place {
    /// The run that holds it.
    run: Run,
    /// Where that begins.
    at: usize,
    /// Where the run before it begins; the same where it is the first.
    previous: usize,
    /// The run's first register.
    first: usize,
}

impl Place {
    fn find(body: &[u8], index: usize) -> Option<Self> {
        let (mut at, mut previous, mut first) = (0, 0, 0);
        loop {
            let run = Run::read(body, at)?;
            if index < first + run.length {
                return Some(Self { run, at, previous, first });
            }
            previous = at;
            at += run.width();
            first += run.length;
        }
    }
}

/// Joins neighbours of the same value, above zero, where one run can hold both.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_RUNS {
        let Some(run) = Run::read(bytes, at) else { return };
        let next = Run::read(bytes, at + run.width());
        let joined = next.filter(|next| run.value > 0 && next.value == run.value);
        match joined.map(|next| run.length + next.length) {
            Some(length) if length <= MAX_VALUE_RUN => {
                bytes[at] = value_run(run.value, length);
                bytes.remove(at + 1);
            }
            _ => at += run.width(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::hyperloglog::sketch::empty;

    #[test]
    fn runs_of_every_kind_are_read_as_they_were_written() {
        for (value, lengths) in [(0, 1..=REGISTERS), (1, 1..=4), (7, 1..=4), (32, 1..=4)] {
            for length in lengths {
                let mut body = Vec::new();
                push_run(&mut body, value, length);
                let read: Vec<Run> = runs(&body).collect();
                assert_eq!(read, [Run { value, length, is_long: body.len() == 2 }]);
            }
        }
    }

    #[test]
    fn registers_hold_the_highest_value_they_were_given() {
        let mut bytes = empty();
        let mut registers = [0; REGISTERS];
        for step in 0..2_000_usize {
            let mark = Mark { index: step * step % 700, rank: (step * 7 % 32 + 1) as u8 };
            assert_eq!(raise(&mut bytes, mark, usize::MAX), Ok(true));
            registers[mark.index] = mark.rank.max(registers[mark.index]);
        }
        let read: Vec<u8> = whole_runs(&bytes[HEADER_BYTES..])
            .unwrap()
            .flat_map(|run| std::iter::repeat_n(run.value, run.length))
            .collect();
        assert_eq!(read, registers);
        assert_eq!(
            (0..1000).map(|index| get(&bytes[HEADER_BYTES..], index).unwrap()).collect::<Vec<_>>(),
            registers[..1000]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut bytes = empty();
        let length = bytes.len();
        assert_eq!(raise(&mut bytes, Mark { index: 5, rank: 33 }, usize::MAX), Ok(false));
        assert_eq!(raise(&mut bytes, Mark { index: 5, rank: 1 }, length), Ok(false));
        assert_eq!(bytes, empty());
        assert_eq!(raise(&mut bytes, Mark { index: 0, rank: 1 }, length + 1), Ok(true));
    }

    #[test]
    fn missing_registers_are_noticed() {
        let mut bytes = empty();
        bytes.truncate(HEADER_BYTES);
        assert_eq!(raise(&mut bytes, Mark { index: 5, rank: 1 }, usize::MAX), Err(Corrupted));
        bytes.push(LONG_ZEROS | 1);
        assert_eq!(raise(&mut bytes, Mark { index: 5, rank: 1 }, usize::MAX), Err(Corrupted));
        assert!(whole_runs(&[]).is_err() && whole_runs(&[0x7f, 0xff, 0]).is_err());
    }
}
