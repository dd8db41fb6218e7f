//! Hash tables of the members of one large collection: small, and without a step that takes long.
//!
//! A table is a row of leaves of some tens of members each, which grows by linear hashing
//! ([Litwin 1980](https://www.vldb.org/conf/1980/P212.PDF)): when there are [`SPLIT_LOAD`] members per leaf, one more leaf
//! is added at the end, and takes the members that belong there from one other leaf. So no step touches more than two
//! leaves, and there is no directory. With n leaves, 2^d <= n < 2^(d+1), a hash belongs to the leaf that its low d + 1 bits
//! name, or where there is none yet, to the one of its low d bits.
//!
//! ```text
//! chunks ──> leaf | leaf | ... (64 each)     leaf: tags, one byte of each hash, in groups of 16
//!                                                  items, as many as there are, in the same order
//! ```
//!
//! A leaf's memory is exactly as long as needed; its growth is left to the allocator, which mostly finds that the
//! memory was rounded up anyway.
//!
//! Cursors of [`MemberTable::scan`] are positions among hashes read with their lowest bit first: there, what a leaf holds
//! is one range, and what it holds before and after a split too. So they stay meaningful while the table grows and
//! shrinks.

use wide::u8x16;

use super::allocation_bytes;
use crate::prefetch::{prefetch, prefetch_both_ends};

/// Tags that are compared at once.
const GROUP: usize = 16;
/// A table with more members per leaf gets another leaf: leaves then have this many to twice as many members, give or take.
const SPLIT_LOAD: usize = 32;
/// A table with fewer members per leaf loses a leaf.
const MERGE_LOAD: usize = 16;
/// Hardly a leaf has more members: twice [`SPLIT_LOAD`] and four standard deviations.
const RARELY_EXCEEDED: usize = 96;
/// Leaves in a chunk.
const CHUNK_LEAVES: usize = 64;
/// A cursor's bits: a table has fewer than 2^32 leaves.
const CURSOR_BITS: u32 = 32;
/// The tag of a slot without an item.
const NO_TAG: u8 = 0;

/// Members, or whatever stands for them, found by their hashes. What is equal, and the hash of an item, the caller
/// tells; the hash must be the same in each call.
#[derive(Clone, Debug)]
pub(crate) struct MemberTable<T> {
    /// All but the last have [`CHUNK_LEAVES`] leaves.
    chunks: Vec<Vec<Leaf<T>>>,
    leaves: usize,
    items: usize,
    /// What the leaves' own memory is, as the allocator rounds it.
    leaf_heap_bytes: usize,
}

#[derive(Clone, Debug)]
struct Leaf<T> {
    tags: Box<[[u8; GROUP]]>,
    items: Box<[T]>,
}

impl<T> MemberTable<T> {
    /// A table without members that will not have to split its leaves while it gets so many members.
    pub(crate) fn for_items(items: usize) -> Self {
        let mut table = Self { chunks: Vec::new(), leaves: 0, items: 0, leaf_heap_bytes: 0 };
        for _ in 0..items.div_ceil(SPLIT_LOAD).max(1) {
            table.push_leaf(Leaf::empty());
        }
        table
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.items
    }

    /// The table's memory on the heap, without what the items own, in bytes as the allocator rounds them. Takes constant
    /// time.
    pub(crate) fn heap_bytes(&self) -> usize {
        let chunk_bytes = |leaves| allocation_bytes(leaves * size_of::<Leaf<T>>());
        let last = self.chunks.last().map_or(0, |chunk| chunk_bytes(chunk.capacity()));
        allocation_bytes(self.chunks.capacity() * size_of::<Vec<Leaf<T>>>())
            + self.chunks.len().saturating_sub(1) * chunk_bytes(CHUNK_LEAVES)
            + last
            + self.leaf_heap_bytes
    }

