//! A bounded, seeded stand-in for the fuzz targets: valid streams with bytes changed, removed, doubled and cut.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

mod invariants;

/// How many streams each test mutates.
const ROUNDS: u64 = 20_000;

/// Valid requests of every shape; mutations start from several of them in a row.
const REQUESTS: [&[u8]; 8] = [
    b"*1\r\n$4\r\nPING\r\n",
    b"*3\r\n$3\r\nSET\r\n$10\r\n0123456789\r\n$0\r\n\r\n",
    b"*2\r\n$3\r\nGET\r\n$100\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n",
    b"PING\r\n",
    b"SET key \"a b\\x00\\n\" 'c\\'d'\n",
    b"\r\n",
    b"*0\r\n",
    b"*-1\r\n",
];

/// Valid replies of every type.
const REPLIES: [&[u8]; 8] = [
    b"+OK\r\n-ERR no\r\n:-12\r\n",
    b"$5\r\nhello\r\n$-1\r\n*-1\r\n",
    b"*3\r\n:1\r\n*2\r\n+a\r\n$1\r\nb\r\n_\r\n",
    b"%2\r\n+k\r\n:1\r\n+l\r\n~1\r\n#t\r\n",
    b"|1\r\n+ttl\r\n:3600\r\n,1.5\r\n",
    b">2\r\n+message\r\n=7\r\ntxt:abc\r\n",
    b"(3492890328409238509324850943850943825024385\r\n!5\r\nERR x\r\n",
    b"*12\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:10\r\n:11\r\n:12\r\n",
];

/// Bytes that mean something to the protocol; half of all changes write one of them.
const TELLING: &[u8] = b"*$+-:0123456789\r\n\"'\\ %~>|_#,=(!\0\xff";

fn mutated(rng: &mut StdRng, seeds: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.random_range(1..6) {
        bytes.extend_from_slice(seeds[rng.random_range(0..seeds.len())]);
    }
    for _ in 0..rng.random_range(0..6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let byte = if rng.random() { TELLING[rng.random_range(0..TELLING.len())] } else { rng.random() };
        match rng.random_range(0..5) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => {
                let end = rng.random_range(at..=bytes.len());
                bytes.extend_from_within(at..end);
            }
        }
    }
    bytes
}

fn run(seeds: &[&[u8]], check: impl Fn(&[u8], usize) + std::panic::RefUnwindSafe) {
    for seed in 0..ROUNDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let bytes = mutated(&mut rng, seeds);
        let piece_bytes = rng.random_range(1..40);
        let outcome = std::panic::catch_unwind(|| check(&bytes, piece_bytes));
        assert!(outcome.is_ok(), "seed {seed}: {:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn mutated_requests_are_parsed_safely_and_the_same_in_pieces() {
    run(&REQUESTS, invariants::check_requests);
}

#[test]
fn mutated_replies_are_decoded_safely_and_the_same_in_pieces() {
    run(&REPLIES, invariants::check_replies);
}
