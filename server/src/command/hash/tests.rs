//! Hash commands, one by one.

use super::COMMANDS;
use crate::command::fixture::Fixture;
use crate::command::{generic, server, string};
use thermocline_protocol::Protocol;

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS, string::COMMANDS, generic::COMMANDS, server::COMMANDS])
}

#[test]
fn fields_are_set_and_read() {
    fixture().expect(&[
        ("HSET h a 1 b two", ":2"),
        ("HSET h a 10 c 3", ":1"),
        ("HGET h a", "$2\\r\\n10"),
        ("HGET h none", "$-1"),
        ("HGET none a", "$-1"),
        ("HMGET h a none b", "*3\\r\\n$2\\r\\n10\\r\\n$-1\\r\\n$3\\r\\ntwo"),
        ("HMGET none a", "*1\\r\\n$-1"),
        (
            "HGETALL h",
            "*6\\r\\n$1\\r\\na\\r\\n$2\\r\\n10\\r\\n$1\\r\\nb\\r\\n$3\\r\\ntwo\\r\\n$1\\r\\nc\\r\\n$1\\r\\n3",
        ),
        ("HGETALL none", "*0"),
        ("HKEYS h", "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc"),
        ("HVALS h", "*3\\r\\n$2\\r\\n10\\r\\n$3\\r\\ntwo\\r\\n$1\\r\\n3"),
        ("HVALS none", "*0"),
        ("HLEN h", ":3"),
        ("HLEN none", ":0"),
        ("HEXISTS h a", ":1"),
        ("HEXISTS h x", ":0"),
        ("HEXISTS none x", ":0"),
        ("HSTRLEN h b", ":3"),
        ("HSTRLEN h a", ":2"),
        ("HSTRLEN h x", ":0"),
        ("HMSET h a 1 d 4", "+OK"),
        ("HLEN h", ":4"),
        ("HSETNX h a 7", ":0"),
        ("HSETNX h e 5", ":1"),
        ("HGET h a", "$1\\r\\n1"),
        ("OBJECT ENCODING h", "$8\\r\\nlistpack"),
    ]);
}

#[test]
fn maps_are_maps_in_resp3() {
    let mut fixture = fixture();
    fixture.session.protocol = Protocol::Resp3;
    fixture.expect(&[
        ("HSET h a 1", ":1"),
        ("HGETALL h", "%1\\r\\n$1\\r\\na\\r\\n$1\\r\\n1"),
        ("HGETALL none", "%0"),
        ("HGET h x", "_"),
        ("HRANDFIELD none", "_"),
        ("HRANDFIELD h 1 WITHVALUES", "*1\\r\\n*2\\r\\n$1\\r\\na\\r\\n$1\\r\\n1"),
    ]);
}

#[test]
fn a_hash_without_fields_is_gone() {
    fixture().expect(&[
        ("HSET h a 1 b 2", ":2"),
        ("HDEL h a x a", ":1"),
        ("HDEL h x", ":0"),
        ("EXISTS h", ":1"),
        ("HDEL h b", ":1"),
        ("EXISTS h", ":0"),
        ("HDEL h b", ":0"),
    ]);
}

#[test]
fn other_types_are_refused_and_arguments_are_counted() {
    let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let mut fixture = fixture();
    fixture.run("SET s x");
    for command in [
        "HSET s a 1",
        "HMSET s a 1",
        "HSETNX s a 1",
        "HGET s a",
        "HMGET s a",
        "HGETALL s",
        "HDEL s a",
        "HLEN s",
        "HEXISTS s a",
        "HKEYS s",
        "HVALS s",
        "HINCRBY s a 1",
        "HINCRBYFLOAT s a 1",
        "HSTRLEN s a",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
        "HSCAN s 0",
    ] {
        fixture.expect(&[(command, wrong_type)]);
    }
    fixture.expect(&[
        ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
        ("HMSET s a 1 b", "-ERR wrong number of arguments for 'hmset' command"),
    ]);
}

