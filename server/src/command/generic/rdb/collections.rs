//! Payloads of hashes and sets: those that redis-server 7.0.15 wrote, older ones, and damaged ones.

use thermocline_engine::value::{Encoding, Value};

use super::tests::{restored, signed};
use super::{PayloadError, dump};
use crate::command::generic::lzf::Compressor;

/// A value's members in order, fields and values in turn.
fn contents(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::Hash(hash) => {
            let mut fields: Vec<_> = hash.iter_with_expiries().collect();
            fields.sort_by_key(|(field, ..)| field.to_vec());
            fields.iter().flat_map(|(field, value, _)| [field.to_vec(), value.to_vec()]).collect()
        }
        Value::Set(set) => {
            let mut members: Vec<_> = set.iter().map(|member| member.to_vec()).collect();
            members.sort();
            members
        }
        other => panic!("{other:?} is neither"),
    }
}

fn check(body: &[u8], encoding: Encoding, expected: &str) -> Value {
    let value = restored(&signed(body, 10)).unwrap_or_else(|error| panic!("{expected}: {error:?}"));
    let expected: Vec<Vec<u8>> = expected.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    assert_eq!((value.encoding(), contents(&value)), (encoding, expected));
    value
}

#[test]
fn small_hashes_and_sets_of_integers_are_written_as_redis_writes_them() {
    for (body, encoding, expected) in [
        (
            &b"\x10\x1c\x1c\x00\x00\x00\x06\x00\x81a\x02\x01\x01\x81b\x02\xf2\x90\xee\xfe\x04\x81c\x02\x83007\x04\xff"
                [..],
            Encoding::ListPack,
            "a 1 b -70000 c 007",
        ),
        (b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\xfd\xff\x01\x00\x02\x00", Encoding::IntSet, "-3 1 2"),
        (b"\x0b\x10\x04\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00p\x11\x01\x00", Encoding::IntSet, "1 70000"),
        (
            b"\x0b\x18\x08\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\0\xf2\x05*\x01\0\0\0",
            Encoding::IntSet,
            "1 5000000000",
        ),
    ] {
        let value = check(body, encoding, expected);
        assert_eq!(dump(&value, &mut Compressor::new()), signed(body, 10), "{expected}");
    }
}

#[test]
fn large_hashes_and_sets_come_back() {
    let hash = b"\x04\x05\x01e\x04five\x01c\xc0\x03\x01b\xc0\x02\x01a\xc0\x01\x01d\xc0\x04";
    let value = check(hash, Encoding::ListPack, "a 1 b 2 c 3 d 4 e five");
    let again = restored(&dump(&value, &mut Compressor::new())).expect("what was just written");
    assert_eq!(again, value);
    check(b"\x02\x03\x01b\x01a\xc0\x03", Encoding::ListPack, "3 a b");
    check(b"\x02\x02\xc0\x05\xc0\x04", Encoding::IntSet, "4 5");

    let (mut hash, mut set) = (vec![4, 0x42, 0x01], vec![2, 0x42, 0x01]);
    for number in 0..513 {
        let text = format!("{number:09}");
        hash.extend([9].iter().chain(text.as_bytes()).chain(b"\x01v"));
        set.extend([9].iter().chain(text.as_bytes()));
    }
    for body in [hash, set] {
        let value = restored(&signed(&body, 10)).expect("a payload");
        assert_eq!((value.encoding(), value.length()), (Encoding::HashTable, 513));
        assert_eq!(restored(&dump(&value, &mut Compressor::new())), Ok(value));
    }
}

#[test]
fn payloads_of_other_versions_are_read() {
    check(b"\x14\x0f\x0f\0\0\0\x03\0\x81x\x02\x07\x01\x81y\x02\xff", Encoding::ListPack, "7 x y");
    check(b"\x09\x0f\x02\x01f\x03\x01val!\x01g\x01\x00w\xff", Encoding::ListPack, "f val g w");
    check(b"\x0d\x11\x11\0\0\0\x0d\0\0\0\x02\0\x00\x01f\x03\xfe\x2a\xff", Encoding::ListPack, "f 42");
}

#[test]
fn a_long_element_stays_in_a_listpack_that_has_it() {
    let long = "x".repeat(70);
    let entry = [&b"\x81f\x02\xe0\x46"[..], long.as_bytes(), b"\x48"].concat();
    let listpack = [&[(7 + entry.len()) as u8, 0, 0, 0, 2, 0], &entry[..], &[0xff]].concat();
    let body = [&[0x10, 0x40, listpack.len() as u8], &listpack[..]].concat();
    check(&body, Encoding::ListPack, &format!("f {long}"));
}

#[test]
fn malformed_hashes_and_sets_are_refused() {
    for body in [
        // Nothing in it.
        &b"\x04\x00"[..],
        b"\x02\x00",
        b"\x10\x07\x07\0\0\0\0\0\xff",
        b"\x14\x07\x07\0\0\0\0\0\xff",
        b"\x0b\x08\x02\0\0\0\0\0\0\0",
        b"\x09\x02\x00\xff",
        // A field or member twice.
        b"\x04\x02\x01a\x01b\x01a\x01c",
        b"\x02\x02\x01a\x01a",
        b"\x10\x0f\x0f\0\0\0\x04\0\x01\x01\x01\x01\x01\x01\x01\x01\xff",
        b"\x14\x0b\x0b\0\0\0\x02\0\x01\x01\x01\x01\xff",
        // A field without a value.
        b"\x10\x09\x09\0\0\0\x01\0\x01\x01\xff",
        // Integers of no width, not as many as announced, and not in order.
        b"\x0b\x0b\x03\0\0\0\x01\0\0\0\x01\0\0",
        b"\x0b\x0a\x02\0\0\0\x02\0\0\0\x01\0",
        b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
        // Lengths that nothing stands behind.
        b"\x04\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a\x01b",
        b"\x02\x80\xff\xff\xff\xff\x01a",
        b"\x0d\x05abcde",
    ] {
        assert_eq!(restored(&signed(body, 10)), Err(PayloadError::BadFormat), "{}", body.escape_ascii());
    }
}

#[test]
fn hashes_whose_fields_expire_come_back() {
    use thermocline_engine::UnixMillis;
    use thermocline_engine::value::{HashValue, PackLimits};
    let limits = PackLimits { entries: 512, element_bytes: 64 };
    for (fields, encoding, type_number) in [(3, Encoding::ListPackEx, 25), (600, Encoding::HashTableEx, 24)] {
        let mut hash = HashValue::new();
        for number in 0..fields {
            hash.set(format!("f{number}").as_bytes(), b"v", limits);
        }
        hash.set_expiry(b"f1", Some(UnixMillis(2_000_000_000_123)));
        hash.set_expiry(b"f2", Some(UnixMillis(1_900_000_000_000)));
        let payload = dump(&Value::from(hash.clone()), &mut Compressor::new());
        assert_eq!((payload[0], payload[payload.len() - 10]), (type_number, 12));
        let restored = restored(&payload).expect("what was just written");
        let again = restored.as_hash().expect("a hash");
        assert_eq!((again.encoding(), again.len()), (encoding, fields));
        let fields_of = |hash: &HashValue| {
            let mut fields: Vec<_> =
                hash.iter_with_expiries().map(|(f, v, at)| (f.to_vec(), v.to_vec(), at)).collect();
            fields.sort();
            fields
        };
        assert_eq!(fields_of(again), fields_of(&hash));
        let body = &payload[..payload.len() - 10];
        for length in 1..body.len().min(200) {
            assert_eq!(super::tests::restored(&signed(&body[..length], 12)), Err(PayloadError::BadFormat));
        }
    }
}
