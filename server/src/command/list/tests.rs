//! Every list command in process: replies, errors, the order of checks, encodings.

use thermocline_protocol::Protocol;

use crate::command::fixture::Fixture;
use crate::command::{generic, list, string};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_POSITIVE: &str = "-ERR value is out of range, must be positive";
const SYNTAX: &str = "-ERR syntax error";

fn fixture() -> Fixture {
    Fixture::new(&[string::COMMANDS, list::COMMANDS, generic::COMMANDS])
}

/// A fixture with a list `l` of these elements and a string `s`.
fn with_list(elements: &str) -> Fixture {
    let mut fixture = fixture();
    fixture.run(&format!("RPUSH l {elements}"));
    fixture.run("SET s text");
    fixture
}

/// The elements of a list with blanks between them.
fn elements(fixture: &mut Fixture, key: &str) -> String {
    let reply = fixture.run(&format!("LRANGE {key} 0 -1"));
    let lines: Vec<&str> = reply.split("\\r\\n").skip(1).collect();
    lines.iter().skip(1).step_by(2).copied().collect::<Vec<_>>().join(" ")
}

#[test]
fn elements_are_pushed_at_either_end() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("LPUSH l b a", ":2"),
        ("RPUSH l c 4", ":4"),
        ("LPUSHX l 0", ":5"),
        ("RPUSHX l x y", ":7"),
        ("LPUSHX none a", ":0"),
        ("RPUSHX none a", ":0"),
        ("EXISTS none", ":0"),
        ("LLEN l", ":7"),
        ("LLEN none", ":0"),
        ("SET s text", "+OK"),
        ("LPUSH s a", WRONG_TYPE),
        ("RPUSHX s a", WRONG_TYPE),
        ("LLEN s", WRONG_TYPE),
    ]);
    assert_eq!(elements(&mut fixture, "l"), "0 a b c 4 x y");
}

