//! The small form: a pack of members and scores in order, behind how many members there are.
//!
//! ```text
//! members (2 bytes, little-endian) | member | score | member | score | ...
//! ```

use std::ops::Range;

use super::MAX_SMALL_MEMBERS;
use super::packed_score::{PackedScore, unpack};
use crate::value::element::Encoded;
use crate::value::pack::{Pack, PackEditor};
use crate::value::{Element, IntegerDigits};

/// How long the number of members is.
const HEADER_BYTES: usize = 2;

/// The bytes of a small sorted set, for reading.
#[derive(Clone, Copy)]
pub(super) struct Small<'a> {
    /// The number of members included: positions count from it.
    bytes: &'a [u8],
}

impl<'a> Small<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes of a sorted set of no members.
    pub(super) fn empty() -> Box<[u8]> {
        Box::new([0; HEADER_BYTES])
    }

    /// `None` unless these are the bytes of a sorted set of one member at least.
    pub(super) fn check(bytes: &'a [u8]) -> Option<Self> {
        let (header, pack) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let elements = Pack::check(pack)?;
        if elements == 0 || elements != 2 * usize::from(u16::from_le_bytes(*header)) {
            return None;
        }
        let mut last: Option<(f64, Element<'_>)> = None;
        let mut elements = Pack::new(pack).iter();
        while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
            let score = unpack(score)?;
            let is_next = last.is_none_or(|(last_score, last_member)| {
                last_score < score || last_score == score && is_less(last_member, member)
            });
            if !is_next {
                return None;
            }
            last = Some((score, member));
        }
        Some(Self { bytes })
    }

    pub(super) fn len(self) -> usize {
        let header = self.bytes.first_chunk::<HEADER_BYTES>().expect("a sorted set has its length");
        usize::from(u16::from_le_bytes(*header))
    }

    pub(super) fn score(self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|at| self.score_of(at))
    }

    pub(super) fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        let at = self.find(member)?;
        let (mut before, mut rank) = (HEADER_BYTES, 0);
        while before < at {
            before = self.pack().after(self.pack().after(before));
            rank += 1;
        }
        Some((rank, self.score_of(at)))
    }

    /// Members in order, from the first.
    pub(super) fn iter(self) -> SmallIter<'a> {
        SmallIter { small: self, at: HEADER_BYTES }
    }

    /// Members in order, from this place on.
    pub(super) fn iter_from(self, rank: usize) -> SmallIter<'a> {
        SmallIter { small: self, at: self.position(rank) }
    }

    fn pack(self) -> Pack<'a> {
        Pack::new(self.bytes)
    }

    /// Where the member at this place begins.
    fn position(self, rank: usize) -> usize {
        let mut at = HEADER_BYTES;
        for _ in 0..rank {
            at = self.pack().after(self.pack().after(at));
        }
        at
    }

    /// Where a member begins.
    fn find(self, member: &[u8]) -> Option<usize> {
        self.pack().find(&Encoded::new(member), HEADER_BYTES, 2)
    }

    /// The score of the member that begins here.
    fn score_of(self, at: usize) -> f64 {
        let (score, _) = self.pack().get(self.pack().after(at)).expect("a member is followed by its score");
        unpack(score).expect("a score is one")
    }

    /// Where a member with this score belongs.
    fn place(self, score: f64, member: &[u8]) -> usize {
        let mut iter = self.iter();
        loop {
            let at = iter.at;
            let Some((other, other_score)) = iter.next() else { return at };
            let is_before = other_score < score
                || other_score == score && *other.bytes(&mut IntegerDigits::new()) < *member;
            if !is_before {
                return at;
            }
        }
    }
}

/// Members of a small sorted set in order.
#[derive(Clone)]
pub(super) struct SmallIter<'a> {
    small: Small<'a>,
    at: usize,
}

impl<'a> Iterator for SmallIter<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let pack = self.small.pack();
        let (member, score_at) = pack.get(self.at)?;
        let (score, end) = pack.get(score_at).expect("a member is followed by its score");
        self.at = end;
        Some((member, unpack(score).expect("a score is one")))
    }
}

/// Gives a member a score; returns the one it had.
///
/// # Panics
/// If there would be more than [`MAX_SMALL_MEMBERS`].
pub(super) fn insert(bytes: &mut Box<[u8]>, member: &[u8], score: f64) -> Option<f64> {
    let small = Small::new(bytes);
    let found = small.find(member);
    let old = found.map(|at| small.score_of(at));
    if old == Some(score) {
        return old;
    }
    let (packed, len) = (PackedScore::new(score), small.len());
    let mut pack = std::mem::take(bytes).into_vec();
    if let Some(at) = found {
        PackEditor::<false>(&mut pack).remove(at, 2);
    } else {
        set_len(&mut pack, len + 1);
    }
    let at = Small::new(&pack).place(score, member);
    PackEditor::<false>(&mut pack).insert(at, &[Encoded::new(member), packed.encoded()]);
    *bytes = pack.into_boxed_slice();
    old
}

/// Takes a member out; returns its score.
pub(super) fn remove(bytes: &mut Box<[u8]>, member: &[u8]) -> Option<f64> {
    let small = Small::new(bytes);
    let at = small.find(member)?;
    let score = small.score_of(at);
    remove_from(bytes, at, 1);
    Some(score)
}

/// Takes the members at these places out.
pub(super) fn remove_range(bytes: &mut Box<[u8]>, ranks: Range<usize>) {
    let at = Small::new(bytes).position(ranks.start);
    remove_from(bytes, at, ranks.len());
}

/// Takes so many members out, from the one that begins at `at` on.
fn remove_from(bytes: &mut Box<[u8]>, at: usize, members: usize) {
    let len = Small::new(bytes).len();
    let mut pack = std::mem::take(bytes).into_vec();
    PackEditor::<false>(&mut pack).remove(at, 2 * members);
    set_len(&mut pack, len - members);
    *bytes = pack.into_boxed_slice();
}

fn set_len(bytes: &mut [u8], len: usize) {
    assert!(len <= MAX_SMALL_MEMBERS);
    bytes[..HEADER_BYTES].copy_from_slice(&(len as u16).to_le_bytes());
}

fn is_less(one: Element<'_>, other: Element<'_>) -> bool {
    *one.bytes(&mut IntegerDigits::new()) < *other.bytes(&mut IntegerDigits::new())
}
