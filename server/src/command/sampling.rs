//! Random members of a collection: SPOP, SRANDMEMBER, HRANDFIELD.

use std::collections::HashSet;
use std::hash::Hash;

use rand::seq::SliceRandom;

use super::Failure;
use super::arguments::integer;

/// Collections of up to this many members are looked at as a whole, however few are wanted.
const SMALL: usize = 64;
/// So are those of which at least one in so many is wanted: drawing members again and again would take longer.
const LARGE_PART: usize = 3;

/// How many members a client wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sample {
    /// So many, each once; all, where there are fewer.
    Distinct(usize),
    /// So many draws: some may come twice.
    Repeated(usize),
}

impl Sample {
    /// Reads a count, which asks for repetition where it is negative.
    ///
    /// # Errors
    /// Redis' where it is no such number.
    pub(crate) fn parse(argument: &[u8]) -> Result<Self, Failure> {
        match integer(argument)? {
            i64::MIN => Err(Failure::error(format!(
                "ERR value is out of range, value must between {} and {}",
                -i64::MAX,
                i64::MAX
            ))),
            count @ ..0 => Ok(Self::Repeated(usize::try_from(-count).unwrap_or(usize::MAX))),
            count => Ok(Self::Distinct(usize::try_from(count).unwrap_or(usize::MAX))),
        }
    }
}

/// `count` different members of `length`, which are more: `all` tells them, or `one` any of them.
pub(crate) fn distinct<T: Copy + Eq + Hash>(
    length: usize,
    count: usize,
    all: impl FnOnce() -> Vec<T>,
    mut one: impl FnMut() -> T,
) -> Vec<T> {
    if length <= SMALL || count >= length / LARGE_PART {
        let mut members = all();
        members.partial_shuffle(&mut rand::rng(), count);
        // What was drawn is at the end.
        members.split_off(members.len() - count.min(members.len()))
    } else {
        let mut seen = HashSet::with_capacity(count);
        let mut members = Vec::with_capacity(count);
        while members.len() < count {
            let member = one();
            if seen.insert(member) {
                members.push(member);
            }
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_each_member_once() {
        for length in [2usize, 10, 64, 65, 1000] {
            for count in [1, 2, length / 4, length / 2, length - 1] {
                let mut next = 0;
                let one = || {
                    next += 1;
                    next / 2 % length
                };
                let sample = distinct(length, count, || (0..length).collect(), one);
                assert_eq!(sample.len(), count);
                assert_eq!(sample.iter().collect::<HashSet<_>>().len(), count);
                assert!(sample.iter().all(|&member| member < length));
            }
        }
    }

    #[test]
    fn every_member_is_drawn_now_and_then() {
        let mut drawn = [0; 5];
        for _ in 0..1000 {
            let sample = distinct(5, 2, || (0..5usize).collect(), || unreachable!("few members"));
            sample.into_iter().for_each(|member| drawn[member] += 1);
        }
        assert!(drawn.iter().all(|&times| times > 250), "{drawn:?}");
    }

    #[test]
    fn a_negative_count_asks_for_repetition() {
        assert_eq!(Sample::parse(b"3"), Ok(Sample::Distinct(3)));
        assert_eq!(Sample::parse(b"-3"), Ok(Sample::Repeated(3)));
        assert_eq!(Sample::parse(b"x"), Err(Failure::NOT_AN_INTEGER));
        assert!(Sample::parse(b"-9223372036854775808").is_err());
    }
}
