//! When two replies about a stream count as the same: XINFO and XPENDING tell times, which run, and Redis 7.2 tells more
//! than 7.0.
//!
//! * Times of day and times since then may differ a little.
//! * `inactive` and `active-time` are of 7.2. When a consumer was seen is told, but 7.2 sees it more often: whenever it asks
//!   for something, found or not.
//! * A consumer with whom nothing is pending may be missing: 7.2 makes it even if a command finds nothing for it.
//! * `radix-tree-nodes` tells how Redis keeps a stream.

use thermocline_protocol::Reply;

/// Integers from here on are times of day, in milliseconds.
const TIMES_FROM: i64 = 1_000_000_000_000;
/// Fields whose values are of no account.
const IGNORED: [&[u8]; 5] = [b"idle", b"seen-time", b"inactive", b"active-time", b"radix-tree-nodes"];
/// The first fields of what is told of streams, groups and consumers.
const FIRST_FIELDS: [&[u8]; 2] = [b"length", b"name"];

/// Whether they are the same, where times may differ by `tolerance_ms`.
pub fn is_same(reference: &Reply, subject: &Reply, tolerance_ms: i64) -> bool {
    let about = |a: i64, b: i64| (a - b).abs() <= tolerance_ms;
    match (reference, subject) {
        (Reply::Integer(a), Reply::Integer(b)) => a == b || a.min(b) >= &TIMES_FROM && about(*a, *b),
        (Reply::Array(_), Reply::Array(_)) | (Reply::Map(_), Reply::Map(_)) => {
            match (fields(reference), fields(subject)) {
                (Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter()
                            .zip(&b)
                            .all(|((name, a), (other, b))| name == other && is_same(a, b, tolerance_ms))
                }
                (None, None) => is_same_list(reference, subject, tolerance_ms),
                _ => false,
            }
        }
        _ => reference == subject,
    }
}

fn is_same_list(reference: &Reply, subject: &Reply, tolerance_ms: i64) -> bool {
    let elements = |reply: &Reply| -> Vec<Reply> {
        let elements = reply.as_elements().unwrap_or_default().to_vec();
        elements.into_iter().filter(|element| !is_idle_consumer(element)).collect()
    };
    let (a, b) = (elements(reference), elements(subject));
    // A pending entry: its id, its consumer, how long ago it was delivered, and how often.
    let is_pending = |elements: &[Reply]| {
        matches!(elements, [Reply::Bulk(_), Reply::Bulk(_), Reply::Integer(_), Reply::Integer(_)])
    };
    if is_pending(&a) && is_pending(&b) {
        let idle = |elements: &[Reply]| elements[2].as_integer().expect("it is one");
        return a[..2] == b[..2] && a[3] == b[3] && (idle(&a) - idle(&b)).abs() <= tolerance_ms;
    }
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| is_same(a, b, tolerance_ms))
}

/// The fields of what is told of a stream, a group or a consumer, but for those that are of no account.
fn fields(reply: &Reply) -> Option<Vec<(Reply, Reply)>> {
    let counts = |field: &(Reply, Reply)| {
        let name = field.0.as_bytes().unwrap_or_default();
        let is_consumer_count = name == b"consumers" && field.1.as_integer().is_some();
        !is_consumer_count && !IGNORED.contains(&name)
    };
    Some(all_fields(reply)?.into_iter().filter(counts).collect())
}

fn all_fields(reply: &Reply) -> Option<Vec<(Reply, Reply)>> {
    let fields: Vec<(Reply, Reply)> = match reply {
        Reply::Map(fields) => fields.clone(),
        Reply::Array(elements) if elements.len().is_multiple_of(2) => {
            elements.chunks(2).map(|field| (field[0].clone(), field[1].clone())).collect()
        }
        _ => return None,
    };
    let first = fields.first()?.0.as_bytes().unwrap_or_default();
    FIRST_FIELDS.contains(&first).then_some(fields)
}

/// Whether this tells of a consumer with whom nothing is pending.
fn is_idle_consumer(reply: &Reply) -> bool {
    let Some(fields) = all_fields(reply) else { return false };
    let value = |names: [&[u8]; 2]| {
        let is_one = |(field, _): &&(Reply, Reply)| names.contains(&field.as_bytes().unwrap_or_default());
        fields.iter().find(is_one).and_then(|(_, value)| value.as_integer())
    };
    let is_consumer = value([b"idle", b"seen-time"]).is_some();
    is_consumer && value([b"pending", b"pel-count"]) == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    fn consumer(name: &str, pending: i64, idle: i64) -> Vec<Reply> {
        vec![
            text("name"),
            text(name),
            text("pending"),
            Reply::Integer(pending),
            text("idle"),
            Reply::Integer(idle),
        ]
    }

    fn newer(mut consumer: Vec<Reply>) -> Vec<Reply> {
        consumer.extend([text("inactive"), Reply::Integer(-1)]);
        consumer
    }

    #[test]
    fn consumers_may_differ_in_times_and_in_what_is_new() {
        let list =
            |consumers: Vec<Vec<Reply>>| Reply::Array(consumers.into_iter().map(Reply::Array).collect());
        let reference = list(vec![consumer("a", 1, 5)]);
        let subject = list(vec![newer(consumer("a", 1, 90)), newer(consumer("b", 0, 1))]);
        assert!(is_same(&reference, &subject, 100));
        assert!(!is_same(&reference, &list(vec![newer(consumer("a", 2, 5))]), 100));
        assert!(!is_same(&reference, &list(vec![newer(consumer("b", 1, 5))]), 100));
    }

    #[test]
    fn pending_entries_may_differ_in_times_only() {
        let row = |id: &str, idle: i64, count: i64| {
            Reply::Array(vec![text(id), text("c"), Reply::Integer(idle), Reply::Integer(count)])
        };
        assert!(is_same(&row("1-0", 10, 3), &row("1-0", 50, 3), 100));
        assert!(!is_same(&row("1-0", 10, 3), &row("1-0", 50, 4), 100));
        assert!(!is_same(&row("1-0", 10, 3), &row("1-1", 50, 3), 100));
        assert!(!is_same(&row("1-0", 10, 3), &row("1-0", 500, 3), 100));
    }
}