#[test]
fn integers_in_fields_are_incremented() {
    fixture().expect(&[
        ("HINCRBY h n 5", ":5"),
        ("HINCRBY h n -7", ":-2"),
        ("HSET h max 9223372036854775807 text x zeros 007", ":3"),
        ("HINCRBY h max 1", "-ERR increment or decrement would overflow"),
        ("HINCRBY h text 1", "-ERR hash value is not an integer"),
        ("HINCRBY h zeros 1", "-ERR hash value is not an integer"),
        ("HINCRBY h n x", "-ERR value is not an integer or out of range"),
        ("HGET h n", "$2\\r\\n-2"),
    ]);
}

#[test]
fn numbers_in_fields_are_incremented_by_fractions() {
    fixture().expect(&[
        ("HINCRBYFLOAT h n 10.5", "$4\\r\\n10.5"),
        ("HINCRBYFLOAT h n 0.1", "$4\\r\\n10.6"),
        ("HINCRBYFLOAT h n -5.6", "$1\\r\\n5"),
        ("HINCRBY h n 1", ":6"),
        ("HSET h text x inf inf", ":2"),
        ("HINCRBYFLOAT h text 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h inf 1", "-ERR increment would produce NaN or Infinity"),
        ("HINCRBYFLOAT h n x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity"),
    ]);
}

#[test]
fn settings_decide_when_a_hash_becomes_a_table() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("CONFIG SET hash-max-listpack-entries 2 hash-max-listpack-value 5", "+OK"),
        ("HSET h a 1 b 2", ":2"),
        ("OBJECT ENCODING h", "$8\\r\\nlistpack"),
        ("HSET h a 12345 b 3", ":0"),
        ("OBJECT ENCODING h", "$8\\r\\nlistpack"),
        ("HSET h c 3", ":1"),
        ("OBJECT ENCODING h", "$9\\r\\nhashtable"),
        ("HDEL h c", ":1"),
        ("OBJECT ENCODING h", "$9\\r\\nhashtable"),
        ("HSET long a 123456", ":1"),
        ("OBJECT ENCODING long", "$9\\r\\nhashtable"),
        ("HINCRBY counted a 123456", ":123456"),
        ("OBJECT ENCODING counted", "$9\\r\\nhashtable"),
        ("HSET many a 1 a 2 a 3", ":1"),
        ("OBJECT ENCODING many", "$9\\r\\nhashtable"),
    ]);
}

#[test]
fn random_fields_are_fields() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HRANDFIELD h 0", "*0"),
        ("HRANDFIELD h 5", "*3\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc"),
        ("HRANDFIELD none 5", "*0"),
        ("HRANDFIELD none", "$-1"),
        ("HRANDFIELD h x", "-ERR value is not an integer or out of range"),
        ("HRANDFIELD h 1 BOGUS", "-ERR syntax error"),
        ("HRANDFIELD h 1 WITHVALUES x", "-ERR syntax error"),
        ("HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range"),
    ]);
    let some = fixture.run("HRANDFIELD h 2 WITHVALUES");
    assert!(some.starts_with("*4\\r\\n"), "{some}");
    let repeated = fixture.run("HRANDFIELD h -7");
    assert!(repeated.starts_with("*7\\r\\n"), "{repeated}");
    let one = fixture.run("HRANDFIELD h");
    assert!(["$1\\r\\na\\r\\n", "$1\\r\\nb\\r\\n", "$1\\r\\nc\\r\\n"].contains(&&*one), "{one}");
}

#[test]
fn a_scan_shows_fields_and_values() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("HSET h a1 1 b2 2", ":2"),
        ("HSCAN h 0 MATCH a*", "*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$2\\r\\na1\\r\\n$1\\r\\n1"),
        ("HSCAN h 0 NOVALUES COUNT 1", "*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$2\\r\\na1\\r\\n$2\\r\\nb2"),
        ("HSCAN none 0", "*2\\r\\n$1\\r\\n0\\r\\n*0"),
        ("HSCAN h x", "-ERR invalid cursor"),
        ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
        ("HSCAN h 0 bogus", "-ERR syntax error"),
    ]);
    for field in 0..600 {
        fixture.run(&format!("HSET large f{field} v{field}"));
    }
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), std::collections::BTreeSet::new(), 0);
    loop {
        let reply = fixture.run(&format!("HSCAN large {cursor} COUNT 20"));
        let words: Vec<&str> = reply.split("\\r\\n").filter(|word| !word.starts_with(['$', '*'])).collect();
        seen.extend(words[1..].iter().filter(|word| word.starts_with('f')).map(|word| (*word).to_owned()));
        cursor = words[0].to_owned();
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert!(seen.len() == 600 && calls > 5, "{} fields in {calls} calls", seen.len());
}

