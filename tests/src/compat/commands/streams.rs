//! Requests of stream commands.
//!
//! Ids are explicit, since those of the clock differ between servers: few milliseconds, so that most are taken, and
//! sequences that the servers choose. Times that are compared with how long something has been idle are far from all times
//! that a run can take.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{mostly_typed_key, pick, short_value, typed_key, unix_ms};

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..1000) {
        0..=329 => xadd(rng),
        330..=359 => one_key(rng, "XLEN"),
        360..=439 => xrange(rng),
        440..=499 => xread(rng),
        500..=549 => {
            let request = one_key(rng, "XDEL");
            let mut request = ids(rng, request);
            // Once that is gone, 7.2 refuses every XSETID and 7.0 none.
            request.0.retain(|word| word != HIGHEST_ID.as_bytes());
            request
        }
        550..=589 => {
            let request = one_key(rng, "XTRIM");
            trim(rng, request)
        }
        590..=659 => xgroup(rng),
        660..=759 => xreadgroup(rng),
        760..=809 => {
            let request = one_key(rng, "XACK").arg(group(rng));
            ids(rng, request)
        }
        810..=859 => xpending(rng),
        860..=899 => xclaim(rng),
        900..=929 => xautoclaim(rng),
        930..=979 => xinfo(rng),
        980..=984 => xsetid(rng),
        985..=989 => Request::new("DEL").arg(typed_key(rng, 'x')),
        990..=994 => node_size(rng),
        _ => one_key(rng, "TYPE"),
    }
}

/// No entry comes behind one of this id.
const HIGHEST_ID: &str = "18446744073709551615-18446744073709551615";

fn key(rng: &mut StdRng) -> Vec<u8> {
    mostly_typed_key(rng, 'x')
}

fn one_key(rng: &mut StdRng, name: &str) -> Request {
    Request::new(name).arg(key(rng))
}

fn group(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["g", "g", "g", "h", "h", "nobody's"])
}

fn consumer(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["alice", "bob", "carol", "", "10"])
}

/// An id that an entry may have.
fn id(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..40) {
        0 => pick(rng, &["-", "+", "*", "abc", "1-", "-1", "1-2-3", "18446744073709551616", "", "1-*"]),
        1 => pick(rng, &["0-0", "0", "0-1", HIGHEST_ID, "007-01"]),
        2 | 3 => rng.random_range(0..60).to_string().into_bytes(),
        4..=9 => format!("{}-{}", rng.random_range(1..60), rng.random_range(0..10)).into_bytes(),
        _ => format!("{}-{}", milliseconds(rng), rng.random_range(0..150)).into_bytes(),
    }
}

/// Mostly the highest of few.
fn milliseconds(rng: &mut StdRng) -> u64 {
    match rng.random_range(0..20) {
        0 => 100,
        1..=3 => 101,
        _ => 102,
    }
}

/// Never one of the clock, or the last of all.
fn new_id(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..30) {
        0..=2 => Some(id(rng)).filter(|id| id != b"*" && !id.starts_with(b"1844")).unwrap_or_default(),
        3 => format!("{}-*", rng.random_range(1..100)).into_bytes(),
        _ => format!("{}-*", milliseconds(rng)).into_bytes(),
    }
}

fn ids(rng: &mut StdRng, request: Request) -> Request {
    (0..rng.random_range(1..5)).fold(request, |request, _| request.arg(id(rng)))
}

fn small(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..15) {
        0 => pick(rng, &["0", "-1", "abc", "9223372036854775807", "1.5"]),
        _ => rng.random_range(1..30).to_string().into_bytes(),
    }
}

fn xadd(rng: &mut StdRng) -> Request {
    let mut request = one_key(rng, "XADD");
    if rng.random_ratio(1, 10) {
        request = request.arg("NOMKSTREAM");
    }
    if rng.random_ratio(1, 8) {
        request = trim(rng, request);
    }
    request = request.arg(new_id(rng));
    let same_names = rng.random_ratio(3, 4);
    for number in 0..rng.random_range(1..4) {
        let name = if same_names { format!("field-{number}").into_bytes() } else { short_value(rng) };
        let value = if rng.random() { small(rng) } else { short_value(rng) };
        request = request.arg(name).arg(value);
    }
    request
}

