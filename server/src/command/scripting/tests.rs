//! SCRIPT and FUNCTION in process; what runs scripts is tested with the dispatcher.

use super::COMMANDS;
use crate::command::fixture::Fixture;

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS])
}

#[test]
fn the_cache_of_scripts_is_filled_asked_and_emptied() {
    let digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    let mut redis = fixture();
    let loaded = redis.run_words(&["SCRIPT", "LOAD", "return 1"]);
    assert_eq!(loaded, format!("$40\r\n{digest}\r\n").into_bytes());
    redis.expect(&[
        (&format!("SCRIPT EXISTS {digest} x"), "*2\\r\\n:1\\r\\n:0"),
        (&format!("SCRIPT EXISTS {}", digest.to_uppercase()), "*1\\r\\n:1"),
        ("SCRIPT FLUSH NOW", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
        ("SCRIPT FLUSH SYNC ASYNC", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
        ("SCRIPT FLUSH async", "+OK"),
        (&format!("SCRIPT EXISTS {digest}"), "*1\\r\\n:0"),
        ("SCRIPT KILL", "-NOTBUSY No scripts in execution right now."),
        ("SCRIPT DEBUG NO", "+OK"),
        ("SCRIPT DEBUG YES", "-ERR This server has no Lua debugger"),
        ("SCRIPT DEBUG 1", "-ERR Use SCRIPT DEBUG YES/SYNC/NO"),
        (
            "SCRIPT LOAD +",
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '+'",
        ),
    ]);
}

const LIBRARY: &[u8] =
    b"#!lua name=lib\nredis.register_function{function_name='f', callback=function() end, \
                         flags={'no-writes'}, description='text'}";

#[test]
fn libraries_are_loaded_listed_and_deleted() {
    let mut redis = fixture();
    assert_eq!(redis.run_words(&[&b"FUNCTION"[..], b"LOAD", LIBRARY]), b"$3\r\nlib\r\n");
    assert_eq!(
        redis.run_words(&[&b"FUNCTION"[..], b"LOAD", LIBRARY]),
        b"-ERR Library 'lib' already exists\r\n"
    );
    assert_eq!(redis.run_words(&[&b"FUNCTION"[..], b"LOAD", b"replace", LIBRARY]), b"$3\r\nlib\r\n");
    let listed = "*1\\r\\n*6\\r\\n$12\\r\\nlibrary_name\\r\\n$3\\r\\nlib\\r\\n$6\\r\\nengine\\r\\n$3\\r\\nLUA\\r\\n\
                  $9\\r\\nfunctions\\r\\n*1\\r\\n*6\\r\\n$4\\r\\nname\\r\\n$1\\r\\nf\\r\\n$11\\r\\ndescription\\r\\n\
                  $4\\r\\ntext\\r\\n$5\\r\\nflags\\r\\n*1\\r\\n+no-writes";
    redis.expect(&[
        ("FUNCTION LIST", listed),
        ("FUNCTION LIST LIBRARYNAME L*", listed),
        ("FUNCTION LIST LIBRARYNAME x*", "*0"),
        ("FUNCTION LIST LIBRARYNAME", "-ERR library name argument was not given"),
        ("FUNCTION LIST WITHCODE WITHCODE", "-ERR Unknown argument WITHCODE"),
        ("FUNCTION LOAD NOW x", "-ERR Unknown option given: NOW"),
        (
            "FUNCTION STATS",
            "*4\\r\\n$14\\r\\nrunning_script\\r\\n$-1\\r\\n$7\\r\\nengines\\r\\n*2\\r\\n$3\\r\\nLUA\\r\\n*4\\r\\n\
             $15\\r\\nlibraries_count\\r\\n:1\\r\\n$15\\r\\nfunctions_count\\r\\n:1",
        ),
        ("FUNCTION KILL", "-NOTBUSY No scripts in execution right now."),
        ("FUNCTION DELETE LIB", "-ERR Library not found"),
        ("FUNCTION DELETE lib", "+OK"),
        ("FUNCTION LIST", "*0"),
    ]);
}

#[test]
fn libraries_come_back_from_their_payload() {
    let mut redis = fixture();
    redis.run_words(&[&b"FUNCTION"[..], b"LOAD", LIBRARY]);
    let dumped = redis.run("FUNCTION DUMP");
    let payload = redis.run_words(&["FUNCTION", "DUMP"]);
    let start = payload.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
    let payload = payload[start..payload.len() - 2].to_vec();
    let restore = |policy: &'static str| {
        [&b"FUNCTION"[..], b"RESTORE", &payload, policy.as_bytes()].map(<[u8]>::to_vec)
    };
    assert_eq!(redis.run_words(&restore("append")), b"-ERR Library lib already exists\r\n");
    assert_eq!(redis.run_words(&restore("replace")), b"+OK\r\n");
    assert_eq!(redis.run_words(&restore("flush")), b"+OK\r\n");
    redis.expect(&[("FUNCTION FLUSH", "+OK")]);
    assert_eq!(redis.run_words(&restore("append")), b"+OK\r\n");
    assert_eq!(redis.run("FUNCTION DUMP"), dumped);
    redis.expect(&[
        ("FUNCTION RESTORE x", "-ERR DUMP payload version or checksum are wrong"),
        (
            "FUNCTION RESTORE x NOW",
            "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ),
        ("FUNCTION FLUSH NOW", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
    ]);
}
