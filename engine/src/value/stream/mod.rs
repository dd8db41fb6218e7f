//! Streams: entries in the order of their ids, and consumer groups that read them.
//!
//! * [`id`]: what entries are called.
//! * [`log`]: the entries, in nodes; trimming; what is known of entries that are gone.
//! * [`node`]: some successive entries in one run of bytes.
//! * [`group`]: consumer groups, their consumers, and what is pending with them.
//! * [`id_map`]: the ordered map that nodes and pending entries are found in.
//! * [`codec`]: a stream as a record's payload, and back.

mod codec;
mod group;
mod id;
mod id_map;
mod log;
mod node;
#[cfg(test)]
mod tests;

pub use group::{Consumer, ConsumerNumber, Group, Pending, Review};
pub use id::StreamId;
pub use log::{Log, NodeView, StoredEntry, Trim, TrimTo};
pub use node::{Entry, Fields, NodeLimits};

use super::{Encoding, allocation_bytes};

/// A stream value. Unlike other collections it may be empty.
#[derive(Clone, Debug, Default)]
pub struct StreamValue(Box<Stream>);

#[derive(Clone, Debug, Default)]
struct Stream {
    log: Log,
    /// In the order of their names.
    groups: Vec<Group>,
    /// What groups take on the heap, but for the vector above.
    group_heap_bytes: usize,
    /// What groups take in a payload.
    group_payload_bytes: usize,
}

/// Streams are equal that would be written alike: how their memory is laid out does not matter.
impl PartialEq for StreamValue {
    fn eq(&self, other: &Self) -> bool {
        let payload = |stream: &Self| {
            let (mut payload, mut next) = (Vec::new(), Some(0));
            while let Some(position) = next {
                next = stream.encode_piece(position, &mut payload);
            }
            payload
        };
        payload(self) == payload(other)
    }
}

impl Eq for StreamValue {}

impl StreamValue {
    /// How `OBJECT ENCODING` names the representation.
    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        usize::try_from(self.0.log.len()).expect("entries fit the address space")
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.log.is_empty()
    }

    /// The entries.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The entries for changing.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.0.log
    }

    /// The consumer groups, in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.0.groups.iter()
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.place_of(name).ok().map(|at| &self.0.groups[at])
    }

    /// Adds a group that has read up to an id; false where there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_delivered: StreamId, entries_read: Option<i64>) -> bool {
        let Err(place) = self.place_of(name) else { return false };
        let group = Group::new(name, last_delivered, entries_read);
        self.0.group_heap_bytes += group.heap_bytes();
        self.0.group_payload_bytes += codec::group_bytes(&group);
        if self.0.groups.len() == self.0.groups.capacity() {
            self.0.groups.reserve_exact(1 + self.0.groups.len() / 4);
        }
        self.0.groups.insert(place, group);
        true
    }

    /// Removes a group and all that is pending in it; false where there is none of this name.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Ok(place) = self.place_of(name) else { return false };
        let group = self.0.groups.remove(place);
        self.0.group_heap_bytes -= group.heap_bytes();
        self.0.group_payload_bytes -= codec::group_bytes(&group);
        true
    }

    /// Changes a group, next to the entries; `None` where there is none of this name.
    pub fn change_group<T>(&mut self, name: &[u8], change: impl FnOnce(&mut Group, &Log) -> T) -> Option<T> {
        let place = self.place_of(name).ok()?;
        let stream = &mut *self.0;
        let group = &mut stream.groups[place];
        stream.group_heap_bytes -= group.heap_bytes();
        stream.group_payload_bytes -= codec::group_bytes(group);
        let result = change(group, &stream.log);
        stream.group_heap_bytes += group.heap_bytes();
        stream.group_payload_bytes += codec::group_bytes(group);
        Some(result)
    }

    /// Heap memory behind the value in bytes, rounded up as the allocator does.
    pub fn heap_bytes(&self) -> usize {
        let groups_bytes = allocation_bytes(self.0.groups.capacity() * size_of::<Group>());
        allocation_bytes(size_of::<Stream>())
            + self.0.log.heap_bytes()
            + groups_bytes
            + self.0.group_heap_bytes
    }

    pub(crate) fn heap_start(&self) -> Option<&[u8]> {
        self.0.log.heap_start()
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        codec::log_bytes(&self.0.log) + self.0.group_payload_bytes
    }

    /// See [`encode_piece`](super::codec::encode_piece).
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        codec::encode_piece(self, position, out)
    }

    pub(super) fn decode(encoding: Encoding, payload: &[u8]) -> Option<Self> {
        if encoding == Encoding::Stream { codec::decode(payload) } else { None }
    }

    fn place_of(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.groups.binary_search_by(|group| group.name().cmp(name))
    }
}
