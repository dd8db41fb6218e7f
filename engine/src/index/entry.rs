//! Index entries and the pages they live in.
//!
//! An entry is two words, an expiry word where the key has one, and the key:
//!
//! ```text
//! word 0   resident 1 | has_expiry 1 | type 4 | resident number 32, or location 58
//! word 1   access 21 | encoding 3 | key length 8 | value length 32
//! word 2   expiry, unix milliseconds               (only with has_expiry)
//! then     the key, zero padded to a word          (long keys: the number of a boxed key)
//! ```
//!
//! Entries of one size share 4 KiB pages, so that an entry costs its own words and nothing else: a general
//! allocator would round a 20-byte key's entry from 40 to 48 bytes. A handle is the page's number and the
//! entry's first word in it, in 32 bits: 32 GiB of entries in each shard. A page that has become empty is
//! given back to the allocator.

use std::num::NonZeroU32;

use super::location::{LOCATION_BITS, Location};
use crate::value::{Encoding, ValueType};

/// Words in a page: 4 KiB, a size every allocator serves without slack.
const PAGE_WORDS: usize = 512;
const WORD_BITS: u32 = PAGE_WORDS.trailing_zeros();
/// Keys from this length on live in a box of their own.
const LONG_KEY_BYTES: usize = 255;
const MAX_ENTRY_WORDS: usize = 3 + LONG_KEY_BYTES.div_ceil(8);
/// Marks the end of a page's list of free slots.
const NO_SLOT: u16 = u16::MAX;

const RESIDENT: u64 = 1 << 63;
const HAS_EXPIRY: u64 = 1 << 62;
const TYPE_SHIFT: u32 = LOCATION_BITS;
const TYPE_MASK: u64 = 0xf << TYPE_SHIFT;
const PLACE_MASK: u64 = (1 << LOCATION_BITS) - 1;

const ACCESS_SHIFT: u32 = 43;
const ENCODING_SHIFT: u32 = 40;
const KEY_LENGTH_SHIFT: u32 = 32;
/// How many bits of access history an entry keeps.
pub(crate) const ACCESS_BITS: u32 = 21;
const ACCESS_MASK: u64 = ((1 << ACCESS_BITS) - 1) << ACCESS_SHIFT;

/// Names an entry within its shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Handle(NonZeroU32);

impl Handle {
    fn new(page: usize, word: usize) -> Self {
        // The first page's number is 1, so that no handle is zero.
        let number = (page as u32 + 1) << WORD_BITS | word as u32;
        Self(NonZeroU32::new(number).expect("page numbers start at one"))
    }

    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0.get()
    }

    fn page(self) -> usize {
        (self.0.get() >> WORD_BITS) as usize - 1
    }

    fn word(self) -> usize {
        (self.0.get() & (PAGE_WORDS as u32 - 1)) as usize
    }
}

/// Where an entry's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In DRAM, as the resident of this number; the resident knows whether the SSD has it too.
    Dram(u32),
    /// On the SSD only.
    Ssd(Location),
}

/// The two fixed words of an entry, by value.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    place: u64,
    detail: u64,
}

impl Head {
    pub(crate) fn place(self) -> Place {
        if self.place & RESIDENT != 0 {
            Place::Dram(self.place as u32)
        } else {
            Place::Ssd(Location::from_bits(self.place & PLACE_MASK))
        }
    }

    pub(crate) fn set_place(&mut self, place: Place) {
        let bits = match place {
            Place::Dram(resident) => RESIDENT | u64::from(resident),
            Place::Ssd(location) => location.bits(),
        };
        self.place = (self.place & (HAS_EXPIRY | TYPE_MASK)) | bits;
    }

    pub(crate) fn has_expiry(self) -> bool {
        self.place & HAS_EXPIRY != 0
    }

    pub(crate) fn value_type(self) -> ValueType {
        ValueType::from_bits(((self.place & TYPE_MASK) >> TYPE_SHIFT) as u8)
    }

    pub(crate) fn encoding(self) -> Encoding {
        let number = (self.detail >> ENCODING_SHIFT) as u8 & 7;
        Encoding::from_number(self.value_type(), number).expect("an index entry holds a valid encoding")
    }

    /// Bytes of a string, members of a collection.
    pub(crate) fn value_length(self) -> u32 {
        self.detail as u32
    }