#[test]
fn a_command_that_changes_nothing_counts_as_no_change() {
    let mut fixture = fixture();
    fixture.run("HSET h a 1");
    let changes = fixture.changes();
    fixture.expect(&[("HSETNX h a 2", ":0"), ("HDEL h x", ":0"), ("HGET h a", "$1\\r\\n1")]);
    assert_eq!(fixture.changes(), changes);
}

#[test]
fn fields_expire() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HTTL h FIELDS 2 a x", "*2\\r\\n:-1\\r\\n:-2"),
        ("HEXPIRE h 10 FIELDS 2 a x", "*2\\r\\n:1\\r\\n:-2"),
        ("HPEXPIRE h 1500 FIELDS 1 b", "*1\\r\\n:1"),
        ("OBJECT ENCODING h", "$10\\r\\nlistpackex"),
        ("HTTL h FIELDS 3 a b c", "*3\\r\\n:10\\r\\n:2\\r\\n:-1"),
        ("HPTTL h FIELDS 2 a b", "*2\\r\\n:10000\\r\\n:1500"),
        ("HPEXPIRETIME h FIELDS 1 b", "*1\\r\\n:1700000001500"),
        ("HEXPIRETIME h FIELDS 1 b", "*1\\r\\n:1700000002"),
    ]);
    fixture.advance_ms(1500);
    fixture.expect(&[
        ("HLEN h", ":2"),
        ("HGET h b", "$-1"),
        ("HMGET h a b", "*2\\r\\n$1\\r\\n1\\r\\n$-1"),
        ("HEXISTS h b", ":0"),
        ("HSTRLEN h b", ":0"),
        ("HKEYS h", "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nc"),
        ("HVALS h", "*2\\r\\n$1\\r\\n1\\r\\n$1\\r\\n3"),
        ("HGETALL h", "*4\\r\\n$1\\r\\na\\r\\n$1\\r\\n1\\r\\n$1\\r\\nc\\r\\n$1\\r\\n3"),
        ("HSCAN h 0 NOVALUES", "*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nc"),
        ("HRANDFIELD h 5", "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nc"),
        ("HTTL h FIELDS 1 b", "*1\\r\\n:-2"),
        ("HDEL h b", ":0"),
        ("HSETNX h b 7", ":1"),
        ("HTTL h FIELDS 1 b", "*1\\r\\n:-1"),
    ]);
}

#[test]
fn a_hash_whose_fields_have_all_expired_looks_empty_and_goes_away() {
    for fields in [2, 700] {
        let mut fixture = fixture();
        let names: Vec<String> = (0..fields).map(|number| format!("f{number}")).collect();
        let pairs: Vec<&str> = names.iter().flat_map(|name| [&**name, "v"]).collect();
        fixture.run(&format!("HSET h {}", pairs.join(" ")));
        fixture.run(&format!("HPEXPIRE h 100 FIELDS {fields} {}", names.join(" ")));
        fixture.advance_ms(100);
        fixture.expect(&[
            ("HLEN h", ":0"),
            ("HGETALL h", "*0"),
            ("HRANDFIELD h", "$-1"),
            ("HRANDFIELD h 3", "*0"),
            ("HDEL h f1", ":0"),
            ("EXISTS h", ":0"),
            ("HSET h new 1", ":1"),
            ("HLEN h", ":1"),
        ]);
    }
}

