//! Residents: the values in DRAM, each with its place in the order of last access.
//!
//! A resident costs its value's heap memory and 40 bytes, of which the LRU tracker's share is 12: two links
//! and a stamp. What the SSD has of it costs 8 bytes more, but only where the SSD has something of one of its
//! neighbours at least: data that all fits DRAM does not pay for the SSD. An access allocates nothing; it moves the resident to the recent end of the list, and not even
//! that if it was moved a short while ago (see [`Residents::touch`]).
//!
//! Residents live in chunks of 64. New ones take the lowest free number, so that as the tier turns over,
//! chunks at the top become empty and go back to the allocator.

use crate::index::Location;
use crate::index::entry::Handle;
use crate::value::Value;

const CHUNK: usize = 64;
const NONE: u32 = u32::MAX;
const STATE_SHIFT: u32 = 62;

/// Ticks of the LRU clock in a second.
pub(crate) const TICKS_PER_SECOND: u64 = 64;

/// What the SSD has of a value that is in DRAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SsdCopy {
    /// Nothing, or something older.
    None,
    /// Nothing yet: the value was copied to be written, under this ticket. Any change of the value ends it.
    Preparing(u64),
    /// A record of this value is on its way to this location.
    Writing(Location),
    /// This record is the value: the DRAM copy can be dropped at no cost.
    Clean(Location),
}

impl SsdCopy {
    fn from_bits(bits: u64) -> Self {
        let location = || Location::from_bits(bits & ((1 << STATE_SHIFT) - 1));
        match bits >> STATE_SHIFT {
            0 => Self::None,
            1 => Self::Writing(location()),
            2 => Self::Clean(location()),
            _ => Self::Preparing(bits & ((1 << STATE_SHIFT) - 1)),
        }
    }

    fn bits(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Writing(location) => 1 << STATE_SHIFT | location.bits(),
            Self::Clean(location) => 2 << STATE_SHIFT | location.bits(),
            Self::Preparing(ticket) => 3 << STATE_SHIFT | ticket,
        }
    }
}

/// A value in DRAM.
pub(crate) struct Resident {
    pub(crate) value: Value,
    entry: u32,
    newer: u32,
    older: u32,
    touched_tick: u32,
}

const _: () = assert!(size_of::<Resident>() == 40);

impl Resident {
    pub(crate) fn entry(&self) -> Handle {
        Handle::from_bits(self.entry).expect("a resident has an entry")
    }

    pub(crate) fn set_entry(&mut self, handle: Handle) {
        self.entry = handle.bits();
    }

    /// When the resident was last moved to the recent end.
    pub(crate) fn touched_tick(&self) -> u32 {
        self.touched_tick
    }
}

/// The residents of one shard's database, and their LRU list.
pub(crate) struct Residents {
    chunks: Vec<Chunk>,
    /// No chunk below this one has a free slot.
    lowest_free: usize,
    newest: u32,
    oldest: u32,
    count: usize,
}

#[derive(Default)]
struct Chunk {
    slots: Vec<Option<Resident>>,
    /// A bit for each free slot; all of them where `slots` is not allocated.
    free: u64,
    /// What the SSD has of each; not allocated where it has nothing of any.
    copies: Option<Box<[u64; CHUNK]>>,
    /// A bit for each of which it has something.
    copied: u64,
}

const _: () = assert!(size_of::<Option<Resident>>() == size_of::<Resident>());

impl Default for Residents {
    fn default() -> Self {
        Self { chunks: Vec::new(), lowest_free: 0, newest: NONE, oldest: NONE, count: 0 }
    }
}

