//! The tree as a sequence: whatever is inserted and removed, it is what a vector would be, and dense.

use super::*;
use proptest::prelude::*;

impl Order {
    /// Checks every invariant; counts nodes anew.
    pub(in crate::value::sorted_set) fn check(&self) {
        let mut nodes = NodeCounts { leaves: 0, inners: 0 };
        let height = check_node(&self.root, &mut nodes, true);
        assert!(height < 10);
        assert_eq!(nodes, self.nodes);
    }
}

fn check_node(node: &Node, nodes: &mut NodeCounts, is_root: bool) -> usize {
    match node {
        Node::Leaf(leaf) => {
            nodes.leaves += 1;
            assert!(is_root || leaf.len() > 0);
            0
        }
        Node::Inner(inner) => {
            nodes.inners += 1;
            assert!(inner.len() > usize::from(is_root));
            assert!(inner.children[inner.len()..].iter().all(Option::is_none));
            let heights: Vec<usize> = (0..inner.len())
                .map(|at| {
                    let child = inner.child(at);
                    assert_eq!(inner.counts[at] as usize, child.count());
                    let first = Entry { score: inner.first_scores[at], slot: inner.first_slots[at] };
                    assert_eq!(first, child.first());
                    check_node(child, nodes, false)
                })
                .collect();
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]));
            heights[0] + 1
        }
    }
}

fn filled(scores: impl Iterator<Item = u32>) -> Order {
    let mut order = Order::new();
    for score in scores {
        let rank = order.partition_point(|entry| entry.score < f64::from(score));
        order.insert(rank, Entry { score: f64::from(score), slot: score });
    }
    order.check();
    order
}

fn scores(order: &Order) -> Vec<u32> {
    order.range(0..order.len()).map(|entry| entry.score as u32).collect()
}

/// A permutation of the numbers below `count`, a prime.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |i| (u64::from(i) * 7919 % u64::from(count)) as u32)
}

#[test]
fn entries_are_where_they_belong_whatever_the_order_they_came_in() {
    const COUNT: u32 = 10_007;
    let expected: Vec<u32> = (0..COUNT).collect();
    for order in [filled(0..COUNT), filled((0..COUNT).rev()), filled(shuffled(COUNT))] {
        assert_eq!(scores(&order), expected);
        assert!(order.range(0..order.len()).rev().map(|entry| entry.slot).eq((0..COUNT).rev()));
        for rank in [0, 1, 62, 63, 64, 5000, 10_006] {
            let (leaf, at) = order.leaf_of(rank);
            assert_eq!(leaf.get(at).slot, rank as u32);
        }
    }
}

#[test]
fn nodes_are_dense() {
    const COUNT: u32 = 100_003;
    for (order, most_bytes) in
        [(filled(0..COUNT), 13.0), (filled((0..COUNT).rev()), 13.0), (filled(shuffled(COUNT)), 19.5)]
    {
        let bytes = order.heap_bytes() as f64 / f64::from(COUNT);
        assert!(bytes <= most_bytes, "{bytes} bytes for each entry");
    }
}

#[test]
fn nodes_go_with_their_entries() {
    let mut order = filled(shuffled(10_007));
    let full_bytes = order.heap_bytes();
    while order.len() > 1000 {
        order.remove(order.len() * 7 / 9);
    }
    order.check();
    assert!(order.heap_bytes() < full_bytes / 5, "{} of {full_bytes}", order.heap_bytes());
    while order.len() > 0 {
        order.remove(0);
    }
    order.check();
    assert_eq!(order.heap_bytes(), Order::new().heap_bytes());
}

#[test]
fn inserting_between_two_entries_again_and_again_leaves_no_chain_of_lone_entries() {
    // Ascending just before an entry, and descending just behind one.
    for step in [1.0, -1.0] {
        let mut order = Order::new();
        order.insert(0, Entry { score: -1e9, slot: 0 });
        order.insert(1, Entry { score: 1e9, slot: 0 });
        for i in 0..10_000u32 {
            let score = f64::from(i) * step;
            let rank = order.partition_point(|entry| entry.score < score);
            order.insert(rank, Entry { score, slot: i });
        }
        order.check();
        let bytes = order.heap_bytes() / order.len();
        assert!(bytes < 30, "{bytes} bytes for each entry");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(usize),
    InsertRun(usize, usize),
    Remove(usize),
    RemoveRun(usize, usize),
    SetSlot(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<usize>().prop_map(Step::Insert),
        (any::<usize>(), 1..400usize).prop_map(|(at, count)| Step::InsertRun(at, count)),
        any::<usize>().prop_map(Step::Remove),
        (any::<usize>(), 1..300usize).prop_map(|(at, count)| Step::RemoveRun(at, count)),
        any::<usize>().prop_map(Step::SetSlot),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_a_sequence(steps in prop::collection::vec(step(), 1..120)) {
        let (mut order, mut model, mut next) = (Order::new(), Vec::new(), 0u32);
        let mut entry = || { next += 1; Entry { score: f64::from(next), slot: next } };
        for step in steps {
            match step {
                Step::Insert(at) => {
                    let (at, entry) = (at % (model.len() + 1), entry());
                    order.insert(at, entry);
                    model.insert(at, entry);
                }
                Step::InsertRun(at, count) => {
                    let at = at % (model.len() + 1);
                    for i in 0..count {
                        let entry = entry();
                        order.insert(at + i, entry);
                        model.insert(at + i, entry);
                    }
                }
                Step::Remove(at) if !model.is_empty() => {
                    let at = at % model.len();
                    prop_assert_eq!(order.remove(at), model.remove(at));
                }
                Step::RemoveRun(at, count) if !model.is_empty() => {
                    let at = at % model.len();
                    for _ in 0..count.min(model.len() - at) {
                        prop_assert_eq!(order.remove(at), model.remove(at));
                    }
                }
                Step::SetSlot(at) if !model.is_empty() => {
                    let (at, slot) = (at % model.len(), entry().slot);
                    order.set_slot(at, slot);
                    model[at].slot = slot;
                }
                _ => {}
            }
            order.check();
            prop_assert!(order.range(0..order.len()).eq(model.iter().copied()));
        }
    }
}
