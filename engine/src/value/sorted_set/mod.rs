//! Sorted sets: small ones in a pack, large ones in a tree with a table beside it.
//!
//! * `small`: the pack; `packed_score`: how scores are stored in it.
//! * `large`: a table from member to slot (the members, `slots`) and a tree over the slots (`order`).
//! * `range`: ranges of scores and of members.
//!
//! Members are in order of their scores, and of their bytes where scores are equal. A member's *rank* is its place in that order,
//! from 0. No score is NaN. As in Redis, large sorted sets tell -0 from 0 when they show it, and small ones do not.
//!
//! The payload of a record is what a small sorted set is in DRAM, or for a large one, in order, each score (8 bytes), the
//! member's length (4 bytes), and the member, all numbers little-endian.

mod large;
mod order;
mod packed_score;
mod range;
mod slots;
mod small;
#[cfg(test)]
mod tests;

use std::iter::Take;
use std::ops::Range;

use super::{Element, Encoding, IntegerDigits, PackLimits, allocation_bytes};
use large::{Large, LargeRange};
pub use range::{LexBound, LexRange, ScoreRange};
use small::{Small, SmallIter};

/// The most members of the small form, whatever the settings: their number is kept in two bytes.
const MAX_SMALL_MEMBERS: usize = u16::MAX as usize;

/// A sorted set value.
#[derive(Clone)]
pub struct SortedSetValue(Form);

#[derive(Clone)]
enum Form {
    Small(Box<[u8]>),
    Large(Box<Large>),
}

impl SortedSetValue {
    /// Without members, so far.
    pub fn new() -> Self {
        Self(Form::Small(Small::empty()))
    }

    /// With these members; of one that comes several times, the last score counts.
    ///
    /// # Panics
    /// If a score is NaN.
    pub fn from_members<M: AsRef<[u8]>>(members: &[(M, f64)], limits: PackLimits) -> Self {
        let mut set = Self::new();
        let is_long = |(member, _): &(M, f64)| member.as_ref().len() > limits.element_bytes;
        if members.len() > limits.entries || members.iter().any(is_long) {
            set.grow();
        }
        for (member, score) in members {
            set.insert(member.as_ref(), *score, limits);
        }
        set
    }

    /// Asks for the memory that look-ups of members with these hashes will touch, if they are many.
    pub(crate) fn warm_members(&self, hashes: &[u64]) {
        if let Form::Large(large) = &self.0 {
            large.warm(hashes);
        }
    }

    /// How `OBJECT ENCODING` names the representation.
    pub fn encoding(&self) -> Encoding {
        match self.0 {
            Form::Small(_) => Encoding::ListPack,
            Form::Large(_) => Encoding::SkipList,
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(bytes) => Small::new(bytes).len(),
            Form::Large(large) => large.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Small(bytes) => Small::new(bytes).score(member),
            Form::Large(large) => large.score(member),
        }
    }

