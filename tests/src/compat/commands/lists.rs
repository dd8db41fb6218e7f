//! Requests of list commands.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{mostly_typed_key, pick, short_value, value};

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..100) {
        0..=15 => push(rng),
        16..=17 => push_many(rng),
        18..=20 => Request::new(end_of(rng, "LPUSHX", "RPUSHX")).arg(list(rng)).arg(element(rng)),
        21..=31 => pop(rng),
        32..=34 => Request::new("LLEN").arg(list(rng)),
        35..=38 => Request::new("LINDEX").arg(list(rng)).number(index(rng)),
        39..=44 => Request::new("LSET").arg(list(rng)).number(index(rng)).arg(any_element(rng)),
        45..=50 => Request::new("LRANGE").arg(list(rng)).number(index(rng)).number(index(rng)),
        51..=53 => trim(rng),
        54..=58 => Request::new("LREM").arg(list(rng)).number(rng.random_range(-3..4)).arg(element(rng)),
        59..=65 => insert(rng),
        66..=73 => position(rng),
        74..=82 => transfer(rng),
        83..=86 => multiple_pop(rng, "LMPOP"),
        87 => Request::new("BLMPOP").arg(timeout(rng)).args(multiple_pop(rng, "").0.split_off(1)),
        88..=90 => blocking_pop(rng),
        91..=93 => blocking_transfer(rng),
        94..=96 => Request::new("OBJECT").arg("ENCODING").arg(list(rng)),
        97 => configure(rng),
        _ => Request::new("DEL").arg(list(rng)),
    }
}

fn list(rng: &mut StdRng) -> Vec<u8> {
    mostly_typed_key(rng, 'l')
}

fn end_of(rng: &mut StdRng, front: &'static str, back: &'static str) -> &'static str {
    if rng.random() { front } else { back }
}

/// One of few, so that it is found again.
fn element(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..10) {
        0..=6 => pick(rng, &["a", "b", "c", "1", "-1", "300", "", "70000", "01"]),
        7 => rng.random_range(-200_000..200_000).to_string().into_bytes(),
        _ => short_value(rng),
    }
}

fn any_element(rng: &mut StdRng) -> Vec<u8> {
    if rng.random_ratio(1, 10) { value(rng) } else { element(rng) }
}

fn index(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..12) {
        0 => [i64::MAX, i64::MIN, 0, -1][rng.random_range(0..4)],
        1 | 2 => rng.random_range(-700..700),
        _ => rng.random_range(-8..8),
    }
}

fn push(rng: &mut StdRng) -> Request {
    let request = Request::new(end_of(rng, "LPUSH", "RPUSH")).arg(list(rng));
    (0..rng.random_range(1..6)).fold(request, |request, _| request.arg(any_element(rng)))
}

/// Enough to make a list large.
fn push_many(rng: &mut StdRng) -> Request {
    let request = Request::new(end_of(rng, "LPUSH", "RPUSH")).arg(list(rng));
    let prefix = pick(rng, &["", "element:", "a rather long element, of which few fill a node:"]);
    (0..rng.random_range(100..600)).fold(request, |request, number: u32| {
        request.arg([prefix.as_slice(), number.to_string().as_bytes()].concat())
    })
}

fn pop(rng: &mut StdRng) -> Request {
    let request = Request::new(end_of(rng, "LPOP", "RPOP")).arg(list(rng));
    match rng.random_range(0..8) {
        0..=4 => request,
        5 => request.number(rng.random_range(0..700)),
        _ => request.number(rng.random_range(0..5)),
    }
}

fn trim(rng: &mut StdRng) -> Request {
    let request = Request::new("LTRIM").arg(list(rng));
    match rng.random_range(0..4) {
        0 => request.number(index(rng)).number(index(rng)),
        1 => request.number(0).number(rng.random_range(-5..300)),
        _ => request.number(rng.random_range(0..5)).number(rng.random_range(-5..0)),
    }
}

fn insert(rng: &mut StdRng) -> Request {
    let place = pick(rng, &["BEFORE", "AFTER", "before", "After", "AFTER", "BEFORE", "BESIDE"]);
    let pivot = match rng.random_range(0..4) {
        0 => format!("element:{}", rng.random_range(0..400)).into_bytes(),
        1 => rng.random_range(0..400).to_string().into_bytes(),
        _ => element(rng),
    };
    Request::new("LINSERT").arg(list(rng)).arg(place).arg(pivot).arg(any_element(rng))
}

fn position(rng: &mut StdRng) -> Request {
    let mut request = Request::new("LPOS").arg(list(rng)).arg(element(rng));
    for _ in 0..rng.random_range(0..4) {
        request = match rng.random_range(0..3) {
            0 => request.arg("RANK").number(rng.random_range(-4..5)),
            1 => request.arg("count").number(rng.random_range(-1..5)),
            _ => request.arg("MAXLEN").number(rng.random_range(-1..30)),
        };
    }
    request
}

fn side(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["LEFT", "RIGHT", "left", "RIGHT", "LEFT", "Right", "LEFT", "RIGHT", "UP"])
}

/// Source and target, the same list now and then.
fn two_lists(rng: &mut StdRng) -> [Vec<u8>; 2] {
    let source = list(rng);
    let target = if rng.random_ratio(1, 4) { source.clone() } else { list(rng) };
    [source, target]
}

fn transfer(rng: &mut StdRng) -> Request {
    if rng.random_ratio(1, 3) {
        return Request::new("RPOPLPUSH").args(two_lists(rng));
    }
    Request::new("LMOVE").args(two_lists(rng)).arg(side(rng)).arg(side(rng))
}

fn multiple_pop(rng: &mut StdRng, name: &str) -> Request {
    let keys: Vec<Vec<u8>> = (0..rng.random_range(1..4)).map(|_| list(rng)).collect();
    let announced = if rng.random_ratio(1, 15) { rng.random_range(-1..6) } else { keys.len() as i64 };
    let request = Request::new(name).number(announced).args(keys).arg(side(rng));
    match rng.random_range(0..4) {
        0 | 1 => request,
        2 => request.arg("COUNT").number(rng.random_range(0..4)),
        _ => request.arg("count").number(rng.random_range(1..500)),
    }
}

/// None that makes a command wait for long.
fn timeout(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &["0.001", "0.001", "1e-3", "0.001", "0.002", "-1", "abc", "0x1p-10"])
}

fn blocking_pop(rng: &mut StdRng) -> Request {
    let request = Request::new(end_of(rng, "BLPOP", "BRPOP"));
    (0..rng.random_range(1..4)).fold(request, |request, _| request.arg(list(rng))).arg(timeout(rng))
}

fn blocking_transfer(rng: &mut StdRng) -> Request {
    if rng.random_ratio(1, 3) {
        return Request::new("BRPOPLPUSH").args(two_lists(rng)).arg(timeout(rng));
    }
    Request::new("BLMOVE").args(two_lists(rng)).arg(side(rng)).arg(side(rng)).arg(timeout(rng))
}

fn configure(rng: &mut StdRng) -> Request {
    let size = pick(rng, &["-2", "-2", "-2", "-1", "-5", "5", "40", "0"]);
    Request::new("CONFIG").args(["SET", "list-max-listpack-size"]).arg(size)
}
