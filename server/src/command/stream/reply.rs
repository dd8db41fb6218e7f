//! Ids and entries as replies.

use thermocline_engine::value::IntegerDigits;
use thermocline_engine::value::stream::{Entry, StreamId};
use thermocline_protocol::ReplyEncoder;

/// Ids up to this length, of times until the year 2286 and sequences that are not huge, need no memory of their own.
const ID_BYTES: usize = 32;

/// The id's text.
pub(super) fn id_text(id: StreamId) -> smallvec::SmallVec<[u8; ID_BYTES]> {
    let mut text = smallvec::SmallVec::new();
    let mut digits = itoa::Buffer::new();
    text.extend_from_slice(digits.format(id.ms).as_bytes());
    text.push(b'-');
    text.extend_from_slice(digits.format(id.sequence).as_bytes());
    text
}

/// Replies an id.
pub(super) fn reply_id(reply: &mut ReplyEncoder<'_>, id: StreamId) {
    reply.bulk(&id_text(id));
}

/// Replies an entry: its id, and its names and values in turn.
pub(super) fn reply_entry(reply: &mut ReplyEncoder<'_>, entry: Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.fields.len());
    let mut digits = IntegerDigits::new();
    for (name, value) in entry.fields {
        reply.bulk(name.bytes(&mut digits));
        reply.bulk(value.bytes(&mut digits));
    }
}

/// Replies entries; how many.
pub(super) fn reply_entries<'a>(
    reply: &mut ReplyEncoder<'_>,
    entries: impl Iterator<Item = Entry<'a>>,
) -> usize {
    let mark = reply.begin_array();
    let mut count = 0;
    for entry in entries {
        reply_entry(reply, entry);
        count += 1;
    }
    reply.end_array(mark, count);
    count
}

/// Replies an entry, or null.
pub(super) fn reply_entry_or_null(reply: &mut ReplyEncoder<'_>, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => reply_entry(reply, entry),
        None => reply.null(),
    }
}

/// How many entries a COUNT allows: 0 is no limit.
pub(super) fn limit(count: i64) -> usize {
    match usize::try_from(count) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(count) => count,
    }
}
