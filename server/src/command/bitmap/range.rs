//! BITCOUNT and BITPOS: bits within a range of bytes or bits.

use std::ops::Range;

use thermocline_engine::value::IntegerDigits;
use thermocline_protocol::Arguments;

use crate::command::arguments::{integer, is_word};
use crate::command::string::{clamp_range, is_backwards, string};
use crate::command::{Failure, KeyContext};

/// What a range's positions count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(argument: &[u8]) -> Result<Self, Failure> {
        if is_word(argument, "bit") {
            Ok(Self::Bit)
        } else if is_word(argument, "byte") {
            Ok(Self::Byte)
        } else {
            Err(Failure::SYNTAX)
        }
    }

    /// The range of bits from `start` to `end`, both included, in a string of this length.
    fn bits(self, start: i64, end: i64, length_bytes: usize) -> Option<Range<usize>> {
        match self {
            Self::Bit => clamp_range(start, end, length_bytes * 8),
            Self::Byte => clamp_range(start, end, length_bytes).map(|range| range.start * 8..range.end * 8),
        }
    }
}

pub(super) fn bitcount(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (start, end, unit) = match arguments.len() {
        2 => (0, -1, Unit::Byte),
        4 | 5 => {
            let start = integer(arguments.get(2))?;
            let end = integer(arguments.get(3))?;
            let unit = if arguments.len() == 5 { Unit::parse(arguments.get(4))? } else { Unit::Byte };
            (start, end, unit)
        }
        _ => return Err(Failure::SYNTAX),
    };
    let count = match context.keys.get(arguments.get(1))? {
        Some(value) => {
            let mut digits = IntegerDigits::new();
            let bytes = string(value)?.bytes(&mut digits);
            match unit.bits(start, end, bytes.len()) {
                Some(bits) if !is_backwards(start, end) => count_ones(bytes, bits),
                _ => 0,
            }
        }
        None => 0,
    };
    context.reply.integer(count as i64);
    Ok(())
}

pub(super) fn bitpos(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let wanted = match integer(arguments.get(2))? {
        0 => false,
        1 => true,
        _ => return Err(Failure::error("ERR The bit argument must be 1 or 0.")),
    };
    if arguments.len() > 6 {
        return Err(Failure::SYNTAX);
    }
    let start = if arguments.len() > 3 { integer(arguments.get(3))? } else { 0 };
    let unit = if arguments.len() > 5 { Unit::parse(arguments.get(5))? } else { Unit::Byte };
    let end = if arguments.len() > 4 { Some(integer(arguments.get(4))?) } else { None };
    let position = match context.keys.get(arguments.get(1))? {
        Some(value) => {
            let mut digits = IntegerDigits::new();
            find_bit(string(value)?.bytes(&mut digits), wanted, unit, start, end)
        }
        // A key that is not there is zeros without end, whatever the range.
        None if wanted => None,
        None => Some(0),
    };
    context.reply.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

fn find_bit(bytes: &[u8], wanted: bool, unit: Unit, start: i64, end: Option<i64>) -> Option<usize> {
    let bits = unit.bits(start, end.unwrap_or(-1), bytes.len())?;
    let found = position_of(bytes, wanted, bits);
    // Without an end the string is followed by zeros.
    let following_zero = if wanted || end.is_some() { None } else { Some(bytes.len() * 8) };
    found.or(following_zero)
}

/// How many bits of a range are set.
fn count_ones(bytes: &[u8], bits: Range<usize>) -> u64 {
    let (first, last) = (bits.start / 8, (bits.end - 1) / 8);
    let whole = &bytes[first..=last];
    let (words, rest) = whole.as_chunks::<8>();
    let mut count: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    count += rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    let before = bytes[first] & !head_mask(bits.start);
    let behind = bytes[last] & !tail_mask(bits.end);
    count - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first position in a range, which is not empty, where a bit is as wanted.
fn position_of(bytes: &[u8], wanted: bool, bits: Range<usize>) -> Option<usize> {
    let (first, last) = (bits.start / 8, (bits.end - 1) / 8);
    // In what follows the bits looked for are ones.
    let flip = if wanted { 0 } else { 0xff };
    let masked = |at: usize| {
        let head = if at == first { head_mask(bits.start) } else { 0xff };
        let tail = if at == last { tail_mask(bits.end) } else { 0xff };
        (bytes[at] ^ flip) & head & tail
    };
    let at = if masked(first) != 0 {
        first
    } else {
        let inner = bytes.get(first + 1..last).unwrap_or_default();
        match first_other_than(inner, flip) {
            Some(at) => first + 1 + at,
            None => last,
        }
    };
    let found = masked(at);
    if found == 0 { None } else { Some(at * 8 + found.leading_zeros() as usize) }
}

/// The first byte that is another, found eight at a time.
fn first_other_than(bytes: &[u8], byte: u8) -> Option<usize> {
    let pattern = [byte; 8];
    let (words, _) = bytes.as_chunks::<8>();
    let same = words.iter().position(|word| *word != pattern).unwrap_or(words.len()) * 8;
    bytes[same..].iter().position(|&other| other != byte).map(|at| same + at)
}

/// The bits of its byte from a position on.
fn head_mask(start: usize) -> u8 {
    0xff >> (start % 8)
}

/// The bits of its byte before a position, all where that is the next byte's first.
fn tail_mask(end: usize) -> u8 {
    match end % 8 {
        0 => 0xff,
        bits => !(0xff >> bits),
    }
}
