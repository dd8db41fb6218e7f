//! The stream of steps that a seed stands for.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::compat::commands::{
    bits, connection, expiry, geo, hashes, hyperloglogs, keyspace, lists, scripts, sets, sorted_sets,
    sorting, streams, strings,
};
use crate::compat::request::Request;
use crate::compat::values::{DATABASES, garbage, keys, lex_key, long_key, pattern, pick, typed_key, value};

/// How many clients take turns.
pub const CLIENTS: usize = 4;
/// The longest pipeline.
const MAX_PIPELINE: usize = 24;

/// Commands of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What a run that concentrates on it calls it.
    pub name: &'static str,
    /// How often its commands come, relative to the others.
    weight: u32,
    /// The letter of its keys, where it has keys of its own.
    letter: Option<char>,
    request: fn(&mut StdRng) -> Request,
}

const fn family(
    name: &'static str,
    weight: u32,
    letter: Option<char>,
    request: fn(&mut StdRng) -> Request,
) -> Family {
    Family { name, weight, letter, request }
}

const FAMILIES: &[Family] = &[
    family("string", 45, None, strings::request),
    family("bitmap", 15, None, bits::request),
    family("hyperloglog", 8, Some('p'), hyperloglogs::request),
    family("stream", 20, Some('x'), streams::request),
    family("list", 25, Some('l'), lists::request),
    family("hash", 20, Some(hashes::LETTER), hashes::request),
    family("set", 20, Some(sets::LETTER), sets::request),
    family("sorted_set", 25, Some('z'), sorted_sets::request),
    family("geo", 10, Some('g'), geo::request),
    family("sort", 10, Some(sorting::LETTER), sorting::request),
    family("expiry", 10, None, expiry::request),
    family("keyspace", 23, None, keyspace::request),
    family("connection", 7, None, connection::request),
    family("script", 15, None, scripted),
];

/// Families whose commands are of no use in scripts, or compare only outside of one.
const NOT_SCRIPTED: [&str; 3] = ["script", "connection", "sort"];

/// A script that calls a command of another family.
fn scripted(rng: &mut StdRng) -> Request {
    let weight = |family: &Family| if NOT_SCRIPTED.contains(&family.name) { 0 } else { family.weight };
    let family = *FAMILIES.choose_weighted(rng, weight).expect("weights above zero");
    let command = (family.request)(rng);
    scripts::calling(rng, command)
}

/// Of this many requests, all but one are of the family that a run concentrates on.
const FOCUS: u32 = 4;

impl Family {
    /// The family of this name.
    ///
    /// # Panics
    /// If there is none: the message names them all.
    pub fn named(name: &str) -> Self {
        let names = || FAMILIES.iter().map(|family| family.name).collect::<Vec<_>>();
        *FAMILIES
            .iter()
            .find(|family| family.name == name)
            .unwrap_or_else(|| panic!("{name:?} is none of {:?}", names()))
    }
}

/// What happens next. A step begins when the replies of the one before it are there, so that the order in which a
/// server runs commands is never in doubt.
#[derive(Clone, Debug)]
pub enum Step {
    /// One client sends these commands at once.
    Batch {
        /// Which client.
        client: usize,
        /// What it sends.
        requests: Vec<Request>,
    },
    /// The subject moves these keys' values to its SSD.
    Demote {
        /// The keys' database.
        database: u32,
        /// The keys.
        keys: Vec<Vec<u8>>,
    },
    /// One client iterates with SCAN until the end, with these options.
    ScanAll {
        /// Which client.
        client: usize,
        /// MATCH, COUNT and TYPE, if any.
        options: Vec<Vec<u8>>,
    },
    /// One client dumps a key and restores the payload elsewhere, on the same server and on the other one.
    CarryOver {
        /// Which client.
        client: usize,
        /// What is dumped.
        source: Vec<u8>,
        /// Where it goes.
        destinations: [Vec<u8>; 2],
        /// What follows the payload in RESTORE.
        options: Vec<Vec<u8>>,
        /// If given, this byte of the payload is changed on the way.
        damage: Option<usize>,
    },
    /// One client sets a key that expires at once, and comes back when it has.
    Expire {
        /// Which client.
        client: usize,
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
}

/// An endless stream of steps.
#[derive(Debug)]
pub struct Generator {
    rng: StdRng,
    focus: Option<Family>,
}

impl Generator {
    /// The same seed gives the same stream, but for absolute expiry times, which are drawn relative to now.
    /// Most commands are of the family that it concentrates on, if any.
    pub fn new(seed: u64, focus: Option<Family>) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), focus }
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        let client = self.rng.random_range(0..CLIENTS);
        let (rng, focus) = (&mut self.rng, self.focus);
        match rng.random_range(0..1000) {
            0 => Step::Expire { client, key: long_key(rng), value: value(rng) },
            1..=9 => Step::ScanAll { client, options: scan_options(rng) },
            10..=24 => carry_over(rng, client, focus),
            25..=274 => {
                Step::Demote { database: rng.random_range(0..DATABASES), keys: some_keys(rng, focus, 6) }
            }
            275..=314 => Step::Batch { client, requests: transaction(rng, focus) },
            315..=324 => {
                let watch = Request::new("WATCH").args(some_keys(rng, focus, 3));
                Step::Batch { client, requests: vec![watch] }
            }
            _ => {
                let length = if rng.random_ratio(2, 3) { 1 } else { rng.random_range(2..=MAX_PIPELINE) };
                Step::Batch { client, requests: requests(rng, focus, length) }
            }
        }
    }
}

