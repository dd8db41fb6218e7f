//! Entries in order: a B+tree that counts what is below each child, so that places in the order are found, and entries
//! found by their place, in logarithmic time.
//!
//! The tree compares nothing. Whoever keeps it in order asks [`Order::partition_point`] where an entry belongs, with a
//! predicate that holds for all entries up to some place and for none behind it, and then inserts and removes by place.
//!
//! ```text
//!             counts  [ 90 | 41 | ... ]      entries below each child
//!             firsts  [  a |  f | ... ]      the first of them
//!            children    |    |
//!                       ...  leaf: scores [..63], slots [..63]
//! ```
//!
//! **Invariant:** no node but an empty root is empty, and `counts` and `firsts` are those of the children.
//!
//! Twelve bytes make an entry. Leaves that split in the middle are about 70 % full, those that fill in order 100 %, so
//! an entry takes from 12 to 19 bytes.

#[cfg(test)]
mod tests;

use crate::value::allocation_bytes;

/// How many entries a leaf holds: as many as fit an allocation of 768 bytes.
const LEAF_ENTRIES: usize = 63;
/// How many children an inner node has: as many as fit an allocation of 1 KiB.
const INNER_CHILDREN: usize = 31;

const _: () = assert!(size_of::<Leaf>() <= 768 && size_of::<Inner>() <= 1024);

/// One entry: a score, and where the member that has it is kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Entry {
    pub(super) score: f64,
    pub(super) slot: u32,
}

/// Entries in order.
#[derive(Clone)]
pub(super) struct Order {
    root: Node,
    nodes: NodeCounts,
}

/// How many nodes there are, which is what memory is counted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct NodeCounts {
    leaves: usize,
    inners: usize,
}

#[derive(Clone)]
enum Node {
    Leaf(Box<Leaf>),
    Inner(Box<Inner>),
}

#[derive(Clone)]
struct Leaf {
    scores: [f64; LEAF_ENTRIES],
    slots: [u32; LEAF_ENTRIES],
    len: u8,
}

#[derive(Clone)]
struct Inner {
    first_scores: [f64; INNER_CHILDREN],
    first_slots: [u32; INNER_CHILDREN],
    counts: [u32; INNER_CHILDREN],
    children: [Option<Node>; INNER_CHILDREN],
    len: u8,
}

/// Where in the whole order an entry is inserted: at an end, nodes are filled instead of halved, because what comes next
/// is likely to go there, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    First,
    Last,
    Neither,
}

impl Edge {
    /// How many elements of a full node stay in it when it is split.
    fn kept(self, capacity: usize) -> usize {
        match self {
            Self::First => 0,
            Self::Last => capacity,
            Self::Neither => capacity / 2,
        }
    }
}

impl Order {
    pub(super) fn new() -> Self {
        Self { root: Node::Leaf(Leaf::new()), nodes: NodeCounts { leaves: 1, inners: 0 } }
    }

    pub(super) fn len(&self) -> usize {
        self.root.count()
    }

