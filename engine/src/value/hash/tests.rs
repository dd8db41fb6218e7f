//! Hashes against a map, and what is particular to them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::value::{Value, allocation_bytes, decode, encode};

const LIMITS: PackLimits = PackLimits { entries: 8, element_bytes: 20 };
const NOW: UnixMillis = UnixMillis(1000);

fn filled(fields: usize) -> HashValue {
    let mut hash = HashValue::new();
    for field in 0..fields {
        assert!(hash.set(format!("f{field}").as_bytes(), b"v", LIMITS));
    }
    hash
}

/// What a record of the value is read back as.
fn stored(hash: &HashValue) -> HashValue {
    let mut payload = Vec::new();
    let value = Value::from(hash.clone());
    encode(&value, &mut payload);
    assert!(payload.len() <= hash.payload_bytes());
    let value = decode(value.value_type(), value.encoding(), &payload).expect("what was just written");
    value.as_hash().expect("a hash").clone()
}

/// The heap memory of a value that was never larger, and of one that grew.
fn recount(hash: &HashValue) -> usize {
    match &hash.0 {
        Form::Small(pack) => allocation_bytes(pack.bytes().len()),
        Form::Large(table) => allocation_bytes(size_of::<HashTable>()) + table.recount(),
    }
}

#[test]
fn a_hash_with_too_many_fields_becomes_a_table() {
    let mut hash = filled(8);
    assert_eq!(hash.encoding(), Encoding::ListPack);
    assert!(!hash.set(b"f3", b"w", LIMITS) && hash.encoding() == Encoding::ListPack);
    assert!(hash.set(b"f8", b"v", LIMITS));
    assert_eq!((hash.encoding(), hash.len()), (Encoding::HashTable, 9));
    assert!(hash.remove(b"f8") && hash.encoding() == Encoding::HashTable);
}

#[test]
fn a_hash_with_a_long_field_or_value_becomes_a_table() {
    for (name, value) in [(&[b'n'; 21][..], &b"v"[..]), (b"f1", &[b'v'; 21])] {
        let mut hash = filled(2);
        assert!(!hash.set(b"f1", &[b'v'; 20], LIMITS));
        assert_eq!(hash.encoding(), Encoding::ListPack);
        hash.set(name, value, LIMITS);
        assert_eq!(hash.encoding(), Encoding::HashTable);
        assert_eq!(hash.get(name, NOW).map(Element::to_vec), Some(value.to_vec()));
    }
}

#[test]
fn however_high_the_limit_a_pack_is_bounded() {
    let limits = PackLimits { entries: 100_000, element_bytes: 64 };
    let mut pack = Vec::from([0; CountedPack::START]);
    for field in 0..CountedPack::MAX_COUNT as i64 {
        let elements = [Encoded::integer(field), Encoded::integer(0)];
        let end = pack.len();
        PackEditor::<false>(&mut pack).insert(end, &elements);
    }
    let mut hash = HashValue(Form::Small(CountedPack::from_vec(false, CountedPack::MAX_COUNT, pack)));
    assert!(hash.set(b"one more", b"", limits));
    assert_eq!((hash.encoding(), hash.len()), (Encoding::HashTable, CountedPack::MAX_COUNT + 1));
}

#[test]
fn expired_fields_are_invisible_before_they_are_taken_away() {
    for fields in [4, 40] {
        let mut hash = filled(fields);
        assert!(hash.set_expiry(b"f1", Some(NOW)) && hash.set_expiry(b"f2", Some(UnixMillis(1001))));
        assert_eq!(hash.earliest_expiry(), Some(NOW));
        assert_eq!((hash.len(), hash.live_len(NOW)), (fields, fields - 1));
        assert_eq!((hash.get(b"f1", NOW), hash.expiry(b"f1", NOW)), (None, None));
        assert_eq!(hash.expiry(b"f2", NOW), Some(Some(UnixMillis(1001))));
        assert_eq!(hash.iter(NOW).count(), fields - 1);
        let mut seen = 0;
        assert_eq!(hash.scan(0, 1000, NOW, |_, _| seen += 1), 0);
        assert_eq!(seen, fields - 1);
        assert!((0..100).all(|bits| hash.random(NOW, || bits).unwrap().0 != b"f1"[..]));
        assert_eq!((hash.purge_expired(NOW), hash.purge_expired(NOW), hash.len()), (1, 0, fields - 1));
    }
}

#[test]
fn a_field_that_is_set_anew_does_not_expire() {
    for (fields, encoding) in [(4, Encoding::ListPackEx), (40, Encoding::HashTable)] {
        let mut hash = filled(fields);
        hash.set_expiry(b"f1", Some(UnixMillis(5000)));
        assert!(hash.may_expire());
        hash.set(b"f1", b"w", LIMITS);
        assert_eq!((hash.expiry(b"f1", NOW), hash.encoding()), (Some(None), encoding));
        assert!(!hash.set_expiry(b"none", None) && hash.set_expiry(b"f1", None));
    }
}