#[test]
fn elements_are_popped_at_either_end() {
    let mut fixture = with_list("a b c d 5 f");
    fixture.expect(&[
        ("LPOP l", r"$1\r\na"),
        ("RPOP l", r"$1\r\nf"),
        ("LPOP l 2", r"*2\r\n$1\r\nb\r\n$1\r\nc"),
        ("RPOP l 0", "*0"),
        ("RPOP l 9", r"*2\r\n$1\r\n5\r\n$1\r\nd"),
        ("EXISTS l", ":0"),
        ("LPOP l", "$-1"),
        ("LPOP l 1", "*-1"),
        ("LPOP l 0", "*-1"),
        ("LPOP l x", NOT_POSITIVE),
        ("RPOP s -1", NOT_POSITIVE),
        ("RPOP s 1", WRONG_TYPE),
        ("LPOP s", WRONG_TYPE),
        ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[("LPOP l", "_"), ("LPOP l 1", "_")]);
}

#[test]
fn positions_count_from_either_end() {
    let mut fixture = with_list("a b c");
    fixture.expect(&[
        ("LINDEX l 0", r"$1\r\na"),
        ("LINDEX l -1", r"$1\r\nc"),
        ("LINDEX l 3", "$-1"),
        ("LINDEX l -4", "$-1"),
        ("LINDEX l -9223372036854775808", "$-1"),
        ("LINDEX l x", NOT_AN_INTEGER),
        ("LINDEX none x", "$-1"),
        ("LINDEX s x", WRONG_TYPE),
        ("LSET l -2 B", "+OK"),
        ("LSET l 3 x", "-ERR index out of range"),
        ("LSET l -4 x", "-ERR index out of range"),
        ("LSET l x x", NOT_AN_INTEGER),
        ("LSET none x x", "-ERR no such key"),
        ("LSET s x x", WRONG_TYPE),
    ]);
    assert_eq!(elements(&mut fixture, "l"), "a B c");
}

#[test]
fn ranges_are_clamped() {
    let mut fixture = with_list("a b c d");
    fixture.expect(&[
        ("LRANGE l 1 2", r"*2\r\n$1\r\nb\r\n$1\r\nc"),
        ("LRANGE l -1 100", r"*1\r\n$1\r\nd"),
        ("LRANGE l -100 0", r"*1\r\n$1\r\na"),
        ("LRANGE l 2 1", "*0"),
        ("LRANGE l 0 -5", "*0"),
        ("LRANGE l -9223372036854775808 -9223372036854775808", "*0"),
        ("LRANGE l 4 9", "*0"),
        ("LRANGE none 0 -1", "*0"),
        ("LRANGE none x 0", NOT_AN_INTEGER),
        ("LRANGE s 0 x", NOT_AN_INTEGER),
        ("LRANGE s 0 1", WRONG_TYPE),
        ("LTRIM l 1 -2", "+OK"),
        ("LRANGE l 0 -1", r"*2\r\n$1\r\nb\r\n$1\r\nc"),
        ("LTRIM none 0 1", "+OK"),
        ("LTRIM none 0 x", NOT_AN_INTEGER),
        ("LTRIM s 0 1", WRONG_TYPE),
        ("LTRIM l 5 9", "+OK"),
        ("EXISTS l", ":0"),
    ]);
}

#[test]
fn elements_are_removed_from_the_end_that_the_count_says() {
    for (command, reply, left) in [
        ("LREM l 2 a", ":2", "b c a"),
        ("LREM l -1 a", ":1", "a b a c"),
        ("LREM l 0 a", ":3", "b c"),
        ("LREM l 9 z", ":0", "a b a c a"),
        ("LREM l -9223372036854775808 a", ":3", "b c"),
        ("LREM l x a", NOT_AN_INTEGER, "a b a c a"),
        ("LREM none x a", NOT_AN_INTEGER, "a b a c a"),
        ("LREM none 0 a", ":0", "a b a c a"),
        ("LREM s 0 a", WRONG_TYPE, "a b a c a"),
    ] {
        let mut fixture = with_list("a b a c a");
        fixture.expect(&[(command, reply)]);
        assert_eq!(elements(&mut fixture, "l"), left, "{command}");
    }
    with_list("7 7").expect(&[("LREM l 0 7", ":2"), ("EXISTS l", ":0")]);
}

#[test]
fn elements_are_inserted_beside_the_first_pivot() {
    let mut fixture = with_list("a b a");
    fixture.expect(&[
        ("LINSERT l BEFORE a x", ":4"),
        ("LINSERT l after b y", ":5"),
        ("LINSERT l AFTER z y", ":-1"),
        ("LINSERT none BEFORE a b", ":0"),
        ("LINSERT l beside a b", SYNTAX),
        ("LINSERT s beside a b", SYNTAX),
        ("LINSERT s AFTER a b", WRONG_TYPE),
    ]);
    assert_eq!(elements(&mut fixture, "l"), "x a b y a");
}

#[test]
fn lpos_finds_by_rank_and_count_within_some_elements() {
    with_list("a b c 1 2 3 c c").expect(&[
        ("LPOS l c", ":2"),
        ("LPOS l c RANK 2", ":6"),
        ("LPOS l c RANK -1", ":7"),
        ("LPOS l c RANK 4", "$-1"),
        ("LPOS l c COUNT 2", r"*2\r\n:2\r\n:6"),
        ("LPOS l c COUNT 0", r"*3\r\n:2\r\n:6\r\n:7"),
        ("LPOS l c RANK -1 COUNT 0", r"*3\r\n:7\r\n:6\r\n:2"),
        ("LPOS l c COUNT 0 RANK -2", r"*2\r\n:6\r\n:2"),
        ("LPOS l c MAXLEN 2", "$-1"),
        ("LPOS l c MAXLEN 3", ":2"),
        ("LPOS l c MAXLEN 0", ":2"),
        ("LPOS l c RANK -1 MAXLEN 2 COUNT 0", r"*2\r\n:7\r\n:6"),
        ("LPOS l 2", ":4"),
        ("LPOS l 02", "$-1"),
        ("LPOS none c", "$-1"),
        ("LPOS none c COUNT 0", "*0"),
        ("LPOS s c", WRONG_TYPE),
        ("LPOS s c RANK x", NOT_AN_INTEGER),
        (
            "LPOS l c RANK 0",
            "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        ),
        (
            "LPOS l c RANK -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("LPOS l c COUNT -1", "-ERR COUNT can't be negative"),
        ("LPOS l c COUNT x", "-ERR COUNT can't be negative"),
        ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative"),
        ("LPOS l c MAXLEN", SYNTAX),
        ("LPOS l c LIMIT 1", SYNTAX),
    ]);
}

#[test]
fn an_element_moves_from_one_end_to_another() {
    for (command, source, target) in [
        ("LMOVE l t LEFT RIGHT", "b c", "x y a"),
        ("LMOVE l t left left", "b c", "a x y"),
        ("LMOVE l t RIGHT LEFT", "a b", "c x y"),
        ("RPOPLPUSH l t", "a b", "c x y"),
        ("BLMOVE l t RIGHT RIGHT 0", "a b", "x y c"),
        ("BRPOPLPUSH l t 1", "a b", "c x y"),
    ] {
        let mut fixture = with_list("a b c");
        fixture.run("RPUSH t x y");
        fixture.run(command);
        assert_eq!(elements(&mut fixture, "l"), source, "{command}");
        assert_eq!(elements(&mut fixture, "t"), target, "{command}");
    }
}

#[test]
fn a_list_may_be_rotated() {
    for (command, rotated) in [
        ("LMOVE l l LEFT RIGHT", "b c a"),
        ("LMOVE l l RIGHT LEFT", "c a b"),
        ("LMOVE l l LEFT LEFT", "a b c"),
        ("RPOPLPUSH l l", "c a b"),
    ] {
        let mut fixture = with_list("a b c");
        fixture.run(command);
        assert_eq!(elements(&mut fixture, "l"), rotated, "{command}");
    }
    with_list("a").expect(&[("LMOVE l l LEFT LEFT", r"$1\r\na"), ("LLEN l", ":1")]);
}

#[test]
fn moving_makes_and_deletes_lists() {
    with_list("1").expect(&[
        ("LMOVE l new LEFT LEFT", r"$1\r\n1"),
        ("EXISTS l", ":0"),
        ("LLEN new", ":1"),
        ("LMOVE l new LEFT LEFT", "$-1"),
        ("LMOVE l s LEFT LEFT", "$-1"),
        ("LMOVE new s LEFT LEFT", WRONG_TYPE),
        ("LMOVE s new LEFT LEFT", WRONG_TYPE),
        ("LMOVE s s up LEFT", SYNTAX),
        ("LMOVE s s LEFT down", SYNTAX),
        ("LLEN new", ":1"),
    ]);
}

#[test]
fn lmpop_pops_from_the_first_list_that_is_there() {
    with_list("a b c d").expect(&[
        ("LMPOP 2 none l LEFT", r"*2\r\n$1\r\nl\r\n*1\r\n$1\r\na"),
        ("LMPOP 1 l right COUNT 2", r"*2\r\n$1\r\nl\r\n*2\r\n$1\r\nd\r\n$1\r\nc"),
        ("LMPOP 1 l LEFT COUNT 10", r"*2\r\n$1\r\nl\r\n*1\r\n$1\r\nb"),
        ("LMPOP 1 l LEFT", "*-1"),
        ("LMPOP 2 l s LEFT", WRONG_TYPE),
        ("LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0"),
        ("LMPOP x l LEFT", "-ERR numkeys should be greater than 0"),
        ("LMPOP 2 l LEFT", SYNTAX),
        ("LMPOP 1 l up", SYNTAX),
        ("LMPOP 1 l LEFT COUNT", SYNTAX),
        ("LMPOP 1 l LEFT COUNT 0", "-ERR count should be greater than 0"),
        ("LMPOP 1 l LEFT COUNT 1 COUNT 1", SYNTAX),
        ("LMPOP 1 l LEFT COUNT x COUNT 1", "-ERR count should be greater than 0"),
        ("LMPOP 1 l LEFT LIMIT 1", SYNTAX),
        ("BLMPOP 0 1 s LEFT", WRONG_TYPE),
        ("BLMPOP x 0 s LEFT", "-ERR numkeys should be greater than 0"),
        ("BLMPOP x 1 s LEFT", "-ERR timeout is not a float or out of range"),
    ]);
}

#[test]
fn what_waits_takes_at_once_what_is_there() {
    let mut fixture = with_list("a b c d");
    fixture.expect(&[
        ("BLPOP none l 0", r"*2\r\n$1\r\nl\r\n$1\r\na"),
        ("BRPOP l 0", r"*2\r\n$1\r\nl\r\n$1\r\nd"),
        ("BLMPOP 0 1 l LEFT COUNT 5", r"*2\r\n$1\r\nl\r\n*2\r\n$1\r\nb\r\n$1\r\nc"),
        ("BLPOP l s 0", WRONG_TYPE),
        ("BLPOP s x", "-ERR timeout is not a float or out of range"),
        ("BLPOP s -1", "-ERR timeout is negative"),
        // The fixture gives the reply of a command that may not wait.
        ("BLPOP l 1", "*-1"),
        ("BRPOP l none 1", "*-1"),
        ("BLMPOP 1 1 l LEFT", "*-1"),
        ("BLMOVE l s LEFT LEFT 1", "$-1"),
        ("BRPOPLPUSH l s 1", "$-1"),
        ("BLMOVE l s LEFT up x", SYNTAX),
        ("BLMOVE l s LEFT LEFT x", "-ERR timeout is not a float or out of range"),
    ]);
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[("BLPOP l 1", "_"), ("BLMOVE l l LEFT LEFT 1", "_")]);
}

#[test]
fn what_finds_nothing_to_do_changes_nothing() {
    let mut fixture = with_list("a b");
    for command in [
        "LPUSHX none a",
        "LPOP none",
        "LPOP l 0",
        "LREM l 0 z",
        "LINSERT l AFTER z x",
        "LTRIM none 0 1",
        "LMOVE none l LEFT LEFT",
        "LMPOP 1 none LEFT",
    ] {
        let before = fixture.changes();
        fixture.run(command);
        assert_eq!(fixture.changes(), before, "{command}");
    }
}

#[test]
fn encodings_follow_the_setting() {
    let mut fixture = fixture();
    let encoding = |fixture: &Fixture, key: &str| fixture.info(key).expect("a key").encoding.name();
    let long = "x".repeat(5_000);
    fixture.run(&format!("RPUSH l {long}"));
    assert_eq!(encoding(&fixture, "l"), "listpack");
    fixture.run(&format!("LPUSH l {long}"));
    assert_eq!(encoding(&fixture, "l"), "quicklist");
    fixture.run("LSET l 0 a");
    assert_eq!(encoding(&fixture, "l"), "quicklist", "it has two nodes");
    fixture.run("RPOP l");
    assert_eq!(encoding(&fixture, "l"), "listpack");
    fixture.server.config.set(&[("list-max-listpack-size", "3")], false).unwrap();
    fixture.run("RPUSH l b c");
    assert_eq!(encoding(&fixture, "l"), "listpack");
    fixture.run("COPY l copy");
    fixture.run("LINSERT l BEFORE b x");
    assert_eq!(encoding(&fixture, "l"), "quicklist");
    assert_eq!(encoding(&fixture, "copy"), "listpack");
    assert_eq!(elements(&mut fixture, "l"), "a x b c");
    fixture.run("LTRIM l 0 0");
    assert_eq!(encoding(&fixture, "l"), "listpack");
}
