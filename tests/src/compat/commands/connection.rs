//! Requests about the connection, and requests that are no command at all.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{garbage, keys, long_key, pick, short_value, value};

/// Commands whose arity is put to the test.
const NAMES: [&str; 50] = [
    "SET",
    "GET",
    "GETEX",
    "GETDEL",
    "GETSET",
    "SETNX",
    "SETEX",
    "PSETEX",
    "APPEND",
    "STRLEN",
    "INCR",
    "DECR",
    "INCRBY",
    "DECRBY",
    "INCRBYFLOAT",
    "SETRANGE",
    "GETRANGE",
    "MGET",
    "MSET",
    "MSETNX",
    "LCS",
    "SETBIT",
    "GETBIT",
    "BITCOUNT",
    "BITPOS",
    "BITOP",
    "BITFIELD",
    "BITFIELD_RO",
    "DEL",
    "EXISTS",
    "TYPE",
    "COPY",
    "RENAME",
    "RENAMENX",
    "EXPIRE",
    "TTL",
    "PERSIST",
    "TOUCH",
    "OBJECT",
    "DUMP",
    "RESTORE",
    "RANDOMKEY",
    "KEYS",
    "SCAN",
    "MOVE",
    "SELECT",
    "SWAPDB",
    "ECHO",
    "UNLINK",
    "DBSIZE",
];

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..20) {
        0..=2 => Request::new("PING"),
        3 => Request::new("PING").arg(value(rng)).maybe(rng, 5, "more"),
        4..=6 => Request::new("ECHO").arg(value(rng)),
        7 | 8 => hello(rng),
        9 => Request::new("CLIENT")
            .arg("SETNAME")
            .arg(pick(rng, &["name", "", "a name", "other", "new\nline"])),
        10 => Request::new("CLIENT").arg("GETNAME"),
        11 => Request::new("RESET"),
        12 | 13 => unknown(rng),
        _ => any_arity(rng),
    }
}

fn hello(rng: &mut StdRng) -> Request {
    let request = Request::new("HELLO").arg(pick(rng, &["2", "3", "2", "3", "1", "4", "abc"]));
    match rng.random_range(0..8) {
        0 => Request::new("HELLO"),
        1 => request.args(["SETNAME", "hello"]),
        2 => request.args(["AUTH", "default", "wrong"]),
        3 => request.arg(pick(rng, &["bogus", "SETNAME", "AUTH"])),
        _ => request,
    }
}

fn unknown(rng: &mut StdRng) -> Request {
    let name = pick(rng, &["FOO", "", "set ", "GETT", "foo\r\nbar", "\x00\x01", "GET\0", "'quoted'"]);
    let long = "x".repeat(200);
    let mut request = Request(vec![name]);
    for _ in 0..rng.random_range(0..5) {
        request =
            if rng.random_ratio(1, 4) { request.arg(long.as_str()) } else { request.arg(short_value(rng)) };
    }
    request
}

/// Any command with any number of arguments, most of them wrong. Keys after the first are long ones, lest COPY or RENAME
/// give a short key a long value.
fn any_arity(rng: &mut StdRng) -> Request {
    let mut request = Request(vec![pick(rng, &NAMES)]).args(keys(rng, 0, 1));
    for _ in 0..rng.random_range(0..5) {
        request = if rng.random() { request.arg(garbage(rng)) } else { request.arg(long_key(rng)) };
    }
    request
}
