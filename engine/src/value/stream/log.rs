//! The entries of a stream, in nodes, and what is known of those that are gone.

use super::id::StreamId;
use super::id_map::IdMap;
use super::node::{Entry, Node, NodeEntries, NodeEntry, NodeLimits};
use crate::value::element::Element;

/// The entries of a stream in the order of their ids.
///
/// **Invariant:** no entry's id is above the last id. The first id is that of the first entry, 0-0 where there is none.
#[derive(Clone, Debug, Default)]
pub struct Log {
    nodes: IdMap<Node>,
    /// Heap memory of the nodes' bytes.
    node_heap_bytes: usize,
    /// The nodes' bytes.
    node_bytes: usize,
    live: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
}

/// Which entries are too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrimTo {
    /// All but the last so many.
    Length(u64),
    /// Those below this id.
    Id(StreamId),
}

/// How to trim a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    /// What is too much.
    pub to: TrimTo,
    /// Whether to take whole nodes only, and so leave a little more.
    pub is_approximate: bool,
    /// Stops before more than so many entries went; 0 for no limit.
    pub limit: u64,
}

/// What trimming does with the first node, which begins with this id.
enum TrimStep {
    /// It goes as a whole.
    Node(StreamId),
    /// Some of its entries may go.
    Entries(StreamId),
    /// Nothing more is to be done.
    Done,
}

impl Log {
    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.live
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The first entry's id; 0-0 where there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The id below which no new entry may be: the highest that an entry ever had, unless XSETID says another.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The highest id of an entry that XDEL deleted; 0-0 where it never did.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Sets what is told of the past.
    ///
    /// # Panics
    /// If an entry is above the last id.
    pub fn set_history(&mut self, last_id: StreamId, added: u64, max_deleted_id: StreamId) {
        if last_id < self.last_id {
            assert!(self.last_entry_id().is_none_or(|id| id <= last_id), "no entry is above the last id");
            self.forget_deleted_above(last_id);
        }
        self.last_id = last_id;
        self.added = added;
        self.max_deleted_id = max_deleted_id;
    }

    /// Drops deleted entries that would be above those to come.
    fn forget_deleted_above(&mut self, id: StreamId) {
        while let Some(&(first, ref node)) = self.nodes.last() {
            let Some(above) = node.entries(first).find(|at| at.entry.id > id) else { return };
            let kept = Node::from_bytes(&node.bytes()[..above.offset], first);
            self.remove_node(first);
            if let Some((node, _)) = kept {
                self.live += node.live();
                self.note_node(&node);
                self.nodes.insert(first, node);
            }
        }
    }

