//! Streams as RDB files have them.
//!
//! ```text
//! nodes | node... | entries | last id | first id | highest deleted id | entries added | groups | group...
//! node      id of the first entry 16, as a string | listpack
//! group     name | last delivered id | entries read | pending | pending... | consumers | consumer...
//! pending   id 16 | delivered at 8 | deliveries
//! consumer  name | seen at 8 [| active at 8] | pending | id 16...
//! ```
//!
//! The 16 bytes of an id are big-endian, times little-endian, all else is a length or two. What is between last id and
//! groups, and entries read, came with type 19 (Redis 7.0), active at with type 21 (7.2).
//!
//! A node's listpack holds the number of its entries, that of its deleted ones, the number of names, these, and 0; then of
//! each entry flags, what is to be added to the node's id (two numbers), its fields (behind their number if it has names
//! of its own), and how many elements all this is.

use smallvec::SmallVec;
use thermocline_engine::UnixMillis;
use thermocline_engine::value::Element;
use thermocline_engine::value::stream::{Group, Log, NodeView, Pending, StreamId, StreamValue};

use super::listpack;
use super::string::{Reader, read_string, write_length, write_string};
use crate::command::generic::lzf::Compressor;

const TYPE_STREAM: u8 = 15;
const TYPE_STREAM_2: u8 = 19;
const TYPE_STREAM_3: u8 = 21;

/// The entry was deleted.
const DELETED: i64 = 1;
/// The entry has the names of its node.
const SAME_NAMES: i64 = 1 << 1;
/// An entry's elements besides its fields: flags, two numbers of the id.
const ENTRY_ELEMENTS: usize = 3;
/// What stands for a number of entries read that is not known.
const UNKNOWN: u64 = u64::MAX;

/// Appends the type's number and the value.
pub(super) fn write(stream: &StreamValue, out: &mut Vec<u8>, compressor: &mut Compressor) {
    let log = stream.log();
    out.push(TYPE_STREAM_2);
    write_length(out, log.node_count());
    for node in log.nodes() {
        write_string(out, &raw_id(node.first_id()), compressor);
        write_string(out, &listpack_of(node), compressor);
    }
    write_length(out, stream.len());
    for id in [log.last_id(), log.first_id(), log.max_deleted_id()] {
        write_id(out, id);
    }
    write_length(out, log.added() as usize);
    write_length(out, stream.groups().len());
    stream.groups().for_each(|group| write_group(group, out, compressor));
}

fn write_group(group: &Group, out: &mut Vec<u8>, compressor: &mut Compressor) {
    write_string(out, group.name(), compressor);
    write_id(out, group.last_delivered());
    write_length(out, group.entries_read().map_or(UNKNOWN, |read| read as u64) as usize);
    write_length(out, group.pending_count());
    for (id, pending) in group.pending_from(StreamId::MIN) {
        out.extend(raw_id(id));
        out.extend(pending.delivered_at.0.to_le_bytes());
        write_length(out, pending.deliveries as usize);
    }
    write_length(out, group.consumer_count());
    for (number, consumer) in group.consumers() {
        write_string(out, consumer.name(), compressor);
        out.extend(consumer.seen_at().0.to_le_bytes());
        write_length(out, consumer.pending_count());
        for (id, _) in group.pending_with(number, StreamId::MIN) {
            out.extend(raw_id(id));
        }
    }
}

