//! Sets against a set, and what is particular to them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::value::{Value, allocation_bytes, decode, encode};

const LIMITS: SetLimits = SetLimits { intset_entries: 6, pack: PackLimits { entries: 4, element_bytes: 10 } };

fn set_of(members: &[&str]) -> SetValue {
    let mut set = SetValue::for_members(members[0].as_bytes(), members.len(), LIMITS);
    for member in members {
        set.insert(member.as_bytes(), LIMITS);
    }
    set
}

fn stored(set: &SetValue) -> SetValue {
    let mut payload = Vec::new();
    let value = Value::from(set.clone());
    encode(&value, &mut payload);
    assert!(payload.len() <= set.payload_bytes());
    let value = decode(value.value_type(), value.encoding(), &payload).expect("what was just written");
    value.as_set().expect("a set").clone()
}

fn recount(set: &SetValue) -> usize {
    match &set.0 {
        Form::Small(set) => allocation_bytes(set.bytes().len()),
        Form::Large(table) => allocation_bytes(size_of::<SetTable>()) + table.recount(),
    }
}

#[test]
fn a_set_is_what_its_members_and_limits_say() {
    for (members, encoding) in [
        (&["1", "2", "3", "4", "5", "6"][..], Encoding::IntSet),
        (&["1", "2", "3", "4", "5", "6", "7"], Encoding::HashTable),
        (&["a", "b", "c", "4"], Encoding::ListPack),
        (&["a", "b", "c", "d", "e"], Encoding::HashTable),
        (&["a", "12345678901"], Encoding::HashTable),
        (&["1", "2", "3", "x"], Encoding::ListPack),
        (&["1", "2", "3", "4", "x"], Encoding::HashTable),
        (&["12345678901", "x"], Encoding::HashTable),
        (&["-1234567890", "x"], Encoding::HashTable),
        (&["12345678901"], Encoding::IntSet),
    ] {
        let set = set_of(members);
        assert_eq!((set.encoding(), set.len()), (encoding, members.len()), "{members:?}");
        assert!(members.iter().all(|member| set.contains(member.as_bytes())), "{members:?}");
    }
}

#[test]
fn a_member_that_is_there_already_changes_nothing() {
    let mut set = set_of(&["1", "2", "3", "4", "5", "6"]);
    assert!(!set.insert(b"3", LIMITS) && set.encoding() == Encoding::IntSet);
    let mut set = set_of(&["a", "b", "c", "d"]);
    assert!(!set.insert(b"a", LIMITS) && set.encoding() == Encoding::ListPack);
    assert!(set.remove(b"a") && !set.remove(b"a"));
    assert_eq!(set.iter().map(Element::to_vec).collect::<Vec<_>>(), [b"b", b"c", b"d"]);
}

#[test]
fn many_members_at_once_choose_the_form_before_they_come() {
    assert_eq!(SetValue::for_members(b"1", 7, LIMITS).encoding(), Encoding::HashTable);
    assert_eq!(SetValue::for_members(b"a", 5, LIMITS).encoding(), Encoding::HashTable);
    let mut set = set_of(&["1", "2"]);
    set.prepare(6, LIMITS);
    assert_eq!(set.encoding(), Encoding::IntSet);
    set.prepare(7, LIMITS);
    assert_eq!((set.encoding(), set.len()), (Encoding::HashTable, 2));
}

#[test]
fn integers_of_any_set_make_an_intset() {
    let set = set_of(&["a", "3", "1", "2"]);
    assert_eq!(set.to_intset(LIMITS), None);
    let mut set = set;
    set.remove(b"a");
    let intset = set.to_intset(LIMITS).expect("all are integers");
    assert_eq!((intset.encoding(), intset.len()), (Encoding::IntSet, 3));
    assert!(intset.contains(b"2") && !intset.contains(b"x") && !intset.contains(b"02"));
}

#[test]
fn payloads_that_are_no_set_are_refused() {
    for (encoding, payload) in [
        (Encoding::ListPack, &b""[..]),
        (Encoding::ListPack, b"\0\0"),
        (Encoding::ListPack, b"\x02\0\x01"),
        (Encoding::ListPack, b"\x01\x80\x01"),
        (Encoding::IntSet, b"\x01\0\x01\0"),
        (Encoding::IntSet, b"\x00\x80"),
        (Encoding::IntSet, b"\x02\x80\x01\0\0"),
        (Encoding::HashTable, b"\0\0\0\0"),
        (Encoding::HashTable, b"\xff\xff\xff\xff\x01"),
        (Encoding::HashTable, b"\x02\0\0\0\x01\x01"),
        (Encoding::ListPackEx, b"\x01\0\x01"),
    ] {
        assert_eq!(SetValue::decode(encoding, payload), None, "{encoding:?} {}", payload.escape_ascii());
    }
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (-40i64..40).prop_map(|integer| integer.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
        1 => "[ab0-9]{0,3}".prop_map(String::into_bytes),
        1 => "[ab]{8,30}".prop_map(String::into_bytes),
    ]
}

proptest! {
        #[test]
        fn any_changes_agree_with_a_set(
            changes in prop::collection::vec((0u8..6, member()), 0..150),
            (intset_entries, entries) in (0usize..60, 0usize..40),
            only_integers in any::<bool>(),
        ) {
            let limits =
                SetLimits { intset_entries, pack: PackLimits { entries, element_bytes: 25 } };
            let mut set = SetValue::new_intset();
            let mut model = BTreeSet::new();
            for (step, (kind, member)) in changes.into_iter().enumerate() {
                if only_integers && Element::of(&member).as_integer().is_none() {
                    continue;
                }
                if kind < 4 {
                    prop_assert_eq!(set.insert(&member, limits), model.insert(member.clone()));
                } else {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.heap_bytes(), recount(&set));
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                if step % 5 == 0 && !set.is_empty() {
                    let copy = stored(&set);
                    prop_assert_eq!((&copy, copy.encoding()), (&set, set.encoding()));
                    set = copy;
                }
                let mut scanned = BTreeSet::new();
                let mut cursor = 0;
                loop {
                    cursor = set.scan(cursor, 10, |member| {
 scanned.insert(member.to_vec());
});
                    if cursor == 0 {
                        break;
                    }
                }
                prop_assert!(scanned == model && set.iter().all(|member| model.contains(&member.to_vec())));
                let mut bits = step as u64;
                let random = set.random(|| {
                    bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    bits.rotate_left(32)
                });
                prop_assert_eq!(random.is_some(), !model.is_empty());
            }
        }

        #[test]
        fn any_payload_is_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            for encoding in [Encoding::ListPack, Encoding::IntSet, Encoding::HashTable] {
                if let Some(set) = SetValue::decode(encoding, &payload) {
                    prop_assert_eq!(set.encoding(), encoding);
                    prop_assert_eq!(set.iter().count(), set.len());
                }
            }
        }
    }