    pub(crate) fn describe(&mut self, value_type: ValueType, encoding: Encoding, length: u32) {
        self.place = (self.place & !TYPE_MASK) | u64::from(value_type as u8) << TYPE_SHIFT;
        let kept = self.detail & (ACCESS_MASK | 0xff << KEY_LENGTH_SHIFT);
        self.detail = kept | u64::from(encoding.number()) << ENCODING_SHIFT | u64::from(length);
    }

    /// The access history: seconds of the access clock, or an LFU counter and its minutes.
    pub(crate) fn access(self) -> u32 {
        (self.detail >> ACCESS_SHIFT) as u32
    }

    pub(crate) fn set_access(&mut self, access: u32) {
        debug_assert!(access < 1 << ACCESS_BITS);
        self.detail = (self.detail & !ACCESS_MASK) | u64::from(access) << ACCESS_SHIFT;
    }

    fn key_length(self) -> usize {
        (self.detail >> KEY_LENGTH_SHIFT) as usize & 0xff
    }

    fn key_word(self) -> usize {
        2 + usize::from(self.has_expiry())
    }

    fn words(self) -> usize {
        let key_bytes = if self.key_length() == LONG_KEY_BYTES { 8 } else { self.key_length() };
        self.key_word() + key_bytes.div_ceil(8)
    }
}

/// All entries of one shard.
pub(crate) struct Entries {
    pages: Vec<Page>,
    vacant_pages: Vec<u32>,
    /// For each entry size in words, the pages that have a free slot.
    partial: [Vec<u32>; MAX_ENTRY_WORDS + 1],
    long_keys: Vec<Box<[u8]>>,
    vacant_long_keys: Vec<u32>,
    long_key_bytes: usize,
    live_pages: usize,
}

struct Page {
    words: Box<[u64]>,
    entry_words: u8,
    used: u16,
    free: u16,
    /// Where this page stands in its size's list of partial pages.
    partial_at: u32,
}

const NOT_PARTIAL: u32 = u32::MAX;

impl Default for Entries {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            vacant_pages: Vec::new(),
            partial: [const { Vec::new() }; MAX_ENTRY_WORDS + 1],
            long_keys: Vec::new(),
            vacant_long_keys: Vec::new(),
            long_key_bytes: 0,
            live_pages: 0,
        }
    }
}

impl Entries {
    /// A new entry for `key`, with no value described and no access recorded.
    pub(crate) fn insert(&mut self, key: &[u8], expiry_ms: Option<u64>) -> Handle {
        let long = key.len() >= LONG_KEY_BYTES;
        let key_length = key.len().min(LONG_KEY_BYTES) as u64;
        let head = Head {
            place: if expiry_ms.is_some() { HAS_EXPIRY } else { 0 },
            detail: key_length << KEY_LENGTH_SHIFT,
        };
        let handle = self.allocate(head.words());
        let long_key = long.then(|| u64::from(self.insert_long_key(key)));
        let words = self.words_mut(handle, head.words());
        words[0] = head.place;
        words[1] = head.detail;
        if let Some(expiry_ms) = expiry_ms {
            words[2] = expiry_ms;
        }
        let key_words = &mut words[head.key_word()..];
        match long_key {
            Some(number) => key_words[0] = number,
            None => {
                if let Some(last) = key_words.last_mut() {
                    *last = 0;
                }
                bytemuck::cast_slice_mut::<u64, u8>(key_words)[..key.len()].copy_from_slice(key);
            }
        }
        handle
    }

    pub(crate) fn remove(&mut self, handle: Handle) {
        let head = self.head(handle);
        if head.key_length() == LONG_KEY_BYTES {
            let number = self.words(handle, head.words())[head.key_word()] as u32;
            let key = std::mem::take(&mut self.long_keys[number as usize]);
            self.long_key_bytes -= key.len();
            self.vacant_long_keys.push(number);
        }
        self.release(handle);
    }

    /// Where the entry begins.
    #[inline]
    pub(crate) fn start(&self, handle: Handle) -> &u64 {
        &self.pages[handle.page()].words[handle.word()]
    }

    #[inline]
    pub(crate) fn head(&self, handle: Handle) -> Head {
        let words = self.words(handle, 2);
        Head { place: words[0], detail: words[1] }
    }

