//! Sorted sets.

mod order;

use super::Encoding;

/// A sorted set value. Nobody can make one yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SortedSetValue {}

impl SortedSetValue {
    /// How `OBJECT ENCODING` names the representation.
    pub fn encoding(&self) -> Encoding {
        match *self {}
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match *self {}
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        match *self {}
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match *self {}
    }

    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match *self {}
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        match *self {}
    }

    pub(super) fn encode(&self, _out: &mut Vec<u8>) {
        match *self {}
    }

    pub(super) fn decode(_encoding: Encoding, _payload: &[u8]) -> Option<Self> {
        None
    }
}