fn listpack_of(node: NodeView<'_>) -> Vec<u8> {
    let integer = |number: usize| Element::Integer(number as i64);
    let names: Vec<Element<'_>> = node.names().collect();
    let mut elements = vec![Element::Integer(node.live() as i64), Element::Integer(node.deleted() as i64)];
    elements.push(integer(names.len()));
    elements.extend(names);
    elements.push(Element::Integer(0));
    let first = node.first_id();
    for stored in node.entries() {
        let start = elements.len();
        let flags = if stored.is_deleted { DELETED } else { 0 };
        elements.push(Element::Integer(if stored.has_own_names { flags } else { flags | SAME_NAMES }));
        let id = stored.entry.id;
        elements.push(Element::Integer(id.ms.wrapping_sub(first.ms) as i64));
        elements.push(Element::Integer(id.sequence.wrapping_sub(first.sequence) as i64));
        if stored.has_own_names {
            elements.push(integer(stored.entry.fields.len()));
        }
        for (name, value) in stored.entry.fields {
            if stored.has_own_names {
                elements.push(name);
            }
            elements.push(value);
        }
        elements.push(integer(elements.len() - start));
    }
    listpack::write(elements.into_iter())
}

fn raw_id(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.sequence)).to_be_bytes()
}

fn write_id(out: &mut Vec<u8>, id: StreamId) {
    write_length(out, id.ms as usize);
    write_length(out, id.sequence as usize);
}

/// The value behind the type's number.
pub(super) fn read(type_number: u8, body: &mut Reader<'_>) -> Option<StreamValue> {
    let mut stream = StreamValue::default();
    let log = stream.log_mut();
    for _ in 0..body.length()? {
        let first = read_string(body)?.to_vec();
        let first = id_of_raw(first.as_slice().try_into().ok()?);
        read_node(first, &read_string(body)?.to_vec(), log)?;
    }
    let length = body.length()? as u64;
    let last_id = read_id(body)?;
    let (mut max_deleted_id, mut added) = (StreamId::MIN, length);
    if type_number != TYPE_STREAM {
        // The first entry's id, which the entries tell.
        read_id(body)?;
        max_deleted_id = read_id(body)?;
        added = body.length()? as u64;
    }
    log.finish(last_id, added, max_deleted_id)?;
    if log.len() != length {
        return None;
    }
    for _ in 0..body.length()? {
        read_group(type_number, body, &mut stream)?;
    }
    Some(stream)
}

