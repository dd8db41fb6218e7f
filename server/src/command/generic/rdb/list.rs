//! Lists as RDB files have them.
//!
//! ```text
//! 18  nodes | container | string | ...     container 2: the string is a listpack; 1: it is an element
//! 1   elements | element | ...             only read, as all that follow: strings
//! 10  a string that is a ziplist
//! 14  nodes | string that is a ziplist | ...
//! ```

use thermocline_engine::value::{Element, IntegerDigits, ListEnd, ListLimits, ListValue};

use super::string::{Reader, read_string, write_length, write_string};
use super::{listpack, ziplist};
use crate::command::generic::lzf::Compressor;

const TYPE_LIST: u8 = 1;
const TYPE_ZIPLIST: u8 = 10;
const TYPE_ZIPLIST_NODES: u8 = 14;
const TYPE_NODES: u8 = 18;

/// The containers of a node.
const PLAIN: usize = 1;
const LISTPACK: usize = 2;

/// Appends the type's number and the value.
pub(super) fn write(value: &ListValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    out.push(TYPE_NODES);
    let node_lengths = value.node_lengths();
    write_length(out, node_lengths.len());
    let mut elements = value.iter();
    for length in node_lengths {
        write_length(out, LISTPACK);
        let listpack = listpack::write(elements.by_ref().take(length));
        write_string(out, &listpack, compressor);
    }
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>, limits: ListLimits) -> Option<ListValue> {
    let mut list = ListValue::new_large();
    let count = if type_number == TYPE_ZIPLIST { 1 } else { body.length()? };
    for _ in 0..count {
        match type_number {
            TYPE_LIST => {
                let element = read_string(body)?;
                push(&mut list, element.bytes(&mut IntegerDigits::new()), limits);
            }
            TYPE_ZIPLIST => {
                let ziplist = read_string(body)?;
                let mut digits = IntegerDigits::new();
                for element in ziplist::read(ziplist.bytes(&mut digits))?.0 {
                    push(&mut list, element.bytes(&mut IntegerDigits::new()), limits);
                }
            }
            TYPE_ZIPLIST_NODES => {
                let ziplist = read_string(body)?;
                list.push_node(ziplist::read(ziplist.bytes(&mut IntegerDigits::new()))?.0);
            }
            TYPE_NODES => read_node(body, &mut list)?,
            _ => return None,
        }
    }
    list.fit(limits);
    (!list.is_empty()).then_some(list)
}

fn push(list: &mut ListValue, element: &[u8], limits: ListLimits) {
    list.push(ListEnd::Back, std::iter::once(element), limits);
}

fn read_node(body: &mut Reader<'_>, list: &mut ListValue) -> Option<()> {
    let container = body.length()?;
    let text = read_string(body)?;
    let mut digits = IntegerDigits::new();
    let bytes = text.bytes(&mut digits);
    match container {
        PLAIN => list.push_node(std::iter::once(Element::of(bytes))),
        LISTPACK => list.push_node(listpack::read(bytes)?.0),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use thermocline_engine::value::{Encoding, Value};

    use super::super::tests::{restored, signed};
    use super::super::{PayloadError, dump};
    use super::*;

    fn check(body: &[u8], encoding: Encoding, expected: &[&str]) -> Value {
        let value = restored(&signed(body, 10)).unwrap_or_else(|error| panic!("{expected:?}: {error:?}"));
        let Value::List(list) = &value else { panic!("{value:?} is no list") };
        let elements: Vec<Vec<u8>> = list.iter().map(Element::to_vec).collect();
        assert_eq!(elements.join(&b' '), expected.join(" ").into_bytes());
        assert_eq!(list.encoding(), encoding, "{expected:?}");
        value
    }

    #[test]
    fn lists_are_written_as_redis_writes_them() {
        for (body, expected) in [
            (
                &b"\x12\x01\x02\x16\x16\0\0\0\x04\0\x81a\x02\x01\x01\xf2\x90\xee\xfe\x04\x83007\x04\xff"[..],
                &["a", "1", "-70000", "007"][..],
            ),
            (b"\x12\x01\x02\x09\x09\0\0\0\x01\0\x05\x01\xff", &["5"]),
        ] {
            let value = check(body, Encoding::ListPack, expected);
            assert_eq!(dump(&value, &mut Compressor::new()), signed(body, 10), "{expected:?}");
        }
    }

    #[test]
    fn nodes_come_back_as_they_were() {
        let body =
            b"\x12\x02\x02\x0d\x0d\0\0\0\x02\0\x81a\x02\x81b\x02\xff\x02\x0a\x0a\0\0\0\x01\0\x81c\x02\xff";
        let value = check(body, Encoding::QuickList, &["a", "b", "c"]);
        assert_eq!(dump(&value, &mut Compressor::new()), signed(body, 10));
        let plain = [&b"\x12\x02\x02\x0a\x0a\0\0\0\x01\0\x81x\x02\xff\x01\x14"[..], &[b'a'; 20]].concat();
        check(&plain, Encoding::QuickList, &["x", &"a".repeat(20)]);
    }

    #[test]
    fn payloads_of_older_versions_are_read() {
        check(b"\x01\x03\x01a\xc0\x05\x03007", Encoding::ListPack, &["a", "5", "007"]);
        let ziplist = b"\x0f\0\0\0\x0d\0\0\0\x02\0\x00\x01f\x03\xfe\x2a\xff";
        let ziplist = [&[17, 0, 0, 0][..], &ziplist[4..]].concat();
        check(&[&b"\x0a\x11"[..], &ziplist].concat(), Encoding::ListPack, &["f", "42"]);
        check(&[&b"\x0e\x01\x11"[..], &ziplist].concat(), Encoding::ListPack, &["f", "42"]);
        let two = [&b"\x0e\x02\x11"[..], &ziplist, b"\x11", &ziplist].concat();
        check(&two, Encoding::QuickList, &["f", "42", "f", "42"]);
    }

    #[test]
    fn malformed_lists_are_refused() {
        for body in [
            &b"\x01\x00"[..],
            b"\x01\x02\x01a",
            b"\x0a\x02\x00\xff",
            b"\x0e\x00",
            b"\x12\x00",
            b"\x12\x01\x02\x07\x07\0\0\0\0\0\xff",
            b"\x12\x01\x03\x09\x09\0\0\0\x01\0\x05\x01\xff",
            b"\x12\x02\x02\x09\x09\0\0\0\x01\0\x05\x01\xff",
            b"\x12\x01\x02\x09\x09\0\0\0\x01\0\x05\x02\xff",
            b"\x12\x81\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        ] {
            assert_eq!(restored(&signed(body, 10)), Err(PayloadError::BadFormat), "{}", body.escape_ascii());
        }
    }
}