    /// The rank of a member, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Small(bytes) => Small::new(bytes).rank(member),
            Form::Large(large) => large.rank(member),
        }
    }

    /// Gives a member a score; returns the one it had. A new member beyond the limits makes a small sorted set large, and it
    /// stays so.
    ///
    /// # Panics
    /// If the score is NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: PackLimits) -> Option<f64> {
        assert!(!score.is_nan());
        if let Form::Small(bytes) = &self.0 {
            let small = Small::new(bytes);
            let is_full = small.len() >= limits.entries.min(MAX_SMALL_MEMBERS);
            if (is_full || member.len() > limits.element_bytes) && small.score(member).is_none() {
                self.grow();
            }
        }
        match &mut self.0 {
            Form::Small(bytes) => small::insert(bytes, member, score),
            Form::Large(large) => large.insert(member, score),
        }
    }

    /// Makes a small sorted set large.
    pub fn grow(&mut self) {
        if let Form::Small(bytes) = &self.0 {
            let mut large = Large::new();
            for (member, score) in Small::new(bytes).iter() {
                large.insert(member.bytes(&mut IntegerDigits::new()), score);
            }
            self.0 = Form::Large(Box::new(large));
        }
    }

    /// Takes a member out; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Small(bytes) => small::remove(bytes, member),
            Form::Large(large) => large.remove(member),
        }
    }

    /// Takes the members of these ranks out.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        assert!(ranks.end <= self.len());
        match &mut self.0 {
            _ if ranks.is_empty() => {}
            Form::Small(bytes) => small::remove_range(bytes, ranks),
            Form::Large(large) => large.remove_range(ranks),
        }
    }

    /// The ranks of the members whose scores are in a range.
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let (start, end) = match &self.0 {
            Form::Small(bytes) => {
                let scores = || Small::new(bytes).iter().map(|(_, score)| score);
                let start = scores().take_while(|&score| range.is_below(score)).count();
                (start, scores().take_while(|&score| !range.is_above(score)).count())
            }
            Form::Large(large) => (
                large.partition_point_by_score(|score| range.is_below(score)),
                large.partition_point_by_score(|score| !range.is_above(score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of the members in a range of members, meant for sorted sets whose scores are all equal: see
    /// `LexRange::places` for others, where `reverse` matters.
    pub fn ranks_by_lex(&self, range: &LexRange<'_>, reverse: bool) -> Range<usize> {
        match &self.0 {
            Form::Small(bytes) => {
                let members: Vec<Element<'_>> = Small::new(bytes).iter().map(|(member, _)| member).collect();
                range.places(&members, reverse)
            }
            Form::Large(large) => {
                let start = large.partition_point(|_, member| range.is_below(member));
                let end = large.partition_point(|_, member| !range.is_above(member));
                start..end.max(start)
            }
        }
    }

    /// The members of these ranks, in order or from the last to the first.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn range(&self, ranks: Range<usize>, reverse: bool) -> Members<'_> {
        assert!(ranks.start <= ranks.end && ranks.end <= self.len());
        Members(match (&self.0, reverse) {
            (Form::Small(bytes), false) => {
                Walk::Small(Small::new(bytes).iter_from(ranks.start).take(ranks.len()))
            }
            (Form::Small(bytes), true) => {
                let members = Small::new(bytes).iter_from(ranks.start).take(ranks.len());
                Walk::Collected(members.collect())
            }
            (Form::Large(large), false) => Walk::Large(large.range(ranks)),
            (Form::Large(large), true) => Walk::LargeReversed(large.range(ranks)),
        })
    }

    /// All members in order.
    pub fn iter(&self) -> Members<'_> {
        self.range(0..self.len(), false)
    }

    /// Member number `index` in no particular order, found in constant time in large sorted sets: for drawing at random.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn any(&self, index: usize) -> (Element<'_>, f64) {
        match &self.0 {
            Form::Small(bytes) => {
                Small::new(bytes).iter_from(index).next().expect("an index below the length")
            }
            Form::Large(large) => large.any(index),
        }
    }

    /// Shows members from a cursor on, at least `count` unless the end comes first, and returns the next cursor, 0 at the end.
    /// All of a small sorted set are shown at once.
    pub fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(Element<'_>, f64)) -> u64 {
        match &self.0 {
            Form::Small(bytes) => {
                Small::new(bytes).iter().for_each(|(member, score)| each(member, score));
                0
            }
            Form::Large(large) => large.scan(cursor, count, each),
        }
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(bytes) => allocation_bytes(bytes.len()),
            Form::Large(large) => large.heap_bytes(),
        }
    }

    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Small(bytes) => Some(bytes),
            Form::Large(_) => None,
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(bytes) => bytes.len(),
            Form::Large(large) => large.payload_bytes(),
        }
    }

    /// See [`encode_piece`](super::codec::encode_piece).
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        match &self.0 {
            Form::Small(bytes) => {
                out.extend_from_slice(bytes);
                None
            }
            Form::Large(large) => large.encode_piece(position, out),
        }
    }

    pub(super) fn decode(encoding: Encoding, payload: &[u8]) -> Option<Self> {
        Some(Self(match encoding {
            Encoding::ListPack => {
                Small::check(payload)?;
                Form::Small(payload.into())
            }
            Encoding::SkipList if !payload.is_empty() => Form::Large(Box::new(Large::decode(payload)?)),
            _ => return None,
        }))
    }
}

impl Default for SortedSetValue {
    fn default() -> Self {
        Self::new()
    }
}

/// The same members with the same scores in the same representation; -0 and 0 are told apart.
impl PartialEq for SortedSetValue {
    fn eq(&self, other: &Self) -> bool {
        let own = |set: &Self| -> Vec<(Vec<u8>, u64)> {
            set.iter().map(|(member, score)| (member.to_vec(), score.to_bits())).collect()
        };
        self.encoding() == other.encoding() && self.len() == other.len() && own(self) == own(other)
    }
}

impl Eq for SortedSetValue {}

impl std::fmt::Debug for SortedSetValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.iter().map(|(member, score)| (member.to_vec().escape_ascii().to_string(), score));
        write!(f, "{}", self.encoding().name())?;
        f.debug_map().entries(members).finish()
    }
}

/// Members of a sorted set with their scores, in the order asked for.
pub struct Members<'a>(Walk<'a>);

enum Walk<'a> {
    Small(Take<SmallIter<'a>>),
    /// In the opposite of the order asked for.
    Collected(Vec<(Element<'a>, f64)>),
    Large(LargeRange<'a>),
    LargeReversed(LargeRange<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Small(members) => members.next(),
            Walk::Collected(members) => members.pop(),
            Walk::Large(members) => members.next(),
            Walk::LargeReversed(members) => members.next_back(),
        }
    }
}