/// Adds the entries of a node's listpack.
fn read_node(first: StreamId, bytes: &[u8], log: &mut Log) -> Option<()> {
    let (mut elements, count) = listpack::read(bytes)?;
    let mut next_number = || elements.next()?.as_integer();
    let (_live, _deleted, name_count) = (next_number()?, next_number()?, next_number()?);
    let name_count = usize::try_from(name_count).ok().filter(|names| *names <= count)?;
    let names: SmallVec<[Element<'_>; 8]> = elements.by_ref().take(name_count).collect();
    let end_of_names = elements.next()?.as_integer()?;
    if names.len() != name_count || end_of_names != 0 {
        return None;
    }
    let mut is_new_node = true;
    let mut fields: SmallVec<[Element<'_>; 16]> = SmallVec::new();
    while let Some(flags) = elements.next() {
        let flags = flags.as_integer()?;
        let (ms, sequence) = (elements.next()?.as_integer()?, elements.next()?.as_integer()?);
        let id =
            StreamId::new(first.ms.wrapping_add_signed(ms), first.sequence.wrapping_add_signed(sequence));
        fields.clear();
        let mut element_count = ENTRY_ELEMENTS;
        if flags & SAME_NAMES != 0 {
            for name in &names {
                fields.extend([*name, elements.next()?]);
            }
            element_count += names.len();
        } else {
            let field_count = usize::try_from(elements.next()?.as_integer()?).ok()?;
            for _ in 0..field_count {
                fields.extend([elements.next()?, elements.next()?]);
            }
            element_count += 1 + fields.len();
        }
        if elements.next()?.as_integer()? != element_count as i64 {
            return None;
        }
        log.restore(id, &fields, flags & DELETED != 0, is_new_node)?;
        is_new_node = false;
    }
    // Redis keeps no node without entries.
    (!is_new_node).then_some(())
}

fn read_group(type_number: u8, body: &mut Reader<'_>, stream: &mut StreamValue) -> Option<()> {
    let name = read_string(body)?.to_vec();
    let last_delivered = read_id(body)?;
    let entries_read = match type_number {
        // As Redis has it: what can be told from the entries.
        TYPE_STREAM => stream.log().entries_read_up_to(last_delivered),
        _ => Some(body.length()? as u64).filter(|read| *read != UNKNOWN).map(|read| read as i64),
    };
    if !stream.create_group(&name, last_delivered, entries_read) {
        return None;
    }
    stream.change_group(&name, |group, _| read_pending(type_number, body, group))?
}

/// Reads what is pending in a group, and its consumers.
fn read_pending(type_number: u8, body: &mut Reader<'_>, group: &mut Group) -> Option<()> {
    let mut unclaimed = std::collections::BTreeMap::new();
    for _ in 0..body.length()? {
        let id = id_of_raw(body.array()?);
        let delivered_at = read_time(body)?;
        let deliveries = body.length()? as u64;
        if unclaimed.insert(id, (delivered_at, deliveries)).is_some() {
            return None;
        }
    }
    for _ in 0..body.length()? {
        let name = read_string(body)?.to_vec();
        let seen_at = read_time(body)?;
        // Before 7.2 nobody knew: the best guess is when it was seen.
        let active_at = match type_number {
            TYPE_STREAM_3 => {
                let active_at = i64::from_le_bytes(body.array()?);
                u64::try_from(active_at).ok().map(UnixMillis)
            }
            _ => Some(seen_at),
        };
        let consumer = group.create_consumer(&name, seen_at)?;
        group.set_times(consumer, seen_at, active_at);
        for _ in 0..body.length()? {
            let id = id_of_raw(body.array()?);
            let (delivered_at, deliveries) = unclaimed.remove(&id)?;
            group.set_pending(id, Pending { consumer, delivered_at, deliveries });
        }
    }
    unclaimed.is_empty().then_some(())
}

/// A time; one before 1970 is taken for that.
fn read_time(body: &mut Reader<'_>) -> Option<UnixMillis> {
    let ms = i64::from_le_bytes(body.array()?);
    Some(UnixMillis(u64::try_from(ms).unwrap_or(0)))
}

fn id_of_raw(raw: [u8; 16]) -> StreamId {
    let id = u128::from_be_bytes(raw);
    StreamId::new((id >> 64) as u64, id as u64)
}

fn read_id(body: &mut Reader<'_>) -> Option<StreamId> {
    Some(StreamId::new(body.length()? as u64, body.length()? as u64))
}

#[cfg(test)]
mod tests {
    use thermocline_engine::value::Value;

    use super::super::tests::{restored, signed};
    use super::super::{PayloadError, dump};
    use super::*;

    /// What redis-server 7.0.15 wrote of a stream of the entries 1-1 (deleted), 1-2 and 2-0, and a group `g` with a consumer
    /// `c`, to which 1-2 was delivered: the nodes and the number of entries.
    const NODES: &[u8] = b"\x01\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\
        \x3d\x3d\0\0\0\x18\0\x02\x01\x01\x01\x01\x01\x81a\x02\0\x01\x03\x01\0\x01\0\x01\x01\x01\x04\x01\
        \x02\x01\0\x01\x01\x01\x02\x01\x04\x01\0\x01\x01\x01\xdf\xff\x02\x02\x01\x81b\x02\x81x\x02\x81a\x02\xdf\xfb\x02\
        \x08\x01\xff\x02";
    const LAST_ID: &[u8] = b"\x02\x00";
    /// The first id, the highest deleted one, and how many entries were added.
    const HISTORY: &[u8] = b"\x01\x02\x01\x01\x03";
    const GROUP: &[u8] = b"\x01\x01g\x01\x02";
    const ENTRIES_READ: &[u8] = b"\x02";
    const PENDING: &[u8] = b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x9af\x1f\x09\xa2\x01\0\0\x01";
    const CONSUMER: &[u8] = b"\x01\x01c\x9af\x1f\x09\xa2\x01\0\0";
    const ACTIVE_AT: &[u8] = b"\x9bf\x1f\x09\xa2\x01\0\0";
    const PENDING_IDS: &[u8] = b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02";
    const TIME: u64 = 1_795_449_382_554;

    fn payload_of(type_number: u8) -> Vec<u8> {
        let since = |first: u8, part: &'static [u8]| if type_number >= first { part } else { b"" };
        [
            &[type_number],
            NODES,
            LAST_ID,
            since(TYPE_STREAM_2, HISTORY),
            GROUP,
            since(TYPE_STREAM_2, ENTRIES_READ),
            PENDING,
            CONSUMER,
            since(TYPE_STREAM_3, ACTIVE_AT),
            PENDING_IDS,
        ]
        .concat()
    }

    fn read_back(body: &[u8]) -> Result<StreamValue, PayloadError> {
        restored(&signed(body, 10)).map(|value| match value {
            Value::Stream(stream) => stream,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn streams_are_written_as_redis_writes_them() {
        let body = payload_of(TYPE_STREAM_2);
        let value = Value::from(read_back(&body).expect("a stream"));
        assert_eq!(dump(&value, &mut Compressor::new()), signed(&body, 10));
    }

    #[test]
    fn every_form_is_read() {
        for (type_number, added, max_deleted_id, entries_read, active_at) in [
            // What is not told is guessed as Redis guesses it.
            (TYPE_STREAM, 2, StreamId::MIN, Some(1), TIME),
            (TYPE_STREAM_2, 3, StreamId::new(1, 1), Some(2), TIME),
            (TYPE_STREAM_3, 3, StreamId::new(1, 1), Some(2), TIME + 1),
        ] {
            let stream = read_back(&payload_of(type_number)).expect("a stream");
            let log = stream.log();
            assert_eq!((log.len(), log.added(), log.max_deleted_id()), (2, added, max_deleted_id));
            assert_eq!((log.first_id(), log.last_id()), (StreamId::new(1, 2), StreamId::new(2, 0)));
            let group = stream.group(b"g").expect("it is there");
            assert_eq!((group.last_delivered(), group.entries_read()), (StreamId::new(1, 2), entries_read));
            let (_, consumer) = group.consumers().next().expect("it has one");
            assert_eq!((consumer.name(), consumer.pending_count()), (&b"c"[..], 1));
            assert_eq!(
                (consumer.seen_at(), consumer.active_at()),
                (UnixMillis(TIME), Some(UnixMillis(active_at)))
            );
            let pending = group.pending(StreamId::new(1, 2)).expect("it is pending");
            assert_eq!((pending.delivered_at, pending.deliveries), (UnixMillis(TIME), 1));
        }
    }

    #[test]
    fn damaged_streams_are_refused_or_harmless() {
        for type_number in [TYPE_STREAM, TYPE_STREAM_2, TYPE_STREAM_3] {
            let body = payload_of(type_number);
            for length in 0..body.len() {
                assert!(read_back(&body[..length]).is_err(), "{length} bytes of type {type_number}");
            }
            for at in 1..body.len() {
                for flip in [0x01, 0x40, 0x80, 0xff] {
                    let mut damaged = body.clone();
                    damaged[at] ^= flip;
                    if let Ok(stream) = read_back(&damaged) {
                        let again = dump(&Value::from(stream), &mut Compressor::new());
                        assert!(restored(&again).is_ok(), "byte {at} of type {type_number}");
                    }
                }
            }
        }
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let body = payload_of(TYPE_STREAM_2);
        let nodes = 1..1 + NODES.len();
        for (at, byte) in [
            // Another number of entries, a last id below the last entry, an entry pending twice or with nobody.
            (nodes.end - 1, 3),
            (nodes.end, 1),
            (body.len() - PENDING_IDS.len(), 0),
            (body.len() - 1, 3),
        ] {
            let mut wrong = body.clone();
            assert_ne!(wrong[at], byte);
            wrong[at] = byte;
            assert!(read_back(&wrong).is_err(), "byte {at}");
        }
    }
}
