//! A pack with the number of its elements before it: the small form of hashes and sets.
//!
//! ```text
//! flag 1 bit, count 15 bits (2 bytes, little-endian) | elements
//! ```
//!
//! What the flag means and what is counted (elements, or pairs of them) is up to the type. Positions are offsets in the
//! whole run of bytes: the first element is at [`CountedPack::START`].

use super::allocation_bytes;
use super::element::Encoded;
use super::pack::{Pack, PackEditor};

const FLAG: u16 = 0x8000;

/// Bytes that begin with a count. Their memory is exactly as long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CountedPack(Box<[u8]>);

impl CountedPack {
    /// Where the first element is.
    pub(super) const START: usize = size_of::<u16>();
    /// The most that can be counted, however high the limits are set.
    pub(super) const MAX_COUNT: usize = (FLAG - 1) as usize;

    /// No elements.
    pub(super) fn new(is_flagged: bool) -> Self {
        Self::from_vec(is_flagged, 0, vec![0; Self::START])
    }

    /// Elements behind [`Self::START`] bytes for the count.
    pub(super) fn from_vec(is_flagged: bool, count: usize, bytes: Vec<u8>) -> Self {
        let mut pack = Self(bytes.into_boxed_slice());
        pack.set_head(is_flagged, count);
        pack
    }

    /// Stored bytes; what is behind the count is not looked at.
    pub(super) fn from_payload(payload: &[u8]) -> Option<Self> {
        (payload.len() >= Self::START).then(|| Self(payload.into()))
    }

    fn head(&self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }

    fn set_head(&mut self, is_flagged: bool, count: usize) {
        assert!(count <= Self::MAX_COUNT);
        let head = count as u16 | if is_flagged { FLAG } else { 0 };
        self.0[..Self::START].copy_from_slice(&head.to_le_bytes());
    }

    /// The flag.
    #[inline]
    pub(super) fn is_flagged(&self) -> bool {
        self.head() & FLAG != 0
    }

    /// The count.
    #[inline]
    pub(super) fn count(&self) -> usize {
        usize::from(self.head() & !FLAG)
    }

    /// All bytes, the count's included.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The elements' bytes.
    #[inline]
    pub(super) fn body(&self) -> &[u8] {
        &self.0[Self::START..]
    }

    /// The elements; positions begin at [`Self::START`].
    #[inline]
    pub(super) fn pack(&self) -> Pack<'_> {
        Pack::new(&self.0)
    }

    /// The position of an element among those that are `stride` apart.
    #[inline]
    pub(super) fn find(&self, wanted: &Encoded<'_>, stride: usize) -> Option<usize> {
        self.pack().find(wanted, Self::START, stride)
    }

    /// Changes the bytes, those of the count left alone, and the count.
    pub(super) fn edit<T>(&mut self, count: usize, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let is_flagged = self.is_flagged();
        let mut bytes = std::mem::take(&mut self.0).into_vec();
        let result = edit(&mut bytes);
        *self = Self::from_vec(is_flagged, count, bytes);
        result
    }

    /// Appends elements that count as one.
    pub(super) fn push(&mut self, elements: &[Encoded<'_>]) {
        self.edit(self.count() + 1, |bytes| {
            let end = bytes.len();
            PackEditor::<false>(bytes).insert(end, elements);
        });
    }

    /// Puts other elements in the place of `elements.len()` ones.
    pub(super) fn replace(&mut self, at: usize, elements: &[Encoded<'_>]) {
        let end = (0..elements.len()).fold(at, |at, _| self.pack().after(at));
        self.edit(self.count(), |bytes| PackEditor::<false>(bytes).splice(at..end, elements));
    }

    /// Takes `elements` elements out that count as one.
    pub(super) fn remove(&mut self, at: usize, elements: usize) {
        self.edit(self.count() - 1, |bytes| PackEditor::<false>(bytes).remove(at, elements));
    }

    /// The memory on the heap in bytes, as the allocator rounds it.
    pub(super) fn heap_bytes(&self) -> usize {
        allocation_bytes(self.0.len())
    }
}
