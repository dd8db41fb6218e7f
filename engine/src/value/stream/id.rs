//! The ids of entries: a time in milliseconds, and a number that tells entries of one millisecond apart.

/// The id of an entry. Ids are ordered by time, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId {
    /// Unix time in milliseconds, or whatever the client makes of it.
    pub ms: u64,
    /// The number within the millisecond.
    pub sequence: u64,
}

impl StreamId {
    /// The lowest id, 0-0. No entry has it.
    pub const MIN: Self = Self { ms: 0, sequence: 0 };
    /// The highest id.
    pub const MAX: Self = Self { ms: u64::MAX, sequence: u64::MAX };

    /// An id of these two numbers.
    pub const fn new(ms: u64, sequence: u64) -> Self {
        Self { ms, sequence }
    }

    /// The id right after this one; `None` after the highest.
    pub fn next(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, sequence: 0 }),
        }
    }

    /// The id right before this one; `None` before the lowest.
    pub fn previous(self) -> Option<Self> {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, sequence: u64::MAX }),
        }
    }

    /// The id that an entry gets at a time, after one of id `last`; `None` if there are no more ids.
    pub fn at_time(now_ms: u64, last: Self) -> Option<Self> {
        if now_ms > last.ms { Some(Self::new(now_ms, 0)) } else { last.next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_carry_over_into_the_milliseconds() {
        for (id, next) in [
            (StreamId::MIN, StreamId::new(0, 1)),
            (StreamId::new(3, u64::MAX), StreamId::new(4, 0)),
            (StreamId::new(u64::MAX, 7), StreamId::new(u64::MAX, 8)),
        ] {
            assert_eq!(id.next(), Some(next));
            assert_eq!(next.previous(), Some(id));
        }
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
    }

    #[test]
    fn ids_by_the_clock_always_ascend() {
        let last = StreamId::new(100, 5);
        assert_eq!(StreamId::at_time(101, last), Some(StreamId::new(101, 0)));
        assert_eq!(StreamId::at_time(100, last), Some(StreamId::new(100, 6)));
        assert_eq!(StreamId::at_time(1, last), Some(StreamId::new(100, 6)));
        assert_eq!(StreamId::at_time(1, StreamId::MAX), None);
    }
}
