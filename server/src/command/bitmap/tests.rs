//! Every bitmap command in process: replies, errors and the order of checks.

use crate::command::fixture::Fixture;
use crate::command::{bitmap, string};

const SYNTAX: &str = "-ERR syntax error";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const BAD_OFFSET: &str = "-ERR bit offset is not an integer or out of range";
const BAD_BIT: &str = "-ERR bit is not an integer or out of range";
const BAD_TYPE: &str =
    "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

fn fixture() -> Fixture {
    Fixture::new(&[string::COMMANDS, bitmap::COMMANDS])
}

/// A fixture whose key `k` holds these bytes.
fn holding(bytes: &[u8]) -> Fixture {
    let mut fixture = fixture();
    fixture.run_words(&[b"SET", &b"k"[..], bytes]);
    fixture
}

#[test]
fn bits_count_from_the_most_significant() {
    fixture().expect(&[
        ("GETBIT k 0", ":0"),
        ("SETBIT k 7 1", ":0"),
        ("GET k", r"$1\r\n\x01"),
        ("SETBIT k 7 1", ":1"),
        ("GETBIT k 7", ":1"),
        ("GETBIT k 1000", ":0"),
        ("SETBIT k 16 1", ":0"),
        ("GET k", r"$3\r\n\x01\x00\x80"),
        ("SETBIT k 7 0", ":1"),
        ("GET k", r"$3\r\n\x00\x00\x80"),
        ("SET k 1", "+OK"),
        ("GETBIT k 2", ":1"),
        ("SETBIT k 6 1", ":0"),
        ("GET k", r"$1\r\n3"),
    ]);
}

#[test]
fn bits_out_of_range_are_refused() {
    fixture().expect(&[
        ("SETBIT k 4294967296 1", BAD_OFFSET),
        ("SETBIT k -1 1", BAD_OFFSET),
        ("SETBIT k x 2", BAD_OFFSET),
        ("SETBIT k 0 2", BAD_BIT),
        ("SETBIT k 0 -1", BAD_BIT),
        ("SETBIT k 0 x", BAD_BIT),
        ("GETBIT k 4294967296", BAD_OFFSET),
        ("GETBIT k 4294967295", ":0"),
        ("GETBIT k #1", BAD_OFFSET),
    ]);
}

#[test]
fn setting_a_bit_as_it_was_is_no_change() {
    let mut fixture = fixture();
    fixture.expect(&[("SETBIT k 100 1", ":0")]);
    let before = fixture.changes();
    fixture.expect(&[
        ("SETBIT k 100 1", ":1"),
        ("SETBIT k 3 0", ":0"),
        ("BITFIELD k SET u8 0 0", r"*1\r\n:0"),
    ]);
    assert_eq!(fixture.changes(), before);
    fixture.expect(&[("SETBIT k 200 0", ":0"), ("BITFIELD k SET u8 0 1", r"*1\r\n:0")]);
    assert_eq!(fixture.changes(), before + 2);
}

#[test]
fn bitcount_counts_in_bytes_or_bits() {
    let mut fixture = holding(b"foobar");
    for (range, expected) in [
        ("", ":26"),
        ("0 0", ":4"),
        ("1 1", ":6"),
        ("-2 -1", ":7"),
        ("0 -1 BYTE", ":26"),
        ("1 1 BYTE", ":6"),
        ("5 30 BIT", ":17"),
        ("0 -1 bit", ":26"),
        ("7 7 BIT", ":0"),
        ("1 2 BIT", ":2"),
        ("-1 -2", ":0"),
        ("-100 -101", ":0"),
        ("-101 -100", ":4"),
        ("6 7", ":0"),
        ("3 1", ":0"),
    ] {
        fixture.expect(&[(&format!("BITCOUNT k {range}"), expected)]);
    }
}

#[test]
fn bitcount_looks_at_its_arguments_before_the_key() {
    fixture().expect(&[
        ("BITCOUNT missing", ":0"),
        ("BITCOUNT missing 0 -1 BIT", ":0"),
        ("BITCOUNT missing 0", SYNTAX),
        ("BITCOUNT missing 0 x", NOT_AN_INTEGER),
        ("BITCOUNT missing 0 1 NOSUCH", SYNTAX),
        ("BITCOUNT missing 0 1 BIT BIT", SYNTAX),
    ]);
}

