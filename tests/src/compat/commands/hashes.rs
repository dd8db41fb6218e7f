//! Requests on hashes: a few keys with a few fields, so that both encodings and their limits are met.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{float, garbage, mostly_typed_key, pattern, pick, short_value};

/// How many fields the hashes of these streams may have: more than may lie in a listpack, sometimes.
const FIELDS: u32 = 700;

/// The letter of keys that mostly hold hashes.
pub const LETTER: char = 'h';

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    let key = mostly_typed_key(rng, LETTER);
    match rng.random_range(0..100) {
        0..=19 => pairs(rng, Request::new("HSET").arg(key)),
        20..=23 => pairs(rng, Request::new("HMSET").arg(key)),
        24..=28 => Request::new("HSETNX").arg(key).arg(field(rng)).arg(value(rng)),
        29..=36 => Request::new("HGET").arg(key).arg(field(rng)),
        37..=42 => fields(rng, Request::new("HMGET").arg(key)),
        43..=47 => Request::new("HGETALL").arg(key),
        48..=56 => fields(rng, Request::new("HDEL").arg(key)),
        57..=60 => Request::new("HLEN").arg(key),
        61..=64 => Request::new("HEXISTS").arg(key).arg(field(rng)),
        65..=67 => Request::new("HKEYS").arg(key),
        68..=70 => Request::new("HVALS").arg(key),
        71..=77 => Request::new("HINCRBY").arg(key).arg(field(rng)).arg(increment(rng)),
        78..=83 => Request::new("HINCRBYFLOAT").arg(key).arg(field(rng)).arg(float(rng)),
        84..=87 => Request::new("HSTRLEN").arg(key).arg(field(rng)),
        88..=91 => random_field(rng, key),
        92..=94 => scan(rng, key),
        95 => many_fields(rng, key),
        96 => Request::new("DEL").arg(key),
        97 => copy(rng, key),
        _ => Request::new("OBJECT").arg("ENCODING").arg(key),
    }
}

fn field(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..20) {
        0 => short_value(rng),
        1..=4 => rng.random_range(-3..9).to_string().into_bytes(),
        _ => format!("f{}", rng.random_range(0..24)).into_bytes(),
    }
}

/// Around the length up to which a value may be part of a listpack, sometimes.
fn value(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..60) {
        0 => vec![b'v'; rng.random_range(62..68)],
        1..=25 => rng.random_range(-200..200_000).to_string().into_bytes(),
        26..=30 => float(rng),
        31..=35 => short_value(rng),
        _ => format!("value {}", rng.random_range(0..100)).into_bytes(),
    }
}

fn pairs(rng: &mut StdRng, mut request: Request) -> Request {
    for _ in 0..rng.random_range(1..=6) {
        request = request.arg(field(rng)).arg(value(rng));
    }
    if rng.random_ratio(1, 30) { request.arg(field(rng)) } else { request }
}

fn fields(rng: &mut StdRng, mut request: Request) -> Request {
    for _ in 0..rng.random_range(1..=6) {
        request = request.arg(field(rng));
    }
    request
}

/// So many fields at once that the hash outgrows a listpack, or nearly.
fn many_fields(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let mut request = Request::new("HSET").arg(key);
    for number in 0..rng.random_range(FIELDS / 2..FIELDS) {
        request = request.arg(format!("many{number}")).number(number);
    }
    request
}

fn increment(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..12) {
        0 => garbage(rng),
        1 => i64::MAX.to_string().into_bytes(),
        2 => i64::MIN.to_string().into_bytes(),
        _ => rng.random_range(-100..100).to_string().into_bytes(),
    }
}

fn random_field(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let request = Request::new("HRANDFIELD").arg(key);
    match rng.random_range(0..6) {
        0 => request,
        1 => request.arg(pick(rng, &["0", "1", "-1", "-7", "3", "9223372036854775807"])),
        // All of them, in some order.
        2 => request.arg("2000"),
        3 => request.arg("2000").arg("WITHVALUES"),
        4 => request.arg(pick(rng, &["2", "-5", "0"])).arg(pick(rng, &["WITHVALUES", "withvalues", "bogus"])),
        _ => request.arg(pick(rng, &["abc", "-9223372036854775808", "1.5", "-9223372036854775808"])),
    }
}

fn scan(rng: &mut StdRng, key: Vec<u8>) -> Request {
    let cursor = pick(rng, &["0", "0", "0", "0", "abc", "-1", ""]);
    let mut request = Request::new("HSCAN").arg(key).arg(cursor);
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..6) {
            0 | 1 => request.arg("MATCH").arg(pick(rng, &["f*", "f1?", "[0-9]", "none", "*"])),
            2 => request.arg("MATCH").arg(pattern(rng)),
            3 => request.arg("COUNT").arg("100000"),
            4 => request.arg("COUNT").arg(pick(rng, &["1", "10", "0", "-1", "abc"])),
            _ => request.arg("bogus"),
        };
    }
    request
}

fn copy(rng: &mut StdRng, key: Vec<u8>) -> Request {
    Request::new("COPY").arg(key).arg(mostly_typed_key(rng, LETTER)).arg("REPLACE")
}
