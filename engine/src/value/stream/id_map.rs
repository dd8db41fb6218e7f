//! An ordered map from ids, for ids that mostly come in order and go in order: the nodes of a stream, and what is pending
//! in consumer groups.
//!
//! Slots lie in sorted chunks of at most [`CHUNK_SLOTS`], which ascending insertions leave full; the last chunk, where
//! nearly everything happens, is outside the tree of the others. So a slot costs little more than its own size, a map of
//! few slots is one small allocation, and no operation moves more than one chunk.
//!
//! **Invariant:** the last chunk is empty only if the map is; all others have slots. A chunk's key is not above its ids,
//! and above those of the chunk before it.

use std::collections::BTreeMap;
use std::iter::once;
use std::ops::Bound;

use super::id::StreamId;
use crate::value::allocation_bytes;

/// The most slots of one chunk.
const CHUNK_SLOTS: usize = 64;
/// A chunk that shrinks to so many slots is joined with a neighbour that has few as well.
const JOINED_SLOTS: usize = CHUNK_SLOTS / 8;
/// What the tree takes for each chunk, in bytes: a node of eleven keys and vectors, about half full, and its share of
/// the nodes above.
const TREE_BYTES_PER_CHUNK: usize = 96;

type Chunk<T> = Vec<(StreamId, T)>;

#[derive(Clone, Debug)]
pub(super) struct IdMap<T> {
    older: BTreeMap<StreamId, Chunk<T>>,
    last: Chunk<T>,
    len: usize,
    /// What the chunks take on the heap.
    chunk_bytes: usize,
}

impl<T> Default for IdMap<T> {
    fn default() -> Self {
        Self { older: BTreeMap::new(), last: Vec::new(), len: 0, chunk_bytes: 0 }
    }
}