    /// How many nodes the entries are in.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The highest id that an entry has, if there is one.
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// Appends an entry of these names and values in turn.
    ///
    /// # Panics
    /// If the id is not above the last one.
    pub fn append(&mut self, id: StreamId, fields: &[&[u8]], limits: NodeLimits) {
        assert!(id > self.last_id, "ids ascend");
        let entry_bytes: u64 = fields.iter().map(|bytes| bytes.len() as u64).sum();
        let has_room = self.nodes.last().is_some_and(|(_, node)| node.has_room_for(entry_bytes, limits));
        let elements: smallvec::SmallVec<[Element<'_>; 16]> =
            fields.iter().map(|bytes| Element::of(bytes)).collect();
        self.push(id, &elements, false, !has_room);
        self.last_id = id;
        self.added += 1;
    }

    /// Appends an entry that was once part of a stream, to a new node or to the last one; `None` where its id is not above
    /// those of all others. [`Self::finish`] ends this.
    pub fn restore(
        &mut self,
        id: StreamId,
        fields: &[Element<'_>],
        is_deleted: bool,
        new_node: bool,
    ) -> Option<()> {
        if id <= self.last_id {
            return None;
        }
        self.push(id, fields, is_deleted, new_node || self.nodes.is_empty());
        self.last_id = id;
        Some(())
    }

    /// Ends the making of a log out of entries or nodes: sets what is told of the past. `None` where an entry is above
    /// what is said to be the last id.
    pub fn finish(&mut self, last_id: StreamId, added: u64, max_deleted_id: StreamId) -> Option<()> {
        if self.last_entry_id().is_some_and(|id| last_id < id) {
            return None;
        }
        self.set_history(last_id, added, max_deleted_id);
        self.find_first_id();
        Some(())
    }

    fn push(&mut self, id: StreamId, fields: &[Element<'_>], is_deleted: bool, new_node: bool) {
        if new_node {
            if let Some((_, full)) = self.nodes.last_mut() {
                self.node_heap_bytes -= full.heap_bytes();
                full.shrink();
                self.node_heap_bytes += full.heap_bytes();
            }
            let node = Node::new(fields);
            self.note_node(&node);
            self.nodes.insert(id, node);
        }
        let (first, node) = self.nodes.last_mut().expect("there is a node");
        self.node_heap_bytes -= node.heap_bytes();
        self.node_bytes -= node.bytes().len();
        node.push(*first, id, fields, is_deleted);
        self.node_heap_bytes += node.heap_bytes();
        self.node_bytes += node.bytes().len();
        if !is_deleted {
            if self.live == 0 {
                self.first_id = id;
            }
            self.live += 1;
        }
    }

    /// Deletes an entry; false where there is none of this id.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((first, found)) = self.find(id) else { return false };
        let offset = found.offset;
        if self.nodes.get(first).expect("it was just found").live() == 1 {
            self.remove_node(first);
        } else {
            self.nodes.get_mut(first).expect("it was just found").mark_deleted(offset);
            self.live -= 1;
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id || self.live == 0 {
            self.find_first_id();
        }
        true
    }

    /// Whether [`Self::trim`] would change anything.
    pub fn has_surplus(&self, trim: Trim) -> bool {
        match self.next_step(trim, self.live) {
            TrimStep::Node(_) => true,
            TrimStep::Entries(_) => match trim.to {
                TrimTo::Length(_) => true,
                TrimTo::Id(id) => !self.is_empty() && self.first_id < id,
            },
            TrimStep::Done => false,
        }
    }

    /// Takes entries from the start; how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let before = self.live;
        loop {
            match self.next_step(trim, before) {
                TrimStep::Node(first) => self.remove_node(first),
                TrimStep::Entries(first) => {
                    self.trim_node(first, trim.to);
                    break;
                }
                TrimStep::Done => break,
            }
        }
        if self.live != before {
            self.find_first_id();
        }
        before - self.live
    }

    /// What is to be done next, where there were `before` entries when trimming began.
    fn next_step(&self, trim: Trim, before: u64) -> TrimStep {
        let Some(&(first, ref node)) = self.nodes.first() else { return TrimStep::Done };
        let is_enough = matches!(trim.to, TrimTo::Length(length) if self.live <= length);
        if is_enough || trim.limit != 0 && before - self.live + node.live() > trim.limit {
            return TrimStep::Done;
        }
        let goes_whole = match trim.to {
            TrimTo::Length(length) => self.live - node.live() >= length,
            TrimTo::Id(id) => node.entries(first).last().is_none_or(|last| last.entry.id < id),
        };
        match (goes_whole, trim.is_approximate) {
            (true, _) => TrimStep::Node(first),
            (false, true) => TrimStep::Done,
            (false, false) => TrimStep::Entries(first),
        }
    }

    /// Deletes entries of the first node, some of which stay.
    fn trim_node(&mut self, first: StreamId, to: TrimTo) {
        let node = self.nodes.get_mut(first).expect("it is the first one");
        let surplus = match to {
            TrimTo::Length(length) => usize::try_from(self.live - length).unwrap_or(usize::MAX),
            TrimTo::Id(_) => usize::MAX,
        };
        let is_surplus = |id: StreamId| if let TrimTo::Id(least) = to { id < least } else { true };
        let entries = node.entries(first).filter(|at| !at.is_deleted).take(surplus);
        let offsets: Vec<usize> =
            entries.take_while(|at| is_surplus(at.entry.id)).map(|at| at.offset).collect();
        offsets.iter().for_each(|offset| node.mark_deleted(*offset));
        self.live -= offsets.len() as u64;
    }

    /// Whether there is an entry of this id.
    pub fn contains(&self, id: StreamId) -> bool {
        self.find(id).is_some()
    }

    /// The entry of this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.find(id).map(|(_, found)| found.entry)
    }

    /// The entries between two ids, both included, in ascending order.
    pub fn range(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let first = self.node_of(start).unwrap_or(start);
        let entries = self.nodes.iter_from(first).flat_map(|(first, node)| node.entries(first));
        entries
            .filter(move |at| !at.is_deleted && at.entry.id >= start)
            .map(|at| at.entry)
            .take_while(move |entry| entry.id <= end)
    }

    /// The same in descending order.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let nodes = self.nodes.iter_back_from(end);
        let entries = nodes.flat_map(move |(first, node)| {
            // A node is walked forwards only; it is short.
            let entries: Vec<_> = node
                .entries(first)
                .take_while(|at| at.entry.id <= end)
                .filter(|at| !at.is_deleted)
                .map(|at| at.entry)
                .collect();
            entries.into_iter().rev()
        });
        entries.take_while(move |entry| entry.id >= start)
    }

    /// Whether XDEL may have deleted entries from this id on, between those that are there.
    fn has_gap_from(&self, id: StreamId) -> bool {
        self.has_gaps() && id <= self.max_deleted_id
    }

    /// Whether XDEL may have deleted entries between those that are there.
    fn has_gaps(&self) -> bool {
        !self.is_empty() && self.max_deleted_id != StreamId::MIN && self.first_id <= self.max_deleted_id
    }

