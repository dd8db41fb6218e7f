//! Requests of sorted set commands.
//!
//! Ranges of members are well defined only where all scores are equal, so those commands have keys of their own.

use rand::Rng;
use rand::rngs::StdRng;

use crate::compat::request::Request;
use crate::compat::values::{garbage, index, key, lex_key, mostly_typed_key, pattern, pick, typed_key};

/// How many members one command adds at most: some more than a small sorted set has.
const MAX_MEMBERS: u32 = 150;

/// Scores that are numbers, in every spelling.
const SCORES: [&str; 30] = [
    "0",
    "-0",
    "1",
    "2",
    "3",
    "-1",
    "10",
    "100",
    "4095",
    "4096",
    "-5000",
    "70000",
    "2147483648",
    "1.5",
    "0.1",
    "-2.25",
    "3.1",
    "1e3",
    "1e20",
    "1e-7",
    "5e-324",
    "1.7976931348623157e308",
    "9007199254740993",
    "+7",
    ".5",
    "inf",
    "-inf",
    "+Infinity",
    "0x1p4",
    "0x.8",
];

/// Scores that are not.
const NO_SCORES: [&str; 10] = ["", "abc", "nan", "1e400", "1e-400", " 1", "1 ", "1.2.3", "--1", "1_0"];

/// Limits of ranges of scores.
const SCORE_BOUNDS: [&str; 18] = [
    "-inf", "+inf", "inf", "0", "1", "2", "(1", "(2", "(-1", "10", "(100", "1.5", "(0.1", "-5", "1e400",
    "(inf", "abc", "(",
];

/// Limits of ranges of members.
const LEX_BOUNDS: [&str; 16] =
    ["-", "+", "[a", "(a", "[m1", "(m1", "[m20", "(m3", "[", "(", "[z", "[10", "(-7", "", "m", "[\u{ff}"];

/// One request.
pub fn request(rng: &mut StdRng) -> Request {
    match rng.random_range(0..200) {
        0..=34 => zadd(rng),
        35..=37 => zadd_many(rng),
        38..=43 => Request::new("ZINCRBY").arg(target(rng)).arg(score(rng)).arg(member(rng)),
        44..=51 => with_members(rng, "ZREM", 4),
        52..=54 => Request::new("ZCARD").arg(sorted(rng)),
        55..=59 => Request::new("ZSCORE").arg(sorted(rng)).arg(member(rng)),
        60..=62 => with_members(rng, "ZMSCORE", 5),
        63..=68 => rank(rng),
        69..=72 => Request::new("ZCOUNT").arg(sorted(rng)).arg(score_bound(rng)).arg(score_bound(rng)),
        73..=92 => range(rng),
        93..=96 => range_store(rng),
        97..=100 => old_range(rng),
        101..=105 => remove_range(rng),
        106..=112 => pop(rng),
        113..=117 => pop_many(rng),
        118..=120 => blocking_pop(rng),
        121..=124 => random_member(rng),
        125..=128 => scan(rng),
        129..=152 => combine(rng),
        153..=190 => lex(rng),
        191..=194 => Request::new("OBJECT").arg("ENCODING").arg(sorted(rng)),
        195 if rng.random() => Request::new("SET").arg(sorted(rng)).arg("text"),
        // Sets are inputs of unions and their kin, too.
        195 => with_members(rng, "SADD", 12),
        196 => limits(rng),
        _ => Request::new("DEL").arg(sorted(rng)),
    }
}

/// A key that is mostly a sorted set.
fn sorted(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..40) {
        0 => lex_key(rng),
        _ => mostly_typed_key(rng, 'z'),
    }
}

/// A key that commands may give a value with any scores.
fn target(rng: &mut StdRng) -> Vec<u8> {
    if rng.random_ratio(1, 25) { key(rng) } else { typed_key(rng, 'z') }
}

