//! Every string command in process: replies, errors, the order of checks, expiry and encoding.

use thermocline_protocol::Protocol;

use crate::command::fixture::{Fixture, START};
use crate::command::{bitmap, string};

const WRONG_ARITY: &str = "-ERR wrong number of arguments for";
const SYNTAX: &str = "-ERR syntax error";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_A_FLOAT: &str = "-ERR value is not a valid float";
const INVALID_SET_EXPIRY: &str = "-ERR invalid expire time in 'set' command";
const TOO_LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";

fn fixture() -> Fixture {
    Fixture::new(&[string::COMMANDS, bitmap::COMMANDS])
}

fn ttl_ms(fixture: &Fixture, key: &str) -> Option<u64> {
    fixture.info(key).expect("the key exists").expiry.map(|at| at.0 - START.0)
}

fn encoding(fixture: &Fixture, key: &str) -> &'static str {
    fixture.info(key).expect("the key exists").encoding.name()
}

#[test]
fn get_replies_what_set_stored() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("GET k", "$-1"),
        ("SET k v", "+OK"),
        ("GET k", r"$1\r\nv"),
        ("SET k -12", "+OK"),
        ("GET k", r"$3\r\n-12"),
        ("SET k 012", "+OK"),
        ("GET k", r"$3\r\n012"),
    ]);
    let bytes: Vec<u8> = (0..=255).collect();
    fixture.run_words(&[b"SET", &b"binary"[..], &bytes]);
    assert_eq!(fixture.run_words(&["GET", "binary"]), [b"$256\r\n", &bytes[..], b"\r\n"].concat());
}

#[test]
fn set_heeds_nx_and_xx() {
    fixture().expect(&[
        ("SET k 1 XX", "$-1"),
        ("GET k", "$-1"),
        ("SET k 1 NX", "+OK"),
        ("SET k 2 nx", "$-1"),
        ("GET k", r"$1\r\n1"),
        ("SET k 3 xx", "+OK"),
        ("GET k", r"$1\r\n3"),
        ("SET k 4 NX NX", "$-1"),
    ]);
}

#[test]
fn set_with_get_replies_the_old_value_whether_or_not_it_sets() {
    fixture().expect(&[
        ("SET k 1 GET", "$-1"),
        ("SET k 2 GET", r"$1\r\n1"),
        ("SET k 3 GET NX", r"$1\r\n2"),
        ("GET k", r"$1\r\n2"),
        ("SET k 4 XX GET", r"$1\r\n2"),
        ("GET k", r"$1\r\n4"),
        ("SET other 5 XX GET", "$-1"),
        ("GET other", "$-1"),
    ]);
}

#[test]
fn set_clears_keeps_or_sets_the_expiry() {
    let mut fixture = fixture();
    for (command, expected) in [
        ("SET k v EX 100", Some(100_000)),
        ("SET k v KEEPTTL", Some(100_000)),
        ("SET k v", None),
        ("SET k v PX 1500", Some(1_500)),
        ("SET k v KEEPTTL KEEPTTL", Some(1_500)),
        ("SET k v EXAT 1700000007", Some(7_000)),
        ("SET k v PXAT 1700000000009", Some(9)),
        ("SET k v EX 1 EX 2", Some(2_000)),
    ] {
        assert_eq!(fixture.run(command), r"+OK\r\n", "{command}");
        assert_eq!(ttl_ms(&fixture, "k"), expected, "{command}");
    }
    fixture.advance_ms(1_999);
    fixture.expect(&[("GET k", r"$1\r\nv")]);
    fixture.advance_ms(1);
    fixture.expect(&[("GET k", "$-1")]);
}

#[test]
fn a_key_set_to_expire_in_the_past_is_not_seen() {
    fixture().expect(&[
        ("SET k v", "+OK"),
        ("SET k v EXAT 1", "+OK"),
        ("GET k", "$-1"),
        ("SET k v PXAT 1", "+OK"),
        ("SET k v NX", "+OK"),
    ]);
}

#[test]
fn set_refuses_options_that_make_no_sense() {
    for options in [
        "NX XX",
        "XX NX",
        "EX",
        "EX 1 PX 1",
        "EX 1 EXAT 1",
        "PX 1 PXAT 1",
        "EXAT 1 PXAT 1",
        "KEEPTTL EX 1",
        "EX 1 KEEPTTL",
        "PXAT 1 KEEPTTL",
        "PERSIST",
        "NOSUCH",
        "GET NOSUCH",
        "EX 1 PX",
    ] {
        fixture().expect(&[(&format!("SET k v {options}"), SYNTAX), ("GET k", "$-1")]);
    }
}