impl Residents {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// DRAM of the residents themselves, without their values' heap memory, in bytes.
    pub(crate) fn allocated_bytes(&self) -> usize {
        let allocated = self.chunks.iter().map(|chunk| chunk.slots.capacity()).sum::<usize>();
        let copies = self.chunks.iter().filter(|chunk| chunk.copies.is_some()).count();
        allocated * size_of::<Resident>()
            + copies * size_of::<[u64; CHUNK]>()
            + self.chunks.capacity() * size_of::<Chunk>()
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> &Resident {
        self.slot(number).expect("the index names residents that are there")
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Resident {
        let chunk = &mut self.chunks[number as usize / CHUNK];
        chunk.slots[number as usize % CHUNK].as_mut().expect("the index names residents that are there")
    }

    /// The resident of this number, if there is one.
    #[inline]
    pub(crate) fn slot(&self, number: u32) -> Option<&Resident> {
        self.chunks.get(number as usize / CHUNK)?.slots.get(number as usize % CHUNK)?.as_ref()
    }

    /// What the SSD has of the resident of this number; nothing where there is no such resident.
    #[inline]
    pub(crate) fn copy(&self, number: u32) -> SsdCopy {
        let copies = self.chunks.get(number as usize / CHUNK).and_then(|chunk| chunk.copies.as_ref());
        copies.map_or(SsdCopy::None, |copies| SsdCopy::from_bits(copies[number as usize % CHUNK]))
    }

    /// Notes what the SSD has of a resident; returns what it had before.
    #[inline]
    pub(crate) fn set_copy(&mut self, number: u32, copy: SsdCopy) -> SsdCopy {
        let chunk = &mut self.chunks[number as usize / CHUNK];
        if chunk.copies.is_none() && copy == SsdCopy::None {
            return SsdCopy::None;
        }
        chunk.change_copy(number as usize % CHUNK, copy)
    }

    /// Adds a value at the recent end.
    pub(crate) fn insert(&mut self, value: Value, entry: Handle, tick: u32) -> u32 {
        let number = self.take_free_slot();
        let resident = Resident { value, entry: entry.bits(), newer: NONE, older: NONE, touched_tick: tick };
        self.chunks[number as usize / CHUNK].slots[number as usize % CHUNK] = Some(resident);
        self.link_newest(number);
        self.count += 1;
        number
    }

    /// # Panics
    /// If the SSD has something of it that nobody has taken note of the end of.
    pub(crate) fn remove(&mut self, number: u32) -> Resident {
        assert_eq!(self.copy(number), SsdCopy::None, "who removes a resident gives up its record first");
        self.unlink(number);
        self.count -= 1;
        let at = number as usize / CHUNK;
        let chunk = &mut self.chunks[at];
        let resident =
            chunk.slots[number as usize % CHUNK].take().expect("the index names residents that are there");
        chunk.free |= 1 << (number as usize % CHUNK);
        if chunk.free == u64::MAX && at > 0 {
            chunk.slots = Vec::new();
        }
        self.lowest_free = self.lowest_free.min(at);
        resident
    }

    /// Notes an access: moves the resident to the recent end, unless that was done less than `bump_after`
    /// ticks ago. The order among residents touched within such a short while is thus not exact, which
    /// matters to nobody as long as it is a small part of the time a resident stays.
    #[inline]
    pub(crate) fn touch(&mut self, number: u32, tick: u32, bump_after: u32) {
        let resident = self.get_mut(number);
        if tick.wrapping_sub(resident.touched_tick) < bump_after {
            return;
        }
        resident.touched_tick = tick;
        self.move_to_warm_end(number);
    }

    /// Puts a resident at the recent end without an access.
    pub(crate) fn move_to_warm_end(&mut self, number: u32) {
        if self.newest != number {
            self.unlink(number);
            self.link_newest(number);
        }
    }

    /// The resident that was not accessed for the longest time.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The resident accessed next after this one.
    pub(crate) fn next_newer(&self, number: u32) -> Option<u32> {
        let newer = self.get(number).newer;
        (newer != NONE).then_some(newer)
    }

    /// The numbers of all residents, in no particular order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let count = (self.chunks.len() * CHUNK) as u32;
        (0..count).filter(|&number| self.slot(number).is_some())
    }

    fn take_free_slot(&mut self) -> u32 {
        let at = (self.lowest_free..self.chunks.len()).find(|&at| self.chunks[at].free != 0);
        let at = at.unwrap_or_else(|| {
            self.chunks.push(Chunk { free: u64::MAX, ..Chunk::default() });
            self.chunks.len() - 1
        });
        self.lowest_free = at;
        let chunk = &mut self.chunks[at];
        if chunk.slots.is_empty() {
            chunk.slots.reserve_exact(CHUNK);
            chunk.slots.resize_with(CHUNK, || None);
        }
        let slot = chunk.free.trailing_zeros() as usize;
        chunk.free &= chunk.free - 1;
        (at * CHUNK + slot) as u32
    }

    fn link_newest(&mut self, number: u32) {
        let older = std::mem::replace(&mut self.newest, number);
        let resident = self.get_mut(number);
        (resident.newer, resident.older) = (NONE, older);
        match older {
            NONE => self.oldest = number,
            older => self.get_mut(older).newer = number,
        }
    }

    fn unlink(&mut self, number: u32) {
        let Resident { newer, older, .. } = *self.get(number);
        match newer {
            NONE => self.newest = older,
            newer => self.get_mut(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.get_mut(older).newer = newer,
        }
    }
}

impl Chunk {
    fn change_copy(&mut self, slot: usize, copy: SsdCopy) -> SsdCopy {
        let copies = self.copies.get_or_insert_with(|| Box::new([0; CHUNK]));
        let before = std::mem::replace(&mut copies[slot], copy.bits());
        if copy == SsdCopy::None {
            self.copied &= !(1 << slot);
        } else {
            self.copied |= 1 << slot;
        }
        if self.copied == 0 {
            self.copies = None;
        }
        SsdCopy::from_bits(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::StringValue;

    fn insert(residents: &mut Residents, n: i64, tick: u32) -> u32 {
        residents.insert(StringValue::integer(n).into(), Handle::from_bits(1).unwrap(), tick)
    }

    fn order(residents: &Residents) -> Vec<u32> {
        std::iter::successors(residents.oldest(), |&number| residents.next_newer(number)).collect()
    }

    #[test]
    fn residents_are_ordered_by_last_access() {
        let mut residents = Residents::default();
        let numbers: Vec<u32> = (0..4).map(|n| insert(&mut residents, n, 0)).collect();
        residents.touch(numbers[1], 10, 1);
        residents.touch(numbers[0], 20, 1);
        assert_eq!(order(&residents), [numbers[2], numbers[3], numbers[1], numbers[0]]);
        residents.remove(numbers[3]);
        assert_eq!(order(&residents), [numbers[2], numbers[1], numbers[0]]);
    }

    #[test]
    fn an_access_soon_after_another_moves_nothing() {
        let mut residents = Residents::default();
        let numbers: Vec<u32> = (0..2).map(|n| insert(&mut residents, n, 100)).collect();
        residents.touch(numbers[0], 103, 4);
        assert_eq!(order(&residents), numbers);
        residents.touch(numbers[0], 104, 4);
        assert_eq!(order(&residents), [numbers[1], numbers[0]]);
    }

    #[test]
    fn what_the_ssd_has_is_remembered_and_costs_nothing_where_it_has_nothing() {
        let mut residents = Residents::default();
        let numbers: Vec<u32> = (0..100).map(|n| insert(&mut residents, n, 0)).collect();
        let hot_bytes = residents.allocated_bytes();
        let copies = [SsdCopy::Preparing(7), SsdCopy::Writing(Location::new(1, 64, 128))];
        for (&number, copy) in numbers.iter().zip(copies) {
            assert_eq!(residents.set_copy(number, copy), SsdCopy::None);
            assert_eq!(residents.copy(number), copy);
        }
        assert_eq!(residents.copy(numbers[2]), SsdCopy::None);
        assert_eq!(residents.allocated_bytes(), hot_bytes + 512);
        for (&number, copy) in numbers.iter().zip(copies) {
            assert_eq!(residents.set_copy(number, SsdCopy::None), copy);
        }
        assert_eq!(residents.allocated_bytes(), hot_bytes);
        assert_eq!(residents.copy(1 << 20), SsdCopy::None, "there is no such resident");
    }

    #[test]
    fn empty_chunks_go_back_and_low_numbers_come_first() {
        let mut residents = Residents::default();
        let numbers: Vec<u32> = (0..1000).map(|n| insert(&mut residents, n, 0)).collect();
        for &number in &numbers {
            residents.remove(number);
        }
        assert_eq!(residents.len(), 0);
        assert!(residents.allocated_bytes() < 8 << 10);
        assert_eq!(insert(&mut residents, 7, 0), 0);
    }
}
