//! A node: some successive entries of a stream, in one run of bytes.
//!
//! ```text
//! names   number of names (varint) | that many elements                 the field names of the node's first entry
//! entry   flags 1 | milliseconds (varint) [| sequence (varint)] | fields
//! fields  with OWN_NAMES: number of fields (varint) | name, value, name, value ...; else a value for each of the names
//! ```
//!
//! An entry's id is told by what is to be added to that of the node's first entry; the sequence, which can be less than
//! that one's, is in zigzag form, and left out where it is the same. Names and values are [elements](crate::value::pack).
//!
//! A deleted entry stays, marked, until its whole node goes: as in Redis, where it counts for what a node may hold. For the
//! same reason a node knows how many bytes it would take as one of Redis' listpacks: a stream is cut into the same nodes
//! as there, so that approximate trimming, which takes whole nodes, leaves the same entries.

use super::id::StreamId;
use crate::value::allocation_bytes;
use crate::value::element::{Element, Encoded, back_length_bytes, decode};
use crate::value::pack::{Pack, PackEditor, PackIter};

/// The entry was deleted.
const DELETED: u8 = 1;
/// The entry's field names are not those of the node's first entry.
const OWN_NAMES: u8 = 1 << 1;
/// The entry's id has another sequence than that of the node's first entry.
const OWN_SEQUENCE: u8 = 1 << 2;
const ALL_FLAGS: u8 = DELETED | OWN_NAMES | OWN_SEQUENCE;

/// What a listpack has besides its elements: its head and its end mark.
const LISTPACK_FRAME_BYTES: usize = 7;
/// A node that would take more bytes as a listpack gets no further entries, whatever the settings say.
const MAX_LISTPACK_BYTES: usize = 1 << 30;
/// A varint of 64 bits.
const MAX_VARINT_BYTES: usize = 10;

/// When a stream begins a new node: `stream-node-max-bytes` and `stream-node-max-entries`, 0 for no limit of one's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeLimits {
    /// The bytes of a node.
    pub bytes: u64,
    /// Its entries, deleted ones included.
    pub entries: u64,
}

impl NodeLimits {
    /// Redis' defaults.
    pub const REDIS: Self = Self { bytes: 4096, entries: 100 };
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    bytes: Vec<u8>,
    /// Where the first entry begins.
    entries_at: u32,
    /// What its elements take in a listpack, but for the numbers of entries.
    listpack_bytes: u32,
    live: u32,
    deleted: u32,
}