fn member(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..60) {
        0 => Vec::new(),
        1 => b"\x00\xff\r\n member".to_vec(),
        2 => pick(rng, &["-7", "10", "007", "9223372036854775807", "100000", "-129", "+1"]),
        3 if rng.random_ratio(1, 4) => {
            b"a member that is longer than what small sorted sets hold, by far".repeat(2)
        }
        4 => rng.random_range(0..300).to_string().into_bytes(),
        _ => format!("m{}", rng.random_range(0..40)).into_bytes(),
    }
}

fn score(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..20) {
        0 => pick(rng, &NO_SCORES),
        1..=10 => rng.random_range(-5..20).to_string().into_bytes(),
        11 => rng.random::<f64>().to_string().into_bytes(),
        _ => pick(rng, &SCORES),
    }
}

fn score_bound(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..3) {
        0 => rng.random_range(-5..20).to_string().into_bytes(),
        1 => format!("({}", rng.random_range(-5..20)).into_bytes(),
        _ => pick(rng, &SCORE_BOUNDS),
    }
}

fn with_members(rng: &mut StdRng, name: &str, most: usize) -> Request {
    let count = rng.random_range(1..=most);
    let request = Request::new(name).arg(target(rng));
    (0..count).fold(request, |request, _| request.arg(member(rng)))
}

fn zadd(rng: &mut StdRng) -> Request {
    let mut request = Request::new("ZADD").arg(target(rng));
    for _ in 0..[0, 0, 0, 1, 1, 2, 3][rng.random_range(0..7)] {
        request = request.arg(pick(rng, &["NX", "XX", "GT", "lt", "CH", "ch", "INCR"]));
    }
    for _ in 0..[1, 1, 1, 2, 3, 8][rng.random_range(0..6)] {
        request = request.arg(score(rng)).arg(member(rng));
    }
    if rng.random_ratio(1, 40) { request.arg(score(rng)) } else { request }
}

fn zadd_many(rng: &mut StdRng) -> Request {
    let first = rng.random_range(0..200);
    let numbers = first..first + rng.random_range(1..MAX_MEMBERS);
    numbers.fold(Request::new("ZADD").arg(target(rng)), |request, number| {
        request.number(rng.random_range(-30..30)).arg(format!("m{number}"))
    })
}

fn rank(rng: &mut StdRng) -> Request {
    // 7.0 has no WITHSCORE.
    Request::new(if rng.random() { "ZRANK" } else { "ZREVRANK" }).arg(sorted(rng)).arg(member(rng))
}

fn limit(rng: &mut StdRng, request: Request) -> Request {
    let offset = [0, 1, 3, -1, 200][rng.random_range(0..5)];
    request.arg("LIMIT").number(offset).number([1, 5, 0, -1, 1000, -7][rng.random_range(0..6)])
}

/// ZRANGE by rank or by score, with any options.
fn range(rng: &mut StdRng) -> Request {
    let request = Request::new("ZRANGE").arg(sorted(rng));
    let request = range_limits(rng, request);
    request.maybe(rng, 3, "WITHSCORES").maybe(rng, 50, "BYLEX")
}

fn range_limits(rng: &mut StdRng, request: Request) -> Request {
    let request = if rng.random() {
        request.number(index(rng)).number(index(rng)).maybe(rng, 4, "REV")
    } else {
        let request = request.arg(score_bound(rng)).arg(score_bound(rng)).arg("BYSCORE").maybe(rng, 3, "rev");
        if rng.random_ratio(1, 3) { limit(rng, request) } else { request }
    };
    if rng.random_ratio(1, 20) { limit(rng, request) } else { request }
}

fn range_store(rng: &mut StdRng) -> Request {
    let request = Request::new("ZRANGESTORE").arg(target(rng)).arg(sorted(rng));
    range_limits(rng, request).maybe(rng, 20, "WITHSCORES")
}

fn old_range(rng: &mut StdRng) -> Request {
    match rng.random_range(0..3) {
        0 => Request::new("ZREVRANGE")
            .arg(sorted(rng))
            .number(index(rng))
            .number(index(rng))
            .maybe(rng, 2, "WITHSCORES")
            .maybe(rng, 20, "REV"),
        by_score => {
            let name = if by_score == 1 { "ZRANGEBYSCORE" } else { "ZREVRANGEBYSCORE" };
            let request = Request::new(name).arg(sorted(rng)).arg(score_bound(rng)).arg(score_bound(rng));
            let request = request.maybe(rng, 2, "withscores");
            if rng.random() { limit(rng, request) } else { request }
        }
    }
}