    /// Writes back a head obtained from [`Self::head`] of the same entry.
    #[inline]
    pub(crate) fn set_head(&mut self, handle: Handle, head: Head) {
        let words = self.words_mut(handle, 2);
        debug_assert_eq!(words[0] & HAS_EXPIRY, head.place & HAS_EXPIRY);
        words[0] = head.place;
        words[1] = head.detail;
    }

    #[inline]
    pub(crate) fn key(&self, handle: Handle) -> &[u8] {
        let page = &self.pages[handle.page()].words;
        let at = handle.word();
        let head = Head { place: page[at], detail: page[at + 1] };
        let key_at = at + head.key_word();
        let length = head.key_length();
        if length == LONG_KEY_BYTES {
            return &self.long_keys[page[key_at] as usize];
        }
        &bytemuck::cast_slice::<u64, u8>(&page[key_at..])[..length]
    }

    #[inline]
    pub(crate) fn expiry_ms(&self, handle: Handle) -> Option<u64> {
        let words = self.words(handle, 2);
        (words[0] & HAS_EXPIRY != 0).then(|| self.words(handle, 3)[2])
    }

    /// Gives the entry another expiry. Its size changes where it had none before or has none now: the
    /// entry then moves, and the caller must put the returned handle wherever it kept the old one.
    pub(crate) fn set_expiry(&mut self, handle: Handle, expiry_ms: Option<u64>) -> Handle {
        let head = self.head(handle);
        match expiry_ms {
            Some(expiry_ms) if head.has_expiry() => {
                self.words_mut(handle, 3)[2] = expiry_ms;
                handle
            }
            None if !head.has_expiry() => handle,
            _ => self.resize(handle, head, expiry_ms),
        }
    }

    fn resize(&mut self, handle: Handle, head: Head, expiry_ms: Option<u64>) -> Handle {
        let mut moved = head;
        moved.place = (head.place & !HAS_EXPIRY) | if expiry_ms.is_some() { HAS_EXPIRY } else { 0 };
        let mut key_words = [0u64; MAX_ENTRY_WORDS];
        let key_word_count = head.words() - head.key_word();
        key_words[..key_word_count].copy_from_slice(&self.words(handle, head.words())[head.key_word()..]);
        self.release(handle);
        let to = self.allocate(moved.words());
        let words = self.words_mut(to, moved.words());
        words[0] = moved.place;
        words[1] = moved.detail;
        if let Some(expiry_ms) = expiry_ms {
            words[2] = expiry_ms;
        }
        words[moved.key_word()..].copy_from_slice(&key_words[..key_word_count]);
        to
    }

