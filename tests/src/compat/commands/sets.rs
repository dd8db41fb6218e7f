//! Requests on sets: a few keys with members that often meet, so that all three encodings and their limits are met.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{mostly_typed_key, pattern, pick, short_value};

/// The letter of keys that mostly hold sets.
pub const LETTER: char = 'e';

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    let key = mostly_typed_key(rng, LETTER);
    match rng.random_range(0..100) {
        0..=22 => members(rng, Request::new("SADD").arg(key)),
        23..=24 => many_members(rng, key),
        25..=33 => members(rng, Request::new("SREM").arg(key)),
        34..=38 => Request::new("SISMEMBER").arg(key).arg(member(rng)),
        39..=42 => members(rng, Request::new("SMISMEMBER").arg(key)),
        43..=46 => Request::new("SCARD").arg(key),
        47..=50 => Request::new("SMEMBERS").arg(key),
        51..=54 => pop(rng, key),
        55..=58 => random_member(rng, key),
        59..=65 => Request::new("SMOVE").arg(key).arg(mostly_typed_key(rng, LETTER)).arg(member(rng)),
        66..=75 => {
            let name = pick(rng, &["SINTER", "SUNION", "SDIFF"]);
            sources(rng, Request(vec![name]))
        }
        76..=85 => {
            let name = pick(rng, &["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]);
            sources(rng, Request(vec![name]).arg(key))
        }
        86..=89 => cardinality(rng),
        90..=92 => scan(rng, key),
        93..=94 => Request::new("DEL").arg(key),
        95 => Request::new("COPY").arg(key).arg(mostly_typed_key(rng, LETTER)).arg("REPLACE"),
        _ => Request::new("OBJECT").arg("ENCODING").arg(key),
    }
}

fn member(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..100) {
        0 => short_value(rng),
        1 => vec![b'm'; rng.random_range(62..68)],
        2 => rng.random::<i64>().to_string().into_bytes(),
        3..=8 => rng.random_range(-100_000..100_000).to_string().into_bytes(),
        9..=70 => rng.random_range(-10..30).to_string().into_bytes(),
        _ => format!("m{}", rng.random_range(0..20)).into_bytes(),
    }
}

fn members(rng: &mut StdRng, mut request: Request) -> Request {
    // Only integers, half of the time: a set is an intset as long as it has met nothing else.
    let only_integers = rng.random();
    for _ in 0..rng.random_range(1..=6) {
        let integer = rng.random_range(-10..30).to_string().into_bytes();
        request = request.arg(if only_integers { integer } else { member(rng) });
    }
    request
}

/// So many members that the set outgrows a listpack, an intset, or nearly. Not just one or two more than an intset has:
/// from 7.2 on their number counts, whether or not one comes twice.
fn many_members(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let prefix = if rng.random() { "" } else { "m" };
    let count = match rng.random_range(0..4) {
        0 => rng.random_range(505..=512),
        1 => rng.random_range(516..530),
        _ => rng.random_range(120..140),
    };
    (0..count).fold(Request::new("SADD").arg(key), |request, number| request.arg(format!("{prefix}{number}")))
}

/// Which members go is a matter of chance: so all of them, or none.
fn pop(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let request = Request::new("SPOP").arg(key);
    match rng.random_range(0..4) {
        0 => request.arg("0"),
        1 => request.arg(pick(rng, &["-1", "abc", "9223372036854775808", "-9223372036854775808"])),
        2 => request.arg("2000").arg("2"),
        _ => request.arg("2000"),
    }
}

fn random_member(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let request = Request::new("SRANDMEMBER").arg(key);
    match rng.random_range(0..5) {
        0 => request,
        1 => request.arg(pick(rng, &["0", "1", "-1", "-7", "3", "9223372036854775807"])),
        // All of them, in some order.
        2 | 3 => request.arg("2000"),
        _ => request.arg(pick(rng, &["abc", "-9223372036854775808", "1.5", "1 2"])),
    }
}

fn sources(rng: &mut StdRng, mut request: Request) -> Request {
    for _ in 0..rng.random_range(1..=4) {
        request = request.arg(mostly_typed_key(rng, LETTER));
    }
    request
}

fn cardinality(rng: &mut StdRng) -> Request {
    let count = rng.random_range(1..=3);
    let mut request = Request::new("SINTERCARD");
    request = match rng.random_range(0..12) {
        0 => request.arg(pick(rng, &["0", "-1", "abc", "9", ""])),
        _ => request.number(count),
    };
    for _ in 0..count {
        request = request.arg(mostly_typed_key(rng, LETTER));
    }
    match rng.random_range(0..6) {
        0 | 1 => request.arg("LIMIT").arg(pick(rng, &["0", "1", "2", "5", "1000"])),
        2 => request.arg(pick(rng, &["LIMIT", "limit", "bogus"])).arg(pick(rng, &["-1", "abc", "3"])),
        _ => request,
    }
}

fn scan(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let cursor = pick(rng, &["0", "0", "0", "0", "abc", "-1", ""]);
    let mut request = Request::new("SSCAN").arg(key).arg(cursor);
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..6) {
            0 | 1 => request.arg("MATCH").arg(pick(rng, &["m*", "m1?", "[0-9]", "none", "*"])),
            2 => request.arg("MATCH").arg(pattern(rng)),
            3 => request.arg("COUNT").arg("100000"),
            4 => request.arg("COUNT").arg(pick(rng, &["1", "10", "0", "-1", "abc"])),
            _ => request.arg("bogus"),
        };
    }
    request
}