impl Node {
    /// A node without entries for one with these fields.
    pub(super) fn new(fields: &[Element<'_>]) -> Self {
        let mut bytes = Vec::new();
        let names = fields.len() / 2;
        push_varint(&mut bytes, names as u64);
        let mut listpack_bytes = listpack_integer_bytes(names as i64) + listpack_integer_bytes(0);
        for name in fields.iter().step_by(2) {
            listpack_bytes += push_element(&mut bytes, *name);
        }
        let entries_at = length_u32(bytes.len());
        Self { bytes, entries_at, listpack_bytes: length_u32(listpack_bytes), live: 0, deleted: 0 }
    }

    pub(super) fn live(&self) -> u64 {
        u64::from(self.live)
    }

    pub(super) fn deleted(&self) -> u64 {
        u64::from(self.deleted)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn heap_bytes(&self) -> usize {
        allocation_bytes(self.bytes.capacity())
    }

    /// Whether an entry of so many bytes, names and values as they are, still goes into this node.
    pub(super) fn has_room_for(&self, entry_bytes: u64, limits: NodeLimits) -> bool {
        let counts_bytes =
            listpack_integer_bytes(i64::from(self.live)) + listpack_integer_bytes(i64::from(self.deleted));
        let listpack_bytes = (LISTPACK_FRAME_BYTES + counts_bytes) as u64 + u64::from(self.listpack_bytes);
        let max_bytes = match limits.bytes {
            0 => MAX_LISTPACK_BYTES as u64,
            bytes => bytes.min(MAX_LISTPACK_BYTES as u64),
        };
        let entries = self.live() + self.deleted();
        listpack_bytes.saturating_add(entry_bytes) < max_bytes
            && (limits.entries == 0 || entries < limits.entries)
    }

    /// Appends an entry: its id, above those of all others, and its names and values in turn. `first` is the id of the
    /// node's first entry. The vector grows to what the allocator gives anyway.
    pub(super) fn push(&mut self, first: StreamId, id: StreamId, fields: &[Element<'_>], is_deleted: bool) {
        let ms = id.ms - first.ms;
        let sequence = id.sequence.wrapping_sub(first.sequence) as i64;
        let has_own_names = !self.has_names(fields);
        let fields_count = fields.len() / 2;
        let (start, step) = if has_own_names { (0, 1) } else { (1, 2) };
        let stored = fields.iter().skip(start).step_by(step);
        let body_bytes: usize = stored.clone().map(|element| Encoded::from(*element).len()).sum();
        let numbers = [ms, zigzag(sequence), if has_own_names { fields_count as u64 } else { 0 }];
        self.reserve(1 + numbers.into_iter().map(varint_bytes).sum::<usize>() + body_bytes);
        let mut flags = 0;
        for (flag, is_set) in
            [(DELETED, is_deleted), (OWN_NAMES, has_own_names), (OWN_SEQUENCE, sequence != 0)]
        {
            flags |= if is_set { flag } else { 0 };
        }
        self.bytes.push(flags);
        push_varint(&mut self.bytes, ms);
        if sequence != 0 {
            push_varint(&mut self.bytes, zigzag(sequence));
        }
        let mut listpack_bytes = entry_listpack_bytes(has_own_names, ms, sequence, fields_count);
        if has_own_names {
            push_varint(&mut self.bytes, fields_count as u64);
        }
        for element in stored {
            listpack_bytes += push_element(&mut self.bytes, *element);
        }
        self.listpack_bytes = length_u32(self.listpack_bytes as usize + listpack_bytes);
        match is_deleted {
            true => self.deleted += 1,
            false => self.live += 1,
        }
    }

    /// Gives back what the vector has to spare: nothing more is coming.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Marks the entry that begins at an offset as deleted.
    pub(super) fn mark_deleted(&mut self, offset: usize) {
        assert_eq!(self.bytes[offset] & DELETED, 0, "an entry is deleted once");
        self.bytes[offset] |= DELETED;
        self.live -= 1;
        self.deleted += 1;
    }

    /// The names of the node's first entry.
    pub(super) fn names(&self) -> PackIter<'_, false> {
        let (_, names_at) = read_varint(&self.bytes, 0).expect("a node is well formed");
        Pack::new(&self.bytes[..self.entries_at as usize]).iter_from(names_at)
    }

    /// Its entries in order, deleted ones included. `first` is the id of the first.
    pub(super) fn entries(&self, first: StreamId) -> NodeEntries<'_> {
        NodeEntries { node: self, first, at: self.entries_at as usize }
    }

    /// The node of these bytes, if they are one whose first entry has this id; and the id of its last entry.
    pub(super) fn from_bytes(bytes: &[u8], first: StreamId) -> Option<(Self, StreamId)> {
        let (names, mut at) = read_varint(bytes, 0)?;
        let mut listpack_bytes =
            listpack_integer_bytes(i64::try_from(names).ok()?) + listpack_integer_bytes(0);
        for _ in 0..names {
            at = skip_element(bytes, at, &mut listpack_bytes)?;
        }
        let entries_at = u32::try_from(at).ok()?;
        let (mut live, mut deleted) = (0, 0);
        let mut last = None;
        while at < bytes.len() {
            let head = EntryHead::read(bytes, at, first, names)?;
            let elements = head.fields.checked_mul(if head.has_own_names { 2 } else { 1 })?;
            if last.is_some_and(|last| head.id <= last) || head.id == StreamId::MIN {
                return None;
            }
            listpack_bytes += entry_listpack_bytes(
                head.has_own_names,
                head.id.ms - first.ms,
                head.id.sequence.wrapping_sub(first.sequence) as i64,
                usize::try_from(head.fields).ok()?,
            );
            at = head.fields_at;
            for _ in 0..elements {
                at = skip_element(bytes, at, &mut listpack_bytes)?;
            }
            if head.is_deleted {
                deleted += 1
            } else {
                live += 1
            }
            last = Some(head.id);
        }
        let listpack_bytes = u32::try_from(listpack_bytes).ok()?;
        Some((Self { bytes: bytes.to_vec(), entries_at, listpack_bytes, live, deleted }, last?))
    }

    fn has_names(&self, fields: &[Element<'_>]) -> bool {
        let (names, mut at) = read_varint(&self.bytes, 0).expect("a node is well formed");
        if names != (fields.len() / 2) as u64 {
            return false;
        }
        let end = self.entries_at as usize;
        fields.iter().step_by(2).all(|name| {
            let encoded = Encoded::from(*name);
            let is_same = encoded.begins(&self.bytes[at..end]);
            at += encoded.len();
            is_same
        })
    }

    fn reserve(&mut self, growth_bytes: usize) {
        let needed_bytes = self.bytes.len() + growth_bytes;
        if needed_bytes > self.bytes.capacity() {
            let class_bytes = allocation_bytes(needed_bytes);
            self.bytes.reserve_exact(class_bytes - self.bytes.len());
        }
    }
}

/// The entries of a node.
#[derive(Clone)]
pub(super) struct NodeEntries<'a> {
    node: &'a Node,
    first: StreamId,
    at: usize,
}

/// An entry, where it lies, and what only its node knows of it.
#[derive(Clone)]
pub(super) struct NodeEntry<'a> {
    pub(super) offset: usize,
    pub(super) is_deleted: bool,
    pub(super) has_own_names: bool,
    pub(super) entry: Entry<'a>,
}

