//! Extendible hashing from a key's hash to its entry's handle.
//!
//! A directory, indexed by the leading bits of the hash, names segments of 64 buckets; a bucket is one
//! cache line of 12 tags and 12 handles. A full segment splits in two, which touches that segment only
//! and costs some tens of microseconds at most: there is no other growth step but doubling the directory,
//! 4 bytes per segment. Segments that have become nearly empty merge with their sibling.
//!
//! An entry belongs to the *home* bucket that the low bits of its hash name, or to one of the buckets
//! right after it when that is full. A bucket counts the entries that call it home and live elsewhere, and
//! knows how far away the farthest may be, so that a look-up nearly always ends at the home bucket.
//!
//! An insert that would put an entry more than [`SPLIT_BEYOND`] buckets from its home splits the segment.
//! Splitting and merging place entries at any distance: what fits by count always fits.

use wide::u8x16;

use super::entry::Handle;

/// Handles in a bucket: 12 tags, a count and 12 handles fill one cache line.
const SLOTS: usize = 12;
const BUCKETS: usize = 64;
/// An entry that finds no room this near to its home bucket makes its segment split.
const SPLIT_BEYOND: usize = 5;
/// A segment of fewer entries looks for a sibling to merge with.
const MERGE_BELOW: u16 = 96;
/// Two siblings merge only if together they leave the segment this empty, so that they do not soon split again.
const MERGED_AT_MOST: u16 = 400;
/// The directory's bits end here; hash bits above are the shard's, and below are the bucket's and the tag's.
const MAX_DEPTH: u32 = 24;
/// Where, among a bucket's tags, it counts the entries that call it home and live elsewhere.
const DISPLACED: usize = SLOTS;
/// Where it keeps a bound on how far away they live.
const REACH: usize = SLOTS + 1;

/// A key's hash, without the bits that chose the shard: they are shifted out at the top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableHash(pub(crate) u64);

impl TableHash {
    fn segment_slot(self, depth: u32) -> usize {
        if depth == 0 { 0 } else { (self.0 >> (64 - depth)) as usize }
    }

    pub(crate) fn bucket(self) -> usize {
        // Bits well below the directory's; the shard shifted at most 10 zero bits in at the bottom.
        (self.0 >> 12) as usize & (BUCKETS - 1)
    }

    fn tag(self) -> u8 {
        (self.0 >> 18) as u8
    }
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Bucket {
    /// Twelve tags, the count and the reach of displaced entries, two unused bytes.
    tags: [u8; 16],
    /// Zero is a free slot.
    handles: [u32; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    const EMPTY: Self = Self { tags: [0; 16], handles: [0; SLOTS] };

    #[inline]
    fn matches(&self, tag: u8) -> u32 {
        u8x16::new(self.tags).cmp_eq(u8x16::splat(tag)).move_mask() as u32 & ((1 << SLOTS) - 1)
    }

    fn free_slot(&self) -> Option<usize> {
        self.handles.iter().position(|&handle| handle == 0)
    }

    /// How many buckets after this one may have entries that call this one home.
    #[inline]
    fn reach(&self) -> usize {
        usize::from(self.tags[REACH])
    }

    fn entry_displaced(&mut self, distance: usize) {
        self.tags[DISPLACED] = self.tags[DISPLACED].checked_add(1).expect("few entries share a home bucket");
        self.tags[REACH] = self.tags[REACH].max(distance as u8);
    }

    fn displaced_entry_removed(&mut self) {
        self.tags[DISPLACED] -= 1;
        if self.tags[DISPLACED] == 0 {
            self.tags[REACH] = 0;
        }
    }
}

struct Segment {
    buckets: Box<[Bucket; BUCKETS]>,
    /// The leading bits that all hashes of this segment share, left-aligned, and how many they are.
    prefix: u64,
    depth: u32,
    entries: u16,
    /// No entry of this segment expires before this; `u64::MAX` where none has an expiry.
    earliest_expiry_ms: u64,
}

impl Segment {
    fn new(prefix: u64, depth: u32, earliest_expiry_ms: u64) -> Self {
        Self { buckets: Box::new([Bucket::EMPTY; BUCKETS]), prefix, depth, entries: 0, earliest_expiry_ms }
    }

    /// Puts a handle that is not there yet at most `farthest` buckets from its home; false where there is
    /// no room.
    fn place(&mut self, hash: TableHash, handle: Handle, farthest: usize) -> bool {
        let home = hash.bucket();
        for distance in 0..=farthest {
            let bucket = &mut self.buckets[(home + distance) % BUCKETS];
            let Some(slot) = bucket.free_slot() else { continue };
            bucket.handles[slot] = handle.bits();
            bucket.tags[slot] = hash.tag();
            if distance > 0 {
                self.buckets[home].entry_displaced(distance);
            }
            self.entries += 1;
            return true;
        }
        false
    }

    #[inline]
    fn find(&self, hash: TableHash, mut is_it: impl FnMut(Handle) -> bool) -> Option<(usize, usize)> {
        let home = hash.bucket();
        for distance in 0..=self.buckets[home].reach() {
            let at = (home + distance) % BUCKETS;
            let bucket = &self.buckets[at];
            let mut candidates = bucket.matches(hash.tag());
            while candidates != 0 {
                let slot = candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                if let Some(handle) = Handle::from_bits(bucket.handles[slot])
                    && is_it(handle)
                {
                    return Some((at, slot));
                }
            }
        }
        None
    }

    fn range(&self) -> SegmentRange {
        let next_prefix =
            if self.depth == 0 { None } else { self.prefix.checked_add(1 << (64 - self.depth)) };
        SegmentRange { next_prefix }
    }

    fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.buckets.iter().flat_map(|bucket| bucket.handles).filter_map(Handle::from_bits)
    }
}

/// One shard's table of one database.
#[derive(Default)]
pub(crate) struct Table {
    /// For each value of the leading `depth` hash bits, the segment that has its entries.
    directory: Vec<u32>,
    depth: u32,
    segments: Vec<Segment>,
    entries: usize,
}

impl Table {
    /// How many entries the table has.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// DRAM that the table occupies, in bytes.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.segments.len() * size_of::<[Bucket; BUCKETS]>()
            + self.segments.capacity() * size_of::<Segment>()
            + self.directory.capacity() * size_of::<u32>()
    }