#[test]
fn set_refuses_times_that_cannot_be() {
    for option in ["EX", "PX", "EXAT", "PXAT"] {
        for (time, error) in [("0", INVALID_SET_EXPIRY), ("-1", INVALID_SET_EXPIRY), ("1.5", NOT_AN_INTEGER)]
        {
            fixture().expect(&[(&format!("SET k v {option} {time}"), error), ("GET k", "$-1")]);
        }
    }
    fixture().expect(&[
        ("SET k v EX 9223372036854775807", INVALID_SET_EXPIRY),
        ("SET k v PX 9223372036854775807", INVALID_SET_EXPIRY),
        ("SET k v EXAT 9223372036854776", INVALID_SET_EXPIRY),
        ("SET k v PXAT 9223372036854775807", "+OK"),
        // The syntax of all options is looked at before any time is.
        ("SET k v EX 0 NOSUCH", SYNTAX),
        ("SET k v EX NX", NOT_AN_INTEGER),
    ]);
}

#[test]
fn setnx_setex_and_psetex_set() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("SETNX k 1", ":1"),
        ("SETNX k 2", ":0"),
        ("GET k", r"$1\r\n1"),
        ("SETEX k 10 3", "+OK"),
        ("GET k", r"$1\r\n3"),
        ("SETEX k 0 4", "-ERR invalid expire time in 'setex' command"),
        ("PSETEX k -5 4", "-ERR invalid expire time in 'psetex' command"),
        ("SETEX k x 4", NOT_AN_INTEGER),
    ]);
    assert_eq!(ttl_ms(&fixture, "k"), Some(10_000));
    fixture.expect(&[("PSETEX k 10 3", "+OK")]);
    assert_eq!(ttl_ms(&fixture, "k"), Some(10));
}

#[test]
fn mset_sets_all_and_msetnx_all_or_none() {
    fixture().expect(&[
        ("MSET a 1 b 2 a 3", "+OK"),
        ("MGET a b c a", r"*4\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n$1\r\n3"),
        ("MSETNX c 1 b 2", ":0"),
        ("GET c", "$-1"),
        ("MSETNX c 1 d 2", ":1"),
        ("MGET c d", r"*2\r\n$1\r\n1\r\n$1\r\n2"),
        ("MSET a 1 b", &format!("{WRONG_ARITY} 'mset' command")),
        ("MSETNX a 1 b", &format!("{WRONG_ARITY} 'msetnx' command")),
        ("MSET a", &format!("{WRONG_ARITY} 'mset' command")),
    ]);
}

#[test]
fn getset_and_getdel_reply_the_old_value() {
    let mut fixture = fixture();
    fixture.expect(&[("GETSET k 1", "$-1"), ("SETEX k 10 1", "+OK"), ("GETSET k 2", r"$1\r\n1")]);
    assert_eq!(ttl_ms(&fixture, "k"), None);
    fixture.expect(&[("GETDEL k", r"$1\r\n2"), ("GETDEL k", "$-1"), ("GET k", "$-1")]);
}

#[test]
fn getex_changes_the_expiry() {
    let mut fixture = fixture();
    fixture.expect(&[("GETEX k EX 10", "$-1"), ("SET k v", "+OK")]);
    for (options, expected) in [
        ("", None),
        ("EX 10", Some(10_000)),
        ("", Some(10_000)),
        ("PX 10", Some(10)),
        ("PERSIST", None),
        ("PERSIST", None),
        ("EXAT 1700000007", Some(7_000)),
        ("PXAT 1700000000009", Some(9)),
    ] {
        assert_eq!(fixture.run(&format!("GETEX k {options}")), r"$1\r\nv\r\n", "{options}");
        assert_eq!(ttl_ms(&fixture, "k"), expected, "{options}");
    }
}

#[test]
fn getex_deletes_a_key_that_is_to_expire_in_the_past() {
    for option in ["EXAT 1", "PXAT 1700000000000"] {
        fixture().expect(&[("SET k v", "+OK"), (&format!("GETEX k {option}"), r"$1\r\nv"), ("GET k", "$-1")]);
    }
}

#[test]
fn getex_checks_its_time_only_where_the_key_is_there() {
    fixture().expect(&[
        ("GETEX k EX 0", "$-1"),
        ("GETEX k EX 0 NOSUCH", SYNTAX),
        ("SET k v", "+OK"),
        ("GETEX k EX 0", "-ERR invalid expire time in 'getex' command"),
        ("GETEX k EX x", NOT_AN_INTEGER),
        ("GETEX k EX 1 PERSIST", SYNTAX),
        ("GETEX k PERSIST EX 1", SYNTAX),
        ("GETEX k KEEPTTL", SYNTAX),
        ("GETEX k NX", SYNTAX),
    ]);
}