#[test]
fn bitcount_and_bitpos_agree_with_a_walk_over_all_bits() {
    let bytes: Vec<u8> = (0..40u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [bytes, vec![0xff; 40], vec![0; 40]] {
        let mut fixture = holding(&bytes);
        let bit_at = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
        for (start, end) in [(0, 319), (3, 5), (7, 8), (8, 15), (13, 200), (64, 127), (65, 300), (319, 319)] {
            let count: u32 = (start..=end).map(|at| u32::from(bit_at(at))).sum();
            fixture.expect(&[(&format!("BITCOUNT k {start} {end} BIT"), &format!(":{count}"))]);
            for wanted in [0, 1] {
                let position = (start..=end).find(|&at| bit_at(at) == wanted).map_or(-1, |at| at as i64);
                fixture.expect(&[(&format!("BITPOS k {wanted} {start} {end} BIT"), &format!(":{position}"))]);
            }
        }
    }
}

#[test]
fn bitpos_finds_the_first_bit() {
    let mut fixture = holding(b"\xff\xf0\x00");
    for (arguments, expected) in [
        ("0", ":12"),
        ("1", ":0"),
        ("1 2", ":-1"),
        ("0 0 0", ":-1"),
        ("0 0", ":12"),
        ("1 1", ":8"),
        ("1 -2 -1", ":8"),
        ("0 3", ":-1"),
        ("1 12 -1 BIT", ":-1"),
        ("1 9 14 BIT", ":9"),
        ("0 1 -1 BYTE", ":12"),
        ("0 -100 -101", ":-1"),
    ] {
        fixture.expect(&[(&format!("BITPOS k {arguments}"), expected)]);
    }
    holding(b"\xff\xff").expect(&[
        ("BITPOS k 0", ":16"),
        ("BITPOS k 0 1", ":16"),
        ("BITPOS k 0 0 -1", ":-1"),
        ("BITPOS k 0 0 1000", ":-1"),
    ]);
    holding(b"").expect(&[("BITPOS k 0", ":-1"), ("BITPOS k 1", ":-1"), ("BITPOS k 0 0", ":-1")]);
}

#[test]
fn bitpos_looks_at_its_arguments_before_the_key() {
    fixture().expect(&[
        ("BITPOS missing 0", ":0"),
        ("BITPOS missing 1", ":-1"),
        ("BITPOS missing 0 5 7", ":0"),
        ("BITPOS missing 2", "-ERR The bit argument must be 1 or 0."),
        ("BITPOS missing x", NOT_AN_INTEGER),
        ("BITPOS missing 1 x", NOT_AN_INTEGER),
        ("BITPOS missing 1 0 x", NOT_AN_INTEGER),
        ("BITPOS missing 1 0 x NOSUCH", SYNTAX),
        ("BITPOS missing 1 0 1 BIT BIT", SYNTAX),
    ]);
}

#[test]
fn bitop_pads_the_shorter_source_with_zeros() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("MSET a abc b a c xyz", "+OK"),
        ("BITOP AND to a b", ":3"),
        ("GET to", r"$3\r\na\x00\x00"),
        ("BITOP or to b a", ":3"),
        ("GET to", r"$3\r\nabc"),
        ("BITOP XOR to a c b", ":3"),
        ("GET to", r"$3\r\nx\x1b\x19"),
        ("BITOP NOT to a", ":3"),
        ("GET to", r"$3\r\n\x9e\x9d\x9c"),
        ("BITOP NOT a a", ":3"),
        ("GET a", r"$3\r\n\x9e\x9d\x9c"),
        ("BITOP AND to a missing", ":3"),
        ("GET to", r"$3\r\n\x00\x00\x00"),
    ]);
}

#[test]
fn bitop_of_nothing_deletes_the_target() {
    let mut fixture = fixture();
    fixture.expect(&[("SETEX to 10 x", "+OK"), ("BITOP OR to missing", ":0"), ("GET to", "$-1")]);
    fixture.expect(&[("SETEX to 10 x", "+OK"), ("BITOP OR to to", ":1")]);
    assert_eq!(fixture.info("to").expect("it was set").expiry, None);
}

