//! Both forms against a model, with thresholds crossed all the time.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::value::IntegerDigits;

type Model = VecDeque<Vec<u8>>;

fn listed<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
    elements.map(Element::to_vec).collect()
}

fn of(elements: &[&[u8]], limits: ListLimits) -> ListValue {
    let mut list = ListValue::new();
    list.push(ListEnd::Back, elements.iter().copied(), limits);
    list
}

fn round_trip(list: &ListValue) -> ListValue {
    let mut payload = Vec::new();
    crate::value::encode(&list.clone().into(), &mut payload);
    assert!(payload.len() <= list.payload_bytes());
    ListValue::decode(list.encoding(), &payload).expect("a payload comes back")
}

fn check(list: &ListValue, model: &Model) {
    assert_eq!(list.len(), model.len());
    assert!(listed(list.iter()).iter().eq(model));
    let mut reversed = listed(list.iter_back_from(usize::MAX));
    reversed.reverse();
    assert!(reversed.iter().eq(model));
    for (index, expected) in model.iter().enumerate() {
        let mut digits = IntegerDigits::new();
        assert_eq!(list.get(index).expect("an element").bytes(&mut digits), expected);
        let next = list.iter_back_from(index).next().expect("an element");
        assert_eq!(next.bytes(&mut digits), expected);
    }
    assert_eq!(list.get(model.len()), None);
    match &list.0 {
        Form::Small(bytes) => assert_eq!(list.heap_bytes(), allocation_bytes(bytes.len())),
        Form::Large(large) => large.check(),
    }
    if !list.is_empty() {
        assert_eq!(&round_trip(list), list);
    }
    assert_eq!(&list.clone(), list);
}

#[derive(Debug, Clone)]
enum Step {
    Push(bool, Vec<Vec<u8>>),
    Cut(bool, usize),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(bool, usize, Vec<u8>),
    Keep(usize, usize),
    Fit,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => (0..5u8).prop_map(|i| vec![b'a' + i]),
        3 => any::<(i64, u8)>().prop_map(|(bits, shift)| (bits >> (shift % 64)).to_string().into()),
        2 => (0..200usize).prop_map(|length| vec![b'x'; length]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), prop::collection::vec(element(), 1..12)).prop_map(|(front, elements)| Step::Push(front, elements)),
        3 => (any::<bool>(), 0..14usize).prop_map(|(front, count)| Step::Cut(front, count)),
        2 => (any::<usize>(), element()).prop_map(|(index, element)| Step::Set(index, element)),
        4 => (any::<usize>(), element()).prop_map(|(index, element)| Step::Insert(index, element)),
        2 => (any::<bool>(), 0..6usize, element()).prop_map(|(front, most, element)| Step::Remove(front, most, element)),
        1 => any::<(usize, usize)>().prop_map(|(start, end)| Step::Keep(start, end)),
        1 => Just(Step::Fit),
    ]
}

fn end(is_front: bool) -> ListEnd {
    if is_front { ListEnd::Front } else { ListEnd::Back }
}

fn apply(list: &mut ListValue, model: &mut Model, step: &Step, limits: ListLimits) {
    match step {
        Step::Push(is_front, elements) => {
            list.push(end(*is_front), elements.iter().map(Vec::as_slice), limits);
            for element in elements {
                if *is_front {
                    model.push_front(element.clone());
                } else {
                    model.push_back(element.clone());
                }
            }
        }
        Step::Cut(is_front, count) => {
            list.cut(end(*is_front), *count, limits);
            let kept = model.len().saturating_sub(*count);
            if *is_front {
                model.drain(..model.len() - kept);
            } else {
                model.truncate(kept);
            }
        }
        Step::Set(index, element) => {
            let index = index % (model.len() + 1);
            assert_eq!(list.set(index, element, limits), index < model.len());
            if let Some(old) = model.get_mut(index) {
                *old = element.clone();
            }
        }
        Step::Insert(index, element) => {
            let index = index % (model.len() + 1);
            list.insert(index, element, limits);
            model.insert(index, element.clone());
        }
        Step::Remove(is_front, most, element) => {
            let mut found = Vec::new();
            list.search(element, end(*is_front), usize::MAX, |index| {
                found.push(index);
                true
            });
            let mut expected: Vec<usize> =
                (0..model.len()).filter(|&index| model[index] == *element).collect();
            if !is_front {
                expected.reverse();
            }
            assert_eq!(found, expected);
            expected.truncate(*most);
            assert_eq!(list.remove(element, end(*is_front), *most, limits), expected.len());
            expected.sort_unstable();
            expected.iter().rev().for_each(|&index| drop(model.remove(index)));
        }
        Step::Keep(start, end) => {
            let end = end % (model.len() + 1);
            let start = start % (end + 1);
            list.keep(start..end, limits);
            model.truncate(end);
            model.drain(..start);
        }
        Step::Fit => list.fit(limits),
    }
}

proptest! {
    #[test]
    fn any_changes_agree_with_a_queue(
        steps in prop::collection::vec(step(), 1..60),
        limits in prop_oneof![
            (30..400usize).prop_map(ListLimits::Bytes),
            (1..20usize).prop_map(ListLimits::Elements),
        ],
    ) {
        let (mut list, mut model) = (ListValue::new(), Model::new());
        for step in &steps {
            apply(&mut list, &mut model, step, limits);
            check(&list, &model);
        }
    }

    #[test]
    fn any_bytes_are_decoded_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for encoding in [Encoding::ListPack, Encoding::QuickList] {
            if let Some(list) = ListValue::decode(encoding, &bytes) {
                prop_assert_eq!(&round_trip(&list), &list);
            }
        }
    }
}

