//! Requests of generic key commands and of whole databases.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{DATABASES, key, keys, long_key, pattern, pick, short_key, value};

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..200) {
        0..=21 => Request::new("DEL").args(keys(rng, 1, 4)),
        22..=35 => Request::new("UNLINK").args(keys(rng, 1, 4)),
        36..=51 => Request::new("EXISTS").args(keys(rng, 1, 5)),
        52..=65 => Request::new("TYPE").arg(key(rng)),
        66..=79 => copy(rng),
        80..=97 => rename(rng),
        98..=105 => Request::new("TOUCH").args(keys(rng, 1, 4)),
        106..=131 => object(rng),
        132..=137 => Request::new("RANDOMKEY"),
        138..=147 => Request::new("KEYS").arg(pattern(rng)),
        148..=151 => scan_once(rng),
        152..=161 => Request::new("MOVE").arg(key(rng)).arg(database(rng)),
        162..=179 => Request::new("SELECT").arg(database(rng)),
        180..=183 => Request::new("SWAPDB").arg(database(rng)).arg(database(rng)),
        184..=195 => Request::new("DBSIZE"),
        196 => Request::new(if rng.random() { "FLUSHDB" } else { "FLUSHALL" }).maybe(rng, 3, "SYNC"),
        197 => Request::new("FLUSHDB").arg(pick(rng, &["ASYNC", "SYNC", "bogus"])),
        198 => restore_garbage(rng),
        _ => Request::new("DUMP").arg(key(rng)),
    }
}

/// Mostly one of those in use.
fn database(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..25) {
        0 => pick(rng, &["16", "-1", "abc", "", "99999999999999999999", "2147483648"]),
        _ => rng.random_range(0..DATABASES).to_string().into_bytes(),
    }
}

/// A long value may not become that of a short key.
fn pair(rng: &mut StdRng) -> (Vec<u8>, Vec<u8>) {
    if rng.random_ratio(1, 4) {
        (short_key(rng), if rng.random() { short_key(rng) } else { long_key(rng) })
    } else {
        (long_key(rng), long_key(rng))
    }
}

fn copy(rng: &mut StdRng) -> Request {
    let (source, destination) = pair(rng);
    let mut request = Request::new("COPY").arg(source).arg(destination);
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..5) {
            0 | 1 => request.arg("REPLACE"),
            2 | 3 => request.arg("DB").arg(database(rng)),
            _ => request.arg("bogus"),
        };
    }
    request
}

fn rename(rng: &mut StdRng) -> Request {
    let (source, destination) = pair(rng);
    Request::new(if rng.random() { "RENAME" } else { "RENAMENX" }).arg(source).arg(destination)
}

fn object(rng: &mut StdRng) -> Request {
    let subcommand =
        pick(rng, &["ENCODING", "ENCODING", "ENCODING", "refcount", "FREQ", "IDLETIME", "BOGUS"]);
    Request::new("OBJECT").arg(subcommand).arg(key(rng))
}

/// One SCAN: whether it is accepted. What a whole iteration returns has a step of its own.
fn scan_once(rng: &mut StdRng) -> Request {
    let mut request =
        Request::new("SCAN").arg(pick(rng, &["0", "0", "7", "abc", "-1", "18446744073709551616", ""]));
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..4) {
            0 => request.arg("MATCH").arg(pattern(rng)),
            1 => request.arg("COUNT").arg(pick(rng, &["1", "10", "0", "-1", "abc", "9223372036854775807"])),
            2 => request.arg("TYPE").arg(pick(rng, &["string", "list", "STRING", "bogus"])),
            _ => request.arg("bogus"),
        };
    }
    request
}

/// RESTORE of bytes that are no payload.
fn restore_garbage(rng: &mut StdRng) -> Request {
    let ttl = pick(rng, &["0", "-1", "abc", "100000000"]);
    Request::new("RESTORE")
        .arg(long_key(rng))
        .arg(ttl)
        .arg(value(rng))
        .maybe(rng, 2, "REPLACE")
        .maybe(rng, 8, "bogus")
}
