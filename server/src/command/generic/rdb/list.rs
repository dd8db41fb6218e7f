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