const LIMITS: ListLimits = ListLimits::Bytes(8192);

#[test]
fn a_list_is_large_from_what_a_listpack_of_redis_no_longer_holds() {
    // 8 bytes of text take 10 in a listpack, which has 7 around them.
    let mut list = of(&[b"12345678".as_slice(); 817], LIMITS);
    assert_eq!(list.encoding(), Encoding::ListPack);
    list.push(ListEnd::Back, std::iter::once(b"12345678".as_slice()), LIMITS);
    assert_eq!(list.encoding(), Encoding::ListPack, "integers take less");
    let mut list = of(&[b"abcdefgh".as_slice(); 817], LIMITS);
    assert_eq!(list.encoding(), Encoding::ListPack);
    list.push(ListEnd::Front, std::iter::once(b"abcdefgh".as_slice()), LIMITS);
    assert_eq!(list.encoding(), Encoding::ListPack);
    list.push(ListEnd::Front, std::iter::once(b"abcdefgh".as_slice()), LIMITS);
    assert_eq!(list.encoding(), Encoding::QuickList);
    assert_eq!(list.node_lengths(), [1, 818]);
}

#[test]
fn a_large_list_is_small_again_when_one_node_is_half_empty() {
    let mut list = of(&[b"x".as_slice(); 20], ListLimits::Elements(8));
    let limits = ListLimits::Elements(8);
    assert_eq!(list.node_lengths(), [8, 8, 4]);
    list.cut(ListEnd::Front, 14, limits);
    assert_eq!((list.encoding(), list.len()), (Encoding::QuickList, 6));
    list.cut(ListEnd::Front, 2, limits);
    assert_eq!((list.encoding(), list.len()), (Encoding::ListPack, 4));
}

#[test]
fn ends_are_pushed_and_popped_without_moving_a_node() {
    let mut list = of(&[b"element".as_slice(); 5_000], LIMITS);
    let Form::Large(large) = &list.0 else { panic!("it is large") };
    let nodes = large.nodes().len();
    for _ in 0..20_000 {
        list.push(ListEnd::Back, std::iter::once(b"element".as_slice()), LIMITS);
        list.cut(ListEnd::Front, 1, LIMITS);
    }
    let Form::Large(large) = &list.0 else { panic!("it is large") };
    large.check();
    assert!(large.nodes().len() <= nodes + 1, "{} nodes", large.nodes().len());
    // No more is held than two nodes' room at the ends.
    assert!(list.heap_bytes() < 5_000 * 9 + 3 * 8192 + 4096, "{} bytes", list.heap_bytes());
}

#[test]
fn many_elements_take_hardly_more_than_their_packs() {
    let texts: Vec<String> = (0..100_000).map(|number| format!("element:{number:08}")).collect();
    let mut list = ListValue::new();
    for text in &texts {
        list.push(ListEnd::Front, std::iter::once(text.as_bytes()), LIMITS);
    }
    let pack_bytes = texts.len() * 18;
    assert!(list.heap_bytes() < pack_bytes + pack_bytes / 100 + 16_384, "{} bytes", list.heap_bytes());
}

#[test]
fn an_element_that_is_set_to_a_very_long_one_gets_a_node_of_its_own() {
    let mut list = of(&[b"a".as_slice(), b"b", b"c", b"d"], LIMITS);
    let long = vec![b'x'; 2 << 20];
    list.set(2, &long, LIMITS);
    assert_eq!(list.node_lengths(), [2, 1, 1]);
    let middling = vec![b'y'; 10_000];
    list.set(0, &middling, LIMITS);
    assert_eq!(list.node_lengths(), [2, 1, 1]);
    assert!(list.get(2).unwrap() == long[..] && list.get(0).unwrap() == middling[..]);
}

#[test]
fn nodes_from_elsewhere_stay_as_they_are_until_they_fit() {
    let mut list = ListValue::new();
    list.push_node([Element::Integer(1), Element::Bytes(b"a")].into_iter());
    assert_eq!(list.encoding(), Encoding::QuickList);
    let mut several = list.clone();
    list.fit(LIMITS);
    assert_eq!(list.encoding(), Encoding::ListPack);
    several.push_node([Element::Integer(2)].into_iter());
    several.fit(LIMITS);
    assert_eq!((several.encoding(), several.node_lengths()), (Encoding::QuickList, vec![2, 1]));
    assert_eq!(listed(several.iter()), [b"1", b"a", b"2"]);
}

#[test]
fn payloads_that_make_no_list_are_refused() {
    for (encoding, payload) in [
        (Encoding::ListPack, &b""[..]),
        (Encoding::ListPack, b"\x00\x00"),
        (Encoding::ListPack, b"\x02\x00\x01\x01"),
        (Encoding::QuickList, b""),
        (Encoding::QuickList, b"\x01\0\0\0\x02\0\0\0\x01"),
        (Encoding::QuickList, b"\x02\0\0\0\x02\0\0\0\x01\x01"),
        (Encoding::QuickList, b"\x00\0\0\0\x00\0\0\0"),
        (Encoding::QuickList, b"\x01\0\0\0\xff\xff\xff\xff\x01\x01"),
        (Encoding::Raw, b"\x01\x00\x01\x01"),
    ] {
        assert_eq!(ListValue::decode(encoding, payload), None, "{}", payload.escape_ascii());
    }
    assert!(ListValue::decode(Encoding::QuickList, b"\x01\0\0\0\x02\0\0\0\x01\x01").is_some());
}
