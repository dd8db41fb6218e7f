//! What tests ask of the tiers: where values are, and how many disk reads something took.

use thermocline_protocol::{Reply, encode_request};

use crate::Connection;
use crate::info::Info;

/// How many requests a pipelined helper has in flight.
const PIPELINE: usize = 200;

/// Where a key's value is: `dram`, `ssd`, `both`, or `None` if there is no such key.
pub fn tier_of(connection: &mut Connection, key: &str) -> Option<String> {
    match connection.call(&["TIER", "WHERE", key]) {
        reply if reply.is_null() => None,
        Reply::Bulk(tier) | Reply::Simple(tier) => Some(String::from_utf8_lossy(&tier).into_owned()),
        other => panic!("TIER WHERE {key} replied {other:?}"),
    }
}

/// Moves the values of `keys` to the SSD.
///
/// # Panics
///
/// If any of them is not there afterwards.
pub fn make_cold<T: AsRef<str>>(connection: &mut Connection, keys: &[T]) {
    for batch in keys.chunks(PIPELINE) {
        let mut request = vec!["TIER", "DEMOTE"];
        request.extend(batch.iter().map(AsRef::as_ref));
        let moved = connection.call(&request);
        assert!(moved.as_integer().is_some(), "TIER DEMOTE replied {moved:?}");
    }
    for key in keys {
        let tier = tier_of(connection, key.as_ref());
        assert_eq!(tier.as_deref(), Some("ssd"), "{} after TIER DEMOTE", key.as_ref());
    }
}

/// A counter of `INFO tiering`.
pub fn tiering(connection: &mut Connection, field: &str) -> u64 {
    Info::fetch(connection, "tiering").count(field)
}

/// How much a counter of `INFO tiering` grows while `action` runs.
pub fn growth<T>(
    connection: &mut Connection,
    field: &str,
    action: impl FnOnce(&mut Connection) -> T,
) -> (u64, T) {
    let before = tiering(connection, field);
    let result = action(connection);
    (tiering(connection, field) - before, result)
}

/// How many values were read from the SSD while `action` ran.
pub fn disk_reads<T>(connection: &mut Connection, action: impl FnOnce(&mut Connection) -> T) -> (u64, T) {
    growth(connection, "tier_items_read_from_disk", action)
}

/// Stores `value(id)` under `key(id)` for every id, pipelined; the replies in order.
pub fn store_all(
    connection: &mut Connection,
    ids: impl IntoIterator<Item = u64>,
    key: impl Fn(u64) -> String,
    value: impl Fn(u64) -> Vec<u8>,
) -> Vec<(u64, Reply)> {
    exchange_all(connection, ids, |id| vec![b"SET".to_vec(), key(id).into_bytes(), value(id)])
}

/// Sends one request per id, pipelined; the replies in order.
pub fn exchange_all(
    connection: &mut Connection,
    ids: impl IntoIterator<Item = u64>,
    request: impl Fn(u64) -> Vec<Vec<u8>>,
) -> Vec<(u64, Reply)> {
    let mut replies = Vec::new();
    let mut ids = ids.into_iter().peekable();
    let mut bytes = Vec::new();
    while ids.peek().is_some() {
        let batch: Vec<u64> = ids.by_ref().take(PIPELINE).collect();
        bytes.clear();
        batch.iter().for_each(|&id| encode_request(&mut bytes, &request(id)));
        connection.send_raw(&bytes);
        replies.extend(batch.iter().map(|&id| (id, connection.receive())));
    }
    replies
}
