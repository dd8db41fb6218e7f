//! One pack of a large list. Those at the list's ends have room for more elements before or behind the others, so that
//! nothing is moved when one comes or goes there.

use super::limits::listpack_bytes;
use super::walk::{position, without};
use crate::value::allocation_bytes;
use crate::value::element::Encoded;
use crate::value::pack::{PackEditor, TwoWayPack};

/// The least room that is made for further elements.
const MIN_ROOM_BYTES: usize = 16;
/// The most.
const MAX_ROOM_BYTES: usize = 1024;

/// Elements back to back, somewhere in a buffer.
#[derive(Debug)]
pub(super) struct Node {
    /// Room, the pack, and spare capacity, which is room as well.
    buffer: Vec<u8>,
    /// Where the pack begins.
    start: u32,
    elements: u32,
}

// Each node of each large list pays for this size.
const _: () = assert!(size_of::<Node>() == 32);

impl Node {
    /// No elements, and no room.
    pub(super) fn empty() -> Self {
        Self::new(Vec::new(), 0)
    }

    /// The elements of a pack.
    pub(super) fn new(pack: Vec<u8>, elements: usize) -> Self {
        let elements = u32::try_from(elements).expect("a node has few elements");
        Self { buffer: pack, start: 0, elements }
    }

    pub(super) fn pack(&self) -> &[u8] {
        &self.buffer[self.start()..]
    }

    fn start(&self) -> usize {
        self.start as usize
    }

    fn set_start(&mut self, start: usize) {
        self.start = u32::try_from(start).expect("nodes are far shorter than 4 GiB");
    }

    pub(super) fn len(&self) -> usize {
        self.elements as usize
    }

    pub(super) fn listpack_bytes(&self) -> usize {
        listpack_bytes(self.pack().len())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        allocation_bytes(self.buffer.capacity())
    }

    pub(super) fn push_back(&mut self, element: &Encoded<'_>) {
        let (bytes, length) = (element.len_in::<true>(), self.buffer.len());
        if self.buffer.capacity() - length < bytes {
            if self.start() >= bytes && self.start() >= length / 2 {
                // What was popped left as much room in front as there are elements: moving those is paid for.
                self.close_front();
            } else {
                self.buffer.reserve_exact(room_for(self.pack().len(), bytes));
            }
        }
        let at = self.buffer.len();
        self.buffer.resize(at + bytes, 0);
        element.write::<true>(&mut self.buffer[at..]);
        self.elements += 1;
    }

    pub(super) fn push_front(&mut self, element: &Encoded<'_>) {
        let bytes = element.len_in::<true>();
        if self.start() < bytes {
            let room = room_for(self.pack().len(), bytes);
            let mut buffer = Vec::with_capacity(room + self.pack().len());
            buffer.resize(room, 0);
            buffer.extend_from_slice(self.pack());
            self.buffer = buffer;
            self.set_start(room);
        }
        let end = self.start();
        element.write::<true>(&mut self.buffer[end - bytes..end]);
        self.set_start(end - bytes);
        self.elements += 1;
    }

    /// Takes the first elements away. Moves nothing.
    pub(super) fn cut_front(&mut self, count: usize) {
        self.set_start(self.start() + position(self.pack(), self.len(), count));
        self.elements -= count as u32;
    }

    /// Takes the last elements away. Moves nothing.
    pub(super) fn cut_back(&mut self, count: usize) {
        let end = position(self.pack(), self.len(), self.len() - count);
        self.buffer.truncate(self.start() + end);
        self.elements -= count as u32;
    }

    pub(super) fn insert(&mut self, index: usize, element: &Encoded<'_>) {
        let at = position(self.pack(), self.len(), index);
        self.close_front();
        PackEditor::<true>(&mut self.buffer).insert(at, &[*element]);
        self.elements += 1;
    }

    pub(super) fn set(&mut self, index: usize, element: &Encoded<'_>) {
        let at = position(self.pack(), self.len(), index);
        self.close_front();
        PackEditor::<true>(&mut self.buffer).replace(at, element);
    }

    /// Takes out the elements that begin at these positions of the pack, in ascending order.
    pub(super) fn remove(&mut self, positions: &[usize]) {
        self.buffer = without(self.pack(), positions);
        self.start = 0;
        self.elements -= positions.len() as u32;
    }

    /// Keeps the first elements and returns the others, both without room.
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        let at = position(self.pack(), self.len(), index);
        let rest = Self::new(self.pack()[at..].to_vec(), self.len() - index);
        self.buffer.truncate(self.start() + at);
        self.elements = index as u32;
        self.shrink();
        rest
    }

    /// Appends the elements of another node.
    pub(super) fn append(&mut self, other: &Self) {
        self.close_front();
        self.buffer.reserve_exact(other.pack().len());
        self.buffer.extend_from_slice(other.pack());
        self.elements += other.elements;
    }

    /// Gives back all room.
    pub(super) fn shrink(&mut self) {
        if self.start > 0 {
            self.buffer = self.pack().to_vec();
            self.start = 0;
        } else {
            self.buffer.shrink_to_fit();
        }
    }

    /// Whether the bytes are a pack, of as many elements.
    pub(super) fn check(&self) -> bool {
        TwoWayPack::check(self.pack()) == Some(self.len())
    }

    /// Makes the room in front room behind.
    fn close_front(&mut self) {
        if self.start > 0 {
            let start = self.start();
            self.buffer.copy_within(start.., 0);
            self.buffer.truncate(self.buffer.len() - start);
            self.start = 0;
        }
    }
}

impl Clone for Node {
    /// The same elements, without room.
    fn clone(&self) -> Self {
        Self { buffer: self.pack().to_vec(), start: 0, elements: self.elements }
    }
}

/// How much room to make for an element of so many bytes and some that may follow, such that the allocator wastes none.
fn room_for(pack_bytes: usize, element_bytes: usize) -> usize {
    let further = (pack_bytes / 8).clamp(MIN_ROOM_BYTES, MAX_ROOM_BYTES);
    allocation_bytes(pack_bytes + element_bytes + further) - pack_bytes
}