    /// The item with this hash that `is_it`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        let leaf = self.leaf(self.leaf_of(hash));
        leaf.slot(tag(hash), is_it).map(|slot| &leaf.items[slot])
    }

    /// An item that is likely, but not certain, to be the one with this hash.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<&T> {
        let leaf = self.leaf(self.leaf_of(hash));
        leaf.slot(tag(hash), |_| true).map(|slot| &leaf.items[slot])
    }

    /// Asks for the memory that look-ups of these hashes will touch, one step for all of them at a time.
    pub(crate) fn warm(&self, hashes: &[u64]) {
        hashes.iter().for_each(|&hash| prefetch(self.leaf(self.leaf_of(hash))));
        hashes.iter().for_each(|&hash| prefetch_both_ends(&*self.leaf(self.leaf_of(hash)).tags));
        hashes.iter().filter_map(|&hash| self.candidate(hash)).for_each(prefetch);
    }

    /// The same, for changing: to something with the same hash.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let at = self.leaf_of(hash);
        let leaf = self.leaf_mut(at);
        leaf.slot(tag(hash), is_it).map(|slot| &mut leaf.items[slot])
    }

    /// Adds an item that is not there yet. `hash_of` tells any item's hash.
    pub(crate) fn insert(&mut self, hash: u64, item: T, hash_of: impl Fn(&T) -> u64) {
        self.items += 1;
        if self.items > self.leaves * SPLIT_LOAD {
            self.split(hash_of);
        }
        self.change_leaf(self.leaf_of(hash), |leaf| leaf.push(tag(hash), item));
    }

    /// Takes the item with this hash out that `is_it`.
    pub(crate) fn remove(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let at = self.leaf_of(hash);
        let slot = self.leaf(at).slot(tag(hash), is_it)?;
        Some(self.remove_at(at, slot))
    }

    /// Any item, each as likely as any other. `random` gives uniformly distributed bits.
    pub(crate) fn random(&self, random: impl FnMut() -> u64) -> Option<&T> {
        let (at, slot) = self.random_slot(random)?;
        Some(&self.leaf(at).items[slot])
    }

    /// Visits at least `count` items, if there are as many, from a cursor on, and returns the cursor behind them: 0 at the end,
    /// as at the start. What is in the table from start to end of an iteration is visited, and more than once only if
    /// the table shrank meanwhile.
    pub(crate) fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(&'a T)) -> u64 {
        let mut position = cursor << (u64::BITS - CURSOR_BITS);
        let mut visited = 0;
        loop {
            let at = self.leaf_of(position.reverse_bits());
            let leaf = self.leaf(at);
            leaf.items.iter().for_each(&mut visit);
            visited += leaf.items.len();
            let depth = self.depth_of(at);
            let start = (at as u64).reverse_bits();
            // A single leaf holds all hashes.
            let end = if depth == 0 { None } else { start.checked_add(1 << (u64::BITS - depth)) };
            match end {
                None => return 0,
                Some(end) if visited >= count => return end >> (u64::BITS - CURSOR_BITS),
                Some(end) => position = end,
            }
        }
    }

    /// The items of leaf after leaf, from one on, with the leaf's number: all of them from 0 on.
    pub(crate) fn leaves_from(&self, first: usize) -> impl Iterator<Item = (usize, &[T])> {
        (first..self.leaves).map(|at| (at, &*self.leaf(at).items))
    }

    /// All items, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.chunks.iter().flatten().flat_map(|leaf| leaf.items.iter())
    }

    // ---- inside

    /// How many of a hash's low bits name leaves of the first half of the table, those that may have been split since the
    /// number of leaves was a power of two.
    fn depth(&self) -> u32 {
        self.leaves.ilog2()
    }

    fn leaf_of(&self, hash: u64) -> usize {
        let bits = |depth: u32| (hash & ((1u64 << depth) - 1)) as usize;
        let deep = bits(self.depth() + 1);
        if deep < self.leaves { deep } else { bits(self.depth()) }
    }

    /// How many low bits the hashes of a leaf share.
    fn depth_of(&self, at: usize) -> u32 {
        let half = 1 << self.depth();
        let is_split = at >= half || at + half < self.leaves;
        self.depth() + u32::from(is_split)
    }

    #[inline]
    fn leaf(&self, at: usize) -> &Leaf<T> {
        &self.chunks[at / CHUNK_LEAVES][at % CHUNK_LEAVES]
    }

    #[inline]
    fn leaf_mut(&mut self, at: usize) -> &mut Leaf<T> {
        &mut self.chunks[at / CHUNK_LEAVES][at % CHUNK_LEAVES]
    }

    fn change_leaf<R>(&mut self, at: usize, change: impl FnOnce(&mut Leaf<T>) -> R) -> R {
        let leaf = self.leaf_mut(at);
        let before = leaf.heap_bytes();
        let result = change(leaf);
        let after = leaf.heap_bytes();
        self.leaf_heap_bytes = self.leaf_heap_bytes - before + after;
        result
    }

    fn push_leaf(&mut self, leaf: Leaf<T>) {
        if self.leaves.is_multiple_of(CHUNK_LEAVES) {
            self.chunks.push(Vec::new());
        }
        let chunk = self.chunks.last_mut().expect("a chunk was just added");
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact(chunk.len().clamp(1, CHUNK_LEAVES - chunk.len()));
        }
        self.leaf_heap_bytes += leaf.heap_bytes();
        chunk.push(leaf);
        self.leaves += 1;
    }

    fn pop_leaf(&mut self) -> Leaf<T> {
        let chunk = self.chunks.last_mut().expect("a table has leaves");
        let leaf = chunk.pop().expect("no chunk is empty");
        self.leaf_heap_bytes -= leaf.heap_bytes();
        self.leaves -= 1;
        if chunk.is_empty() {
            self.chunks.pop();
        } else if chunk.len() * 4 <= chunk.capacity() {
            chunk.shrink_to(chunk.len() * 2);
        }
        leaf
    }

    /// Adds a leaf, and moves to it what belongs there.
    fn split(&mut self, hash_of: impl Fn(&T) -> u64) {
        let new = self.leaves;
        let from = new - (1 << self.depth());
        let bit = 1 << self.depth();
        let leaf = self.change_leaf(from, |leaf| std::mem::replace(leaf, Leaf::empty()));
        let (mut staying, mut moving) = (Parts::default(), Parts::default());
        for (tag, item) in leaf.into_parts() {
            let parts = if hash_of(&item) & bit == 0 { &mut staying } else { &mut moving };
            parts.push((tag, item));
        }
        self.change_leaf(from, |leaf| *leaf = Leaf::from_parts(staying));
        self.push_leaf(Leaf::from_parts(moving));
    }

    /// Takes the last leaf away: the opposite of [`Self::split`].
    fn merge(&mut self) {
        let last = self.pop_leaf();
        let to = self.leaves - (1 << self.depth());
        self.change_leaf(to, |leaf| {
            let whole = std::mem::replace(leaf, Leaf::empty());
            *leaf = Leaf::from_parts(whole.into_parts().chain(last.into_parts()).collect());
        });
    }

    fn remove_at(&mut self, at: usize, slot: usize) -> T {
        let item = self.change_leaf(at, |leaf| leaf.remove(slot));
        self.items -= 1;
        if self.leaves > 1 && self.items < self.leaves * MERGE_LOAD {
            self.merge();
        }
        item
    }

    /// Draws leaf and slot until there is an item, so that no item is likelier than another for being in a small leaf.
    fn random_slot(&self, mut random: impl FnMut() -> u64) -> Option<(usize, usize)> {
        if self.items == 0 {
            return None;
        }
        loop {
            let bits = random();
            let at = scaled(bits as u32, self.leaves);
            let items = self.leaf(at).items.len();
            let slots = if self.leaves == 1 { items } else { items.max(RARELY_EXCEEDED) };
            let slot = scaled((bits >> 32) as u32, slots);
            if slot < items {
                return Some((at, slot));
            }
        }
    }
}

