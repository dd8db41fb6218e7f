//! Walks over the elements of either form, from either end.

use std::collections::vec_deque;

use super::ListEnd;
use super::large::Large;
use super::node::Node;
use super::small::Small;
use crate::value::Element;
use crate::value::element::Encoded;
use crate::value::pack::TwoWayPack;

/// A list as packs: the only one of a small list, or the nodes of a large one.
pub(super) enum Chunks<'a> {
    Small(Small<'a>),
    Large(&'a Large),
}

impl<'a> Chunks<'a> {
    pub(super) fn forward(self, index: usize) -> ListForward<'a> {
        let (nodes, pack, elements, index) = match self {
            Self::Small(small) => (None, small.pack(), small.len(), index),
            Self::Large(large) => {
                let (at, within) = large.locate(index.min(large.len()));
                let mut nodes = large.nodes().range(at..);
                match nodes.next() {
                    Some(node) => (Some(nodes), node.pack(), node.len(), within),
                    None => (None, &[][..], 0, 0),
                }
            }
        };
        ListForward { nodes, pack: TwoWayPack::new(pack), at: position(pack, elements, index) }
    }

    pub(super) fn backward(self, index: usize) -> ListBackward<'a> {
        let (nodes, pack, elements, index) = match self {
            Self::Small(small) => (None, small.pack(), small.len(), index),
            Self::Large(large) => {
                let Some(last) = large.len().checked_sub(1) else { return ListBackward::none() };
                let (at, within) = large.locate(index.min(last));
                let mut nodes = large.nodes().range(..=at);
                let node = nodes.next_back().expect("a list has an element at each of its positions");
                (Some(nodes), node.pack(), node.len(), within)
            }
        };
        let at = position(pack, elements, index.saturating_add(1));
        ListBackward { nodes, pack: TwoWayPack::new(pack), at }
    }

    pub(super) fn search(
        self,
        wanted: &Encoded<'_>,
        from: ListEnd,
        most: usize,
        mut found: impl FnMut(usize) -> bool,
    ) {
        let mut walk = Walk { wanted, from, passed: 0, most };
        match self {
            Self::Small(small) => {
                walk.over(small.pack(), |passed, _| found(index_of(passed, small.len(), from)));
            }
            Self::Large(large) => {
                let found = &mut |passed, _| found(index_of(passed, large.len(), from));
                let mut nodes = large.nodes().iter();
                while let Some(node) = match from {
                    ListEnd::Front => nodes.next(),
                    ListEnd::Back => nodes.next_back(),
                } {
                    if !walk.over(node.pack(), &mut *found) {
                        return;
                    }
                }
            }
        }
    }
}

/// A list's elements in order.
#[derive(Clone)]
pub struct ListForward<'a> {
    /// The nodes to come.
    nodes: Option<vec_deque::Iter<'a, Node>>,
    pack: TwoWayPack<'a>,
    at: usize,
}

impl<'a> Iterator for ListForward<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some((element, at)) = self.pack.get(self.at) {
                self.at = at;
                return Some(element);
            }
            self.pack = TwoWayPack::new(self.nodes.as_mut()?.next()?.pack());
            self.at = 0;
        }
    }
}

/// A list's elements in the opposite order.
#[derive(Clone)]
pub struct ListBackward<'a> {
    /// The nodes to come, from the last on.
    nodes: Option<vec_deque::Iter<'a, Node>>,
    pack: TwoWayPack<'a>,
    /// Where the element that came last begins.
    at: usize,
}

impl ListBackward<'_> {
    fn none() -> Self {
        Self { nodes: None, pack: TwoWayPack::new(&[]), at: 0 }
    }
}

impl<'a> Iterator for ListBackward<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some(at) = self.pack.before(self.at) {
                self.at = at;
                return self.pack.get(at).map(|(element, _)| element);
            }
            let node = self.nodes.as_mut()?.next_back()?;
            self.pack = TwoWayPack::new(node.pack());
            self.at = node.pack().len();
        }
    }
}

/// Where an element of a pack begins; the pack's end for those beyond. Walks from the nearer end.
pub(super) fn position(pack: &[u8], elements: usize, index: usize) -> usize {
    let pack_end = pack.len();
    let pack = TwoWayPack::new(pack);
    if index <= elements / 2 {
        return pack.position(index);
    }
    (index..elements).fold(pack_end, |at, _| pack.before(at).expect("there are as many elements"))
}

/// The positions of the elements equal to `wanted`, at most so many of those nearest to an end, in ascending order.
pub(super) fn matches(pack: &[u8], wanted: &Encoded<'_>, from: ListEnd, most: usize) -> Vec<usize> {
    let mut found = Vec::new();
    if most > 0 {
        Walk { wanted, from, passed: 0, most: usize::MAX }.over(pack, |_, at| {
            found.push(at);
            found.len() < most
        });
    }
    if from == ListEnd::Back {
        found.reverse();
    }
    found
}

/// The pack without the elements that begin at these positions, in ascending order.
pub(super) fn without(pack: &[u8], positions: &[usize]) -> Vec<u8> {
    let elements = TwoWayPack::new(pack);
    let removed: usize = positions.iter().map(|&at| elements.after(at) - at).sum();
    let mut kept = Vec::with_capacity(pack.len() - removed);
    let mut from = 0;
    for &at in positions {
        kept.extend_from_slice(&pack[from..at]);
        from = elements.after(at);
    }
    kept.extend_from_slice(&pack[from..]);
    kept
}

/// A search in one pack after the other.
struct Walk<'w> {
    wanted: &'w Encoded<'w>,
    from: ListEnd,
    /// How many elements were looked at.
    passed: usize,
    /// How many may be.
    most: usize,
}

impl Walk<'_> {
    /// Searches a pack. `found` gets how many elements were passed before an equal one, and its position in the pack.
    /// False where the search is over.
    fn over(&mut self, pack: &[u8], mut found: impl FnMut(usize, usize) -> bool) -> bool {
        let elements = TwoWayPack::new(pack);
        let mut edge = match self.from {
            ListEnd::Front => 0,
            ListEnd::Back => pack.len(),
        };
        loop {
            let at = match self.from {
                ListEnd::Front if edge < pack.len() => edge,
                ListEnd::Back if edge > 0 => elements.before(edge).expect("there are more elements"),
                _ => return true,
            };
            if self.passed >= self.most {
                return false;
            }
            let is_match = pack[at] == self.wanted.first() && self.wanted.begins(&pack[at..]);
            if is_match && !found(self.passed, at) {
                return false;
            }
            self.passed += 1;
            edge = if self.from == ListEnd::Front { elements.after(at) } else { at };
        }
    }
}

/// The position of an element that is reached after so many others.
fn index_of(passed: usize, elements: usize, from: ListEnd) -> usize {
    match from {
        ListEnd::Front => passed,
        ListEnd::Back => elements - 1 - passed,
    }
}
