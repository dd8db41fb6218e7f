//! LCS: the longest common subsequence of two strings.
//!
//! The classic table of lengths, of which two rows are enough for the length. The way back through the table needs one
//! bit per cell, so the memory is a thirty-second of what Redis takes; the limit is nevertheless Redis', because it
//! bounds the time as well: the shards of both keys stay locked.

use thermocline_engine::value::IntegerDigits;
use thermocline_engine::{Cold, Keys};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::max_string_bytes;
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};

/// Where the options start.
const OPTIONS: usize = 3;
/// Strings of this length or more are refused: lengths are counted in 32 bits.
const MAX_LENGTH: usize = u32::MAX as usize - 1;
/// What Redis takes for a cell of the table, in bytes.
const REDIS_CELL_BYTES: u64 = 4;

#[derive(Default)]
struct Options {
    /// LEN.
    wants_length: bool,
    /// IDX.
    wants_ranges: bool,
    /// WITHMATCHLEN.
    with_range_length: bool,
    /// MINMATCHLEN.
    min_range_length: u64,
}

pub(super) fn lcs(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let first = read_string(&mut context.keys, arguments.get(1));
    let second = read_string(&mut context.keys, arguments.get(2));
    let (first, second) = (first?, second?);
    let options = Options::parse(arguments)?;
    if first.len().max(second.len()) >= MAX_LENGTH {
        return Err(Failure::error("ERR String too long for LCS"));
    }
    let cells = (first.len() as u64 + 1) * (second.len() as u64 + 1);
    if cells.saturating_mul(REDIS_CELL_BYTES) > max_string_bytes(context.server) {
        return Err(Failure::error(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    if options.wants_length {
        let length = fill(&first, &second, |_, _, _| {});
        context.reply.integer(i64::from(length));
        return Ok(());
    }
    let table = Table::new(&first, &second);
    if options.wants_ranges {
        reply_ranges(&mut context.reply, &table, &options);
    } else {
        context.reply.bulk(&table.subsequence());
    }
    Ok(())
}

/// The string's bytes, none where there is no such key.
fn read_string(keys: &mut Keys<'_>, key: &[u8]) -> Result<Vec<u8>, Failure> {
    let value = match keys.get(key) {
        Ok(Some(value)) => value,
        Ok(None) => return Ok(Vec::new()),
        Err(Cold) => return Err(Failure::Cold),
    };
    match value.as_string() {
        Some(string) => Ok(string.bytes(&mut IntegerDigits::new()).to_vec()),
        None => Err(Failure::error("ERR The specified keys must contain string values")),
    }
}

impl Options {
    fn parse(arguments: Arguments<'_>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = arguments.skip(OPTIONS).iter();
        while let Some(word) = words.next() {
            if is_word(word, "idx") {
                options.wants_ranges = true;
            } else if is_word(word, "len") {
                options.wants_length = true;
            } else if is_word(word, "withmatchlen") {
                options.with_range_length = true;
            } else if is_word(word, "minmatchlen") {
                let length = integer(words.next().ok_or(Failure::SYNTAX)?)?;
                options.min_range_length = u64::try_from(length).unwrap_or(0);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        if options.wants_ranges && options.wants_length {
            return Err(Failure::error("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// The length of the longest common subsequence. `visit` is told of each pair of prefixes whether leaving out the
/// last byte of the first string leaves more in common than leaving out the last byte of the second.
fn fill(first: &[u8], second: &[u8], mut visit: impl FnMut(usize, usize, bool)) -> u32 {
    // Lengths for the prefix of `first` one shorter, overwritten from the left by those for this one.
    let mut row = vec![0u32; second.len() + 1];
    for (i, byte) in first.iter().enumerate() {
        let (mut diagonal, mut left) = (0, 0);
        for (j, other) in second.iter().enumerate() {
            let above = row[j + 1];
            visit(i, j, above > left);
            left = if byte == other { diagonal + 1 } else { above.max(left) };
            row[j + 1] = left;
            diagonal = above;
        }
    }
    row[second.len()]
}

/// Which way to go from each cell.
struct Table<'a> {
    first: &'a [u8],
    second: &'a [u8],
    length: u32,
    /// A bit for each pair of bytes: go on with a shorter prefix of `first`, where the bytes differ.
    shorten_first: Vec<u64>,
}

impl<'a> Table<'a> {
    fn new(first: &'a [u8], second: &'a [u8]) -> Self {
        let mut shorten_first = vec![0u64; (first.len() * second.len()).div_ceil(64)];
        let length = fill(first, second, |i, j, shorten| {
            let bit = i * second.len() + j;
            shorten_first[bit / 64] |= u64::from(shorten) << (bit % 64);
        });
        Self { first, second, length, shorten_first }
    }

    /// Walks back through the table and visits each pair of positions whose bytes are part of the subsequence, the
    /// last first.
    fn walk_back(&self, mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.first.len(), self.second.len());
        while i > 0 && j > 0 {
            if self.first[i - 1] == self.second[j - 1] {
                (i, j) = (i - 1, j - 1);
                visit(i, j);
                continue;
            }
            let bit = (i - 1) * self.second.len() + (j - 1);
            if self.shorten_first[bit / 64] >> (bit % 64) & 1 == 1 {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    fn subsequence(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length as usize);
        self.walk_back(|i, _| bytes.push(self.first[i]));
        bytes.reverse();
        bytes
    }

    /// The stretches in which both strings go on equally, the last first.
    fn ranges(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        self.walk_back(|i, j| match ranges.last_mut() {
            Some(last) if last.first == i + 1 && last.second == j + 1 => {
                *last = Range { first: i, second: j, length: last.length + 1 };
            }
            _ => ranges.push(Range { first: i, second: j, length: 1 }),
        });
        ranges
    }
}

/// Where a stretch begins in both strings, and how long it is.
struct Range {
    first: usize,
    second: usize,
    length: usize,
}

fn reply_ranges(reply: &mut ReplyEncoder<'_>, table: &Table<'_>, options: &Options) {
    let mut ranges = table.ranges();
    ranges.retain(|range| range.length as u64 >= options.min_range_length);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(ranges.len());
    for range in ranges {
        reply.array(2 + usize::from(options.with_range_length));
        for start in [range.first, range.second] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + range.length - 1) as i64);
        }
        if options.with_range_length {
            reply.integer(range.length as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(i64::from(table.length));
}