    /// Heap memory in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let NodeCounts { leaves, inners } = self.nodes;
        leaves * allocation_bytes(size_of::<Leaf>()) + inners * allocation_bytes(size_of::<Inner>())
    }

    /// How many entries there are before the first for which `is_before` does not hold.
    pub(super) fn partition_point(&self, is_before: impl Fn(Entry) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.partition_point(&is_before),
                Node::Inner(inner) => {
                    let Some(at) = inner.partition_point(&is_before).checked_sub(1) else { return rank };
                    rank += inner.counts[..at].iter().map(|&count| count as usize).sum::<usize>();
                    node = inner.child(at);
                }
            }
        }
    }

    /// Puts an entry at a place; those from there on move back.
    ///
    /// # Panics
    /// If there are fewer entries than `rank`.
    pub(super) fn insert(&mut self, rank: usize, entry: Entry) {
        let len = self.len();
        assert!(rank <= len);
        let edge = match rank {
            _ if rank == len => Edge::Last,
            0 => Edge::First,
            _ => Edge::Neither,
        };
        if let Some(right) = self.root.insert(rank, entry, edge, &mut self.nodes) {
            let left = std::mem::replace(&mut self.root, Node::Inner(Inner::new(&mut self.nodes)));
            let Node::Inner(root) = &mut self.root else { unreachable!("it was just made") };
            root.put(0, left);
            root.put(1, right);
        }
    }

    /// Takes the entry at a place away; those behind it move up.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn remove(&mut self, rank: usize) -> Entry {
        let removed = self.root.remove(rank, &mut self.nodes);
        while let Node::Inner(inner) = &mut self.root
            && inner.len() == 1
        {
            self.root = inner.take(0);
            self.nodes.inners -= 1;
        }
        removed
    }

    /// Says that the member of the entry at a place is kept elsewhere now.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn set_slot(&mut self, rank: usize, slot: u32) {
        self.root.set_slot(rank, slot);
    }

    /// The entries at these places.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn range(&self, ranks: std::ops::Range<usize>) -> Entries<'_> {
        assert!(ranks.start <= ranks.end && ranks.end <= self.len());
        Entries { order: self, ranks, leaf: None }
    }

    /// The leaf that holds the entry at a place, and where in it.
    fn leaf_of(&self, mut rank: usize) -> (&Leaf, usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(inner) => node = inner.child(inner.descend(&mut rank)),
            }
        }
    }
}

impl Node {
    fn count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(inner) => inner.counts[..inner.len()].iter().map(|&count| count as usize).sum(),
        }
    }

    /// # Panics
    /// If it is empty.
    fn first(&self) -> Entry {
        match self {
            Self::Leaf(leaf) => leaf.get(0),
            Self::Inner(inner) => {
                assert!(inner.len() > 0);
                Entry { score: inner.first_scores[0], slot: inner.first_slots[0] }
            }
        }
    }

    /// Returns the right half, if it had to be split.
    fn insert(&mut self, mut rank: usize, entry: Entry, edge: Edge, nodes: &mut NodeCounts) -> Option<Self> {
        match self {
            Self::Leaf(leaf) => leaf.insert(rank, entry, edge, nodes).map(Self::Leaf),
            Self::Inner(inner) => {
                let at = inner.descend(&mut rank);
                let split = inner.child_mut(at).insert(rank, entry, edge, nodes);
                inner.refresh(at);
                let right = split?;
                if inner.len() < INNER_CHILDREN {
                    inner.put(at + 1, right);
                    return None;
                }
                let mut sibling = Inner::new(nodes);
                // An inner node that is split in front keeps one child, since none may be empty.
                let kept = edge.kept(INNER_CHILDREN).max(1);
                inner.move_tail(kept, &mut sibling);
                if at < kept && kept < INNER_CHILDREN {
                    inner.put(at + 1, right);
                } else {
                    sibling.put(at + 1 - kept, right);
                }
                Some(Self::Inner(sibling))
            }
        }
    }

    fn remove(&mut self, mut rank: usize, nodes: &mut NodeCounts) -> Entry {
        match self {
            Self::Leaf(leaf) => leaf.remove(rank),
            Self::Inner(inner) => {
                let at = inner.descend(&mut rank);
                let removed = inner.child_mut(at).remove(rank, nodes);
                if inner.child(at).count() == 0 {
                    nodes.forget(&inner.take(at));
                } else {
                    inner.refresh(at);
                    inner.balance(at, nodes);
                }
                removed
            }
        }
    }

    fn set_slot(&mut self, mut rank: usize, slot: u32) {
        match self {
            Self::Leaf(leaf) => leaf.slots[..usize::from(leaf.len)][rank] = slot,
            Self::Inner(inner) => {
                let at = inner.descend(&mut rank);
                inner.child_mut(at).set_slot(rank, slot);
                inner.refresh(at);
            }
        }
    }

    /// Whether so little is left in it that it should get something from its neighbour.
    fn is_sparse(&self) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.len() < LEAF_ENTRIES / 4,
            Self::Inner(inner) => inner.len() < INNER_CHILDREN / 4,
        }
    }

    /// Spreads what both hold evenly over both, or moves all of it to the left where that leaves room to grow.
    fn balance(&mut self, right: &mut Self) {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => {
                let total = left.len() + right.len();
                let wanted = if total <= LEAF_ENTRIES * 3 / 4 { total } else { total / 2 };
                if wanted < left.len() {
                    left.move_tail(wanted, right);
                } else {
                    right.move_head(wanted - left.len(), left);
                }
            }
            (Self::Inner(left), Self::Inner(right)) => {
                let total = left.len() + right.len();
                let wanted = if total <= INNER_CHILDREN * 3 / 4 { total } else { total / 2 };
                while left.len() > wanted {
                    let child = left.take(left.len() - 1);
                    right.put(0, child);
                }
                while left.len() < wanted {
                    let child = right.take(0);
                    left.put(left.len(), child);
                }
            }
            _ => panic!("neighbours are of the same height"),
        }
    }
}