impl<'a> Iterator for NodeEntries<'a> {
    type Item = NodeEntry<'a>;

    fn next(&mut self) -> Option<NodeEntry<'a>> {
        let (node, offset) = (self.node, self.at);
        if offset >= node.bytes.len() {
            return None;
        }
        let (names, names_at) = read_varint(&node.bytes, 0).expect("a node is well formed");
        let head = EntryHead::read(&node.bytes, offset, self.first, names).expect("a node is well formed");
        let pack = Pack::new(&node.bytes);
        let mut end = head.fields_at;
        for _ in 0..head.fields * if head.has_own_names { 2 } else { 1 } {
            end = pack.after(end);
        }
        self.at = end;
        let names = match head.has_own_names {
            true => None,
            false => Some(pack.iter_from(names_at)),
        };
        let values = Pack::new(&node.bytes[..end]).iter_from(head.fields_at);
        let fields = Fields { names, values, left: head.fields as usize };
        let entry = Entry { id: head.id, fields };
        Some(NodeEntry { offset, is_deleted: head.is_deleted, has_own_names: head.has_own_names, entry })
    }
}

/// One entry of a stream.
#[derive(Clone)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its names and values, in the order in which they were given.
    pub fields: Fields<'a>,
}

/// The names and values of an entry.
#[derive(Clone)]
pub struct Fields<'a> {
    names: Option<PackIter<'a, false>>,
    /// The values; names and values in turn where the entry has its own names.
    values: PackIter<'a, false>,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.names.as_mut().unwrap_or(&mut self.values).next();
        Some((name.expect("an entry is whole"), self.values.next().expect("an entry is whole")))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{} ", self.id.ms, self.id.sequence)?;
        f.debug_map().entries(self.fields.clone()).finish()
    }
}

/// What an entry begins with.
struct EntryHead {
    is_deleted: bool,
    has_own_names: bool,
    id: StreamId,
    /// How many fields it has.
    fields: u64,
    /// Where their elements begin.
    fields_at: usize,
}

impl EntryHead {
    fn read(bytes: &[u8], at: usize, first: StreamId, names: u64) -> Option<Self> {
        let flags = *bytes.get(at)?;
        let (ms, mut at) = read_varint(bytes, at + 1)?;
        let mut sequence = 0;
        if flags & OWN_SEQUENCE != 0 {
            let (zigzagged, after) = read_varint(bytes, at)?;
            (sequence, at) = (unzigzag(zigzagged), after);
        }
        let mut fields = names;
        if flags & OWN_NAMES != 0 {
            (fields, at) = read_varint(bytes, at)?;
        }
        let id = StreamId::new(first.ms.checked_add(ms)?, first.sequence.wrapping_add(sequence as u64));
        (flags & !ALL_FLAGS == 0).then_some(Self {
            is_deleted: flags & DELETED != 0,
            has_own_names: flags & OWN_NAMES != 0,
            id,
            fields,
            fields_at: at,
        })
    }
}

