//! A stream as a record's payload.
//!
//! ```text
//! last id 16 | highest deleted id 16 | entries added 8 | nodes 4 | node... | groups 4 | group...
//! node      id of its first entry 16 | length 4 | bytes as in DRAM
//! group     name | last delivered id 16 | entries read 8 | consumers 4 | consumer... | pending 4 | pending...
//! consumer  name | seen at 8 | active at 8                                            in the order of names
//! pending   id 16 | position of its consumer 4 | delivered at 8 | deliveries 8        in the order of ids
//! name      length 4 | bytes
//! ```
//!
//! Numbers are in little-endian order, an id is milliseconds and sequence, times are Unix milliseconds. -1 stands for a number
//! of entries read that is not known, and for a consumer that was never active.

use super::{Group, Log, Pending, StreamId, StreamValue};
use crate::time::UnixMillis;
use crate::value::codec::PIECE_BYTES;

const ID_BYTES: usize = 16;
const COUNT_BYTES: usize = 4;
const LOG_HEAD_BYTES: usize = 2 * ID_BYTES + 8 + 2 * COUNT_BYTES;
const NODE_HEAD_BYTES: usize = ID_BYTES + COUNT_BYTES;
const GROUP_HEAD_BYTES: usize = ID_BYTES + 8 + 3 * COUNT_BYTES;
const CONSUMER_HEAD_BYTES: usize = COUNT_BYTES + 16;
const PENDING_BYTES: usize = ID_BYTES + COUNT_BYTES + 16;
const UNKNOWN: i64 = -1;

/// What the entries take, and all that is there once.
pub(super) fn log_bytes(log: &Log) -> usize {
    LOG_HEAD_BYTES + log.node_count() * NODE_HEAD_BYTES + log.node_bytes()
}

/// What a group takes.
pub(super) fn group_bytes(group: &Group) -> usize {
    GROUP_HEAD_BYTES
        + group.name().len()
        + group.consumer_count() * CONSUMER_HEAD_BYTES
        + group.consumer_name_bytes()
        + group.pending_count() * PENDING_BYTES
}

/// Positions are nodes, then one for where the groups begin, then groups.
pub(super) fn encode_piece(stream: &StreamValue, position: usize, out: &mut Vec<u8>) -> Option<usize> {
    let log = stream.log();
    let end = out.len() + PIECE_BYTES;
    if position == 0 {
        put_id(out, log.last_id());
        put_id(out, log.max_deleted_id());
        out.extend(log.added().to_le_bytes());
        put_count(out, log.node_count());
    }
    for (node, (first, bytes)) in (position..).zip(log.raw_nodes().skip(position)) {
        if out.len() >= end {
            return Some(node);
        }
        put_id(out, first);
        put_bytes(out, bytes);
    }
    let first_group = log.node_count() + 1;
    if position < first_group {
        put_count(out, stream.groups().len());
    }
    let done = position.saturating_sub(first_group);
    for (group, at) in stream.groups().skip(done).zip(first_group + done..) {
        if out.len() >= end {
            return Some(at);
        }
        encode_group(group, out);
    }
    None
}

fn encode_group(group: &Group, out: &mut Vec<u8>) {
    put_bytes(out, group.name());
    put_id(out, group.last_delivered());
    out.extend(group.entries_read().unwrap_or(UNKNOWN).to_le_bytes());
    put_count(out, group.consumer_count());
    let mut positions = vec![0u32; group.number_bound()];
    for (position, (number, consumer)) in group.consumers().enumerate() {
        positions[number.index()] = position as u32;
        put_bytes(out, consumer.name());
        out.extend(consumer.seen_at().0.to_le_bytes());
        out.extend(consumer.active_at().map_or(UNKNOWN, |at| at.0 as i64).to_le_bytes());
    }
    put_count(out, group.pending_count());
    for (id, pending) in group.pending_from(StreamId::MIN) {
        put_id(out, id);
        out.extend(positions[pending.consumer.index()].to_le_bytes());
        out.extend(pending.delivered_at.0.to_le_bytes());
        out.extend(pending.deliveries.to_le_bytes());
    }
}

pub(super) fn decode(payload: &[u8]) -> Option<StreamValue> {
    let mut rest = Reader(payload);
    let mut stream = StreamValue::default();
    let (last_id, max_deleted_id) = (rest.id()?, rest.id()?);
    let added = rest.number()?;
    let log = stream.log_mut();
    for _ in 0..rest.count()? {
        let first = rest.id()?;
        log.push_raw_node(first, rest.bytes()?)?;
    }
    log.finish(last_id, added, max_deleted_id)?;
    for _ in 0..rest.count()? {
        let name = rest.bytes()?;
        let last_delivered = rest.id()?;
        let entries_read = Some(rest.number()? as i64).filter(|read| *read != UNKNOWN);
        if !stream.create_group(name, last_delivered, entries_read) {
            return None;
        }
        stream.change_group(name, |group, _| decode_group(group, &mut rest))??;
    }
    rest.0.is_empty().then_some(stream)
}

fn decode_group(group: &mut Group, rest: &mut Reader<'_>) -> Option<()> {
    let mut numbers = Vec::new();
    for _ in 0..rest.count()? {
        let (name, seen_at, active_at) = (rest.bytes()?, rest.number()?, rest.number()?);
        let number = group.create_consumer(name, UnixMillis(seen_at))?;
        let active_at = (active_at as i64 != UNKNOWN).then_some(UnixMillis(active_at));
        group.set_times(number, UnixMillis(seen_at), active_at);
        numbers.push(number);
    }
    for _ in 0..rest.count()? {
        let (id, position) = (rest.id()?, rest.count()?);
        let consumer = *numbers.get(position)?;
        let (delivered_at, deliveries) = (UnixMillis(rest.number()?), rest.number()?);
        if group.pending(id).is_some() {
            return None;
        }
        group.set_pending(id, Pending { consumer, delivered_at, deliveries });
    }
    Some(())
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    out.extend(id.ms.to_le_bytes());
    out.extend(id.sequence.to_le_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).expect("a payload is far shorter than 4 GiB").to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn count(&mut self) -> Option<usize> {
        let count = u32::from_le_bytes(self.take(COUNT_BYTES)?.try_into().ok()?);
        usize::try_from(count).ok()
    }

    fn id(&mut self) -> Option<StreamId> {
        Some(StreamId::new(self.number()?, self.number()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }
}