fn trim(rng: &mut StdRng, request: Request) -> Request {
    let is_by_length = rng.random_ratio(2, 3);
    let request = request.arg(if is_by_length { "MAXLEN" } else { "MINID" });
    let is_approximate = rng.random_ratio(2, 3);
    let request = match rng.random_range(0..4) {
        _ if is_approximate => request.arg("~"),
        0 => request.arg("="),
        _ => request,
    };
    let request = match is_by_length {
        true => request.number(rng.random_range(0..200)),
        false => request.arg(id(rng)),
    };
    match rng.random_range(0..20) {
        0 => request.arg("LIMIT").arg(small(rng)),
        1..=5 if is_approximate => request.arg("LIMIT").number(rng.random_range(0..150)),
        _ => request,
    }
}

fn bound(rng: &mut StdRng) -> Vec<u8> {
    let mut bound = id(rng);
    if rng.random_ratio(1, 4) {
        bound.insert(0, b'(');
    }
    bound
}

fn range(rng: &mut StdRng, request: Request, is_reverse: bool) -> Request {
    let low = if rng.random() { b"-".to_vec() } else { bound(rng) };
    let high = if rng.random() { b"+".to_vec() } else { bound(rng) };
    if is_reverse { request.arg(high).arg(low) } else { request.arg(low).arg(high) }
}

fn xrange(rng: &mut StdRng) -> Request {
    let is_reverse = rng.random();
    let request = one_key(rng, if is_reverse { "XREVRANGE" } else { "XRANGE" });
    let request = range(rng, request, is_reverse);
    if rng.random() { request.arg("COUNT").arg(small(rng)) } else { request }
}

fn count(rng: &mut StdRng, request: Request) -> Request {
    if rng.random_ratio(3, 4) { request.arg("COUNT").arg(small(rng)) } else { request }
}

fn streams(rng: &mut StdRng, request: Request, mut id: impl FnMut(&mut StdRng) -> Vec<u8>) -> Request {
    let count = if rng.random_ratio(2, 3) { 1 } else { rng.random_range(2..4) };
    let mut request = request.arg("STREAMS");
    for _ in 0..count {
        request = request.arg(key(rng));
    }
    for _ in 0..count {
        request = request.arg(id(rng));
    }
    request
}

fn xread(rng: &mut StdRng) -> Request {
    let mut request = count(rng, Request::new("XREAD"));
    if rng.random_ratio(1, 25) {
        // It waits at most a moment.
        request = request.arg("BLOCK").arg(pick(rng, &["1", "2", "-1", "abc"]));
    }
    streams(rng, request, |rng| match rng.random_range(0..10) {
        0 => b"$".to_vec(),
        1 => b">".to_vec(),
        2..=4 => b"0".to_vec(),
        _ => id(rng),
    })
}

/// Without BLOCK: 7.0 takes times that 7.2 finds too long, so that the groups would come apart.
fn xreadgroup(rng: &mut StdRng) -> Request {
    let mut request = Request::new("XREADGROUP").arg("GROUP").arg(group(rng)).arg(consumer(rng));
    request = count(rng, request);
    if rng.random_ratio(1, 8) {
        request = request.arg("NOACK");
    }
    streams(rng, request, |rng| match rng.random_range(0..10) {
        0 => b"0".to_vec(),
        1 => id(rng),
        2 if rng.random_ratio(1, 5) => b"$".to_vec(),
        _ => b">".to_vec(),
    })
}

fn xgroup(rng: &mut StdRng) -> Request {
    let request = |name: &str| Request::new("XGROUP").arg(name);
    match rng.random_range(0..20) {
        0..=9 => {
            let request = request("CREATE").arg(key(rng)).arg(group(rng)).arg(position(rng));
            let request = request.maybe(rng, 4, "MKSTREAM");
            entries_read(rng, request)
        }
        10 | 11 => {
            let request = request("SETID").arg(key(rng)).arg(group(rng)).arg(position(rng));
            entries_read(rng, request)
        }
        12 => request("DESTROY").arg(key(rng)).arg(group(rng)),
        // Whether a consumer is new may differ, where 7.2 made it and 7.0 did not.
        13 => request("DELCONSUMER").arg(key(rng)).arg(group(rng)).arg(consumer(rng)),
        14 => request("CREATECONSUMER").arg(key(rng)).arg(pick(rng, &["nobody's"])).arg(consumer(rng)),
        16 => request("BOGUS").arg(key(rng)),
        _ => request("DELCONSUMER").arg(key(rng)).arg(group(rng)).arg(consumer(rng)),
    }
}

