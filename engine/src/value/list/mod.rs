//! Lists: small ones in a pack, large ones in a queue of packs.
//!
//! * `limits`: up to where a list is small, and how large the packs of a large one are.
//! * `small`: one pack, behind how many elements there are.
//! * `large`: the queue; `node`: one pack of it, with room for more at either end.
//! * `walk`: iteration and search, both ways.
//!
//! Positions are counted from the front, from 0.
//!
//! The payload of a record is what a small list is in DRAM, or for a large one, each node: how many elements (4 bytes) and
//! how long (4 bytes) its pack is, and the pack, numbers in little-endian order.

mod large;
mod limits;
mod node;
mod small;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;
use std::ops::Range;

use super::element::Encoded;
use super::{Element, Encoding, allocation_bytes};
use large::Large;
pub use limits::ListLimits;
use node::Node;
use small::Small;
use walk::Chunks;
pub use walk::{ListBackward, ListForward};

/// One of a list's ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListEnd {
    /// Where LPUSH pushes.
    Front,
    /// Where RPUSH pushes.
    Back,
}

/// A list value.
#[derive(Clone)]
pub struct ListValue(Form);

#[derive(Clone)]
enum Form {
    Small(Box<[u8]>),
    Large(Box<Large>),
}

impl ListValue {
    /// Without elements, so far.
    pub fn new() -> Self {
        Self(Form::Small(Small::empty()))
    }

    /// The same, but large.
    pub fn new_large() -> Self {
        Self(Form::Large(Box::new(Large::from_small(Small::empty()))))
    }

    /// How `OBJECT ENCODING` names the representation.
    pub fn encoding(&self) -> Encoding {
        match self.0 {
            Form::Small(_) => Encoding::ListPack,
            Form::Large(_) => Encoding::QuickList,
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(bytes) => Small::new(bytes).len(),
            Form::Large(large) => large.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a position.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        self.iter_from(index).next()
    }

    /// All elements in order.
    pub fn iter(&self) -> ListForward<'_> {
        self.iter_from(0)
    }

