//! Set commands, one by one.

use std::collections::BTreeSet;

use super::COMMANDS;
use crate::command::fixture::Fixture;
use crate::command::{generic, server, string};
use thermocline_protocol::Protocol;

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS, string::COMMANDS, generic::COMMANDS, server::COMMANDS])
}

/// The members in a reply.
fn members(reply: &str) -> BTreeSet<String> {
    let words = reply.split("\\r\\n").filter(|word| !word.is_empty() && !word.starts_with(['$', '*', '~']));
    words.map(str::to_owned).collect()
}

fn set_of(words: &str) -> BTreeSet<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn members_are_added_found_and_removed() {
    fixture().expect(&[
        ("SADD s a b a", ":2"),
        ("SADD s b c", ":1"),
        ("SCARD s", ":3"),
        ("SCARD none", ":0"),
        ("SISMEMBER s a", ":1"),
        ("SISMEMBER s x", ":0"),
        ("SISMEMBER none x", ":0"),
        ("SMISMEMBER s a x c", "*3\\r\\n:1\\r\\n:0\\r\\n:1"),
        ("SMISMEMBER none a", "*1\\r\\n:0"),
        ("SMEMBERS s", "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc"),
        ("SMEMBERS none", "*0"),
        ("SREM s a x", ":1"),
        ("SREM s b c", ":2"),
        ("EXISTS s", ":0"),
        ("SREM s a", ":0"),
    ]);
}

#[test]
fn sets_are_sets_in_resp3() {
    let mut fixture = fixture();
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("SADD s 2 1", ":2"),
        ("SMEMBERS s", "~2\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2"),
        ("SMEMBERS none", "~0"),
        ("SINTER s s", "~2\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2"),
        ("SUNION none", "~0"),
        ("SDIFF s", "~2\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2"),
        ("SRANDMEMBER s 5", "*2\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2"),
        ("SRANDMEMBER none", "_"),
        ("SPOP none", "_"),
        ("SPOP none 2", "~0"),
        ("SPOP s 5", "~2\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2"),
    ]);
}

#[test]
fn other_types_are_refused() {
    let mut fixture = fixture();
    fixture.run("SET x x");
    fixture.run("SADD s a");
    for command in [
        "SADD x a",
        "SREM x a",
        "SCARD x",
        "SISMEMBER x a",
        "SMISMEMBER x a",
        "SMEMBERS x",
        "SPOP x",
        "SPOP x 1",
        "SRANDMEMBER x",
        "SRANDMEMBER x 1",
        "SSCAN x 0",
        "SMOVE x s a",
        "SMOVE s x a",
        "SINTER s x",
        "SINTER none x",
        "SINTERCARD 2 none x",
        "SUNION s x",
        "SDIFF none x",
        "SINTERSTORE d s x",
        "SUNIONSTORE d x",
        "SDIFFSTORE d none x",
    ] {
        fixture.expect(&[(command, "-WRONGTYPE Operation against a key holding the wrong kind of value")]);
    }
    fixture.expect(&[("SMOVE none x a", ":0")]);
}

#[test]
fn encodings_follow_members_and_settings() {
    fixture().expect(&[
        ("CONFIG SET set-max-intset-entries 3 set-max-listpack-entries 2 set-max-listpack-value 5", "+OK"),
        ("SADD i 1 2 3", ":3"),
        ("OBJECT ENCODING i", "$6\\r\\nintset"),
        ("SADD i 4", ":1"),
        ("OBJECT ENCODING i", "$9\\r\\nhashtable"),
        ("SADD p a 1", ":2"),
        ("OBJECT ENCODING p", "$8\\r\\nlistpack"),
        ("SADD p b", ":1"),
        ("OBJECT ENCODING p", "$9\\r\\nhashtable"),
        ("SREM p a b", ":2"),
        ("OBJECT ENCODING p", "$9\\r\\nhashtable"),
        ("SADD one 1", ":1"),
        ("SADD one x", ":1"),
        ("OBJECT ENCODING one", "$8\\r\\nlistpack"),
        ("SADD long abcdef", ":1"),
        ("OBJECT ENCODING long", "$9\\r\\nhashtable"),
    ]);
}

