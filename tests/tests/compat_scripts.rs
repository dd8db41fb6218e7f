//! Commands that people wrote down get the replies that redis-server gives: the edges that random commands seldom meet.

use thermocline_tests::compat::pair::Pair;
use thermocline_tests::compat::script;

fn check(script: &str) {
    let differences = script::run(&Pair::start(), script);
    assert!(differences.is_empty(), "{} differences\n\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn string_commands_reply_as_redis_does() {
    check(include_str!("../compat/strings.txt"));
}

#[test]
fn bitmap_commands_reply_as_redis_does() {
    check(include_str!("../compat/bits.txt"));
}

#[test]
fn generic_key_commands_reply_as_redis_does() {
    check(include_str!("../compat/keyspace.txt"));
}

#[test]
fn expiry_commands_reply_as_redis_does() {
    check(include_str!("../compat/expiry.txt"));
}

#[test]
fn stream_commands_reply_as_redis_does() {
    check(include_str!("../compat/streams.txt"));
}

#[test]
fn connection_and_server_commands_reply_as_redis_does() {
    check(include_str!("../compat/connection.txt"));
}

#[test]
fn commands_about_users_reply_as_redis_does() {
    check(include_str!("../compat/acl.txt"));
}

#[test]
fn hyperloglog_commands_reply_as_redis_does() {
    check(include_str!("../compat/hyperloglogs.txt"));
}

#[test]
fn messages_are_those_of_redis() {
    check(include_str!("../compat/messages.txt"));
}

#[test]
fn transactions_reply_as_redis_does() {
    check(include_str!("../compat/transactions.txt"));
}

#[test]
fn blocking_commands_reply_as_redis_does() {
    check(include_str!("../compat/blocking.txt"));
}

#[test]
fn hash_commands_reply_as_redis_does() {
    check(include_str!("../compat/hashes.txt"));
}

#[test]
fn set_commands_reply_as_redis_does() {
    check(include_str!("../compat/sets.txt"));
}

#[test]
fn list_commands_reply_as_redis_does() {
    check(include_str!("../compat/lists.txt"));
}

#[test]
fn sorted_set_commands_reply_as_redis_does() {
    check(include_str!("../compat/sorted_sets.txt"));
}

#[test]
fn geo_commands_reply_as_redis_does() {
    check(include_str!("../compat/geo.txt"));
}

#[test]
fn sort_replies_as_redis_does() {
    check(include_str!("../compat/sort.txt"));
}