    /// The elements in order, from a position on. Getting there takes time for each node passed, and for one node's
    /// elements.
    pub fn iter_from(&self, index: usize) -> ListForward<'_> {
        self.chunks().forward(index)
    }

    /// The elements from a position on towards the front; all of them where it is beyond the end.
    pub fn iter_back_from(&self, index: usize) -> ListBackward<'_> {
        self.chunks().backward(index)
    }

    /// Tells `found` the positions of elements equal to `wanted`, in order from an end, until it returns false. At most
    /// `most` elements are looked at.
    pub fn search(&self, wanted: &[u8], from: ListEnd, most: usize, found: impl FnMut(usize) -> bool) {
        self.chunks().search(&Encoded::new(wanted), from, most, found);
    }

    /// Puts elements at an end, one after the other: at the front, the last one comes first.
    pub fn push<'a, I>(&mut self, end: ListEnd, elements: I, limits: ListLimits)
    where
        I: Iterator<Item = &'a [u8]> + Clone,
    {
        self.make_room(elements.clone(), limits);
        match &mut self.0 {
            Form::Small(bytes) => small::push(bytes, end, elements),
            Form::Large(large) => elements.for_each(|element| large.push(end, element, limits)),
        }
    }

    /// Takes elements away from an end, all of them where there are not more.
    pub fn cut(&mut self, end: ListEnd, count: usize, limits: ListLimits) {
        let count = count.min(self.len());
        match &mut self.0 {
            _ if count == 0 => return,
            Form::Small(bytes) => small::cut(bytes, end, count),
            Form::Large(large) => large.cut(end, count),
        }
        self.settle(limits);
    }

    /// Puts another element in the place of the one at a position; false where there is none.
    pub fn set(&mut self, index: usize, element: &[u8], limits: ListLimits) -> bool {
        if index >= self.len() {
            return false;
        }
        self.make_room(std::iter::once(element), limits);
        match &mut self.0 {
            Form::Small(bytes) => small::set(bytes, index, element),
            Form::Large(large) => large.set(index, element),
        }
        self.settle(limits);
        true
    }

    /// Puts an element in before the one at a position, or at the end.
    ///
    /// # Panics
    /// If the position is beyond the end.
    pub fn insert(&mut self, index: usize, element: &[u8], limits: ListLimits) {
        assert!(index <= self.len());
        self.make_room(std::iter::once(element), limits);
        match &mut self.0 {
            Form::Small(bytes) => small::insert(bytes, index, element),
            Form::Large(large) => large.insert(index, element, limits),
        }
    }

    /// Takes out elements equal to `unwanted`, at most so many, beginning at an end; returns how many they were.
    pub fn remove(&mut self, unwanted: &[u8], from: ListEnd, most: usize, limits: ListLimits) -> usize {
        let unwanted = Encoded::new(unwanted);
        let removed = match &mut self.0 {
            Form::Small(bytes) => small::remove(bytes, &unwanted, from, most),
            Form::Large(large) => large.remove(&unwanted, from, most),
        };
        if removed > 0 {
            self.settle(limits);
        }
        removed
    }

    /// Keeps the elements at these positions only.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn keep(&mut self, range: Range<usize>, limits: ListLimits) {
        let behind = self.len().checked_sub(range.end).expect("a range within the list");
        self.cut(ListEnd::Back, behind, limits);
        self.cut(ListEnd::Front, range.start, limits);
    }

    /// Makes the list small or large by what it holds, whatever it was: what Redis does with a list that comes from
    /// elsewhere.
    pub fn fit(&mut self, limits: ListLimits) {
        match &self.0 {
            Form::Small(_) => self.make_room(std::iter::empty(), limits),
            Form::Large(large) => {
                if let Some(node) = large.only_node()
                    && limits.hold_sparsely(node.listpack_bytes(), node.len())
                {
                    self.shrink();
                }
            }
        }
    }

    /// Appends elements to a list as a node of their own, which makes it large. See [`Self::fit`].
    pub fn push_node<'a>(&mut self, elements: impl Iterator<Item = Element<'a>>) {
        if let Form::Small(bytes) = &mut self.0 {
            self.0 = Form::Large(Box::new(Large::from_small(std::mem::take(bytes))));
        }
        if let Form::Large(large) = &mut self.0 {
            large.push_node(elements);
        }
    }

    /// How many elements each node has; the only one, where the list is small.
    pub fn node_lengths(&self) -> Vec<usize> {
        match &self.0 {
            Form::Small(bytes) => vec![Small::new(bytes).len()],
            Form::Large(large) => large.nodes().iter().map(Node::len).collect(),
        }
    }

    /// Makes a small list large where these elements would make it exceed the limits.
    fn make_room<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]>, limits: ListLimits) {
        if let Form::Small(bytes) = &mut self.0 {
            let small = Small::new(bytes);
            let sum = |(count, bytes), element: &[u8]| (count + 1, bytes + element.len());
            let (count, length) = elements.fold((small.len(), small.listpack_bytes()), sum);
            if !limits.hold(length, count) || count > small::MAX_ELEMENTS {
                self.0 = Form::Large(Box::new(Large::from_small(std::mem::take(bytes))));
            }
        }
    }

    /// Makes a large list small where it has shrunk to half of what a small one may be.
    fn settle(&mut self, limits: ListLimits) {
        if let Form::Large(large) = &self.0
            && let Some(node) = large.only_node()
            && limits.halved().hold_sparsely(node.listpack_bytes(), node.len())
        {
            self.shrink();
        }
    }

    /// Makes a large list of one node small.
    fn shrink(&mut self) {
        if let Form::Large(large) = &self.0
            && let Some(node) = large.only_node()
            && node.len() <= small::MAX_ELEMENTS
        {
            self.0 = Form::Small(small::from_pack(node.pack(), node.len()));
        }
    }

    fn chunks(&self) -> Chunks<'_> {
        match &self.0 {
            Form::Small(bytes) => Chunks::Small(Small::new(bytes)),
            Form::Large(large) => Chunks::Large(large),
        }
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(bytes) => allocation_bytes(bytes.len()),
            Form::Large(large) => large.heap_bytes(),
        }
    }

    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Small(bytes) => Some(bytes),
            Form::Large(large) => large.heap_start(),
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(bytes) => bytes.len(),
            Form::Large(large) => large.payload_bytes(),
        }
    }

    /// See [`encode_piece`](super::codec::encode_piece).
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        match &self.0 {
            Form::Small(bytes) => {
                out.extend_from_slice(bytes);
                None
            }
            Form::Large(large) => large.encode_piece(position, out),
        }
    }

    pub(super) fn decode(encoding: Encoding, payload: &[u8]) -> Option<Self> {
        Some(Self(match encoding {
            Encoding::ListPack => {
                Small::check(payload)?;
                Form::Small(payload.into())
            }
            Encoding::QuickList => Form::Large(Box::new(Large::decode(payload)?)),
            _ => return None,
        }))
    }
}

impl Default for ListValue {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for ListValue {
    fn eq(&self, other: &Self) -> bool {
        self.encoding() == other.encoding() && self.iter().eq(other.iter())
    }
}

impl Eq for ListValue {}

impl fmt::Debug for ListValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.encoding().name())?;
        f.debug_list().entries(self.iter()).finish()
    }
}