    /// The entry with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: TableHash, mut is_it: impl FnMut(Handle) -> bool) -> Option<Handle> {
        let number = *self.directory.get(hash.segment_slot(self.depth))?;
        let segment = &self.segments[number as usize];
        let (at, slot) = segment.find(hash, &mut is_it)?;
        Handle::from_bits(segment.buckets[at].handles[slot])
    }

    /// The bucket that a look-up of this hash begins with.
    #[inline]
    pub(crate) fn home_bucket(&self, hash: TableHash) -> Option<&Bucket> {
        let number = *self.directory.get(hash.segment_slot(self.depth))?;
        Some(&self.segments[number as usize].buckets[hash.bucket()])
    }

    /// An entry that is likely, but not certain, to be the one with this hash.
    #[inline]
    pub(crate) fn candidate(&self, hash: TableHash) -> Option<Handle> {
        let bucket = self.home_bucket(hash)?;
        let matches = bucket.matches(hash.tag());
        if matches == 0 { None } else { Handle::from_bits(bucket.handles[matches.trailing_zeros() as usize]) }
    }

    /// Adds an entry that is not in the table. `hash_of` tells any entry's hash, for splitting.
    pub(crate) fn insert(&mut self, hash: TableHash, handle: Handle, hash_of: impl Fn(Handle) -> TableHash) {
        if self.directory.is_empty() {
            self.segments.push(Segment::new(0, 0, u64::MAX));
            self.directory.push(0);
        }
        loop {
            let number = self.directory[hash.segment_slot(self.depth)];
            let segment = &mut self.segments[number as usize];
            let farthest = if segment.depth < MAX_DEPTH { SPLIT_BEYOND } else { BUCKETS - 1 };
            if segment.place(hash, handle, farthest) {
                self.entries += 1;
                return;
            }
            self.split(number, &hash_of);
        }
    }

    /// Takes an entry out; it must be there.
    pub(crate) fn remove(&mut self, hash: TableHash, handle: Handle, hash_of: impl Fn(Handle) -> TableHash) {
        let slot_in_directory = hash.segment_slot(self.depth);
        let number = self.directory[slot_in_directory];
        let segment = &mut self.segments[number as usize];
        let (at, slot) = segment.find(hash, |other| other == handle).expect("the entry is in the table");
        segment.buckets[at].handles[slot] = 0;
        if at != hash.bucket() {
            segment.buckets[hash.bucket()].displaced_entry_removed();
        }
        segment.entries -= 1;
        self.entries -= 1;
        if segment.entries < MERGE_BELOW && segment.depth > 0 {
            self.merge(number, hash_of);
        }
    }

    /// Puts `new` where `old` is: the same key in another place.
    pub(crate) fn replace(&mut self, hash: TableHash, old: Handle, new: Handle) {
        let number = self.directory[hash.segment_slot(self.depth)];
        let segment = &mut self.segments[number as usize];
        let (at, slot) = segment.find(hash, |other| other == old).expect("the entry is in the table");
        segment.buckets[at].handles[slot] = new.bits();
    }

    /// Lowers the segment's promise of when its first entry expires.
    pub(crate) fn note_expiry(&mut self, hash: TableHash, expiry_ms: u64) {
        let number = self.directory[hash.segment_slot(self.depth)];
        let segment = &mut self.segments[number as usize];
        segment.earliest_expiry_ms = segment.earliest_expiry_ms.min(expiry_ms);
    }

    /// All handles, segment by segment.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        self.segments.iter().flat_map(Segment::handles)
    }

    /// How many segments there are; those of [`Self::segment_handles`] are numbered below this.
    pub(crate) fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// The handles of one segment.
    pub(crate) fn segment_handles(&self, number: usize) -> impl Iterator<Item = Handle> + '_ {
        self.segments[number].handles()
    }

    /// No entry of this segment expires before this time, in unix milliseconds.
    pub(crate) fn segment_earliest_expiry_ms(&self, number: usize) -> u64 {
        self.segments[number].earliest_expiry_ms
    }

    /// Replaces the promise after every entry of the segment was looked at.
    pub(crate) fn set_segment_earliest_expiry_ms(&mut self, number: usize, expiry_ms: u64) {
        self.segments[number].earliest_expiry_ms = expiry_ms;
    }

    /// Visits the entries of one home bucket: the bucket of the segment that has hashes with this prefix
    /// (left-aligned in 64 bits). Tells where the segment ends; `None` if the table is empty.
    pub(crate) fn visit_bucket(
        &self,
        prefix: u64,
        bucket: usize,
        hash_of: impl Fn(Handle) -> TableHash,
        mut visit: impl FnMut(Handle),
    ) -> Option<SegmentRange> {
        let number = *self.directory.get(TableHash(prefix).segment_slot(self.depth))?;
        let segment = &self.segments[number as usize];
        for distance in 0..=segment.buckets[bucket].reach() {
            for handle in segment.buckets[(bucket + distance) % BUCKETS].handles {
                if let Some(handle) = Handle::from_bits(handle)
                    && hash_of(handle).bucket() == bucket
                {
                    visit(handle);
                }
            }
        }
        Some(segment.range())
    }

    /// Visits the entries of the segment that has hashes with this prefix (left-aligned in 64 bits), those whose
    /// hash is below the prefix left out: a caller who goes on at the end of one segment sees no entry twice, even
    /// if segments merged meanwhile. Tells where the segment ends; `None` if the table is empty.
    pub(crate) fn visit_segment(
        &self,
        prefix: u64,
        hash_of: impl Fn(Handle) -> TableHash,
        visit: impl FnMut(Handle),
    ) -> Option<SegmentRange> {
        let number = *self.directory.get(TableHash(prefix).segment_slot(self.depth))?;
        let segment = &self.segments[number as usize];
        let is_whole = segment.prefix == prefix;
        segment.handles().filter(|&handle| is_whole || hash_of(handle).0 >= prefix).for_each(visit);
        Some(segment.range())
    }

    /// The part of the directory that names a segment of this prefix and depth.
    fn directory_range(&self, prefix: u64, depth: u32) -> std::ops::Range<usize> {
        let span = 1usize << (self.depth - depth);
        let first = TableHash(prefix).segment_slot(self.depth);
        first..first + span
    }

    fn split(&mut self, number: u32, hash_of: &impl Fn(Handle) -> TableHash) {
        let depth = self.segments[number as usize].depth + 1;
        assert!(depth <= MAX_DEPTH, "a full segment of {} entries with one hash prefix", BUCKETS * SLOTS);
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|&number| [number, number]).collect();
            self.depth = depth;
        }
        let whole = &self.segments[number as usize];
        let upper_prefix = whole.prefix | 1 << (64 - depth);
        let mut lower = Segment::new(whole.prefix, depth, whole.earliest_expiry_ms);
        let mut upper = Segment::new(upper_prefix, depth, whole.earliest_expiry_ms);
        for handle in whole.handles() {
            let hash = hash_of(handle);
            let half = if hash.0 >= upper_prefix { &mut upper } else { &mut lower };
            let placed = half.place(hash, handle, BUCKETS - 1);
            assert!(placed, "a segment takes the entries of one segment");
        }
        let upper_number = self.segments.len() as u32;
        self.segments[number as usize] = lower;
        self.segments.push(upper);
        let range = self.directory_range(upper_prefix, depth);
        self.directory[range].fill(upper_number);
    }

    /// Joins a nearly empty segment with its sibling, if that is of the same depth and nearly empty too.
    fn merge(&mut self, number: u32, hash_of: impl Fn(Handle) -> TableHash) {
        let one = &self.segments[number as usize];
        let depth = one.depth;
        let sibling_prefix = one.prefix ^ 1 << (64 - depth);
        let sibling_number = self.directory[TableHash(sibling_prefix).segment_slot(self.depth)];
        let other = &self.segments[sibling_number as usize];
        if other.depth != depth || one.entries + other.entries > MERGED_AT_MOST {
            return;
        }
        let earliest_expiry_ms = one.earliest_expiry_ms.min(other.earliest_expiry_ms);
        let mut merged = Segment::new(one.prefix & sibling_prefix, depth - 1, earliest_expiry_ms);
        for handle in one.handles().chain(other.handles()) {
            let placed = merged.place(hash_of(handle), handle, BUCKETS - 1);
            assert!(placed, "a segment takes {MERGED_AT_MOST} entries");
        }
        let range = self.directory_range(merged.prefix, depth - 1);
        self.directory[range].fill(number);
        self.segments[number as usize] = merged;
        // The last segment takes the number that has become free.
        self.segments.swap_remove(sibling_number as usize);
        if let Some(moved) = self.segments.get(sibling_number as usize) {
            let range = self.directory_range(moved.prefix, moved.depth);
            self.directory[range].fill(sibling_number);
        }
    }
}

