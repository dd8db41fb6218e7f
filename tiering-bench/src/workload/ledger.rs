//! Which versions of a key a read may return: the memory that turns "a valid value" into "no write was lost".
//!
//! A read that starts after a write was acknowledged must return that write's version or a later one. Two writes
//! of one key that are in flight together may take effect in either order, so only after all of a group of
//! overlapping writes were acknowledged is something certain: that the value is one of the group. The floor then
//! rises to the group's first version. Nothing sound is ever reported; a lost write within one overlapping group
//! may be missed.

/// Versions that were written and acknowledged, per key. 12 bytes a key.
#[derive(Debug)]
pub struct VersionLedger {
    keys: Vec<KeyVersions>,
}

#[derive(Clone, Copy, Debug)]
struct KeyVersions {
    /// A read that starts now must not return less.
    floor: u32,
    /// The last version that was given out.
    last: u32,
    /// Writes given out and not yet answered.
    in_flight: u16,
    /// How many writes the current group of overlapping writes has had; its first version is `last - group + 1`.
    group: u16,
}

/// The version of a write whose group can grow no more, so that its key is left alone for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyInFlight;

const _: () = assert!(size_of::<KeyVersions>() == 12);

/// What stands for "this group had a failed write" in `group`: the group tells nothing then.
const TAINTED: u16 = u16::MAX;

impl VersionLedger {
    /// Knows that every one of `keys` keys was loaded at `loaded_version`, or nothing if that is 0.
    pub fn new(keys: u64, loaded_version: u32) -> Self {
        let key = KeyVersions { floor: loaded_version, last: loaded_version, in_flight: 0, group: 0 };
        Self { keys: vec![key; keys as usize] }
    }

    /// The lowest version that a read of key `index`, sent now, may return. 0 also allows a miss.
    #[inline]
    pub fn floor(&self, index: u64) -> u32 {
        self.keys[index as usize].floor
    }

    /// The version that a write of key `index`, sent now, carries.
    ///
    /// # Errors
    ///
    /// If the key has had so many overlapping writes that their group cannot be counted: write another key.
    #[inline]
    pub fn begin_write(&mut self, index: u64) -> Result<u32, TooManyInFlight> {
        let key = &mut self.keys[index as usize];
        if key.in_flight == 0 {
            key.group = 0;
        }
        if key.group >= TAINTED - 1 && key.group != TAINTED || key.in_flight == u16::MAX {
            return Err(TooManyInFlight);
        }
        key.last += 1;
        key.in_flight += 1;
        if key.group != TAINTED {
            key.group += 1;
        }
        Ok(key.last)
    }

    /// A write of key `index` was answered; `stored` is false for an error, which says nothing about the value.
    #[inline]
    pub fn end_write(&mut self, index: u64, stored: bool) {
        let key = &mut self.keys[index as usize];
        assert!(key.in_flight > 0, "an answer to a write of key {index} that was never sent");
        key.in_flight -= 1;
        if !stored {
            key.group = TAINTED;
        }
        if key.in_flight == 0 && key.group != TAINTED {
            key.floor = key.last - u32::from(key.group) + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledged_write_raises_the_floor() {
        let mut ledger = VersionLedger::new(1, 1);
        assert_eq!(ledger.begin_write(0), Ok(2));
        assert_eq!(ledger.floor(0), 1, "a read that overtakes the write may see the old version");
        ledger.end_write(0, true);
        assert_eq!(ledger.floor(0), 2);
    }

    #[test]
    fn overlapping_writes_may_take_effect_in_either_order() {
        let mut ledger = VersionLedger::new(1, 1);
        assert_eq!((ledger.begin_write(0), ledger.begin_write(0)), (Ok(2), Ok(3)));
        ledger.end_write(0, true);
        assert_eq!(ledger.floor(0), 1);
        assert_eq!(ledger.begin_write(0), Ok(4), "the group is still open: version 2 may end up last");
        ledger.end_write(0, true);
        ledger.end_write(0, true);
        assert_eq!(ledger.floor(0), 2);
        assert_eq!(ledger.begin_write(0), Ok(5));
        ledger.end_write(0, true);
        assert_eq!(ledger.floor(0), 5);
    }

    #[test]
    fn a_refused_write_leaves_the_floor_where_it_was() {
        let mut ledger = VersionLedger::new(2, 1);
        ledger.begin_write(0).expect("room");
        ledger.begin_write(0).expect("room");
        ledger.end_write(0, false);
        ledger.end_write(0, true);
        assert_eq!(ledger.floor(0), 1);
        ledger.begin_write(0).expect("room");
        ledger.end_write(0, true);
        assert_eq!(ledger.floor(0), 4, "the next group is clean again");
        assert_eq!(ledger.floor(1), 1, "other keys are not touched");
    }

    #[test]
    fn a_group_too_large_to_count_is_refused() {
        let mut ledger = VersionLedger::new(1, 0);
        let given = (0..100_000).take_while(|_| ledger.begin_write(0).is_ok()).count();
        assert_eq!(given, usize::from(TAINTED) - 1);
        (0..given).for_each(|_| ledger.end_write(0, true));
        assert_eq!(ledger.floor(0), 1);
        assert_eq!(ledger.begin_write(0), Ok(given as u32 + 1));
    }
}
