//! The ledger: how many bytes of each segment are live, and who still reads it.
//!
//! Live bytes are exact: a record's bytes are added when it is given a location and taken off when the index
//! gives it up. A reader pins the segment before it lets go of the shard's lock, so a location that it took from
//! the index stays what it was until the reader has checked what it read: no segment is reused while pinned.
//!
//! The ledger also keeps the aliases: records whose key is not the one they were written under, because the
//! key was renamed or moved to another database while its value was on the SSD. There are few, and gc ends
//! an alias when it rewrites the record.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::index::Location;
use crate::shard::keyspace::KeyspaceId;
use crate::tier::ssd::record::RecordSalt;

/// The name under which the index knows a record that was written under another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alias {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Box<[u8]>,
}

#[derive(Default)]
struct SegmentUse {
    live_bytes: AtomicU32,
    pins: AtomicU32,
    /// What the checksums of the segment's records were salted with.
    salt: AtomicU32,
}

/// Live bytes and pins of all segments, and aliases of renamed records.
#[derive(Default)]
pub(crate) struct Ledger {
    segments: Box<[SegmentUse]>,
    live_bytes: AtomicU64,
    live_records: AtomicU64,
    aliases: Mutex<HashMap<Location, Alias>>,
    alias_count: AtomicUsize,
}

impl Ledger {
    pub(crate) fn new(segment_count: u32) -> Self {
        Self { segments: (0..segment_count).map(|_| SegmentUse::default()).collect(), ..Self::default() }
    }

    /// A record was given this location.
    pub(crate) fn claim(&self, location: Location) {
        let bytes = location.length_bytes();
        self.segment(location).live_bytes.fetch_add(bytes as u32, Ordering::Relaxed);
        self.live_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.live_records.fetch_add(1, Ordering::Relaxed);
    }

    /// The index has given the record up.
    pub(crate) fn release(&self, location: Location) {
        let bytes = location.length_bytes();
        let before = self.segment(location).live_bytes.fetch_sub(bytes as u32, Ordering::Release);
        assert!(u64::from(before) >= bytes, "a record is released once");
        self.live_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.live_records.fetch_sub(1, Ordering::Relaxed);
        if self.alias_count.load(Ordering::Relaxed) > 0 && self.aliases.lock().remove(&location).is_some() {
            self.alias_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn segment_live_bytes(&self, segment: u32) -> u64 {
        u64::from(self.segments[segment as usize].live_bytes.load(Ordering::Acquire))
    }

    /// Bytes of all records the index refers to.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// How many records the index refers to.
    #[cfg(test)]
    pub(crate) fn live_records(&self) -> u64 {
        self.live_records.load(Ordering::Relaxed)
    }

    /// A new life of the segment begins: its records are salted with this.
    pub(crate) fn set_salt(&self, segment: u32, salt: RecordSalt) {
        self.segments[segment as usize].salt.store(salt.0, Ordering::Release);
    }

    /// What the segment's records are salted with. The caller has the segment pinned, or is the one who frees
    /// it.
    pub(crate) fn salt(&self, segment: u32) -> RecordSalt {
        RecordSalt(self.segments[segment as usize].salt.load(Ordering::Acquire))
    }

    /// Keeps the location's segment from being reused. The caller holds the lock of the shard that it took the
    /// location from.
    pub(crate) fn pin(&self, location: Location) {
        self.segment(location).pins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unpin(&self, location: Location) {
        let before = self.segment(location).pins.fetch_sub(1, Ordering::Release);
        assert!(before > 0, "a segment is unpinned as often as it was pinned");
    }

    pub(crate) fn is_pinned(&self, segment: u32) -> bool {
        self.segments[segment as usize].pins.load(Ordering::Acquire) > 0
    }

    /// The record at `location` is known under another name from now on.
    pub(crate) fn set_alias(&self, location: Location, alias: Alias) {
        if self.aliases.lock().insert(location, alias).is_none() {
            self.alias_count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The name under which the index knows this record, where it is not the one it was written under.
    pub(crate) fn alias(&self, location: Location) -> Option<Alias> {
        if self.alias_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.aliases.lock().get(&location).cloned()
    }

    fn segment(&self, location: Location) -> &SegmentUse {
        &self.segments[location.segment() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_ends_with_its_record() {
        let ledger = Ledger::new(4);
        let location = Location::new(2, 64, 128);
        ledger.claim(location);
        assert_eq!((ledger.segment_live_bytes(2), ledger.live_records()), (128, 1));
        let alias = Alias { keyspace: 7, key: b"new"[..].into() };
        ledger.set_alias(location, alias.clone());
        assert_eq!(ledger.alias(location), Some(alias));
        ledger.release(location);
        assert_eq!(ledger.alias(location), None);
        assert_eq!((ledger.segment_live_bytes(2), ledger.live_records()), (0, 0));
    }
}
