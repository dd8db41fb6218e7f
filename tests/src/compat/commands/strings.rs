//! Requests of string commands.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::commands::expiry::set_expiry_option;
use crate::compat::request::Request;
use crate::compat::values::{
    self, float, index, key, keys, long_key, numeric, pick, short_key, short_value, ttl_ms, ttl_seconds,
    value, value_for,
};

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..100) {
        0..=17 => set(rng),
        18..=29 => Request::new("GET").arg(key(rng)),
        30..=33 => getex(rng),
        34..=36 => Request::new("GETDEL").arg(key(rng)),
        37..=39 => with_value(rng, "GETSET"),
        40..=42 => with_value(rng, "SETNX"),
        43..=44 => timed_set(rng),
        45..=49 => Request::new("APPEND").arg(long_key(rng)).arg(value(rng)),
        50..=52 => Request::new("STRLEN").arg(key(rng)),
        53..=58 => Request::new(if rng.random() { "INCR" } else { "DECR" }).arg(key(rng)),
        59..=63 => {
            Request::new(if rng.random() { "INCRBY" } else { "DECRBY" }).arg(key(rng)).arg(numeric(rng))
        }
        64..=67 => Request::new("INCRBYFLOAT").arg(key(rng)).arg(float(rng)),
        68..=71 => setrange(rng),
        72..=75 => ranged(rng, "GETRANGE"),
        76 => ranged(rng, "SUBSTR"),
        77..=81 => Request::new("MGET").args(keys(rng, 1, 8)),
        82..=85 => mset(rng, "MSET"),
        86..=88 => mset(rng, "MSETNX"),
        89..=95 => lcs(rng),
        _ => settle_number(rng),
    }
}

fn with_value(rng: &mut StdRng, name: &str) -> Request {
    let key = key(rng);
    let value = value_for(rng, &key);
    Request::new(name).arg(key).arg(value)
}

/// SET with any subset of its options, in any order, sensible or not.
fn set(rng: &mut StdRng) -> Request {
    let mut request = with_value(rng, "SET");
    for _ in 0..[0, 0, 1, 1, 2, 3][rng.random_range(0..6)] {
        request = match rng.random_range(0..5) {
            0 => request.arg("NX"),
            1 => request.arg("XX"),
            2 => request.arg("get"),
            3 => request.arg("KeepTTL"),
            _ => set_expiry_option(rng, request),
        };
    }
    request
}

fn getex(rng: &mut StdRng) -> Request {
    let request = Request::new("GETEX").arg(key(rng));
    match rng.random_range(0..4) {
        0 => request,
        1 => request.arg("PERSIST"),
        2 => set_expiry_option(rng, request),
        _ => set_expiry_option(rng, request).maybe(rng, 2, "PERSIST"),
    }
}

fn timed_set(rng: &mut StdRng) -> Request {
    let key = key(rng);
    let value = value_for(rng, &key);
    let is_ms = rng.random();
    let ttl = match rng.random_range(0..8) {
        0 => 0,
        1 => -5,
        2 => i64::MAX,
        _ if is_ms => ttl_ms(rng),
        _ => ttl_seconds(rng),
    };
    Request::new(if is_ms { "PSETEX" } else { "SETEX" }).arg(key).number(ttl).arg(value)
}

fn setrange(rng: &mut StdRng) -> Request {
    let offset: i64 = match rng.random_range(0..12) {
        0 => -1,
        1 => i64::MAX,
        2 => 512 * 1024 * 1024,
        3 => rng.random_range(0..20_000),
        _ => rng.random_range(0..100),
    };
    Request::new("SETRANGE").arg(long_key(rng)).number(offset).arg(value(rng))
}

fn ranged(rng: &mut StdRng, name: &str) -> Request {
    Request::new(name).arg(key(rng)).number(index(rng)).number(index(rng))
}

fn mset(rng: &mut StdRng, name: &str) -> Request {
    let mut request = Request::new(name);
    for _ in 0..rng.random_range(1..6) {
        let key = key(rng);
        let value = value_for(rng, &key);
        request = request.arg(key).arg(value);
    }
    // An odd number of arguments now and then.
    if rng.random_ratio(1, 20) { request.arg(key(rng)) } else { request }
}

/// LCS costs the product of two lengths, so it only meets short values.
fn lcs(rng: &mut StdRng) -> Request {
    let mut request = Request::new("LCS").arg(short_key(rng)).arg(short_key(rng));
    for _ in 0..rng.random_range(0..4) {
        request = match rng.random_range(0..5) {
            0 => request.arg("LEN"),
            1 | 2 => request.arg("IDX"),
            3 => request.arg("withmatchlen"),
            _ => request.arg("MINMATCHLEN").number(rng.random_range(-1..6)),
        };
    }
    request
}

/// Puts a number where arithmetic commands will find it.
fn settle_number(rng: &mut StdRng) -> Request {
    let number = match rng.random_range(0..3) {
        0 => numeric(rng),
        1 => short_value(rng),
        _ => pick(rng, &["10.5", "-3.25", "0.1", "1e10", "100000000000000000000", "3.0"]),
    };
    Request::new("SET").arg(values::key(rng)).arg(number)
}
