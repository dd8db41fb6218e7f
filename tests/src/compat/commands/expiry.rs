//! Requests that set, ask for and take away expiry times.
//!
//! Times to live are long or past, never about to end: what a command replies must not depend on when it ran. Keys that
//! do expire have a step of their own, see [`Step::Expire`](crate::compat::generator::Step::Expire).

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{garbage, key, pick, ttl_ms, ttl_seconds, unix_ms, unix_seconds};

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..10) {
        0..=4 => expire(rng),
        5 => Request::new("PERSIST").arg(key(rng)),
        _ => Request::new(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"][rng.random_range(0..4)]).arg(key(rng)),
    }
}

/// EX, PX, EXAT or PXAT with a time that is far ahead, or one that is refused.
pub fn set_expiry_option(rng: &mut StdRng, request: Request) -> Request {
    let (option, time) = match rng.random_range(0..4) {
        0 => ("EX", ttl_seconds(rng)),
        1 => ("px", ttl_ms(rng)),
        2 => ("EXAT", unix_seconds() + ttl_seconds(rng)),
        _ => ("PXAT", unix_ms() + ttl_ms(rng)),
    };
    match rng.random_range(0..12) {
        0 => request.arg(option).arg(pick(rng, &["0", "-1", "abc", "", "1.5", "9223372036854775808"])),
        1 => request.arg(option),
        // Overflows as seconds, and as milliseconds from now.
        2 if option != "PXAT" => request.arg(option).number(i64::MAX),
        _ => request.arg(option).number(time),
    }
}

fn expire(rng: &mut StdRng) -> Request {
    let (name, time) = match rng.random_range(0..4) {
        0 => ("EXPIRE", ttl_seconds(rng)),
        1 => ("PEXPIRE", ttl_ms(rng)),
        2 => ("EXPIREAT", unix_seconds() + ttl_seconds(rng)),
        _ => ("PEXPIREAT", unix_ms() + ttl_ms(rng)),
    };
    let mut request = Request::new(name).arg(key(rng));
    request = match rng.random_range(0..14) {
        // Past: the key is deleted. As an absolute time, 12 is in 1970.
        0 => request.number(-1),
        1 if name.ends_with("AT") => request.number(12),
        2 => request.arg(garbage(rng)),
        3 => request.number(i64::MIN),
        _ => request.number(time),
    };
    for _ in 0..[0, 0, 0, 1, 1, 2][rng.random_range(0..6)] {
        request = request.arg(pick(rng, &["NX", "XX", "GT", "lt", "Gt", "AB"]));
    }
    request
}