#[test]
fn expiries_are_kept_or_lost_as_values_change() {
    fixture().expect(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HEXPIRE h 100 FIELDS 3 a b c", "*3\\r\\n:1\\r\\n:1\\r\\n:1"),
        ("HINCRBY h a 1", ":2"),
        ("HINCRBYFLOAT h b 0.5", "$3\\r\\n2.5"),
        ("HSET h c 4", ":0"),
        ("HTTL h FIELDS 3 a b c", "*3\\r\\n:100\\r\\n:100\\r\\n:-1"),
        ("HPERSIST h FIELDS 3 a c x", "*3\\r\\n:1\\r\\n:-1\\r\\n:-2"),
        ("HTTL h FIELDS 2 a b", "*2\\r\\n:-1\\r\\n:100"),
        ("COPY h other", ":1"),
        ("HTTL other FIELDS 2 a b", "*2\\r\\n:-1\\r\\n:100"),
        ("HPERSIST none FIELDS 1 a", "*1\\r\\n:-2"),
    ]);
}

#[test]
fn conditions_decide_which_fields_get_an_expiry() {
    fixture().expect(&[
        ("HSET h a 1 b 2", ":2"),
        ("HEXPIRE h 100 FIELDS 1 a", "*1\\r\\n:1"),
        ("HEXPIRE h 200 NX FIELDS 2 a b", "*2\\r\\n:0\\r\\n:1"),
        ("HEXPIRE h 150 GT FIELDS 2 a b", "*2\\r\\n:1\\r\\n:0"),
        ("HEXPIRE h 170 LT FIELDS 2 a b", "*2\\r\\n:0\\r\\n:1"),
        ("HPERSIST h FIELDS 1 b", "*1\\r\\n:1"),
        ("HEXPIRE h 100 XX FIELDS 2 a b", "*2\\r\\n:1\\r\\n:0"),
        ("HEXPIRE h 100 GT FIELDS 1 b", "*1\\r\\n:0"),
        ("HEXPIRE h 100 lt FIELDS 1 b", "*1\\r\\n:1"),
        ("HTTL h FIELDS 2 a b", "*2\\r\\n:100\\r\\n:100"),
    ]);
}

#[test]
fn a_past_expiry_deletes_the_field_at_once() {
    let mut fixture = fixture();
    fixture.expect(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HEXPIRE h 0 FIELDS 2 a x", "*2\\r\\n:2\\r\\n:-2"),
        ("HEXPIREAT h 1 XX FIELDS 1 b", "*1\\r\\n:0"),
        ("HPEXPIREAT h 1699999999999 FIELDS 1 b", "*1\\r\\n:2"),
        ("HKEYS h", "*1\\r\\n$1\\r\\nc"),
        ("HEXPIREAT h 12 FIELDS 1 c", "*1\\r\\n:2"),
        ("EXISTS h", ":0"),
        ("HEXPIRE h 10 FIELDS 1 c", "*1\\r\\n:-2"),
    ]);
}

#[test]
fn wrong_arguments_of_field_expiry_are_refused() {
    let mut fixture = fixture();
    let missing = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    let mismatch = "-ERR The `numfields` parameter must match the number of arguments";
    let invalid = "-ERR invalid expire time in 'hexpire' command";
    fixture.run("SET s x");
    fixture.run("HSET h a 1");
    fixture.expect(&[
        ("HEXPIRE h 10 FIELD 1 a", missing),
        ("HEXPIRE h 10 NX 1 a b", missing),
        ("HEXPIRE h 10 FIELDS 2 a", mismatch),
        ("HEXPIRE h 10 FIELDS 1 a b", mismatch),
        ("HEXPIRE h 10 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 10 FIELDS x a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h x FIELDS 1 a", "-ERR value is not an integer or out of range"),
        ("HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 a", invalid),
        ("HEXPIRE h 70368744177 FIELDS 1 a", invalid),
        ("HPEXPIREAT h 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
        ("HPEXPIREAT h 70368744177663 FIELDS 1 a", "*1\\r\\n:1"),
        ("HTTL h FIELD 1 a", missing),
        ("HTTL h FIELDS 2 a", mismatch),
        ("HTTL h FIELDS 0 a", "-ERR Number of fields must be a positive integer"),
        ("HPERSIST h FIELDS 2 a", mismatch),
        ("HTTL none FIELDS 1 a", "*1\\r\\n:-2"),
    ]);
    for command in ["HEXPIRE s 1 FIELDS 1 a", "HTTL s FIELDS 1 a", "HPERSIST s FIELDS 1 a"] {
        fixture.expect(&[(command, "-WRONGTYPE Operation against a key holding the wrong kind of value")]);
    }
}