#[test]
fn bitop_refuses_what_it_cannot_compute() {
    fixture().expect(&[
        ("BITOP NOSUCH to a", SYNTAX),
        ("BITOP NOT to a b", "-ERR BITOP NOT must be called with a single source key."),
        ("BITOP AND to", "-ERR wrong number of arguments for 'bitop' command"),
    ]);
}

#[test]
fn fields_are_read_and_written_at_any_bit() {
    fixture().expect(&[
        ("BITFIELD k", r"*0"),
        ("BITFIELD k GET u8 0 GET i64 100", r"*2\r\n:0\r\n:0"),
        ("GET k", "$-1"),
        ("BITFIELD k SET u8 0 255 GET u8 0 GET i8 0 GET u4 2", r"*4\r\n:0\r\n:255\r\n:-1\r\n:15"),
        ("BITFIELD k SET i13 3 -2 GET i13 3 GET u16 0", r"*3\r\n:-256\r\n:-2\r\n:65534"),
        (
            "BITFIELD k SET i64 7 -9223372036854775808 GET i64 7",
            r"*2\r\n:-72057594037927936\r\n:-9223372036854775808",
        ),
        ("BITFIELD k SET u63 #1 9223372036854775807 GET u63 63", r"*2\r\n:0\r\n:9223372036854775807"),
        ("STRLEN k", ":16"),
        ("BITFIELD_RO k GET u4 #0 GET u4 #1", r"*2\r\n:15\r\n:15"),
    ]);
}

#[test]
fn fields_wrap_saturate_or_fail() {
    fixture().expect(&[
        ("BITFIELD k SET u8 0 250", r"*1\r\n:0"),
        ("BITFIELD k INCRBY u8 0 10", r"*1\r\n:4"),
        ("BITFIELD k OVERFLOW SAT INCRBY u8 0 -10 INCRBY u8 0 300", r"*2\r\n:0\r\n:255"),
        ("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 GET u8 0", r"*2\r\n$-1\r\n:255"),
        ("BITFIELD k OVERFLOW sat INCRBY i8 8 200 INCRBY i8 8 -500", r"*2\r\n:127\r\n:-128"),
        ("BITFIELD k OVERFLOW wrap INCRBY i8 8 -1", r"*1\r\n:127"),
        (
            "BITFIELD k OVERFLOW FAIL SET u8 0 256 OVERFLOW WRAP SET u8 0 257 GET u8 0",
            r"*3\r\n$-1\r\n:255\r\n:1",
        ),
        ("BITFIELD k OVERFLOW SAT SET u8 0 -1 GET u8 0", r"*2\r\n:1\r\n:255"),
        ("BITFIELD k SET i64 64 9223372036854775807 INCRBY i64 64 1", r"*2\r\n:0\r\n:-9223372036854775808"),
        ("BITFIELD k OVERFLOW SAT INCRBY i64 64 -1", r"*1\r\n:-9223372036854775808"),
        // Redis' own arithmetic overflows here.
        (
            "BITFIELD k OVERFLOW SAT SET i38 0 -9223372036854775808 GET i38 0",
            r"*2\r\n:-541065216\r\n:137438953471",
        ),
    ]);
}

#[test]
fn bitfield_refuses_a_bad_subcommand_before_it_runs_any() {
    let mut fixture = fixture();
    for (subcommands, error) in [
        ("GET u8", SYNTAX),
        ("NOSUCH u8 0", SYNTAX),
        ("SET u8 0", SYNTAX),
        ("OVERFLOW", SYNTAX),
        ("OVERFLOW NOSUCH", "-ERR Invalid OVERFLOW type specified"),
        ("GET u64 0", BAD_TYPE),
        ("GET i65 0", BAD_TYPE),
        ("GET u0 0", BAD_TYPE),
        ("GET 8 0", BAD_TYPE),
        ("GET u8 -1", BAD_OFFSET),
        ("GET u8 #x", BAD_OFFSET),
        ("SET u8 4294967296 0", BAD_OFFSET),
        ("SET u8 #9223372036854775807 0", BAD_OFFSET),
        ("SET u8 0 x", NOT_AN_INTEGER),
    ] {
        fixture.expect(&[(&format!("BITFIELD k SET u8 0 1 {subcommands}"), error), ("GET k", "$-1")]);
    }
    fixture.expect(&[
        ("BITFIELD_RO k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD_RO k INCRBY u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD_RO k SET u99 0 1", BAD_TYPE),
    ]);
}