/// What an entry takes in a listpack besides its names and values: flags, what is added to the id, the number of fields if
/// it has names of its own, and how many elements these all are.
fn entry_listpack_bytes(has_own_names: bool, ms: u64, sequence: i64, fields: usize) -> usize {
    let fields = fields as i64;
    let ids_bytes = listpack_integer_bytes(ms as i64) + listpack_integer_bytes(sequence);
    let flags_bytes = listpack_integer_bytes(0);
    let counts_bytes = match has_own_names {
        true => listpack_integer_bytes(fields) + listpack_integer_bytes(2 * fields + 4),
        false => listpack_integer_bytes(fields + 3),
    };
    flags_bytes + ids_bytes + counts_bytes
}

fn listpack_integer_bytes(integer: i64) -> usize {
    Encoded::integer(integer).len_in::<true>()
}

/// What the element takes in a listpack.
fn push_element(bytes: &mut Vec<u8>, element: Element<'_>) -> usize {
    let encoded = Encoded::from(element);
    PackEditor::<false>(bytes).push(&encoded);
    encoded.len_in::<true>()
}

/// Where the element at an offset ends; adds what it takes in a listpack.
fn skip_element(bytes: &[u8], at: usize, listpack_bytes: &mut usize) -> Option<usize> {
    let (_, element_bytes) = decode(bytes.get(at..)?)?;
    *listpack_bytes += element_bytes + back_length_bytes(element_bytes);
    Some(at + element_bytes)
}

fn varint_bytes(number: u64) -> usize {
    (number | 1).ilog2() as usize / 7 + 1
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The number at an offset, and the offset after it.
fn read_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    for (index, &byte) in bytes.get(at..)?.iter().take(MAX_VARINT_BYTES).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, at + index + 1));
        }
    }
    None
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).expect("a node has at most little more than a gigabyte")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            assert_eq!(read_varint(&bytes, 0), Some((number, bytes.len())));
            assert_eq!(varint_bytes(number), bytes.len());
            assert_eq!(zigzag(unzigzag(number)), number);
        }
        assert_eq!(read_varint(&[0x80; 11], 0), None);
        assert_eq!((zigzag(-1), zigzag(1)), (1, 2));
    }

    #[test]
    fn names_that_repeat_take_no_room() {
        let fields =
            [Element::of(b"temperature"), Element::of(b"21"), Element::of(b"humidity"), Element::of(b"60")];
        let mut node = Node::new(&fields);
        let first = StreamId::new(1_700_000_000_000, 0);
        (0..100).for_each(|ms| node.push(first, StreamId::new(first.ms + ms, 0), &fields, false));
        // Names, and for each entry flags, milliseconds and two values.
        assert_eq!(node.bytes.len(), 1 + 12 + 9 + 100 * 4);
    }

    #[test]
    fn other_bytes_are_no_node() {
        let fields = [Element::of(b"name"), Element::of(b"value")];
        let first = StreamId::new(5, 0);
        let mut node = Node::new(&fields);
        node.push(first, first, &fields, false);
        node.push(first, StreamId::new(6, 1), &[Element::of(b"other"), Element::of(b"1")], true);
        assert_eq!(Node::from_bytes(&node.bytes, first).map(|(_, last)| last), Some(StreamId::new(6, 1)));
        for length in 0..node.bytes.len() {
            let cut = Node::from_bytes(&node.bytes[..length], first);
            assert!(cut.is_none_or(|(cut, _)| cut.live() + cut.deleted() < 2), "{length} bytes");
        }
        assert!(Node::from_bytes(&node.bytes, StreamId::new(u64::MAX, 0)).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_walked(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some((node, _)) = Node::from_bytes(&bytes, StreamId::new(3, 3)) {
                let fields: usize = node.entries(StreamId::new(3, 3)).map(|at| at.entry.fields.count()).sum();
                prop_assert!(fields <= bytes.len() * bytes.len());
            }
        }
    }
}
