//! Requests of SORT, and what it sorts and looks up.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::commands::sets;
use crate::compat::request::Request;
use crate::compat::values::{mostly_typed_key, pick, typed_key};

/// The letter of the keys that patterns lead to.
pub const LETTER: char = 'w';
/// The letter of keys with numbers to sort.
const NUMBERS: char = 'o';

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..100) {
        0..=19 => add_numbers(rng),
        20..=31 => Request::new("SET").arg(typed_key(rng, LETTER)).arg(weight(rng)),
        32..=41 => Request::new("HSET").arg(typed_key(rng, LETTER)).arg(field(rng)).arg(weight(rng)),
        42..=44 => Request::new("DEL").arg(typed_key(rng, LETTER)),
        _ => sort(rng),
    }
}

fn number(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..10) {
        0..=5 => rng.random_range(0..8).to_string().into_bytes(),
        6 => pick(rng, &["1.5", "-3", "1e3", "0x10", "01", "-inf", "7.0"]),
        _ => rng.random_range(-100..100).to_string().into_bytes(),
    }
}

/// Numbers for a list, a set or a sorted set: which of these a key is, its own number says.
fn add_numbers(rng: &mut StdRng) -> Request {
    let key = typed_key(rng, NUMBERS);
    let name = match key.last() {
        Some(b'0' | b'1') => "RPUSH",
        Some(b'2' | b'3') => "SADD",
        _ => "ZADD",
    };
    let request = Request::new(name).arg(key);
    (0..rng.random_range(1..6)).fold(request, |request, _| match name {
        "ZADD" => request.number(rng.random_range(0..5)).arg(number(rng)),
        _ => request.arg(number(rng)),
    })
}

fn field(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["f", "g"])
}

fn weight(rng: &mut StdRng) -> Vec<u8> {
    if rng.random_ratio(1, 12) { pick(rng, &["x", "", "high", "low"]) } else { number(rng) }
}

fn pattern(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["w*", "w*", "w*->f", "w*->g", "w*->", "*", "k*", "none*", "w*->f->g", "*->f"])
}

fn sort(rng: &mut StdRng) -> Request {
    let letters = [NUMBERS, NUMBERS, NUMBERS, NUMBERS, 'l', 'z', sets::LETTER];
    let letter = letters[rng.random_range(0..letters.len())];
    let key = typed_key(rng, letter);
    let is_read_only = rng.random_ratio(1, 4);
    let mut request = Request::new(if is_read_only { "SORT_RO" } else { "SORT" }).arg(key);
    let stores = !is_read_only && rng.random_ratio(1, 3);
    // To Redis, members are equal that are so up to a zero byte, unless the result is stored.
    let is_alphabetic = rng.random_ratio(1, 3) && (letter != 'z' || stores);
    let by: Option<Vec<u8>> = match rng.random_range(0..6) {
        0 => Some(pick(rng, &["nosort", "#", ""])),
        1 | 2 => Some(pattern(rng)),
        _ => None,
    };
    let is_pattern = by.as_ref().is_some_and(|by| by.contains(&b'*'));
    // Texts that a pattern leads to may be equal, and a set has no order of its own: what comes first is chance then.
    let is_order_known = if is_pattern { !is_alphabetic } else { by.is_none() || stores };
    if let Some(by) = by {
        request = request.arg("BY").arg(by);
    }
    if is_order_known && rng.random_ratio(1, 3) {
        request = request.arg("limit").number(rng.random_range(-1..6)).number(rng.random_range(-1..8));
    }
    for _ in 0..[0, 0, 1, 2][rng.random_range(0..4)] {
        let get = if rng.random_ratio(1, 3) { pick(rng, &["#", "nowhere"]) } else { pattern(rng) };
        request = request.arg("GET").arg(get);
    }
    request = request.maybe(rng, 3, "DESC").maybe(rng, 6, "asc");
    if is_alphabetic {
        request = request.arg("Alpha");
    }
    if stores && is_order_known {
        request = request.arg("STORE").arg(mostly_typed_key(rng, 'l'));
    }
    request
}
