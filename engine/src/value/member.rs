//! What a large hash or set keeps of each member: a few elements, in place where they are short.

use super::allocation_bytes;
use super::element::{Element, Encoded};
use super::member_hash::{integer_hash, member_hash};
use super::pack::Pack;
use crate::prefetch::prefetch;

/// Elements that are at most this long together need no memory of their own.
const INLINE_BYTES: usize = 8;

/// A set's member, or a hash's field with its value and the time it expires, as a pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Member {
    /// The pack, and zeros behind it.
    Inline([u8; INLINE_BYTES]),
    Heap(Box<[u8]>),
}

// Each member of a large collection pays for this.
const _: () = assert!(size_of::<Member>() == 16);

impl Member {
    pub(super) fn new(elements: &[Encoded<'_>]) -> Self {
        let length: usize = elements.iter().map(Encoded::len).sum();
        if length <= INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            write(elements, &mut bytes);
            Self::Inline(bytes)
        } else {
            let mut bytes = vec![0; length].into_boxed_slice();
            write(elements, &mut bytes);
            Self::Heap(bytes)
        }
    }

    /// The elements. Integers that are zero may follow them.
    #[inline]
    pub(super) fn pack(&self) -> Pack<'_> {
        Pack::new(self.bytes())
    }

    /// The first element.
    #[inline]
    pub(super) fn first(&self) -> Element<'_> {
        self.pack().get(0).expect("a member has at least one element").0
    }

    /// Whether this is the first element.
    #[inline]
    pub(super) fn is(&self, first: &Encoded<'_>) -> bool {
        first.begins(self.bytes())
    }

    /// The bytes of the first `elements` elements.
    pub(super) fn elements(&self, elements: usize) -> &[u8] {
        let end = (0..elements).fold(0, |at, _| self.pack().after(at));
        &self.bytes()[..end]
    }

    /// Asks for the memory that the elements begin in.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(self.bytes());
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }

    /// The memory on the heap in bytes, as the allocator rounds it.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline(_) => 0,
            Self::Heap(bytes) => allocation_bytes(bytes.len()),
        }
    }
}

fn write(elements: &[Encoded<'_>], mut out: &mut [u8]) {
    for element in elements {
        let (head, rest) = out.split_at_mut(element.len());
        element.write::<false>(head);
        out = rest;
    }
}

/// The hash of an element, the same for each byte string.
#[inline]
pub(crate) fn element_hash(element: Element<'_>) -> u64 {
    match element {
        Element::Bytes(bytes) => member_hash(bytes),
        Element::Integer(integer) => integer_hash(integer),
    }
}
