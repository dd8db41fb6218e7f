//! What arguments say of scores, ranges and counts, with Redis' errors.

use thermocline_engine::value::{LexBound, LexRange, ScoreRange};
use thermocline_protocol::parse_integer;

use crate::command::Failure;
use crate::command::strtod::strtod;

/// A range of scores: `1.5`, or `(1.5` for what does not include its end.
///
/// # Errors
/// Redis' where one is no number.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Failure> {
    let bounds = score_bound(min).zip(score_bound(max));
    let ((min, excludes_min), (max, excludes_max)) =
        bounds.ok_or(Failure::error("ERR min or max is not a float"))?;
    Ok(ScoreRange { min, max, excludes_min, excludes_max })
}

/// Reads what `strtod` reads, up to a zero byte: nothing at all is zero, and what is out of range infinite.
fn score_bound(text: &[u8]) -> Option<(f64, bool)> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let (digits, is_excluded) = text.strip_prefix(b"(").map_or((text, false), |digits| (digits, true));
    let number = strtod(digits);
    (number.length == digits.len() && !number.value.is_nan()).then_some((number.value, is_excluded))
}

/// A range of members: `[a`, `(a`, `-` or `+`.
///
/// # Errors
/// Redis' where one is neither.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, Failure> {
    let bounds = lex_bound(min).zip(lex_bound(max));
    let (min, max) = bounds.ok_or(Failure::error("ERR min or max not valid string range item"))?;
    Ok(LexRange { min, max })
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::First),
        b"+" => Some(LexBound::Last),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}

/// An integer of at least `least`, no greater than the greatest.
///
/// # Errors
/// This one, for any other argument.
pub(super) fn at_least(argument: &[u8], least: i64, error: &'static str) -> Result<i64, Failure> {
    parse_integer(argument).filter(|&count| count >= least).ok_or(Failure::error(error))
}

/// The number of keys that follow: `numkeys` of ZMPOP and its kin.
///
/// # Errors
/// Redis' where it is not positive.
pub(super) fn key_count(argument: &[u8]) -> Result<usize, Failure> {
    let count = at_least(argument, 1, "ERR numkeys should be greater than 0")?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
