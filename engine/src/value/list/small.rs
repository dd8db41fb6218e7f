//! The small form: a pack of the elements, behind how many there are.
//!
//! ```text
//! elements (2 bytes, little-endian) | element | element | ...
//! ```

use std::ops::Range;

use smallvec::SmallVec;

use super::ListEnd;
use super::limits::listpack_bytes;
use super::walk::{matches, position, without};
use crate::value::element::Encoded;
use crate::value::pack::{PackEditor, TwoWayPack};

/// The most elements, which their number of two bytes allows.
pub(super) const MAX_ELEMENTS: usize = u16::MAX as usize;

/// How long that number is.
const HEADER_BYTES: usize = 2;

/// The bytes of a small list, for reading.
#[derive(Clone, Copy)]
pub(super) struct Small<'a> {
    bytes: &'a [u8],
}

impl<'a> Small<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes of a list of no elements.
    pub(super) fn empty() -> Box<[u8]> {
        Box::new([0; HEADER_BYTES])
    }

    /// `None` unless these are the bytes of a list of one element at least.
    pub(super) fn check(bytes: &'a [u8]) -> Option<Self> {
        let (header, pack) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let elements = TwoWayPack::check(pack)?;
        let is_whole = elements > 0 && elements == usize::from(u16::from_le_bytes(*header));
        is_whole.then_some(Self { bytes })
    }

    pub(super) fn len(self) -> usize {
        let header = self.bytes.first_chunk::<HEADER_BYTES>().expect("a list has its length");
        usize::from(u16::from_le_bytes(*header))
    }

    pub(super) fn pack(self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    pub(super) fn listpack_bytes(self) -> usize {
        listpack_bytes(self.pack().len())
    }

    /// Where an element begins, in all of the bytes.
    fn position(self, index: usize) -> usize {
        HEADER_BYTES + position(self.pack(), self.len(), index)
    }
}

/// A list of a pack's elements.
pub(super) fn from_pack(pack: &[u8], elements: usize) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + pack.len());
    bytes.extend([0; HEADER_BYTES]);
    bytes.extend_from_slice(pack);
    into_small(bytes, elements)
}

/// The pack of a list, with nothing before it.
pub(super) fn into_pack(bytes: Box<[u8]>) -> (Vec<u8>, usize) {
    let elements = Small::new(&bytes).len();
    (bytes[HEADER_BYTES..].to_vec(), elements)
}

pub(super) fn push<'a>(list: &mut Box<[u8]>, end: ListEnd, elements: impl Iterator<Item = &'a [u8]>) {
    let mut encoded: SmallVec<[Encoded<'_>; 4]> = elements.map(Encoded::new).collect();
    let at = match end {
        ListEnd::Front => HEADER_BYTES,
        ListEnd::Back => list.len(),
    };
    if end == ListEnd::Front {
        encoded.reverse();
    }
    splice(list, at..at, 0, &encoded);
}

pub(super) fn cut(list: &mut Box<[u8]>, end: ListEnd, count: usize) {
    let small = Small::new(list);
    let range = match end {
        ListEnd::Front => HEADER_BYTES..small.position(count),
        ListEnd::Back => small.position(small.len() - count)..list.len(),
    };
    splice(list, range, count, &[]);
}

pub(super) fn set(list: &mut Box<[u8]>, index: usize, element: &[u8]) {
    let small = Small::new(list);
    let at = small.position(index);
    let end = HEADER_BYTES + TwoWayPack::new(small.pack()).after(at - HEADER_BYTES);
    splice(list, at..end, 1, &[Encoded::new(element)]);
}

pub(super) fn insert(list: &mut Box<[u8]>, index: usize, element: &[u8]) {
    let at = Small::new(list).position(index);
    splice(list, at..at, 0, &[Encoded::new(element)]);
}

pub(super) fn remove(list: &mut Box<[u8]>, unwanted: &Encoded<'_>, from: ListEnd, most: usize) -> usize {
    let small = Small::new(list);
    let found = matches(small.pack(), unwanted, from, most);
    if !found.is_empty() {
        let kept = without(small.pack(), &found);
        *list = from_pack(&kept, small.len() - found.len());
    }
    found.len()
}

/// Puts new elements in the place of `removed` ones, which lie between two positions.
fn splice(list: &mut Box<[u8]>, range: Range<usize>, removed: usize, new: &[Encoded<'_>]) {
    let elements = Small::new(list).len() - removed + new.len();
    let mut bytes = std::mem::take(list).into_vec();
    PackEditor::<true>(&mut bytes).splice(range, new);
    *list = into_small(bytes, elements);
}

fn into_small(mut bytes: Vec<u8>, elements: usize) -> Box<[u8]> {
    let elements = u16::try_from(elements).expect("longer lists are not small");
    bytes[..HEADER_BYTES].copy_from_slice(&elements.to_le_bytes());
    bytes.into_boxed_slice()
}