/// What follows the segment that [`Table::visit_bucket`] looked into.
pub(crate) struct SegmentRange {
    /// The first hash of the segment after it, `None` at the end of the table.
    pub(crate) next_prefix: Option<u64>,
}

/// How many home buckets a segment has.
pub(crate) const BUCKETS_PER_SEGMENT: usize = BUCKETS;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn mix(i: u64) -> TableHash {
        let mut h = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        h ^= h >> 29;
        h = h.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        TableHash((h ^ (h >> 32)) << 8)
    }

    fn handle(i: u64) -> Handle {
        Handle::from_bits(i as u32 + 1).unwrap()
    }

    fn hash_of(handle: Handle) -> TableHash {
        mix(u64::from(handle.bits()) - 1)
    }

    #[test]
    fn entries_are_found_through_growth_and_shrinkage() {
        let mut table = Table::default();
        let many = 200_000;
        for i in 0..many {
            table.insert(mix(i), handle(i), hash_of);
        }
        assert_eq!(table.len(), many as usize);
        let bytes_per_key = table.allocated_bytes() as f64 / many as f64;
        assert!(bytes_per_key < 12.0, "{bytes_per_key} bytes per key");
        for i in 0..many {
            assert_eq!(table.find(mix(i), |h| h == handle(i)), Some(handle(i)));
        }
        assert_eq!(table.find(mix(many), |h| h == handle(many)), None);
        for i in 0..many - 10 {
            table.remove(mix(i), handle(i), hash_of);
        }
        for i in many - 10..many {
            assert_eq!(table.find(mix(i), |h| h == handle(i)), Some(handle(i)));
        }
        assert!(table.segments.len() < 40, "nearly empty segments merge");
    }

    #[test]
    fn a_walk_over_segments_sees_what_stays_once_while_segments_split_and_merge() {
        let mut table = Table::default();
        for i in 0..20_000 {
            table.insert(mix(i), handle(i), hash_of);
        }
        let (mut seen, mut steps, mut next) = (HashMap::new(), 0, Some(0));
        while let Some(prefix) = next {
            let visit = |handle: Handle| *seen.entry(handle).or_insert(0) += 1;
            next = table.visit_segment(prefix, hash_of, visit).expect("a table with entries").next_prefix;
            // Grow for some steps, so that segments split, then shrink to less than before, so that they merge.
            let (transients, grow) = (40_000 + steps % 10 * 3000, steps / 10 % 2 == 0);
            for i in transients..transients + 3000 {
                match (grow, table.find(mix(i), |h| h == handle(i))) {
                    (true, None) => table.insert(mix(i), handle(i), hash_of),
                    (false, Some(_)) => table.remove(mix(i), handle(i), hash_of),
                    _ => {}
                }
            }
            if steps == 10 {
                (100..20_000).for_each(|i| table.remove(mix(i), handle(i), hash_of));
            }
            steps += 1;
        }
        assert!(steps > 20, "the walk was long enough: {steps} steps");
        assert!((0..100).all(|i| seen.get(&handle(i)) == Some(&1)));
        assert!(seen.iter().all(|(handle, &times)| times == 1 || handle.bits() > 40_000));
    }

    #[test]
    fn random_inserts_and_removes_agree_with_a_map() {
        let mut table = Table::default();
        let mut model = HashMap::new();
        let mut state = 42u64;
        for _ in 0..300_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let i = (state >> 33) % 5000;
            if model.remove(&i).is_some() {
                table.remove(mix(i), handle(i), hash_of);
            } else {
                table.insert(mix(i), handle(i), hash_of);
                model.insert(i, ());
            }
        }
        assert_eq!(table.len(), model.len());
        for i in 0..5000 {
            assert_eq!(table.find(mix(i), |h| h == handle(i)).is_some(), model.contains_key(&i));
        }
        assert_eq!(table.handles().count(), model.len());
    }
}
