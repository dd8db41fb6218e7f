//! SORT and SORT_RO in process; BY and GET patterns meet locked keys only, so the tests of whole servers have the rest.

use crate::command::fixture::Fixture;
use crate::command::{generic, hash, list, set, sorted_set, string};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";
const NO_NUMBER: &str = "-ERR One or more scores can't be converted into double";

fn fixture() -> Fixture {
    Fixture::new(&[
        string::COMMANDS,
        list::COMMANDS,
        set::COMMANDS,
        sorted_set::COMMANDS,
        hash::COMMANDS,
        generic::COMMANDS,
    ])
}

/// The elements of an array reply with blanks between them; nulls are `nil`.
fn words(reply: &str) -> String {
    let mut lines = reply.split("\\r\\n").skip(1);
    let mut words = Vec::new();
    while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
        words.push(if line == "$-1" { "nil" } else { lines.next().expect("a bulk string has a text") });
    }
    words.join(" ")
}

fn check(fixture: &mut Fixture, table: &[(&str, &str)]) {
    for (command, expected) in table {
        assert_eq!(words(&fixture.run(command)), *expected, "{command}");
    }
}

#[test]
fn elements_are_sorted_by_number_or_text() {
    let mut fixture = fixture();
    fixture.run("RPUSH l 10 9 -1 0x10 2.5 inf");
    fixture.run("RPUSH a b a 10 9 B");
    check(
        &mut fixture,
        &[
            ("SORT l", "-1 2.5 9 10 0x10 inf"),
            ("SORT l DESC", "inf 0x10 10 9 2.5 -1"),
            ("SORT l desc ASC", "-1 2.5 9 10 0x10 inf"),
            ("SORT a ALPHA", "10 9 B a b"),
            ("SORT_RO a alpha DESC", "b a B 9 10"),
            ("SORT none", ""),
        ],
    );
    fixture.expect(&[("SORT a", NO_NUMBER), ("SORT_RO a LIMIT 1 0", NO_NUMBER)]);
}

#[test]
fn equal_weights_are_told_apart_by_the_elements() {
    let mut fixture = fixture();
    fixture.run("RPUSH l 1.0 1 01 1.00");
    check(&mut fixture, &[("SORT l", "01 1 1.0 1.00"), ("SORT l DESC", "1.00 1.0 1 01")]);
}

#[test]
fn limits_are_clamped() {
    let mut fixture = fixture();
    fixture.run("RPUSH l 3 1 2");
    check(
        &mut fixture,
        &[
            ("SORT l LIMIT 1 1", "2"),
            ("SORT l LIMIT -5 2", "1 2"),
            ("SORT l LIMIT 1 -1", "2 3"),
            ("SORT l LIMIT 3 1", ""),
            ("SORT l LIMIT 0 0", ""),
            ("SORT l LIMIT 1 9223372036854775807", "2 3"),
            ("SORT l LIMIT 0 1 LIMIT 1 2", "2 3"),
        ],
    );
}

#[test]
fn nothing_is_sorted_by_a_pattern_that_leads_nowhere() {
    let mut fixture = fixture();
    fixture.run("RPUSH l c a b d");
    fixture.run("ZADD z 1 c 2 b 3 a");
    fixture.run("SADD s c a b");
    check(
        &mut fixture,
        &[
            ("SORT l BY nosort", "c a b d"),
            ("SORT l BY nosort DESC", "d b a c"),
            ("SORT l BY nosort LIMIT 1 2", "a b"),
            ("SORT l BY nosort DESC LIMIT 1 2", "b a"),
            ("SORT l BY nosort DESC LIMIT 4 2", ""),
            ("SORT l BY #", "c a b d"),
            ("SORT z BY nosort", "c b a"),
            ("SORT z BY nosort DESC", "a b c"),
            ("SORT z BY nosort DESC LIMIT 0 1", "a"),
            ("SORT z BY nosort LIMIT 1 5", "b a"),
            ("SORT s BY nosort", "a b c"),
            ("SORT s BY nosort DESC LIMIT 1 1", "b"),
            ("SORT z ALPHA", "a b c"),
            ("SORT s ALPHA DESC", "c b a"),
        ],
    );
}

#[test]
fn results_may_be_stored() {
    let mut fixture = fixture();
    fixture.run("RPUSH l 3 1 2");
    fixture.expect(&[
        ("SET d text EX 100", "+OK"),
        ("SORT l STORE d", ":3"),
        ("LRANGE d 0 -1", r"*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3"),
        ("TTL d", ":-1"),
        ("SORT l DESC STORE l", ":3"),
        ("LRANGE l 0 -1", r"*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1"),
        ("SORT l GET nowhere GET # STORE g", ":6"),
        ("LRANGE g 0 1", r"*2\r\n$0\r\n\r\n$1\r\n1"),
        ("SORT none STORE d", ":0"),
        ("EXISTS d", ":0"),
        ("SORT none STORE d", ":0"),
        ("SORT_RO l STORE d", SYNTAX),
    ]);
    assert_eq!(fixture.info("g").unwrap().encoding.name(), "listpack");
}

#[test]
fn patterns_lead_to_strings_and_hash_fields() {
    let mut fixture = fixture();
    // Tests lock the keys that arguments name: the patterns lead to one of them.
    fixture.run("RPUSH l l l");
    fixture.run("HSET h f 7");
    fixture.run("RPUSH o h");
    check(
        &mut fixture,
        &[
            ("SORT l ALPHA GET # GET nowhere", "l nil l nil"),
            ("SORT l BY * GET *", "nil nil"),
            ("SORT l BY * ALPHA GET *->f", "nil nil"),
        ],
    );
}

#[test]
fn arguments_are_checked_before_the_key() {
    fixture().expect(&[
        ("SET s text", "+OK"),
        ("SORT s", WRONG_TYPE),
        ("SORT s WHAT", SYNTAX),
        ("SORT s LIMIT 1", SYNTAX),
        ("SORT s LIMIT x 1", NOT_AN_INTEGER),
        ("SORT s LIMIT 1 x", NOT_AN_INTEGER),
        ("SORT s BY", SYNTAX),
        ("SORT s GET", SYNTAX),
        ("SORT s STORE", SYNTAX),
        ("SORT", "-ERR wrong number of arguments for 'sort' command"),
    ]);
}

#[test]
fn a_sorted_set_is_a_skip_list_once_it_was_sorted() {
    let sorts = ["SORT z ALPHA", "SORT_RO z ALPHA LIMIT 0 0", "SORT z BY nosort", "SORT z", "SORT_RO z"];
    for sort in sorts {
        let mut fixture = fixture();
        fixture.run("ZADD z 1 a 2 b");
        fixture.run(sort);
        fixture.expect(&[
            ("OBJECT ENCODING z", "$8\\r\\nskiplist"),
            ("ZRANGE z 0 -1 WITHSCORES", "*4\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2"),
        ]);
    }
    let mut fixture = fixture();
    fixture.run("ZADD z 1 a");
    fixture.expect(&[("SORT z WHAT", SYNTAX), ("OBJECT ENCODING z", "$8\\r\\nlistpack")]);
}