/// A number below `limit`, from 32 random bits.
fn scaled(bits: u32, limit: usize) -> usize {
    ((u64::from(bits) * limit as u64) >> 32) as usize
}

/// Bits of a hash that no table is large enough to use for its leaves.
#[inline]
fn tag(hash: u64) -> u8 {
    match (hash >> 56) as u8 {
        NO_TAG => 1,
        tag => tag,
    }
}

/// Items with their tags, on the way from one leaf to others.
type Parts<T> = Vec<(u8, T)>;

impl<T> Leaf<T> {
    /// A leaf that owns no memory.
    fn empty() -> Self {
        Self { tags: Box::default(), items: Box::default() }
    }

    /// The slot of the item with this tag that `is_it`.
    #[inline]
    fn slot(&self, tag: u8, mut is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        let wanted = u8x16::splat(tag);
        for (number, &group) in self.tags.iter().enumerate() {
            let mut candidates = u8x16::new(group).cmp_eq(wanted).move_mask() as u32;
            while candidates != 0 {
                let slot = number * GROUP + candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                if is_it(&self.items[slot]) {
                    return Some(slot);
                }
            }
        }
        None
    }

    fn push(&mut self, tag: u8, item: T) {
        let slot = self.items.len();
        push(&mut self.items, item);
        if slot.is_multiple_of(GROUP) {
            push(&mut self.tags, [NO_TAG; GROUP]);
        }
        self.tags[slot / GROUP][slot % GROUP] = tag;
    }

