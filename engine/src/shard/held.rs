//! Locked shards: a command's own, or those that a transaction or script holds while it runs several commands.

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::Shard;

/// Locked shards with their numbers, which ascend.
pub(crate) type Guards<'a> = SmallVec<[(usize, MutexGuard<'a, Shard>); 1]>;

/// Shards that somebody holds, by their place among them.
pub(crate) trait HeldShards {
    /// The place of the shard with this number.
    fn position(&self, number: usize) -> Option<usize>;
    /// The number of the shard at a place.
    fn number(&self, place: usize) -> usize;
    fn is_empty(&self) -> bool;
    fn at(&self, place: usize) -> &Shard;
    fn at_mut(&mut self, place: usize) -> &mut Shard;
}

/// The shards that a command works on.
pub(crate) enum Shards<'a> {
    /// Locked for it.
    Own(Guards<'a>),
    /// Held by somebody who runs several commands.
    Held(&'a mut dyn HeldShards),
}

impl HeldShards for Shards<'_> {
    #[inline]
    fn position(&self, number: usize) -> Option<usize> {
        match self {
            Self::Own(guards) => match guards.as_slice() {
                [(only, _)] => (*only == number).then_some(0),
                many => many.binary_search_by_key(&number, |(number, _)| *number).ok(),
            },
            Self::Held(held) => held.position(number),
        }
    }

    #[inline]
    fn number(&self, place: usize) -> usize {
        match self {
            Self::Own(guards) => guards[place].0,
            Self::Held(held) => held.number(place),
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        match self {
            Self::Own(guards) => guards.is_empty(),
            Self::Held(held) => held.is_empty(),
        }
    }

    #[inline]
    fn at(&self, place: usize) -> &Shard {
        match self {
            Self::Own(guards) => &guards[place].1,
            Self::Held(held) => held.at(place),
        }
    }

    #[inline]
    fn at_mut(&mut self, place: usize) -> &mut Shard {
        match self {
            Self::Own(guards) => &mut guards[place].1,
            Self::Held(held) => held.at_mut(place),
        }
    }
}
