//! Requests of bitmap commands.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{index, key, keys, long_key, numeric, pick};

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..10) {
        0 | 1 => Request::new("SETBIT").arg(long_key(rng)).arg(bit_offset(rng)).arg(bit(rng)),
        2 => Request::new("GETBIT").arg(key(rng)).arg(bit_offset(rng)),
        3 => bitcount(rng),
        4 => bitpos(rng),
        5 | 6 => bitop(rng),
        7 => bitfield_read(rng),
        _ => bitfield(rng),
    }
}

fn bit_offset(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..20) {
        0 => pick(rng, &["-1", "4294967296", "abc", "9223372036854775807", "#1"]),
        1 => rng.random_range(0..160_000).to_string().into_bytes(),
        _ => rng.random_range(0..1_000).to_string().into_bytes(),
    }
}

fn bit(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["0", "1", "1", "0", "1", "0", "1", "2", "-1", "x"])
}

fn unit(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["BYTE", "BIT", "bit", "byte", "BITS"])
}

fn bitcount(rng: &mut StdRng) -> Request {
    let request = Request::new("BITCOUNT").arg(key(rng));
    match rng.random_range(0..8) {
        0 | 1 => request,
        2 => request.number(index(rng)),
        3 | 4 => request.number(index(rng)).number(index(rng)),
        _ => request.number(index(rng)).number(index(rng)).arg(unit(rng)),
    }
}

fn bitpos(rng: &mut StdRng) -> Request {
    let request = Request::new("BITPOS").arg(key(rng)).arg(bit(rng));
    match rng.random_range(0..4) {
        0 => request,
        1 => request.number(index(rng)),
        2 => request.number(index(rng)).number(index(rng)),
        _ => request.number(index(rng)).number(index(rng)).arg(unit(rng)),
    }
}

fn bitop(rng: &mut StdRng) -> Request {
    let operation = pick(rng, &["AND", "OR", "xor", "NOT", "NOT", "NAND"]);
    let sources = if operation == b"NOT" && rng.random_ratio(4, 5) { 1 } else { 4 };
    Request::new("BITOP").arg(operation).arg(long_key(rng)).args(keys(rng, 1, sources))
}

fn field_type(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..10) {
        0 => pick(rng, &["u64", "i65", "u0", "i0", "x8", "u", "8", "u-1", "u08"]),
        1..=4 => format!("u{}", rng.random_range(1..64)).into_bytes(),
        5 => b"i64".to_vec(),
        _ => format!("i{}", rng.random_range(1..65)).into_bytes(),
    }
}

fn field_offset(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..12) {
        0 => pick(rng, &["-1", "#-1", "#", "abc", "4294967296", "#4294967296", "9223372036854775807"]),
        1..=5 => format!("#{}", rng.random_range(0..30)).into_bytes(),
        _ => rng.random_range(0..400).to_string().into_bytes(),
    }
}

fn field_get(rng: &mut StdRng, request: Request) -> Request {
    request.arg("GET").arg(field_type(rng)).arg(field_offset(rng))
}

fn field_value(rng: &mut StdRng) -> Vec<u8> {
    if rng.random() { numeric(rng) } else { rng.random_range(-300..300).to_string().into_bytes() }
}

fn bitfield(rng: &mut StdRng) -> Request {
    let mut request = Request::new("BITFIELD").arg(long_key(rng));
    for _ in 0..rng.random_range(0..5) {
        request = match rng.random_range(0..6) {
            0 => field_get(rng, request),
            1 => request.arg("OVERFLOW").arg(pick(rng, &["WRAP", "sat", "FAIL", "SAT", "FAIL", "bogus"])),
            2 | 3 => request.arg("SET").arg(field_type(rng)).arg(field_offset(rng)).arg(field_value(rng)),
            _ => request.arg("INCRBY").arg(field_type(rng)).arg(field_offset(rng)).arg(field_value(rng)),
        };
    }
    request
}

fn bitfield_read(rng: &mut StdRng) -> Request {
    let mut request = Request::new("BITFIELD_RO").arg(key(rng));
    for _ in 0..rng.random_range(0..4) {
        request = field_get(rng, request);
    }
    if rng.random_ratio(1, 8) { request.args(["SET", "u8", "0", "1"]) } else { request }
}