    fn remove(&mut self, slot: usize) -> T {
        let last = self.items.len() - 1;
        let moved = self.tags[last / GROUP][last % GROUP];
        self.tags[slot / GROUP][slot % GROUP] = moved;
        self.tags[last / GROUP][last % GROUP] = NO_TAG;
        if last.is_multiple_of(GROUP) {
            swap_remove(&mut self.tags, last / GROUP);
        }
        swap_remove(&mut self.items, slot)
    }

    fn into_parts(self) -> impl Iterator<Item = (u8, T)> {
        self.tags.into_iter().flatten().zip(self.items)
    }

    fn from_parts(parts: Parts<T>) -> Self {
        let mut tags = vec![[NO_TAG; GROUP]; parts.len().div_ceil(GROUP)];
        for (slot, (tag, _)) in parts.iter().enumerate() {
            tags[slot / GROUP][slot % GROUP] = *tag;
        }
        Self { tags: tags.into(), items: parts.into_iter().map(|(_, item)| item).collect() }
    }

    fn heap_bytes(&self) -> usize {
        allocation_bytes(size_of_val(&*self.tags)) + allocation_bytes(size_of_val(&*self.items))
    }
}

/// Makes a slice longer by one, and by no more memory than that.
fn push<T>(slice: &mut Box<[T]>, item: T) {
    let mut vector = std::mem::take(slice).into_vec();
    vector.reserve_exact(1);
    vector.push(item);
    *slice = vector.into_boxed_slice();
}