fn remove_range(rng: &mut StdRng) -> Request {
    if rng.random() {
        Request::new("ZREMRANGEBYRANK").arg(sorted(rng)).number(index(rng)).number(index(rng))
    } else {
        Request::new("ZREMRANGEBYSCORE").arg(sorted(rng)).arg(score_bound(rng)).arg(score_bound(rng))
    }
}

fn pop(rng: &mut StdRng) -> Request {
    let request = Request::new(if rng.random() { "ZPOPMIN" } else { "ZPOPMAX" }).arg(sorted(rng));
    match rng.random_range(0..4) {
        0 => request.arg(pick(rng, &["0", "1", "2", "5", "1000", "-1", "abc"])),
        1 => request.number(rng.random_range(1..10)),
        _ => request,
    }
}

/// So many keys, and how many they are; sometimes wrongly.
fn counted(rng: &mut StdRng, request: Request, most: usize) -> Request {
    let count = rng.random_range(1..=most);
    let announced = match rng.random_range(0..40) {
        0 => pick(rng, &["0", "-1", "abc", "100", "9223372036854775807"]),
        _ => count.to_string().into_bytes(),
    };
    (0..count).fold(request.arg(announced), |request, _| request.arg(sorted(rng)))
}

fn pop_many(rng: &mut StdRng) -> Request {
    let request = counted(rng, Request::new("ZMPOP"), 3);
    pop_end(rng, request)
}

fn pop_end(rng: &mut StdRng, request: Request) -> Request {
    let request = request.arg(pick(rng, &["MIN", "MAX", "min", "Max", "MIN", "MAX", "BOTH"]));
    match rng.random_range(0..6) {
        0..=2 => request.arg("COUNT").number(rng.random_range(1..8)),
        3 => request.arg("count").arg(pick(rng, &["0", "-1", "abc", "1000"])),
        _ => request,
    }
}

/// Timeouts so short that nobody has to wait, or wrong ones.
fn blocking_pop(rng: &mut StdRng) -> Request {
    let timeout = pick(rng, &["0.001", "0.002", "1e-3", "0.001", "-1", "abc", "0x1p-10"]);
    if rng.random() {
        let request = counted(rng, Request::new("BZMPOP").arg(timeout), 3);
        return pop_end(rng, request);
    }
    let name = if rng.random() { "BZPOPMIN" } else { "BZPOPMAX" };
    let keys: Vec<Vec<u8>> = (0..rng.random_range(1..4)).map(|_| sorted(rng)).collect();
    Request::new(name).args(keys).arg(timeout)
}

fn random_member(rng: &mut StdRng) -> Request {
    let request = Request::new("ZRANDMEMBER").arg(sorted(rng));
    match rng.random_range(0..5) {
        0 => request,
        1 => request.arg(pick(rng, &["abc", "-9223372036854775808", "0", "1.5"])),
        _ => request.number(rng.random_range(-10..300)).maybe(rng, 2, "WITHSCORES"),
    }
}

fn scan(rng: &mut StdRng) -> Request {
    let mut request =
        Request::new("ZSCAN").arg(sorted(rng)).arg(pick(rng, &["0", "0", "0", "0", "abc", "-1", ""]));
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..4) {
            0 => request.arg("MATCH").arg(pattern(rng)),
            1 => request.arg("MATCH").arg(pick(rng, &["m*", "m1?", "*"])),
            2 => request.arg("COUNT").arg(pick(rng, &["1", "10", "0", "-1", "abc", "1000"])),
            _ => request.arg("bogus"),
        };
    }
    request
}

