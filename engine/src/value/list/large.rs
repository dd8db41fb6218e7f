//! The large form: packs in a queue, none of them empty.
//!
//! An element is found by walking over the queue, which takes a few nanoseconds for a node: the elements of a gigabyte of
//! short strings lie in some hundred thousand nodes. Only the nodes at both ends have room for more elements.

use std::collections::VecDeque;

use super::limits::ListLimits;
use super::node::Node;
use super::walk::matches;
use super::{ListEnd, small};
use crate::value::codec::PIECE_BYTES;
use crate::value::element::Encoded;
use crate::value::{Element, allocation_bytes};

/// What a node's numbers take in a payload.
const NODE_HEAD_BYTES: usize = 8;

/// A node that a longer element makes longer than this is divided, so that no change moves much more.
const MAX_SET_BYTES: usize = 1 << 20;

/// Nodes, and what they have in all.
#[derive(Debug)]
pub(super) struct Large {
    nodes: VecDeque<Node>,
    elements: usize,
    pack_bytes: usize,
    node_heap_bytes: usize,
}

impl Large {
    fn new() -> Self {
        Self { nodes: VecDeque::new(), elements: 0, pack_bytes: 0, node_heap_bytes: 0 }
    }

    /// The elements of a small list.
    pub(super) fn from_small(list: Box<[u8]>) -> Self {
        let mut large = Self::new();
        let (pack, elements) = small::into_pack(list);
        if elements > 0 {
            large.insert_node(0, Node::new(pack, elements));
        }
        large
    }

    pub(super) fn len(&self) -> usize {
        self.elements
    }

    pub(super) fn nodes(&self) -> &VecDeque<Node> {
        &self.nodes
    }

    /// The node that holds all elements, if one does.
    pub(super) fn only_node(&self) -> Option<&Node> {
        if self.nodes.len() == 1 { self.nodes.front() } else { None }
    }

