//! What random commands are made of: few keys, so that commands collide, and values at the edges of everything.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// How many plain keys there are per database.
const KEYS: u32 = 14;
/// How many keys hold only short values, for commands whose cost is a product of lengths.
const SHORT_KEYS: u32 = 4;
/// Letters that begin the names of keys which mostly hold one type, so that its commands find what they need.
const TYPED: &str = "eghlopwxz";
/// How many keys there are of each such letter.
const TYPED_KEYS: u32 = 6;
/// How many keys there are for sorted sets whose scores are all equal.
const LEX_KEYS: u32 = 3;
/// The longest value.
const MAX_VALUE_BYTES: usize = 20_000;
/// The longest value of a short key.
const MAX_SHORT_VALUE_BYTES: usize = 120;
/// Databases that streams use.
pub const DATABASES: u32 = 3;

/// Words that are wrong wherever a number, an option or a type is wanted. None is a small positive number: one of
/// those in place of a time to live would make replies depend on the moment.
const GARBAGE: [&str; 14] = [
    "",
    "abc",
    "-1",
    "0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "1.5",
    " 1",
    "1 ",
    "+1",
    "1e400",
    "nx",
];

/// Strings that look like numbers, or nearly.
const NUMERIC: [&str; 30] = [
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "42",
    "9999",
    "10000",
    "-10000",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775806",
    "-9223372036854775808",
    "-9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "00",
    "+1",
    " 1",
    "1 ",
    "1.0",
    "3.14",
    "-0.5",
    "1e3",
    "5.0e3",
    "0x10",
    "inf",
    "nan",
];

/// Increments for INCRBYFLOAT.
const FLOATS: [&str; 26] = [
    "0",
    "-0",
    "0.1",
    "-0.1",
    "1",
    "1.5",
    "5.0e3",
    "1e-3",
    "0.000001",
    "-2.25",
    "3.0000000000000000005",
    "123456789.987654321",
    "1e15",
    "1e17",
    "-1e20",
    "1.7976931348623157e308",
    "1e400",
    "1e5000",
    "nan",
    "inf",
    "-inf",
    "abc",
    "",
    " 1",
    "1 ",
    "1.2.3",
];

/// Patterns for KEYS and SCAN MATCH.
const PATTERNS: [&str; 14] =
    ["*", "k*", "k?", "k[0-5]", "k[^1]", "*1", "s*", "K*", "k1[", "[k]1", "\\k1", "", "none", "k**1"];

/// A key that any command may meet.
pub fn key(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..100) {
        0 => Vec::new(),
        1 => b"\x00\xff\r\n key".to_vec(),
        2..=5 => short_key(rng),
        6..=17 => {
            let letters: Vec<char> = TYPED.chars().collect();
            let letter = *letters.choose(rng).expect("a letter");
            typed_key(rng, letter)
        }
        _ => format!("k{}", rng.random_range(0..KEYS)).into_bytes(),
    }
}

/// A key that mostly holds the type of this letter, which is one of those in [`TYPED`].
pub fn typed_key(rng: &mut StdRng, letter: char) -> Vec<u8> {
    format!("{letter}{}", rng.random_range(0..TYPED_KEYS)).into_bytes()
}

/// The same; now and then any other key.
pub fn mostly_typed_key(rng: &mut StdRng, letter: char) -> Vec<u8> {
    if rng.random_ratio(1, 25) { key(rng) } else { typed_key(rng, letter) }
}

/// A key of a sorted set whose scores are all equal: only commands that keep it so get it.
pub fn lex_key(rng: &mut StdRng) -> Vec<u8> {
    format!("y{}", rng.random_range(0..LEX_KEYS)).into_bytes()
}

/// A key whose value is short: only [`short_value`]s are ever written to it.
pub fn short_key(rng: &mut StdRng) -> Vec<u8> {
    format!("s{}", rng.random_range(0..SHORT_KEYS)).into_bytes()
}

