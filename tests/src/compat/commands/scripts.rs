//! Commands that a script calls.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::compat::request::Request;
use crate::compat::values::{key, long_key};

/// How scripts call a command, which their arguments are.
const SCRIPTS: [&str; 6] = [
    "return redis.call(unpack(ARGV))",
    "return redis.pcall(unpack(ARGV))",
    "local reply = redis.pcall(unpack(ARGV)) return reply",
    "redis.call('EXISTS', 'none') return redis.call(unpack(ARGV))",
    "redis.call('INCR', 'scripted') return redis.call(unpack(ARGV))",
    "for i, key in ipairs(KEYS) do redis.pcall('GET', key) end return redis.call(unpack(ARGV))",
];

/// A script that calls this command, with its keys declared or not.
pub fn calling(rng: &mut StdRng, command: Request) -> Request {
    let script = *SCRIPTS.choose(rng).expect("there are some");
    let keys: Vec<Vec<u8>> = match rng.random_range(0..4) {
        // Of most commands the first argument is the key, or one of them.
        0 | 1 => command.0.get(1).cloned().into_iter().collect(),
        2 => vec![key(rng), long_key(rng)],
        _ => Vec::new(),
    };
    Request::new("EVAL").arg(script).number(keys.len()).args(keys).args(command.0)
}

/// The command that a script calls, if that is one of these.
pub fn called(request: &Request) -> Option<Request> {
    let script = request.0.get(1)?;
    if request.name() != "EVAL" || !SCRIPTS.iter().any(|known| known.as_bytes() == script) {
        return None;
    }
    let keys: usize = String::from_utf8_lossy(request.0.get(2)?).parse().ok()?;
    request.0.get(3 + keys..).filter(|command| !command.is_empty()).map(|command| Request(command.to_vec()))
}
