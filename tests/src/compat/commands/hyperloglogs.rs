//! Requests of HyperLogLog commands.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{key, mostly_typed_key, pick, short_value};

/// How many elements one PFADD adds at most: enough of them make a sketch dense.
const MAX_ELEMENTS: u32 = 400;

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..100) {
        0..=34 => pfadd(rng),
        35..=39 => pfadd_many(rng),
        40..=54 => Request::new("PFCOUNT").arg(sketch(rng)),
        55..=62 => Request::new("PFCOUNT").args(sketches(rng, 1)),
        63..=74 => Request::new("PFMERGE").args(sketches(rng, 0)),
        75..=84 => Request::new("GET").arg(sketch(rng)),
        85..=86 => pfdebug(rng, &["GETREG", "TODENSE"]),
        87..=92 => pfdebug(rng, &["DECODE", "ENCODING", "encoding", "REGISTERS"]),
        93 => Request::new("STRLEN").arg(sketch(rng)),
        94..=96 => Request::new("DEL").arg(sketch(rng)),
        97 => Request::new("SET").arg(sketch(rng)).arg(forged(rng)),
        98 => Request::new("APPEND").arg(sketch(rng)).arg(short_value(rng)),
        _ => damage(rng),
    }
}

/// Writes over a sketch's head. Over its registers is another matter: where Redis reads beyond the string's end, it
/// depends on what lies there.
fn damage(rng: &mut StdRng) -> Request {
    const HEAD_BYTES: usize = 16;
    let offset = rng.random_range(0..HEAD_BYTES);
    let mut bytes = short_value(rng);
    bytes.truncate(HEAD_BYTES - offset);
    Request::new("SETRANGE").arg(sketch(rng)).number(offset).arg(bytes)
}

fn sketch(rng: &mut StdRng) -> Vec<u8> {
    mostly_typed_key(rng, 'p')
}

fn sketches(rng: &mut StdRng, least: usize) -> Vec<Vec<u8>> {
    let count = least + rng.random_range(1..4);
    (0..count).map(|_| sketch(rng)).collect()
}

fn pfadd(rng: &mut StdRng) -> Request {
    let request = Request::new("PFADD").arg(sketch(rng));
    (0..rng.random_range(0..5)).fold(request, |request, _| {
        let element = if rng.random() { short_value(rng) } else { key(rng) };
        request.arg(element)
    })
}

fn pfadd_many(rng: &mut StdRng) -> Request {
    let first = rng.random_range(0..3_000);
    let numbers = first..first + rng.random_range(1..MAX_ELEMENTS);
    Request::new("PFADD").arg(sketch(rng)).args(numbers.map(|number| number.to_string()))
}

fn pfdebug(rng: &mut StdRng, words: &[&str]) -> Request {
    Request::new("PFDEBUG").arg(pick(rng, words)).arg(sketch(rng))
}

/// A string that begins as a sketch does. It is a whole one where its form is known: APPEND and SETRANGE break others.
fn forged(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = b"HYLL".to_vec();
    bytes.extend([rng.random_range(0..3), 0, 0, 0]);
    bytes.extend(rng.random_range(0..1000_u64).to_le_bytes());
    if rng.random() {
        bytes[15] = 0x80;
    }
    bytes.extend_from_slice(if rng.random() { b"\x83\x83\x83\x83\x7f\xef" } else { b"\x7f\xff" });
    bytes
}