#[test]
fn append_and_strlen_count_bytes() {
    fixture().expect(&[
        ("STRLEN k", ":0"),
        ("APPEND k 12", ":2"),
        ("APPEND k 345", ":5"),
        ("GET k", r"$5\r\n12345"),
        ("STRLEN k", ":5"),
        ("INCR k", ":12346"),
        ("STRLEN k", ":5"),
    ]);
}

#[test]
fn a_string_does_not_grow_beyond_the_limit() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("SETRANGE k 536870912 x", TOO_LONG),
        ("SETRANGE k 9223372036854775807 x", TOO_LONG),
        ("SET k v", "+OK"),
        ("SETRANGE k 536870911 xy", TOO_LONG),
        ("GET k", r"$1\r\nv"),
        // The zeros are pages that nothing touches.
        ("SETRANGE long 536870911 x", ":536870912"),
        ("APPEND long x", TOO_LONG),
        ("STRLEN long", ":536870912"),
    ]);
}

#[test]
fn setrange_overwrites_and_pads_with_zeros() {
    let mut fixture = fixture();
    fixture.expect(&[("SETRANGE k 3 x", ":4"), ("GET k", r"$4\r\n\x00\x00\x00x"), ("SETRANGE k 1 ab", ":4")]);
    fixture.expect(&[
        ("GET k", r"$4\r\n\x00abx"),
        ("SETRANGE k 6 y", ":7"),
        ("GET k", r"$7\r\n\x00abx\x00\x00y"),
    ]);
    fixture.expect(&[("SETRANGE k -1 x", "-ERR offset is out of range"), ("SETRANGE k x x", NOT_AN_INTEGER)]);
    assert_eq!(fixture.run_words(&["SETRANGE", "k", "100", ""]), b":7\r\n");
    assert_eq!(fixture.run_words(&["SETRANGE", "missing", "100", ""]), b":0\r\n");
    assert!(fixture.info("missing").is_none());
}

#[test]
fn getrange_counts_from_either_end() {
    let mut fixture = fixture();
    fixture.expect(&[("SET k abcdef", "+OK")]);
    for (start, end, expected) in [
        ("0", "-1", r"$6\r\nabcdef"),
        ("1", "2", r"$2\r\nbc"),
        ("-3", "-2", r"$2\r\nde"),
        ("-100", "1", r"$2\r\nab"),
        ("4", "100", r"$2\r\nef"),
        ("3", "2", r"$0\r\n"),
        ("-1", "-2", r"$0\r\n"),
        ("-100", "-101", r"$0\r\n"),
        ("-101", "-100", r"$1\r\na"),
        ("6", "7", r"$0\r\n"),
        ("-9223372036854775808", "9223372036854775807", r"$6\r\nabcdef"),
    ] {
        for name in ["GETRANGE", "SUBSTR"] {
            fixture.expect(&[(&format!("{name} k {start} {end}"), expected)]);
        }
    }
    fixture.expect(&[
        ("GETRANGE missing 0 -1", r"$0\r\n"),
        ("GETRANGE missing x -1", NOT_AN_INTEGER),
        ("GETRANGE k 0 1.5", NOT_AN_INTEGER),
    ]);
}

#[test]
fn integers_are_added_within_64_bits() {
    fixture().expect(&[
        ("INCR k", ":1"),
        ("INCRBY k 41", ":42"),
        ("DECR k", ":41"),
        ("DECRBY k 51", ":-10"),
        ("DECRBY k -9", ":-1"),
        ("INCRBY k x", NOT_AN_INTEGER),
        ("INCRBY k 1.0", NOT_AN_INTEGER),
        ("DECRBY k -9223372036854775808", "-ERR decrement would overflow"),
        ("SET k 9223372036854775806", "+OK"),
        ("INCR k", ":9223372036854775807"),
        ("INCR k", "-ERR increment or decrement would overflow"),
        ("GET k", r"$19\r\n9223372036854775807"),
        ("SET k -9223372036854775808", "+OK"),
        ("DECR k", "-ERR increment or decrement would overflow"),
        ("SET k text", "+OK"),
        ("INCR k", NOT_AN_INTEGER),
        ("SET k 01", "+OK"),
        ("INCR k", NOT_AN_INTEGER),
    ]);
}

#[test]
fn counting_keeps_the_expiry() {
    let mut fixture = fixture();
    for command in ["INCR k", "INCRBYFLOAT k 1", "APPEND k 1", "SETRANGE k 0 1", "SETBIT k 1 1"] {
        fixture.run("SETEX k 10 1");
        fixture.run(command);
        assert_eq!(ttl_ms(&fixture, "k"), Some(10_000), "{command}");
    }
}