    /// DRAM that the entries occupy, in bytes: whole pages, long keys, and the lists that find them.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.live_pages * PAGE_WORDS * 8
            + self.long_key_bytes
            + self.pages.capacity() * size_of::<Page>()
            + self.long_keys.capacity() * size_of::<Box<[u8]>>()
    }

    fn insert_long_key(&mut self, key: &[u8]) -> u32 {
        self.long_key_bytes += key.len();
        match self.vacant_long_keys.pop() {
            Some(number) => {
                self.long_keys[number as usize] = key.into();
                number
            }
            None => {
                self.long_keys.push(key.into());
                (self.long_keys.len() - 1) as u32
            }
        }
    }

    #[inline]
    fn words(&self, handle: Handle, count: usize) -> &[u64] {
        let at = handle.word();
        &self.pages[handle.page()].words[at..at + count]
    }

    #[inline]
    fn words_mut(&mut self, handle: Handle, count: usize) -> &mut [u64] {
        let at = handle.word();
        &mut self.pages[handle.page()].words[at..at + count]
    }

    fn allocate(&mut self, entry_words: usize) -> Handle {
        let number = match self.partial[entry_words].last() {
            Some(&number) => number as usize,
            None => self.add_page(entry_words),
        };
        let page = &mut self.pages[number];
        let word = page.free;
        assert_ne!(word, NO_SLOT, "a partial page has a free slot");
        page.free = page.words[usize::from(word)] as u16;
        page.used += 1;
        if page.free == NO_SLOT {
            self.leave_partial(number);
        }
        Handle::new(number, usize::from(word))
    }

    fn release(&mut self, handle: Handle) {
        let number = handle.page();
        let page = &mut self.pages[number];
        page.words[handle.word()] = u64::from(page.free);
        page.free = handle.word() as u16;
        page.used -= 1;
        let (used, entry_words) = (page.used, usize::from(page.entry_words));
        if page.partial_at == NOT_PARTIAL {
            page.partial_at = self.partial[entry_words].len() as u32;
            self.partial[entry_words].push(number as u32);
        }
        // The last partial page of a size stays, so that one key set and deleted over and over does not
        // allocate a page each time.
        if used == 0 && self.partial[entry_words].len() > 1 {
            self.leave_partial(number);
            self.pages[number].words = Box::default();
            self.vacant_pages.push(number as u32);
            self.live_pages -= 1;
        }
    }

    fn add_page(&mut self, entry_words: usize) -> usize {
        let mut words = vec![0u64; PAGE_WORDS].into_boxed_slice();
        let slots = PAGE_WORDS / entry_words;
        for slot in 0..slots {
            let next = if slot + 1 < slots { ((slot + 1) * entry_words) as u16 } else { NO_SLOT };
            words[slot * entry_words] = u64::from(next);
        }
        let page = Page {
            words,
            entry_words: entry_words as u8,
            used: 0,
            free: 0,
            partial_at: self.partial[entry_words].len() as u32,
        };
        let number = match self.vacant_pages.pop() {
            Some(number) => {
                self.pages[number as usize] = page;
                number as usize
            }
            None => {
                self.pages.push(page);
                self.pages.len() - 1
            }
        };
        self.partial[entry_words].push(number as u32);
        self.live_pages += 1;
        number
    }

    fn leave_partial(&mut self, number: usize) {
        let page = &mut self.pages[number];
        let list = &mut self.partial[usize::from(page.entry_words)];
        let at = std::mem::replace(&mut page.partial_at, NOT_PARTIAL) as usize;
        assert_eq!(list.swap_remove(at) as usize, number);
        if let Some(&moved) = list.get(at) {
            self.pages[moved as usize].partial_at = at as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_come_back() {
        let mut entries = Entries::default();
        let keys: Vec<Vec<u8>> = (0..600).map(|n| (0..n).map(|i| (i * 7 + n) as u8).collect()).collect();
        let handles: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(i, key)| entries.insert(key, (i % 3 == 0).then_some(i as u64)))
            .collect();
        for (i, (key, &handle)) in keys.iter().zip(&handles).enumerate() {
            assert_eq!(entries.key(handle), key);
            assert_eq!(entries.expiry_ms(handle), (i % 3 == 0).then_some(i as u64));
        }
    }

    #[test]
    fn an_expiry_comes_and_goes_without_losing_the_rest() {
        let mut entries = Entries::default();
        for length in [0, 1, 8, 16, 254, 255, 1000] {
            let key = vec![b'k'; length];
            let handle = entries.insert(&key, None);
            let mut head = entries.head(handle);
            head.describe(ValueType::String, Encoding::Raw, 77);
            head.set_access(12345);
            head.set_place(Place::Ssd(Location::new(3, 64, 128)));
            entries.set_head(handle, head);
            let handle = entries.set_expiry(handle, Some(99));
            assert_eq!(entries.expiry_ms(handle), Some(99));
            let handle = entries.set_expiry(handle, Some(100));
            assert_eq!(entries.expiry_ms(handle), Some(100));
            let handle = entries.set_expiry(handle, None);
            assert_eq!(entries.expiry_ms(handle), None);
            let head = entries.head(handle);
            assert_eq!(entries.key(handle), key);
            assert_eq!((head.value_length(), head.access()), (77, 12345));
            assert_eq!(head.encoding(), Encoding::Raw);
            assert_eq!(head.place(), Place::Ssd(Location::new(3, 64, 128)));
            entries.remove(handle);
        }
    }

    #[test]
    fn pages_go_back_when_their_entries_go() {
        let mut entries = Entries::default();
        let handles: Vec<_> = (0..100_000u32).map(|i| entries.insert(&i.to_le_bytes(), None)).collect();
        let full = entries.allocated_bytes();
        assert!(full < 100_000 * 26, "an entry of a 4-byte key costs three words: {full}");
        for handle in handles {
            entries.remove(handle);
        }
        assert_eq!(entries.live_pages, 1);
    }
}