#[test]
fn payloads_that_are_no_hash_are_refused() {
    for (encoding, payload) in [
        (Encoding::ListPack, &b""[..]),
        (Encoding::ListPack, b"\0\0"),
        (Encoding::ListPack, b"\x01\0\x01"),
        (Encoding::ListPack, b"\x02\0\x01\x01"),
        (Encoding::ListPack, b"\x01\x80\x01\x01\x01"),
        (Encoding::ListPackEx, b"\x01\x80\x01\x01\x81x"),
        (Encoding::ListPackEx, b"\x01\x80\x01\x01\xdf\xff"),
        (Encoding::ListPackEx, b"\x01\0\x01\x01"),
        (Encoding::HashTable, b"\0\0\0\0"),
        (Encoding::HashTable, b"\xff\xff\xff\xff\x01\x01"),
        (Encoding::HashTable, b"\x02\0\0\0\x01\x01\x01\x02"),
        (Encoding::HashTableEx, b"\x01\0\0\0\x01\x01\x00"),
        (Encoding::IntSet, b"\x01\0\x01\x01"),
    ] {
        assert_eq!(HashValue::decode(encoding, payload), None, "{encoding:?} {}", payload.escape_ascii());
    }
}

#[derive(Clone, Debug)]
enum Change {
    Set(u8, Vec<u8>),
    Remove(u8),
    Expire(u8, u64),
    Persist(u8),
    Purge(u64),
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop_oneof![
        4 => (0u8..60, value).prop_map(|(field, value)| Change::Set(field, value)),
        2 => (0u8..60).prop_map(Change::Remove),
        1 => (0u8..60, 1u64..100).prop_map(|(field, at)| Change::Expire(field, at)),
        1 => (0u8..60).prop_map(Change::Persist),
        1 => (0u64..100).prop_map(Change::Purge),
    ]
}

fn name(number: u8) -> Vec<u8> {
    if number.is_multiple_of(2) { number.to_string().into() } else { format!("field {number}").into() }
}

proptest! {
    #[test]
    fn any_changes_agree_with_a_map(
        changes in prop::collection::vec(change(), 0..150),
        entries in 0usize..60,
        with_expiries in any::<bool>(),
    ) {
        let limits = PackLimits { entries, element_bytes: 25 };
        let mut hash = HashValue::new();
        let mut model: BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)> = BTreeMap::new();
        for (step, change) in changes.into_iter().enumerate() {
            match change {
                Change::Set(number, value) => {
                    let is_new = model.insert(name(number), (value.clone(), None)).is_none();
                    prop_assert_eq!(hash.set(&name(number), &value, limits), is_new);
                }
                Change::Remove(number) => {
                    prop_assert_eq!(hash.remove(&name(number)), model.remove(&name(number)).is_some());
                }
                Change::Expire(number, at) if with_expiries => {
                    let field = model.get_mut(&name(number));
                    let expiry = Some(UnixMillis(at));
                    prop_assert_eq!(hash.set_expiry(&name(number), expiry), field.is_some());
                    field.into_iter().for_each(|field| field.1 = expiry);
                }
                Change::Persist(number) => {
                    let field = model.get_mut(&name(number));
                    prop_assert_eq!(hash.set_expiry(&name(number), None), field.is_some());
                    field.into_iter().for_each(|field| field.1 = None);
                }
                Change::Purge(at) if with_expiries => {
                    let now = UnixMillis(at);
                    let before = model.len();
                    model.retain(|_, (_, expiry)| expiry.is_none_or(|at| !at.is_due(now)));
                    prop_assert_eq!(hash.live_len(now), model.len());
                    prop_assert_eq!(hash.purge_expired(now), before - model.len());
                }
                _ => {}
            }
            prop_assert_eq!(hash.len(), model.len());
            prop_assert_eq!(hash.heap_bytes(), recount(&hash));
            if step % 5 == 0 && !hash.is_empty() {
                let copy = stored(&hash);
                prop_assert_eq!((&copy, copy.encoding()), (&hash, hash.encoding()));
                hash = copy;
            }
            let all: BTreeMap<_, _> = hash
                .iter_with_expiries()
                .map(|(name, value, expiry)| (name.to_vec(), (value.to_vec(), expiry)))
                .collect();
            prop_assert!(all == model);
            for number in 0..60 {
                let expected = model.get(&name(number)).map(|(value, _)| value.clone());
                prop_assert_eq!(hash.get(&name(number), UnixMillis(0)).map(Element::to_vec), expected);
            }
        }
    }

    #[test]
    fn any_payload_is_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..40)) {
        for encoding in
            [Encoding::ListPack, Encoding::ListPackEx, Encoding::HashTable, Encoding::HashTableEx]
        {
            if let Some(hash) = HashValue::decode(encoding, &payload) {
                prop_assert_eq!(hash.encoding(), encoding);
                prop_assert_eq!(hash.fields().count(), hash.len());
            }
        }
    }
}