#[test]
fn floats_are_added_in_80_bits() {
    fixture().expect(&[
        ("INCRBYFLOAT k 10.50", r"$4\r\n10.5"),
        ("INCRBYFLOAT k 0.1", r"$4\r\n10.6"),
        ("INCRBYFLOAT k -5", r"$3\r\n5.6"),
        ("INCRBYFLOAT k 5.0e3", r"$22\r\n5005.60000000000000009"),
        ("GET k", r"$22\r\n5005.60000000000000009"),
        ("SET k 9007199254740993", "+OK"),
        ("INCRBYFLOAT k 0.5", r"$18\r\n9007199254740993.5"),
        ("INCRBYFLOAT k abc", NOT_A_FLOAT),
        ("INCRBYFLOAT k inf", "-ERR increment would produce NaN or Infinity"),
        ("INCRBYFLOAT k nan", NOT_A_FLOAT),
        ("SET k 1.1x", "+OK"),
        ("INCRBYFLOAT k 1", NOT_A_FLOAT),
        ("SET k 1e4932", "+OK"),
        ("INCRBYFLOAT k 1e4932", "-ERR increment would produce NaN or Infinity"),
    ]);
}

#[test]
fn lcs_replies_the_subsequence_its_length_or_its_ranges() {
    fixture().expect(&[
        ("MSET a ohmytext b mynewtext c xyz", "+OK"),
        ("LCS a b", r"$6\r\nmytext"),
        ("LCS a b LEN", ":6"),
        (
            "LCS a b IDX",
            r"*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6",
        ),
        (
            "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
            r"*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6",
        ),
        ("LCS a missing", r"$0\r\n"),
        ("LCS a missing IDX", r"*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0"),
        ("LCS a b IDX LEN", "-ERR If you want both the length and indexes, please just use IDX."),
        ("LCS a b MINMATCHLEN", SYNTAX),
        ("LCS a b MINMATCHLEN x", NOT_AN_INTEGER),
        ("LCS a b NOSUCH", SYNTAX),
    ]);
}

#[test]
fn lcs_is_bounded() {
    let mut fixture = fixture();
    fixture.run("SETRANGE a 20000 x");
    fixture.run("SETRANGE b 20000 x");
    fixture.expect(&[(
        "LCS a b LEN",
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
    )]);
}

#[test]
fn encodings_are_those_of_redis() {
    let long = "x".repeat(45);
    let mut fixture = fixture();
    for (commands, expected) in [
        (&["SET k 12"][..], "int"),
        (&["SET k 12.0"], "embstr"),
        (&[&format!("SET k {long}")], "raw"),
        (&["GETSET k 12"], "int"),
        (&["SET k 99999999999999999999"], "embstr"),
        (&["APPEND k 12"], "int"),
        (&["APPEND k 12", "APPEND k 3"], "raw"),
        (&["APPEND k 12", "APPEND k 3", "INCR k"], "int"),
        (&["SETRANGE k 0 12"], "raw"),
        (&["INCRBYFLOAT k 12"], "embstr"),
        (&["INCRBYFLOAT k 1e50"], "raw"),
        (&["SETBIT k 1 1"], "raw"),
        (&["SET k 1", "SETBIT k 2 1"], "raw"),
        (&["BITFIELD k SET u8 0 1"], "raw"),
        (&["SET k 1", "BITFIELD k GET u8 0"], "int"),
        (&["SET k 1", "BITFIELD k SET u8 0 49"], "raw"),
        (&["SET a 1", "BITOP OR k a"], "raw"),
    ] {
        fixture.run("GETDEL k");
        for command in commands {
            fixture.run(command);
        }
        assert_eq!(encoding(&fixture, "k"), expected, "{commands:?}");
    }
}

#[test]
fn resp3_clients_get_its_null_and_its_map() {
    let mut fixture = fixture();
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("GET k", "_"),
        ("SET k v XX", "_"),
        ("MGET k", r"*1\r\n_"),
        ("LCS a b IDX", r"%2\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0"),
        ("BITFIELD k OVERFLOW FAIL SET u1 0 2", r"*1\r\n_"),
    ]);
}

#[test]
fn commands_have_the_arity_of_redis() {
    let mut fixture = fixture();
    for words in
        ["GET", "GET a b", "SET a", "INCR", "INCRBY a", "APPEND a", "STRLEN", "GETRANGE a 1", "LCS a"]
    {
        let name = words.split(' ').next().expect("a name").to_lowercase();
        fixture.expect(&[(words, &format!("{WRONG_ARITY} '{name}' command"))]);
    }
}