fn position(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..4) {
        0 => b"$".to_vec(),
        1 => id(rng),
        _ => b"0".to_vec(),
    }
}

fn entries_read(rng: &mut StdRng, request: Request) -> Request {
    match rng.random_range(0..6) {
        0 => request.arg("ENTRIESREAD").arg(pick(rng, &["0", "1", "5", "-1", "-2", "abc", "1000"])),
        _ => request,
    }
}

/// An age that no entry is near to, unless a claim said so.
fn min_idle(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["0", "0", "0", "0", "2000000", "100000000", "-1", "abc"])
}

fn xpending(rng: &mut StdRng) -> Request {
    let mut request = one_key(rng, "XPENDING").arg(group(rng));
    if rng.random_ratio(1, 4) {
        return request;
    }
    if rng.random_ratio(1, 4) {
        request = request.arg("IDLE").arg(min_idle(rng));
    }
    request = range(rng, request, false).arg(small(rng));
    if rng.random_ratio(1, 3) { request.arg(consumer(rng)) } else { request }
}

fn xclaim(rng: &mut StdRng) -> Request {
    let request = one_key(rng, "XCLAIM").arg(group(rng)).arg(consumer(rng)).arg(min_idle(rng));
    let mut request = ids(rng, request);
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..12) {
            0 => request.arg("IDLE").arg(pick(rng, &["0", "5000000", "200000000", "-1", "abc"])),
            1 => request.arg("TIME").number(unix_ms() - 5_000_000),
            2 => request.arg("TIME").arg(pick(rng, &["-1", "abc", "9223372036854775807"])),
            3 | 4 => request.arg("RETRYCOUNT").arg(pick(rng, &["0", "1", "7", "-1", "abc"])),
            5..=7 => request.arg("FORCE"),
            8 | 9 => request.arg("JUSTID"),
            10 => request.arg("LASTID").arg(id(rng)),
            _ => request.arg("bogus"),
        };
    }
    request
}

fn xautoclaim(rng: &mut StdRng) -> Request {
    let request = one_key(rng, "XAUTOCLAIM").arg(group(rng)).arg(consumer(rng)).arg(min_idle(rng));
    let start = if rng.random() { b"0-0".to_vec() } else { bound(rng) };
    let request = request.arg(start);
    let request = if rng.random() { request.arg("COUNT").arg(small(rng)) } else { request };
    request.maybe(rng, 4, "JUSTID").maybe(rng, 30, "bogus")
}

fn xinfo(rng: &mut StdRng) -> Request {
    let request = |name: &str| Request::new("XINFO").arg(name);
    match rng.random_range(0..20) {
        0..=4 => request("GROUPS").arg(key(rng)),
        5..=9 => request("CONSUMERS").arg(key(rng)).arg(group(rng)),
        10..=13 => request("STREAM").arg(key(rng)),
        14..=18 => {
            let request = request("STREAM").arg(key(rng)).arg("FULL");
            if rng.random() { request.arg("COUNT").arg(small(rng)) } else { request }
        }
        _ => request("BOGUS").arg(key(rng)),
    }
}

/// 7.2 refuses an id below one that was deleted, 7.0 takes it: these are above all.
fn xsetid(rng: &mut StdRng) -> Request {
    let id = match rng.random_range(0..4) {
        0 => pick(rng, &["abc", "-", "", "102-*"]),
        _ => format!("102-{}", rng.random_range(1000..1010)).into_bytes(),
    };
    let mut request = one_key(rng, "XSETID").arg(id);
    if rng.random_ratio(1, 3) {
        request = request.arg("ENTRIESADDED").arg(small(rng));
    }
    let deleted = format!("102-{}", rng.random_range(0..150));
    if rng.random_ratio(1, 3) { request.arg("MAXDELETEDID").arg(deleted) } else { request }
}

/// How many entries go into one node. (After a change of `stream-node-max-bytes`, redis-server 7.0.15 can crash.)
fn node_size(rng: &mut StdRng) -> Request {
    let entries = pick(rng, &["100", "100", "10", "3", "0"]);
    Request::new("CONFIG").arg("SET").arg("stream-node-max-entries").arg(entries)
}