/// A key that is never one of the short ones, for commands that make values long.
pub fn long_key(rng: &mut StdRng) -> Vec<u8> {
    format!("k{}", rng.random_range(0..KEYS)).into_bytes()
}

/// Every key that streams use.
pub fn all_keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = (0..KEYS).map(|number| format!("k{number}").into_bytes()).collect();
    keys.extend((0..SHORT_KEYS).map(|number| format!("s{number}").into_bytes()));
    for letter in TYPED.chars() {
        keys.extend((0..TYPED_KEYS).map(|number| format!("{letter}{number}").into_bytes()));
    }
    keys.extend((0..LEX_KEYS).map(|number| format!("y{number}").into_bytes()));
    keys.extend([Vec::new(), b"\x00\xff\r\n key".to_vec()]);
    keys
}

/// Between `least` and `most` keys, the same ones now and then.
pub fn keys(rng: &mut StdRng, least: usize, most: usize) -> Vec<Vec<u8>> {
    let count = rng.random_range(least..=most);
    (0..count).map(|_| key(rng)).collect()
}

/// A value to store under `key`.
pub fn value_for(rng: &mut StdRng, key: &[u8]) -> Vec<u8> {
    if key.starts_with(b"s") { short_value(rng) } else { value(rng) }
}

/// Any value.
pub fn value(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..100) {
        0..=69 => short_value(rng),
        // Around the length up to which Redis embeds strings, and a compressor's least length.
        70..=84 => bytes(rng, 40, 50),
        85..=94 => bytes(rng, 100, 1_000),
        _ => bytes(rng, 1, MAX_VALUE_BYTES),
    }
}

/// A value of few bytes.
pub fn short_value(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..10) {
        0..=2 => numeric(rng),
        3 => Vec::new(),
        4 => b"\x00binary\r\n\xff\xfe".to_vec(),
        5 => rng.random::<i64>().to_string().into_bytes(),
        _ => bytes(rng, 1, MAX_SHORT_VALUE_BYTES),
    }
}

/// A string that is a number, or nearly.
pub fn numeric(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &NUMERIC)
}

/// An increment for INCRBYFLOAT.
pub fn float(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &FLOATS)
}

/// A pattern for KEYS or MATCH.
pub fn pattern(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &PATTERNS)
}

/// A word that is wrong nearly everywhere.
pub fn garbage(rng: &mut StdRng) -> Vec<u8> {
    pick(rng, &GARBAGE)
}

/// One of `words`.
pub fn pick(rng: &mut StdRng, words: &[&str]) -> Vec<u8> {
    words.choose(rng).expect("a word").as_bytes().to_vec()
}

/// An index into a string of some length: mostly within, from either end.
pub fn index(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..10) {
        0 => *[i64::MAX, i64::MIN, 0, -1].choose(rng).expect("one"),
        1..=5 => rng.random_range(-20..60),
        _ => rng.random_range(-1_000..1_500),
    }
}

/// A time to live so long that no reply depends on when a command came, and so random that no two are close.
pub fn ttl_seconds(rng: &mut StdRng) -> i64 {
    rng.random_range(10_000..3_000_000)
}

/// The same, in milliseconds.
pub fn ttl_ms(rng: &mut StdRng) -> i64 {
    rng.random_range(10_000_000..3_000_000_000)
}

/// Seconds since 1970.
pub fn unix_seconds() -> i64 {
    unix_ms() / 1000
}

/// Milliseconds since 1970.
pub fn unix_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
    i64::try_from(elapsed.as_millis()).expect("a clock before the year 292 million")
}

fn bytes(rng: &mut StdRng, least: usize, most: usize) -> Vec<u8> {
    let length = rng.random_range(least..=most);
    if rng.random() {
        (0..length).map(|_| rng.random()).collect()
    } else {
        // Compressible, and with long common subsequences.
        (0..length).map(|_| b"abcd"[rng.random_range(0..4)]).collect()
    }
}