fn swap_remove<T>(slice: &mut Box<[T]>, at: usize) -> T {
    let mut vector = std::mem::take(slice).into_vec();
    let item = vector.swap_remove(at);
    *slice = vector.into_boxed_slice();
    item
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use proptest::prelude::*;

    use super::*;

    fn hash(item: &u32) -> u64 {
        let mut hash = u64::from(*item).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
        hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^ (hash >> 32)
    }

    fn insert(table: &mut MemberTable<u32>, item: u32) {
        table.insert(hash(&item), item, hash);
    }

    fn find(table: &MemberTable<u32>, item: u32) -> bool {
        table.find(hash(&item), |other| *other == item).is_some()
    }

    fn remove(table: &mut MemberTable<u32>, item: u32) -> bool {
        table.remove(hash(&item), |other| *other == item).is_some()
    }

    fn random_bits(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    /// The heap memory, counted anew.
    fn recount<T>(table: &MemberTable<T>) -> usize {
        let chunk_bytes = |chunk: &Vec<Leaf<T>>| allocation_bytes(chunk.capacity() * size_of::<Leaf<T>>());
        allocation_bytes(table.chunks.capacity() * size_of::<Vec<Leaf<T>>>())
            + table.chunks.iter().map(chunk_bytes).sum::<usize>()
            + table.chunks.iter().flatten().map(Leaf::heap_bytes).sum::<usize>()
    }

    #[test]
    fn members_are_found_through_growth_and_shrinkage() {
        let mut table = MemberTable::for_items(0);
        let many = 100_000;
        (0..many).for_each(|item| insert(&mut table, item));
        assert_eq!(table.len(), many as usize);
        assert!((0..many).all(|item| find(&table, item)) && !find(&table, many));
        let bytes_over_items = table.heap_bytes() as f64 / f64::from(many) - 4.0;
        assert!(bytes_over_items < 4.0, "{bytes_over_items} bytes per member");
        assert!((10..many).all(|item| remove(&mut table, item)) && !remove(&mut table, many));
        assert!((0..10).all(|item| find(&table, item)) && table.iter().count() == 10);
        assert_eq!((table.leaves, recount(&table)), (1, table.heap_bytes()));
    }

    #[test]
    fn a_table_made_for_its_members_is_like_one_that_grew() {
        let (mut grown, mut made) = (MemberTable::for_items(0), MemberTable::for_items(5_000));
        for item in 0..5_000 {
            insert(&mut grown, item);
            insert(&mut made, item);
        }
        assert_eq!(grown.leaves, made.leaves);
        assert!((0..5_000).all(|item| find(&made, item)));
    }

    #[test]
    fn no_leaf_is_much_longer_than_the_others() {
        let mut table = MemberTable::for_items(0);
        (0..50_000).for_each(|item| insert(&mut table, item));
        let longest = table.chunks.iter().flatten().map(|leaf| leaf.items.len()).max();
        assert!(longest <= Some(RARELY_EXCEEDED + GROUP), "{longest:?}");
    }

    #[test]
    fn a_scan_sees_what_stays_while_the_table_grows_and_shrinks() {
        let mut table = MemberTable::for_items(0);
        (0..2_000).for_each(|item| insert(&mut table, item));
        let (mut seen, mut cursor, mut steps) = (HashMap::new(), 0, 0);
        loop {
            cursor = table.scan(cursor, 10, |item| *seen.entry(*item).or_insert(0) += 1);
            if cursor == 0 {
                break;
            }
            // Grow for ten steps and shrink for ten, so that leaves behind and ahead split and merge.
            for item in 10_000 + steps % 10 * 400..10_400 + steps % 10 * 400 {
                match steps / 10 % 2 {
                    0 => insert(&mut table, item),
                    _ => assert!(remove(&mut table, item)),
                }
            }
            steps += 1;
        }
        assert!(steps > 40, "{steps} steps");
        assert!((0..2_000).all(|item| seen.contains_key(&item)));
        let twice = (0..2_000).filter(|item| seen[item] > 1).count();
        assert!(twice < 500, "{twice} members seen more than once");
    }

    #[test]
    fn a_scan_of_a_table_at_rest_sees_each_member_once() {
        let mut table = MemberTable::for_items(0);
        for item in 0..3_000 {
            insert(&mut table, item);
            if item % 97 == 0 {
                let (mut seen, mut cursor) = (Vec::new(), 0);
                loop {
                    cursor = table.scan(cursor, 7, |item| seen.push(*item));
                    if cursor == 0 {
                        break;
                    }
                }
                seen.sort_unstable();
                assert!(seen.iter().copied().eq(0..=item));
            }
        }
        // Cursors that nobody was given lead somewhere.
        table.scan(u64::MAX, 1, |_| ());
        table.scan(12_345, 1, |_| ());
    }

    #[test]
    fn random_members_are_equally_likely() {
        let mut table = MemberTable::for_items(0);
        (0..300).for_each(|item| insert(&mut table, item));
        let mut bits = random_bits(1);
        let mut drawn = vec![0u32; 300];
        (0..300_000).for_each(|_| drawn[*table.random(&mut bits).unwrap() as usize] += 1);
        assert!(drawn.iter().all(|count| (850..1150).contains(count)), "{drawn:?}");
    }

    #[test]
    fn equal_hashes_are_told_apart() {
        let mut table = MemberTable::for_items(0);
        for item in 0..500u32 {
            table.insert(7, item, |_| 7);
        }
        assert_eq!(table.find(7, |item| *item == 499), Some(&499));
        assert_eq!(table.remove(7, |item| *item == 250), Some(250));
        assert_eq!(table.find(7, |item| *item == 250), None);
        assert!(table.random(random_bits(2)).is_some());
    }

    proptest! {
        #[test]
        fn any_changes_agree_with_a_set(
            changes in prop::collection::vec((0u32..2_000, any::<bool>(), 1u32..300), 0..25),
        ) {
            let mut table = MemberTable::for_items(0);
            let mut model = BTreeSet::new();
            for (first, adds, count) in changes {
                for item in first..first + count {
                    if adds && model.insert(item) {
                        insert(&mut table, item);
                    } else if !adds {
                        prop_assert_eq!(remove(&mut table, item), model.remove(&item));
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.heap_bytes(), recount(&table));
                prop_assert!(table.iter().copied().collect::<BTreeSet<_>>() == model);
                prop_assert!((first..first + count).all(|item| find(&table, item) == model.contains(&item)));
                let copy = table.clone();
                prop_assert_eq!(copy.heap_bytes(), recount(&copy));
            }
        }
    }
}