    /// The node of an element, and the element's position in it; behind the last node at the list's end.
    pub(super) fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.elements / 2 {
            let mut before = index;
            for (at, node) in self.nodes.iter().enumerate() {
                match before.checked_sub(node.len()) {
                    Some(rest) => before = rest,
                    None => return (at, before),
                }
            }
        }
        let mut behind = self.elements.saturating_sub(index);
        for (at, node) in self.nodes.iter().enumerate().rev() {
            match behind.checked_sub(node.len()) {
                Some(0) => return (at, 0),
                Some(rest) => behind = rest,
                None if behind == 0 => return (at + 1, 0),
                None => return (at, node.len() - behind),
            }
        }
        (0, 0)
    }

    pub(super) fn push(&mut self, end: ListEnd, element: &[u8], limits: ListLimits) {
        let (last, beyond) = match end {
            ListEnd::Front => (0, 0),
            ListEnd::Back => (self.nodes.len().saturating_sub(1), self.nodes.len()),
        };
        let has_room = self.nodes.get(last).is_some_and(|node| takes(node, element, limits));
        let at = if has_room {
            last
        } else {
            if last < self.nodes.len() {
                self.change(last, Node::shrink);
            }
            self.insert_node(beyond, Node::empty());
            beyond
        };
        let element = Encoded::new(element);
        self.change(at, |node| match end {
            ListEnd::Front => node.push_front(&element),
            ListEnd::Back => node.push_back(&element),
        });
    }

    /// Takes elements away; there are as many.
    pub(super) fn cut(&mut self, end: ListEnd, count: usize) {
        let mut left = count;
        while left > 0 {
            let at = match end {
                ListEnd::Front => 0,
                ListEnd::Back => self.nodes.len() - 1,
            };
            let elements = self.nodes[at].len();
            if elements <= left {
                self.remove_node(at);
                left -= elements;
                continue;
            }
            self.change(at, |node| match end {
                ListEnd::Front => node.cut_front(left),
                ListEnd::Back => node.cut_back(left),
            });
            left = 0;
        }
        self.give_back();
    }

    pub(super) fn push_node<'a>(&mut self, elements: impl Iterator<Item = Element<'a>>) {
        let mut node = Node::empty();
        elements.for_each(|element| node.push_back(&Encoded::from(element)));
        node.shrink();
        if node.len() > 0 {
            self.insert_node(self.nodes.len(), node);
        }
    }

    pub(super) fn set(&mut self, index: usize, element: &[u8]) {
        let (at, within) = self.locate(index);
        let element = Encoded::new(element);
        self.change(at, |node| node.set(within, &element));
        let node = &self.nodes[at];
        if node.pack().len() > MAX_SET_BYTES && node.len() > 1 {
            self.isolate(at, within);
        }
    }

    /// Gives an element a node of its own.
    fn isolate(&mut self, at: usize, within: usize) {
        if within + 1 < self.nodes[at].len() {
            let behind = self.change(at, |node| node.split_off(within + 1));
            self.insert_node(at + 1, behind);
        }
        if within > 0 {
            let alone = self.change(at, |node| node.split_off(within));
            self.insert_node(at + 1, alone);
        }
    }

    /// Puts an element in before the one at a position.
    pub(super) fn insert(&mut self, index: usize, element: &[u8], limits: ListLimits) {
        let (at, within) = self.locate(index);
        let encoded = Encoded::new(element);
        let takes = |node: Option<&Node>| node.is_some_and(|node| takes(node, element, limits));
        if takes(self.nodes.get(at)) {
            return self.change(at, |node| node.insert(within, &encoded));
        }
        if within > 0 {
            let behind = self.change(at, |node| node.split_off(within));
            self.insert_node(at + 1, behind);
            self.insert_between(at + 1, element, limits);
            return;
        }
        if at > 0 && takes(self.nodes.get(at - 1)) {
            let end = self.nodes[at - 1].len();
            return self.change(at - 1, |node| node.insert(end, &encoded));
        }
        self.insert_node(at, Node::empty());
        self.change(at, |node| node.insert(0, &encoded));
    }

    /// Puts an element between two halves of a node, the second of which is at `at`, and joins what fits together.
    fn insert_between(&mut self, at: usize, element: &[u8], limits: ListLimits) {
        let encoded = Encoded::new(element);
        if takes(&self.nodes[at - 1], element, limits) {
            let end = self.nodes[at - 1].len();
            self.change(at - 1, |node| node.insert(end, &encoded));
        } else if takes(&self.nodes[at], element, limits) {
            self.change(at, |node| node.insert(0, &encoded));
        } else {
            self.insert_node(at, Node::empty());
            self.change(at, |node| node.insert(0, &encoded));
            return;
        }
        self.join(at, limits);
        if at >= 2 {
            self.join(at - 2, limits);
        }
    }

    /// Joins a node and the one after it, if there is one and both fit into one.
    fn join(&mut self, at: usize, limits: ListLimits) {
        let (Some(node), Some(next)) = (self.nodes.get(at), self.nodes.get(at + 1)) else { return };
        if limits.hold(node.listpack_bytes() + next.pack().len(), node.len() + next.len()) {
            let next = self.remove_node(at + 1);
            self.change(at, |node| node.append(&next));
        }
    }

    pub(super) fn remove(&mut self, unwanted: &Encoded<'_>, from: ListEnd, most: usize) -> usize {
        let (mut removed, mut passed) = (0, 0);
        while removed < most && passed < self.nodes.len() {
            let at = match from {
                ListEnd::Front => passed,
                ListEnd::Back => self.nodes.len() - 1 - passed,
            };
            let found = matches(self.nodes[at].pack(), unwanted, from, most - removed);
            removed += found.len();
            if found.len() == self.nodes[at].len() {
                self.remove_node(at);
                continue;
            }
            if !found.is_empty() {
                self.change(at, |node| node.remove(&found));
            }
            passed += 1;
        }
        self.give_back();
        removed
    }

    fn change<T>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> T) -> T {
        let node = &mut self.nodes[at];
        let before = (node.len(), node.pack().len(), node.heap_bytes());
        let result = change(node);
        self.elements = self.elements + node.len() - before.0;
        self.pack_bytes = self.pack_bytes + node.pack().len() - before.1;
        self.node_heap_bytes = self.node_heap_bytes + node.heap_bytes() - before.2;
        result
    }

    fn insert_node(&mut self, at: usize, node: Node) {
        self.elements += node.len();
        self.pack_bytes += node.pack().len();
        self.node_heap_bytes += node.heap_bytes();
        if self.nodes.len() == self.nodes.capacity() {
            self.nodes.reserve_exact(further_nodes(self.nodes.len()));
        }
        self.nodes.insert(at, node);
    }

    fn remove_node(&mut self, at: usize) -> Node {
        let node = self.nodes.remove(at).expect("a node");
        self.elements -= node.len();
        self.pack_bytes -= node.pack().len();
        self.node_heap_bytes -= node.heap_bytes();
        node
    }

    /// Gives memory of the queue back when it is a quarter full.
    fn give_back(&mut self) {
        let used = self.nodes.len();
        if self.nodes.capacity() > 4 * used.max(4) {
            self.nodes.shrink_to(2 * used);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let queue_bytes = self.nodes.capacity() * size_of::<Node>();
        allocation_bytes(size_of::<Self>()) + allocation_bytes(queue_bytes) + self.node_heap_bytes
    }

    pub(super) fn heap_start(&self) -> Option<&[u8]> {
        self.nodes.front().map(Node::pack)
    }

    pub(super) fn payload_bytes(&self) -> usize {
        self.nodes.len() * NODE_HEAD_BYTES + self.pack_bytes
    }

    /// Positions are nodes.
    pub(super) fn encode_piece(&self, position: usize, out: &mut Vec<u8>) -> Option<usize> {
        let end = out.len() + PIECE_BYTES;
        for (at, node) in (position..).zip(self.nodes.range(position..)) {
            if out.len() >= end {
                return Some(at);
            }
            let pack_bytes = u32::try_from(node.pack().len()).expect("nodes are far shorter than 4 GiB");
            out.extend((node.len() as u32).to_le_bytes());
            out.extend(pack_bytes.to_le_bytes());
            out.extend_from_slice(node.pack());
        }
        None
    }

    /// Counts everything anew.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!(self.nodes.iter().all(|node| node.len() > 0 && node.check()));
        let sum = |count: fn(&Node) -> usize| self.nodes.iter().map(count).sum::<usize>();
        assert_eq!(self.elements, sum(Node::len));
        assert_eq!(self.pack_bytes, sum(|node| node.pack().len()));
        assert_eq!(self.node_heap_bytes, sum(Node::heap_bytes));
    }

    /// The list of a payload; one node at least.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut large = Self::new();
        let mut rest = payload;
        while let Some((head, behind)) = rest.split_first_chunk::<NODE_HEAD_BYTES>() {
            let [elements, pack_bytes] = [&head[..4], &head[4..]]
                .map(|number| u32::from_le_bytes(number.try_into().expect("four bytes")) as usize);
            let (pack, behind) = behind.split_at_checked(pack_bytes)?;
            let node = Node::new(pack.to_vec(), elements);
            if elements == 0 || !node.check() {
                return None;
            }
            large.insert_node(large.nodes.len(), node);
            rest = behind;
        }
        (rest.is_empty() && !large.nodes.is_empty()).then_some(large)
    }
}

impl Clone for Large {
    fn clone(&self) -> Self {
        let mut large = Self::new();
        large.nodes.reserve_exact(self.nodes.len());
        self.nodes.iter().for_each(|node| large.insert_node(large.nodes.len(), node.clone()));
        large
    }
}

/// For how many more nodes than these to make room: a quarter, and what the allocator gives anyway. By default the queue
/// would double, which is much where nodes are small.
fn further_nodes(nodes: usize) -> usize {
    let wanted = nodes + nodes / 4 + 1;
    allocation_bytes(wanted * size_of::<Node>()) / size_of::<Node>() - nodes
}

/// Whether an element may come to a node.
fn takes(node: &Node, element: &[u8], limits: ListLimits) -> bool {
    limits.hold_another(node.listpack_bytes(), node.len(), element.len())
}