#[test]
fn members_move_between_sets() {
    fixture().expect(&[
        ("SADD a x y", ":2"),
        ("SADD b z", ":1"),
        ("SMOVE a b x", ":1"),
        ("SMOVE a b x", ":0"),
        ("SMOVE none b x", ":0"),
        ("SMOVE a a y", ":1"),
        ("SMOVE a a q", ":0"),
        ("SMEMBERS b", "*2\\r\\n$1\\r\\nz\\r\\n$1\\r\\nx"),
        ("SMOVE a c y", ":1"),
        ("EXISTS a", ":0"),
        ("SISMEMBER c y", ":1"),
    ]);
}

#[test]
fn intersections_unions_and_differences_are_what_they_say() {
    let mut fixture = fixture();
    fixture.run("SADD a 1 2 3 4 x");
    fixture.run("SADD b 3 4 5 x");
    fixture.run("SADD c 4 x y");
    for (command, expected) in [
        ("SINTER a b c", "4 x"),
        ("SINTER a", "1 2 3 4 x"),
        ("SINTER a none", ""),
        ("SINTER a a", "1 2 3 4 x"),
        ("SUNION a b c none", "1 2 3 4 5 x y"),
        ("SUNION none", ""),
        ("SDIFF a b", "1 2"),
        ("SDIFF a b c a", ""),
        ("SDIFF a none", "1 2 3 4 x"),
        ("SDIFF none a", ""),
        ("SDIFF a", "1 2 3 4 x"),
    ] {
        assert_eq!(members(&fixture.run(command)), set_of(expected), "{command}");
    }
}

#[test]
fn differences_of_many_sets_are_found_either_way() {
    let mut fixture = fixture();
    for number in 0..200 {
        fixture.run(&format!("SADD large m{number}"));
        fixture.run(&format!("SADD half m{}", number / 2));
    }
    fixture.run("SADD small m1 m199");
    assert_eq!(members(&fixture.run("SDIFF large half")).len(), 100);
    assert_eq!(members(&fixture.run("SDIFF large half half half small small")).len(), 99);
    assert_eq!(members(&fixture.run("SDIFF small half large")).len(), 0);
    assert_eq!(members(&fixture.run("SINTER large half small")), set_of("m1"));
}

#[test]
fn results_replace_their_destination() {
    fixture().expect(&[
        ("SADD a 1 2 3", ":3"),
        ("SADD b 2 3 x", ":3"),
        ("SET d text EX 100", "+OK"),
        ("SINTERSTORE d a b", ":2"),
        ("SMEMBERS d", "*2\\r\\n$1\\r\\n2\\r\\n$1\\r\\n3"),
        ("TTL d", ":-1"),
        ("OBJECT ENCODING d", "$6\\r\\nintset"),
        ("SUNIONSTORE d a b", ":4"),
        ("OBJECT ENCODING d", "$8\\r\\nlistpack"),
        ("SDIFFSTORE a a b", ":1"),
        ("SMEMBERS a", "*1\\r\\n$1\\r\\n1"),
        ("SINTERSTORE d a none", ":0"),
        ("EXISTS d", ":0"),
        ("SDIFFSTORE a a a", ":0"),
        ("EXISTS a", ":0"),
    ]);
}

#[test]
fn cardinalities_of_intersections_stop_at_a_limit() {
    fixture().expect(&[
        ("SADD a 1 2 3 4", ":4"),
        ("SADD b 2 3 4 5", ":4"),
        ("SINTERCARD 2 a b", ":3"),
        ("SINTERCARD 2 a b LIMIT 2", ":2"),
        ("SINTERCARD 2 a b LIMIT 0", ":3"),
        ("SINTERCARD 2 a b limit 9 LIMIT 1", ":1"),
        ("SINTERCARD 1 a", ":4"),
        ("SINTERCARD 2 a none", ":0"),
        ("SINTERCARD 0 a", "-ERR numkeys should be greater than 0"),
        ("SINTERCARD x a", "-ERR numkeys should be greater than 0"),
        ("SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args"),
        ("SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative"),
        ("SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative"),
        ("SINTERCARD 1 a LIMIT", "-ERR syntax error"),
        ("SINTERCARD 1 a b", "-ERR syntax error"),
    ]);
}