impl NodeCounts {
    fn forget(&mut self, node: &Node) {
        match node {
            Node::Leaf(_) => self.leaves -= 1,
            Node::Inner(_) => self.inners -= 1,
        }
    }
}

impl Leaf {
    fn new() -> Box<Self> {
        Box::new(Self { scores: [0.0; LEAF_ENTRIES], slots: [0; LEAF_ENTRIES], len: 0 })
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn get(&self, at: usize) -> Entry {
        let len = self.len();
        Entry { score: self.scores[..len][at], slot: self.slots[..len][at] }
    }

    fn partition_point(&self, is_before: &impl Fn(Entry) -> bool) -> usize {
        partition_point(self.len(), |at| is_before(self.get(at)))
    }

    fn insert(&mut self, at: usize, entry: Entry, edge: Edge, nodes: &mut NodeCounts) -> Option<Box<Self>> {
        if self.len() < LEAF_ENTRIES {
            self.put(at, entry);
            return None;
        }
        nodes.leaves += 1;
        let mut right = Self::new();
        // The new leaf comes to the right, so one that is split in front keeps what is inserted.
        let kept = edge.kept(LEAF_ENTRIES);
        self.move_tail(kept, &mut right);
        if at < kept || kept == 0 {
            self.put(at, entry);
        } else {
            right.put(at - kept, entry);
        }
        Some(right)
    }

    fn put(&mut self, at: usize, entry: Entry) {
        let len = self.len();
        self.scores.copy_within(at..len, at + 1);
        self.slots.copy_within(at..len, at + 1);
        (self.scores[at], self.slots[at]) = (entry.score, entry.slot);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) -> Entry {
        let (len, removed) = (self.len(), self.get(at));
        self.scores.copy_within(at + 1..len, at);
        self.slots.copy_within(at + 1..len, at);
        self.len -= 1;
        removed
    }

    /// Moves the entries from `from` on to the front of `right`.
    fn move_tail(&mut self, from: usize, right: &mut Self) {
        let (len, right_len) = (self.len(), right.len());
        let moved = len - from;
        right.scores.copy_within(..right_len, moved);
        right.slots.copy_within(..right_len, moved);
        right.scores[..moved].copy_from_slice(&self.scores[from..len]);
        right.slots[..moved].copy_from_slice(&self.slots[from..len]);
        self.len -= moved as u8;
        right.len += moved as u8;
    }

    /// Moves the first `moved` entries to the end of `left`.
    fn move_head(&mut self, moved: usize, left: &mut Self) {
        let (len, left_len) = (self.len(), left.len());
        left.scores[left_len..left_len + moved].copy_from_slice(&self.scores[..moved]);
        left.slots[left_len..left_len + moved].copy_from_slice(&self.slots[..moved]);
        self.scores.copy_within(moved..len, 0);
        self.slots.copy_within(moved..len, 0);
        self.len -= moved as u8;
        left.len += moved as u8;
    }
}

impl Inner {
    /// A node that is to get children at once.
    fn new(nodes: &mut NodeCounts) -> Box<Self> {
        nodes.inners += 1;
        Box::new(Self {
            first_scores: [0.0; INNER_CHILDREN],
            first_slots: [0; INNER_CHILDREN],
            counts: [0; INNER_CHILDREN],
            children: [const { None }; INNER_CHILDREN],
            len: 0,
        })
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn child(&self, at: usize) -> &Node {
        self.children[at].as_ref().expect("a child below the length")
    }

    fn child_mut(&mut self, at: usize) -> &mut Node {
        self.children[at].as_mut().expect("a child below the length")
    }

    fn partition_point(&self, is_before: &impl Fn(Entry) -> bool) -> usize {
        let first = |at: usize| Entry { score: self.first_scores[at], slot: self.first_slots[at] };
        partition_point(self.len(), |at| is_before(first(at)))
    }

    /// The child that holds the entry at `rank`, which becomes its place in there. The place behind the last entry of a
    /// child is the first of the next child, so only the last child of all is appended to.
    fn descend(&self, rank: &mut usize) -> usize {
        let last = self.len() - 1;
        for (at, &count) in self.counts[..last].iter().enumerate() {
            match rank.checked_sub(count as usize) {
                Some(rest) => *rank = rest,
                None => return at,
            }
        }
        last
    }

    /// Makes what is known of a child true again.
    fn refresh(&mut self, at: usize) {
        let (count, first) = (self.child(at).count(), self.child(at).first());
        self.counts[at] = u32::try_from(count).expect("slots are numbered with 32 bits");
        (self.first_scores[at], self.first_slots[at]) = (first.score, first.slot);
    }

    fn put(&mut self, at: usize, child: Node) {
        let len = self.len();
        self.first_scores.copy_within(at..len, at + 1);
        self.first_slots.copy_within(at..len, at + 1);
        self.counts.copy_within(at..len, at + 1);
        self.children[len] = Some(child);
        self.children[at..=len].rotate_right(1);
        self.len += 1;
        self.refresh(at);
    }

    fn take(&mut self, at: usize) -> Node {
        let len = self.len();
        self.first_scores.copy_within(at + 1..len, at);
        self.first_slots.copy_within(at + 1..len, at);
        self.counts.copy_within(at + 1..len, at);
        let taken = self.children[at].take().expect("a child below the length");
        self.children[at..len].rotate_left(1);
        self.len -= 1;
        taken
    }

    /// Moves the children from `from` on to a node that has none.
    fn move_tail(&mut self, from: usize, empty: &mut Self) {
        for at in from..self.len() {
            let child = self.children[at].take().expect("a child below the length");
            empty.put(at - from, child);
        }
        self.len = from as u8;
    }

    /// If a child has become sparse, shares with its neighbour.
    fn balance(&mut self, at: usize, nodes: &mut NodeCounts) {
        if self.len() == 1 || !self.child(at).is_sparse() {
            return;
        }
        let left = at.saturating_sub(1);
        let mut right = self.take(left + 1);
        self.child_mut(left).balance(&mut right);
        self.refresh(left);
        if right.count() == 0 {
            nodes.forget(&right);
        } else {
            self.put(left + 1, right);
        }
    }
}

/// How many of `len` elements come before the first for which `is_before` does not hold.
fn partition_point(len: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = (low + high) / 2;
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Entries from either end. One step in so many goes down the tree.
pub(super) struct Entries<'a> {
    order: &'a Order,
    ranks: std::ops::Range<usize>,
    /// The leaf that was used last, and the place of its first entry.
    leaf: Option<(&'a Leaf, usize)>,
}

impl Entries<'_> {
    fn get(&mut self, rank: usize) -> Entry {
        if let Some((leaf, first)) = self.leaf
            && (first..first + leaf.len()).contains(&rank)
        {
            return leaf.get(rank - first);
        }
        let (leaf, at) = self.order.leaf_of(rank);
        self.leaf = Some((leaf, rank - at));
        leaf.get(at)
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let rank = self.ranks.next()?;
        Some(self.get(rank))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Entry> {
        let rank = self.ranks.next_back()?;
        Some(self.get(rank))
    }
}
