//! Ranges of scores and of members, as commands give them.

use crate::value::{Element, IntegerDigits};

/// Scores between two limits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScoreRange {
    /// The lowest score.
    pub min: f64,
    /// The highest score.
    pub max: f64,
    /// Whether `min` itself is outside.
    pub excludes_min: bool,
    /// Whether `max` itself is outside.
    pub excludes_max: bool,
}

impl ScoreRange {
    /// Whether a score is lower than all of the range.
    pub fn is_below(&self, score: f64) -> bool {
        if self.excludes_min { score <= self.min } else { score < self.min }
    }

    /// Whether a score is higher than all of the range.
    pub fn is_above(&self, score: f64) -> bool {
        if self.excludes_max { score >= self.max } else { score > self.max }
    }
}

/// An end of a range of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LexBound<'a> {
    /// Before every member: `-`.
    First,
    /// Behind every member: `+`.
    Last,
    /// This member, which is inside: `[member`.
    Included(&'a [u8]),
    /// This member, which is outside: `(member`.
    Excluded(&'a [u8]),
}

/// Members between two others, in the order of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LexRange<'a> {
    /// Where it begins.
    pub min: LexBound<'a>,
    /// Where it ends.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether a member comes before all of the range.
    pub fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::First => false,
            LexBound::Last => true,
            LexBound::Included(min) => member < min,
            LexBound::Excluded(min) => member <= min,
        }
    }

    /// Whether a member comes behind all of the range.
    pub fn is_above(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::First => true,
            LexBound::Last => false,
            LexBound::Included(max) => member > max,
            LexBound::Excluded(max) => member >= max,
        }
    }

    /// Whether no member can be inside.
    fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (_, LexBound::First) | (LexBound::Last, _) => true,
            (LexBound::First, _) | (_, LexBound::Last) => false,
            (LexBound::Included(min), LexBound::Included(max)) => min > max,
            (
                LexBound::Included(min) | LexBound::Excluded(min),
                LexBound::Included(max) | LexBound::Excluded(max),
            ) => min >= max,
        }
    }

    /// The places of the members inside, of members in order of their scores.
    ///
    /// That is well defined where all scores are equal. Where they are not, the members of a small sorted set that count
    /// are those that Redis finds: from the first inside, walking in the direction asked for, to the next outside.
    pub(super) fn places(&self, members: &[Element<'_>], reverse: bool) -> std::ops::Range<usize> {
        let is_below = |member: &Element<'_>| self.is_below(member.bytes(&mut IntegerDigits::new()));
        let is_above = |member: &Element<'_>| self.is_above(member.bytes(&mut IntegerDigits::new()));
        let (Some(first), Some(last)) = (members.first(), members.last()) else { return 0..0 };
        if self.is_empty() || is_below(last) || is_above(first) {
            return 0..0;
        }
        if reverse {
            let end = members.iter().rposition(|member| !is_above(member)).map_or(0, |last| last + 1);
            let start = members[..end].iter().rposition(is_below).map_or(0, |below| below + 1);
            start..end
        } else {
            let start = members.iter().position(|member| !is_below(member)).unwrap_or(members.len());
            let inside = members[start..].iter().position(is_above);
            start..inside.map_or(members.len(), |inside| start + inside)
        }
    }
}