#[test]
fn popped_members_are_gone() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("SADD s a b c d e f g h i j", ":10"),
        ("SPOP s 0", "*0"),
        ("SPOP s -1", "-ERR value is out of range, must be positive"),
        ("SPOP s 1 2", "-ERR syntax error"),
        ("SPOP none", "$-1"),
        ("SPOP none 3", "*0"),
    ]);
    let one = members(&fixture.run("SPOP s"));
    let three = members(&fixture.run("SPOP s 3"));
    let left = members(&fixture.run("SMEMBERS s"));
    assert_eq!((one.len(), three.len(), left.len()), (1, 3, 6));
    let all: BTreeSet<String> = one.into_iter().chain(three).chain(left.clone()).collect();
    assert_eq!(all, set_of("a b c d e f g h i j"));
    assert_eq!(members(&fixture.run("SPOP s 99")), left);
    fixture.expect(&[("EXISTS s", ":0")]);
}

#[test]
fn what_few_members_are_left_by_a_large_pop_are_a_small_set() {
    let mut fixture = fixture();
    for number in 0..600 {
        fixture.run(&format!("SADD s {number}"));
    }
    fixture.expect(&[("OBJECT ENCODING s", "$9\\r\\nhashtable")]);
    assert_eq!(members(&fixture.run("SPOP s 400")).len(), 400);
    fixture.expect(&[("OBJECT ENCODING s", "$9\\r\\nhashtable"), ("SCARD s", ":200")]);
    assert_eq!(members(&fixture.run("SPOP s 190")).len(), 190);
    fixture.expect(&[("OBJECT ENCODING s", "$6\\r\\nintset"), ("SCARD s", ":10")]);
}

#[test]
fn random_members_are_members() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("SADD s a b c", ":3"),
        ("SRANDMEMBER s 0", "*0"),
        ("SRANDMEMBER none", "$-1"),
        ("SRANDMEMBER none 2", "*0"),
        ("SRANDMEMBER s 9", "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc"),
        ("SRANDMEMBER s x", "-ERR value is not an integer or out of range"),
        ("SRANDMEMBER s 1 x", "-ERR syntax error"),
    ]);
    assert_eq!(members(&fixture.run("SRANDMEMBER s 2")).len(), 2);
    let repeated = fixture.run("SRANDMEMBER s -20");
    assert!(
        repeated.starts_with("*20\\r\\n") && members(&repeated).is_subset(&set_of("a b c")),
        "{repeated}"
    );
    assert!(members(&fixture.run("SRANDMEMBER s")).is_subset(&set_of("a b c")));
    fixture.expect(&[("SCARD s", ":3")]);
}

#[test]
fn a_scan_shows_members() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("SADD s a1 b2 3", ":3"),
        ("SSCAN s 0 MATCH [a3]*", "*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$2\\r\\na1\\r\\n$1\\r\\n3"),
        ("SSCAN none 0 bogus", "*2\\r\\n$1\\r\\n0\\r\\n*0"),
        ("SSCAN s 0 NOVALUES", "-ERR syntax error"),
        ("SSCAN s 0 COUNT x", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn a_command_that_changes_nothing_counts_as_no_change() {
    let mut fixture = fixture();
    fixture.run("SADD s a");
    let changes = fixture.changes();
    fixture.expect(&[("SADD s a", ":0"), ("SREM s x", ":0"), ("SMOVE s none x", ":0"), ("SPOP s 0", "*0")]);
    assert_eq!(fixture.changes(), changes);
}