fn combine(rng: &mut StdRng) -> Request {
    let name = pick(
        rng,
        &[
            "ZUNION",
            "ZINTER",
            "ZDIFF",
            "ZINTERCARD",
            "ZUNIONSTORE",
            "ZINTERSTORE",
            "ZDIFFSTORE",
            "ZUNIONSTORE",
        ],
    );
    let name = String::from_utf8(name).expect("ASCII");
    let request = Request::new(&name);
    let request = if name.ends_with("STORE") { request.arg(target(rng)) } else { request };
    let before = request.0.len();
    let mut request = counted(rng, request, 4);
    let keys = request.0.len() - before - 1;
    for _ in 0..rng.random_range(0..3) {
        request = match rng.random_range(0..8) {
            0..=2 => (0..keys).fold(request.arg("WEIGHTS"), |request, _| {
                let weight = pick(rng, &["1", "2", "-1", "0", "0.5", "inf", "1e3", "1", "2", "3", "abc"]);
                request.arg(weight)
            }),
            3 | 4 => request.arg("AGGREGATE").arg(pick(rng, &["SUM", "min", "MAX", "MIN", "max", "AVG"])),
            5 => request.arg("LIMIT").arg(pick(rng, &["0", "1", "3", "100", "-1", "abc"])),
            6 => request.arg(garbage(rng)),
            _ => request.arg("WITHSCORES"),
        };
    }
    request
}

/// Commands on sorted sets whose members all have the same score.
fn lex(rng: &mut StdRng) -> Request {
    let key = lex_key(rng);
    match rng.random_range(0..16) {
        0..=2 => (0..rng.random_range(1..6))
            .fold(Request::new("ZADD").arg(key), |request, _| request.arg("0").arg(member(rng))),
        3 if rng.random_ratio(1, 3) => {
            let first = rng.random_range(0..200);
            let numbers = first..first + rng.random_range(1..MAX_MEMBERS);
            numbers.fold(Request::new("ZADD").arg(key), |request, number| {
                request.arg("0").arg(format!("m{number}"))
            })
        }
        4 => Request::new("ZREM").arg(key).arg(member(rng)),
        5 | 6 => Request::new("ZLEXCOUNT").arg(key).arg(lex_bound(rng)).arg(lex_bound(rng)),
        7 => Request::new("ZREMRANGEBYLEX").arg(key).arg(lex_bound(rng)).arg(lex_bound(rng)),
        8..=10 => {
            let name = if rng.random() { "ZRANGEBYLEX" } else { "ZREVRANGEBYLEX" };
            let request = Request::new(name).arg(key).arg(lex_bound(rng)).arg(lex_bound(rng));
            if rng.random_ratio(1, 3) { limit(rng, request) } else { request }
        }
        11 => {
            let request = Request::new("ZRANGESTORE").arg(lex_key(rng)).arg(key);
            lex_limits(rng, request)
        }
        12 => Request::new("OBJECT").arg("ENCODING").arg(key),
        _ => {
            let request = Request::new("ZRANGE").arg(key);
            lex_limits(rng, request).maybe(rng, 20, "WITHSCORES")
        }
    }
}

fn lex_limits(rng: &mut StdRng, request: Request) -> Request {
    let request = request.arg(lex_bound(rng)).arg(lex_bound(rng)).arg("BYLEX").maybe(rng, 2, "REV");
    if rng.random_ratio(1, 3) { limit(rng, request) } else { request }
}

fn lex_bound(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..3) {
        0 => [b"[".to_vec(), member(rng)].concat(),
        1 => [b"(".to_vec(), member(rng)].concat(),
        _ => pick(rng, &LEX_BOUNDS),
    }
}

/// Other limits of small sorted sets, mostly back to those that Redis begins with.
fn limits(rng: &mut StdRng) -> Request {
    let (name, value) = match rng.random_range(0..4) {
        0 => ("zset-max-listpack-entries", pick(rng, &["0", "5", "128"])),
        1 => ("zset-max-ziplist-value", pick(rng, &["2", "64"])),
        2 => ("zset-max-ziplist-entries", b"128".to_vec()),
        _ => ("zset-max-listpack-value", b"64".to_vec()),
    };
    Request::new("CONFIG").arg("SET").arg(name).arg(value)
}