/// So many requests, and perhaps a few more.
fn requests(rng: &mut StdRng, focus: Option<Family>, count: usize) -> Vec<Request> {
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        let request = request(rng, focus);
        if request.name().starts_with("SORT") {
            // Redis takes a number for too large that follows one which was, be it another command's, until a timeout is
            // read.
            requests.push(Request::new("BLPOP").args(["none", "-1"]));
        }
        requests.push(request);
    }
    requests
}

fn request(rng: &mut StdRng, focus: Option<Family>) -> Request {
    let family = focus.filter(|_| !rng.random_ratio(1, FOCUS)).unwrap_or_else(|| {
        *FAMILIES.choose_weighted(rng, |family| family.weight).expect("weights above zero")
    });
    let mut request = (family.request)(rng);
    // 7.0 sets the name of a HELLO that it then refuses, 7.2 does not: that would show much later, in CLIENT GETNAME.
    // An SPOP with another count takes members by chance.
    // A SORT by something else may be in an order that nobody knows.
    // What a script calls could become any of these.
    // One argument more of a ZRANK is an error of 7.0 that ends a transaction, which then does nothing.
    let must_stay = matches!(
        request.name().as_str(),
        "EVAL" | "HELLO" | "SPOP" | "SORT" | "SORT_RO" | "ZRANK" | "ZREVRANK"
    );
    // Another score would make ranges of members undefined.
    let keeps_scores = request.name() == "ZADD" && request.0[1].starts_with(b"y");
    // Another timeout would make a client wait for ever.
    let waits = request.name().starts_with('B') && !request.name().starts_with("BIT");
    if rng.random_ratio(1, 40) && !must_stay && !keeps_scores && !waits {
        corrupt(rng, &mut request);
    }
    if rng.random_ratio(1, 10) {
        request.0[0].make_ascii_lowercase();
    }
    request
}

/// A few commands between MULTI and EXEC; a transaction is not always run.
fn transaction(rng: &mut StdRng, focus: Option<Family>) -> Vec<Request> {
    let mut requests = vec![Request::new("MULTI")];
    let length = rng.random_range(0..=8);
    requests.extend(self::requests(rng, focus, length));
    requests.push(Request::new(if rng.random_ratio(1, 20) { "DISCARD" } else { "EXEC" }));
    requests
}

/// Up to `most` keys, mostly those of the family that a run concentrates on.
fn some_keys(rng: &mut StdRng, focus: Option<Family>, most: usize) -> Vec<Vec<u8>> {
    match focus.and_then(|family| family.letter) {
        Some(letter) if rng.random_ratio(3, 4) => {
            let count = rng.random_range(1..=most);
            let has_lex_keys = letter == 'z' && rng.random_ratio(1, 5);
            (0..count).map(|_| if has_lex_keys { lex_key(rng) } else { typed_key(rng, letter) }).collect()
        }
        _ => keys(rng, 1, most),
    }
}

/// One argument too few, one too many, or one that is wrong.
fn corrupt(rng: &mut StdRng, request: &mut Request) {
    match rng.random_range(0..3) {
        0 if request.0.len() > 1 => drop(request.0.pop()),
        1 => request.0.push(garbage(rng)),
        _ => {
            // Keys stay what they are: the commands that follow are to find them.
            let position = rng.random_range(0..request.0.len());
            if position >= 2 {
                request.0[position] = garbage(rng);
            }
        }
    }
}

fn scan_options(rng: &mut StdRng) -> Vec<Vec<u8>> {
    let mut options: Vec<Vec<u8>> = Vec::new();
    if rng.random() {
        options.extend([b"MATCH".to_vec(), pattern(rng)]);
    }
    if rng.random() {
        options.extend([b"COUNT".to_vec(), pick(rng, &["1", "2", "5", "1000"])]);
    }
    if rng.random_ratio(1, 4) {
        let types = ["string", "list", "set", "zset", "hash", "stream", "none"];
        options.extend([b"TYPE".to_vec(), pick(rng, &types)]);
    }
    options
}

fn carry_over(rng: &mut StdRng, client: usize, focus: Option<Family>) -> Step {
    let mut options: Vec<Vec<u8>> = Vec::new();
    for _ in 0..rng.random_range(0..3) {
        match rng.random_range(0..6) {
            0..=2 => options.push(b"REPLACE".to_vec()),
            3 => options.push(b"ABSTTL".to_vec()),
            4 => options.extend([b"IDLETIME".to_vec(), pick(rng, &["0", "100", "-1", "abc"])]),
            _ => options.extend([b"FREQ".to_vec(), pick(rng, &["0", "255", "256", "abc"])]),
        }
    }
    Step::CarryOver {
        client,
        source: some_keys(rng, focus, 1).remove(0),
        destinations: [0, 1].map(|_| match focus.and_then(|family| family.letter) {
            Some(letter) => typed_key(rng, letter),
            None => long_key(rng),
        }),
        options,
        damage: rng.random_ratio(1, 5).then(|| rng.random_range(0..10_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_one_stream() {
        let describe = |seed| {
            let mut generator = Generator::new(seed, None);
            (0..500).map(|_| generator.step()).collect::<Vec<_>>()
        };
        // Absolute expiry times follow the clock; everything else is the same.
        let without_times = |steps: Vec<Step>| {
            steps
                .into_iter()
                .map(|step| match step {
                    Step::Batch { client, requests } => {
                        format!(
                            "{client} {:?}",
                            requests.iter().map(|r| (r.name(), r.0.len())).collect::<Vec<_>>()
                        )
                    }
                    other => format!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(without_times(describe(1)), without_times(describe(1)));
        assert_ne!(without_times(describe(1)), without_times(describe(2)));
    }
}