    /// How many entries were added up to this id, where that is known from the entries: what a group has read that is at it.
    pub fn entries_read_up_to(&self, id: StreamId) -> Option<i64> {
        let added = self.added as i64;
        if self.added == 0 {
            return Some(0);
        }
        if id == self.last_id || self.is_empty() && id < self.last_id {
            return Some(added);
        }
        if id > self.last_id || self.has_gaps() {
            return None;
        }
        let before_first = added.wrapping_sub(self.live as i64);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(before_first),
            std::cmp::Ordering::Equal => Some(before_first.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries are still ahead of a group that has read this far, where that is known.
    pub fn lag(&self, last_delivered: StreamId, entries_read: Option<i64>) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        let read = entries_read.filter(|_| !self.has_gap_from(last_delivered));
        let read = read.or_else(|| self.entries_read_up_to(last_delivered))?;
        Some((self.added as i64).wrapping_sub(read))
    }

    /// What a group has read once it got the entry of this id, where that is known.
    pub(super) fn read_up_to(&self, id: StreamId, entries_read: Option<i64>) -> Option<i64> {
        match entries_read {
            Some(read) if !self.has_gap_from(id) => Some(read.wrapping_add(1)),
            read if self.added == 0 => read,
            _ => self.entries_read_up_to(id),
        }
    }

    /// The nodes in order, as RDB files have them.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.nodes.iter().map(|(first, node)| NodeView { first, node })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes() + self.node_heap_bytes
    }

    pub(super) fn heap_start(&self) -> Option<&[u8]> {
        self.nodes.last().map(|(_, node)| node.bytes())
    }

    /// The nodes' bytes in all.
    pub(super) fn node_bytes(&self) -> usize {
        self.node_bytes
    }

    /// The nodes' bytes with the ids of their first entries.
    pub(super) fn raw_nodes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        self.nodes.iter().map(|(first, node)| (first, node.bytes()))
    }

    /// Appends a node of these bytes; `None` where they are none, or do not belong here. [`Self::finish`] ends this.
    pub(super) fn push_raw_node(&mut self, first: StreamId, bytes: &[u8]) -> Option<()> {
        let (node, last) = Node::from_bytes(bytes, first)?;
        if node.entries(first).next()?.entry.id.max(first) <= self.last_id || first > last {
            return None;
        }
        self.last_id = last;
        self.note_node(&node);
        self.live += node.live();
        self.nodes.insert(first, node);
        Some(())
    }

    fn find_first_id(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id);
        self.first_id = first.unwrap_or(StreamId::MIN);
    }

    fn note_node(&mut self, node: &Node) {
        self.node_heap_bytes += node.heap_bytes();
        self.node_bytes += node.bytes().len();
    }

    fn remove_node(&mut self, first: StreamId) {
        let node = self.nodes.remove(first).expect("it was just found");
        self.node_heap_bytes -= node.heap_bytes();
        self.node_bytes -= node.bytes().len();
        self.live -= node.live();
    }

    /// The first id of the node that an id would be in.
    fn node_of(&self, id: StreamId) -> Option<StreamId> {
        self.nodes.iter_back_from(id).next().map(|(first, _)| first)
    }

    /// The entry of this id, if it is not deleted, and the first id of its node.
    fn find(&self, id: StreamId) -> Option<(StreamId, NodeEntry<'_>)> {
        let (first, node) = self.nodes.iter_back_from(id).next()?;
        let at = node.entries(first).find(|at| at.entry.id >= id)?;
        (at.entry.id == id && !at.is_deleted).then_some((first, at))
    }
}

/// A node, as RDB files have it.
#[derive(Clone, Copy)]
pub struct NodeView<'a> {
    first: StreamId,
    node: &'a Node,
}

/// An entry of a node, which may be deleted.
pub struct StoredEntry<'a> {
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// Whether its names are not those of the node.
    pub has_own_names: bool,
    /// The entry.
    pub entry: Entry<'a>,
}

impl<'a> NodeView<'a> {
    /// The id of its first entry, from which those of the others are counted.
    pub fn first_id(self) -> StreamId {
        self.first
    }

    /// How many entries are not deleted.
    pub fn live(self) -> u64 {
        self.node.live()
    }

    /// How many are.
    pub fn deleted(self) -> u64 {
        self.node.deleted()
    }

    /// The names that entries without names of their own have.
    pub fn names(self) -> impl Iterator<Item = Element<'a>> + Clone {
        self.node.names()
    }

    /// The entries.
    pub fn entries(self) -> impl Iterator<Item = StoredEntry<'a>> {
        let entries: NodeEntries<'a> = self.node.entries(self.first);
        entries.map(|at| StoredEntry {
            is_deleted: at.is_deleted,
            has_own_names: at.has_own_names,
            entry: at.entry,
        })
    }
}