impl<T> IdMap<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap memory in bytes, but for what the values themselves have there.
    pub(super) fn heap_bytes(&self) -> usize {
        self.chunk_bytes + self.older.len() * TREE_BYTES_PER_CHUNK
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&T> {
        let chunk = self.chunk(id);
        chunk.binary_search_by_key(&id, |slot| slot.0).ok().map(|at| &chunk[at].1)
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut T> {
        let chunk = match self.key_of_chunk(id) {
            Some(key) => self.older.get_mut(&key).expect("it was just found"),
            None => &mut self.last,
        };
        let at = chunk.binary_search_by_key(&id, |slot| slot.0).ok()?;
        Some(&mut chunk[at].1)
    }

    /// The slot of the lowest id.
    pub(super) fn first(&self) -> Option<&(StreamId, T)> {
        self.older.first_key_value().map_or(&self.last, |(_, chunk)| chunk).first()
    }

    /// The slot of the highest id.
    pub(super) fn last(&self) -> Option<&(StreamId, T)> {
        self.last.last()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut (StreamId, T)> {
        self.last.last_mut()
    }

    /// Adds a slot, or replaces the value of one; the value before.
    pub(super) fn insert(&mut self, id: StreamId, value: T) -> Option<T> {
        let key = self.key_of_chunk_for(id);
        let chunk = match key {
            Some(key) => self.older.get_mut(&key).expect("it was just found"),
            None => &mut self.last,
        };
        let at = match chunk.binary_search_by_key(&id, |slot| slot.0) {
            Ok(at) => return Some(std::mem::replace(&mut chunk[at].1, value)),
            Err(at) => at,
        };
        self.len += 1;
        if chunk.len() < CHUNK_SLOTS {
            let before_bytes = heap_bytes(chunk);
            put(chunk, at, (id, value));
            self.chunk_bytes += heap_bytes(chunk) - before_bytes;
            return None;
        }
        self.split(key, at, (id, value));
        None
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<T> {
        let key = self.key_of_chunk(id);
        let chunk = match key {
            Some(key) => self.older.get_mut(&key).expect("it was just found"),
            None => &mut self.last,
        };
        let at = chunk.binary_search_by_key(&id, |slot| slot.0).ok()?;
        let before_bytes = heap_bytes(chunk);
        let (_, value) = chunk.remove(at);
        if chunk.len() <= chunk.capacity() / 2 {
            chunk.shrink_to_fit();
        }
        self.chunk_bytes -= before_bytes - heap_bytes(chunk);
        self.len -= 1;
        let left = chunk.len();
        match key {
            Some(key) if left == 0 => drop(self.older.remove(&key)),
            Some(key) if left <= JOINED_SLOTS => self.join(key),
            None if left == 0 => {
                self.last = self.older.pop_last().map(|(_, chunk)| chunk).unwrap_or_default()
            }
            _ => {}
        }
        Some(value)
    }

    /// The slots from an id on, in ascending order.
    pub(super) fn iter_from(&self, id: StreamId) -> impl Iterator<Item = (StreamId, &T)> + Clone {
        let key = self.key_of_chunk(id).unwrap_or(id);
        let older = self.older.range(key..).map(|(_, chunk)| chunk.as_slice());
        older.chain(once(self.last.as_slice())).flat_map(move |chunk| {
            let from = chunk.partition_point(|slot| slot.0 < id);
            chunk[from..].iter().map(|(id, value)| (*id, value))
        })
    }

    /// The slots from an id on, in descending order.
    pub(super) fn iter_back_from(&self, id: StreamId) -> impl Iterator<Item = (StreamId, &T)> + Clone {
        let older = self.older.range(..=id).rev().map(|(_, chunk)| chunk.as_slice());
        once(self.last.as_slice()).chain(older).flat_map(move |chunk| {
            let end = chunk.partition_point(|slot| slot.0 <= id);
            chunk[..end].iter().rev().map(|(id, value)| (*id, value))
        })
    }

    /// All slots, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (StreamId, &T)> + Clone {
        self.iter_from(StreamId::MIN)
    }

    /// The key of the chunk that holds an id, if any does, where that is not the last one.
    fn key_of_chunk(&self, id: StreamId) -> Option<StreamId> {
        if self.last.first().is_none_or(|first| first.0 <= id) {
            return None;
        }
        self.older.range(..=id).next_back().map(|(key, _)| *key)
    }

    fn chunk(&self, id: StreamId) -> &Chunk<T> {
        self.key_of_chunk(id).map_or(&self.last, |key| &self.older[&key])
    }

    /// The same for an id that is to be added: one below all others makes the first chunk begin with it.
    fn key_of_chunk_for(&mut self, id: StreamId) -> Option<StreamId> {
        let key = self.key_of_chunk(id);
        let (&first, _) = self.older.first_key_value()?;
        if id >= first {
            return key;
        }
        let chunk = self.older.remove(&first).expect("it is the first one");
        self.older.insert(id, chunk);
        Some(id)
    }

    /// Puts a slot at a position of a full chunk, by making two of it.
    fn split(&mut self, key: Option<StreamId>, at: usize, slot: (StreamId, T)) {
        let chunk = match key {
            Some(key) => self.older.get_mut(&key).expect("it was just found"),
            None => &mut self.last,
        };
        self.chunk_bytes -= heap_bytes(chunk);
        // Behind all others, the full chunk stays full: what comes next follows there as well.
        let is_append = key.is_none() && at == chunk.len();
        let mut upper = if is_append { Vec::new() } else { chunk.split_off(CHUNK_SLOTS / 2) };
        chunk.shrink_to_fit();
        match at.checked_sub(chunk.len()) {
            Some(at) if is_append || at > 0 => put(&mut upper, at, slot),
            _ => put(chunk, at, slot),
        }
        self.chunk_bytes += heap_bytes(chunk) + heap_bytes(&upper);
        match key {
            Some(_) => {
                self.older.insert(upper[0].0, upper);
            }
            None => {
                let lower = std::mem::replace(&mut self.last, upper);
                self.older.insert(lower[0].0, lower);
            }
        }
    }

    /// Joins a chunk of few slots with a neighbour that has few as well.
    fn join(&mut self, key: StreamId) {
        let has_room = |(_, chunk): &(&StreamId, &Chunk<T>)| chunk.len() <= CHUNK_SLOTS / 2 - JOINED_SLOTS;
        let before = self.older.range(..key).next_back().filter(has_room).map(|(key, _)| *key);
        let mut after = self.older.range((Bound::Excluded(key), Bound::Unbounded));
        let (lower, upper) = match (before, after.next().filter(has_room)) {
            (Some(before), _) => (before, key),
            (None, Some((after, _))) => (key, *after),
            (None, None) => return,
        };
        let mut upper = self.older.remove(&upper).expect("it was just found");
        let chunk = self.older.get_mut(&lower).expect("it was just found");
        let before_bytes = heap_bytes(chunk) + heap_bytes(&upper);
        chunk.reserve_exact(upper.len());
        chunk.append(&mut upper);
        self.chunk_bytes = self.chunk_bytes - before_bytes + heap_bytes(chunk);
    }
}

fn heap_bytes<T>(chunk: &Chunk<T>) -> usize {
    allocation_bytes(chunk.capacity() * size_of::<(StreamId, T)>())
}

/// Grows by a quarter, so that little is left over and few insertions allocate.
fn put<T>(chunk: &mut Chunk<T>, at: usize, slot: (StreamId, T)) {
    let length = chunk.len();
    if length == chunk.capacity() {
        chunk.reserve_exact((length / 4).max(1).min(CHUNK_SLOTS + 1 - length));
    }
    chunk.insert(at, slot);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> StreamId {
        StreamId::new(number / 3, number % 3)
    }

    fn check(map: &IdMap<u64>, model: &BTreeMap<StreamId, u64>) {
        assert_eq!(map.len(), model.len());
        assert!(map.iter().eq(model.iter().map(|(id, value)| (*id, value))));
        assert_eq!(map.first().map(|slot| slot.0), model.keys().next().copied());
        assert_eq!(map.last().map(|slot| slot.0), model.keys().next_back().copied());
        assert_eq!(map.chunk_bytes, map.older.values().chain(once(&map.last)).map(heap_bytes).sum::<usize>());
        assert!(!map.last.is_empty() || map.older.is_empty());
        for (key, chunk) in &map.older {
            assert!(*key <= chunk[0].0 && chunk.len() <= CHUNK_SLOTS);
        }
    }

    proptest! {
        #[test]
        fn it_behaves_like_an_ordered_map(
            steps in prop::collection::vec((0u8..10, 0u64..600), 1..900),
            leans_to_the_end: bool,
        ) {
            let (mut map, mut model) = (IdMap::default(), BTreeMap::new());
            for (step, (kind, number)) in steps.into_iter().enumerate() {
                let key = if leans_to_the_end && kind < 5 { id(step as u64) } else { id(number) };
                match kind {
                    0..=5 => prop_assert_eq!(map.insert(key, number), model.insert(key, number)),
                    6..=8 => prop_assert_eq!(map.remove(key), model.remove(&key)),
                    _ => {
                        prop_assert_eq!(map.get(key), model.get(&key));
                        prop_assert_eq!(map.get_mut(key), model.get_mut(&key));
                        prop_assert!(map.iter_from(key).eq(model.range(key..).map(|(id, v)| (*id, v))));
                        let back = model.range(..=key).rev().map(|(id, v)| (*id, v));
                        prop_assert!(map.iter_back_from(key).eq(back));
                    }
                }
                if step % 16 == 0 {
                    check(&map, &model);
                }
            }
            check(&map, &model);
            for key in model.keys() {
                prop_assert!(map.remove(*key).is_some());
            }
            prop_assert_eq!((map.len(), map.heap_bytes()), (0, 0));
        }
    }

    #[test]
    fn ascending_ids_leave_chunks_full() {
        let mut map = IdMap::default();
        for number in 0..100_000 {
            map.insert(id(number), ());
        }
        let bytes_per_slot = map.heap_bytes() as f64 / 100_000.0;
        assert!(bytes_per_slot < 18.0, "{bytes_per_slot}");
    }

    #[test]
    fn what_random_removals_leave_behind_takes_little() {
        let mut map = IdMap::default();
        for number in 0..64_000 {
            map.insert(id(number), [0u64; 3]);
        }
        for number in (0..64_000).filter(|number| number % 61 != 0) {
            map.remove(id(number));
        }
        let bytes_per_slot = map.heap_bytes() as f64 / map.len() as f64;
        assert!(bytes_per_slot < 90.0, "{bytes_per_slot}");
    }
}
