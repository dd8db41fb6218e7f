//! Where the members of a large sorted set are: numbered slots without gaps, in chunks that never move.
//!
//! A slot that becomes free is filled with the last one, so slots `0..len` are always in use: a random one is a random
//! member, and what is removed gives its memory back.

use crate::value::allocation_bytes;

/// Slots in a chunk: a power of two.
const CHUNK_SLOTS: usize = 256;
/// By how many slots the last chunk grows.
const GROWTH_SLOTS: usize = 32;

/// A member and its score.
#[derive(Clone)]
pub(super) struct Scored {
    pub(super) score: f64,
    pub(super) member: Box<[u8]>,
}

/// All members of a sorted set.
#[derive(Clone, Default)]
pub(super) struct Slots {
    /// All full but the last, and none empty.
    chunks: Vec<Vec<Scored>>,
    /// What the members' own bytes take on the heap.
    member_heap_bytes: usize,
    /// The members' lengths together.
    member_bytes: usize,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK_SLOTS + last
    }

    /// The members' lengths together.
    pub(super) fn member_bytes(&self) -> usize {
        self.member_bytes
    }

    /// Heap memory in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1) * chunk_bytes(CHUNK_SLOTS);
        let last = self.chunks.last().map_or(0, |chunk| chunk_bytes(chunk.capacity()));
        let directory = allocation_bytes(self.chunks.capacity() * size_of::<Vec<Scored>>());
        full + last + directory + self.member_heap_bytes
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> &Scored {
        &self.chunks[slot as usize / CHUNK_SLOTS][slot as usize % CHUNK_SLOTS]
    }

    pub(super) fn set_score(&mut self, slot: u32, score: f64) {
        self.get_mut(slot).score = score;
    }

    /// Adds a member in the slot after the last.
    ///
    /// # Panics
    /// If there are 2^32 members.
    pub(super) fn push(&mut self, scored: Scored) -> u32 {
        let slot = u32::try_from(self.len()).expect("slots are numbered with 32 bits");
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_SLOTS) {
            self.chunks.push(Vec::new());
        }
        self.member_heap_bytes += allocation_bytes(scored.member.len());
        self.member_bytes += scored.member.len();
        let chunk = self.chunks.last_mut().expect("it was just made");
        if chunk.len() == chunk.capacity() {
            chunk.reserve_exact(GROWTH_SLOTS);
        }
        chunk.push(scored);
        slot
    }

    /// Takes a member out, and moves the last one to its slot.
    pub(super) fn swap_remove(&mut self, slot: u32) -> Scored {
        let chunk = self.chunks.last_mut().expect("there is a slot");
        let last = chunk.pop().expect("no chunk is empty");
        if chunk.is_empty() {
            self.chunks.pop();
        }
        let is_last = slot as usize == self.len();
        let removed = if is_last { last } else { std::mem::replace(self.get_mut(slot), last) };
        self.member_heap_bytes -= allocation_bytes(removed.member.len());
        self.member_bytes -= removed.member.len();
        removed
    }

    fn get_mut(&mut self, slot: u32) -> &mut Scored {
        &mut self.chunks[slot as usize / CHUNK_SLOTS][slot as usize % CHUNK_SLOTS]
    }
}

fn chunk_bytes(slots: usize) -> usize {
    allocation_bytes(slots * size_of::<Scored>())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Slots {
        /// Heap memory in bytes, counted anew.
        pub(in crate::value::sorted_set) fn recounted_bytes(&self) -> usize {
            let members = self.chunks.iter().flatten().map(|scored| allocation_bytes(scored.member.len()));
            let chunks =
                self.chunks.iter().map(|chunk| allocation_bytes(chunk.capacity() * size_of::<Scored>()));
            let directory = allocation_bytes(self.chunks.capacity() * size_of::<Vec<Scored>>());
            members.sum::<usize>() + chunks.sum::<usize>() + directory
        }
    }

    #[test]
    fn slots_have_no_gaps_and_give_memory_back() {
        let mut slots = Slots::default();
        let scored = |i: u32| Scored { score: f64::from(i), member: vec![b'm'; i as usize % 40].into() };
        for i in 0..2000 {
            assert_eq!(slots.push(scored(i)), i);
            assert_eq!(slots.heap_bytes(), slots.recounted_bytes());
        }
        let (full_bytes, mut left) = (slots.heap_bytes(), 2000);
        while left > 100 {
            let slot = left * 7 / 11;
            let (expected, last) = (slots.get(slot).score, slots.get(left - 1).score);
            assert_eq!(slots.swap_remove(slot).score, expected);
            left -= 1;
            assert_eq!(slots.len(), left as usize);
            assert!(slot == left || slots.get(slot).score == last);
            assert_eq!(slots.heap_bytes(), slots.recounted_bytes());
        }
        assert!(slots.heap_bytes() < full_bytes / 8);
        (0..100).for_each(|_| drop(slots.swap_remove(0)));
        assert_eq!((slots.len(), slots.member_bytes()), (0, 0));
    }
}
