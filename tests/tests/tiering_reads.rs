//! What costs a disk read and what does not.

use thermocline_protocol::Reply;
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::tiers::{disk_reads, growth, make_cold, store_all, tier_of, tiering};
use thermocline_tests::{Connection, Server, ServerOptions};

fn start() -> (Server, Connection) {
    let server = ServerOptions::thermocline().start();
    let connection = server.connect();
    (server, connection)
}

/// Cold keys `cold:0` to `cold:<count - 1>` of `length_bytes` random bytes.
fn cold_keys(connection: &mut Connection, count: u64, length_bytes: usize) -> Vec<String> {
    let key = |id: u64| format!("cold:{id}");
    store_all(connection, 0..count, key, |id| payload(id, length_bytes, Texture::Incompressible));
    let keys: Vec<String> = (0..count).map(key).collect();
    make_cold(connection, &keys);
    keys
}

#[test]
fn commands_that_need_no_value_read_nothing() {
    let commands = [
        "EXISTS cold:0 cold:1",
        "TTL cold:0",
        "PTTL cold:0",
        "EXPIRETIME cold:0",
        "PEXPIRETIME cold:0",
        "TYPE cold:0",
        "STRLEN cold:0",
        "EXPIRE cold:0 1000",
        "PEXPIREAT cold:0 33177117420000",
        "PERSIST cold:0",
        "TOUCH cold:0 cold:1",
        "OBJECT ENCODING cold:0",
        "OBJECT REFCOUNT cold:0",
        "OBJECT IDLETIME cold:0",
        "DBSIZE",
        "KEYS *",
        "SCAN 0 COUNT 1000",
        "SCAN 0 MATCH cold:1* TYPE string",
        "RANDOMKEY",
        "GET none",
        "EXISTS none",
        "RENAME cold:0 renamed",
        "RENAMENX renamed cold:0",
        "MOVE cold:0 1",
        "SETNX cold:1 x",
        "SET cold:1 x NX",
        "MSETNX cold:1 x fresh y",
        "SET cold:1 blind",
        "SETEX cold:2 100 blind",
        "PSETEX cold:3 100000 blind",
        "MSET cold:4 blind cold:5 blind",
        "SET cold:6 x XX",
        "DEL cold:7",
        "UNLINK cold:8 cold:9",
        "EXPIRE cold:10 -1",
        "TIER WHERE cold:11",
        "SWAPDB 0 1",
        "SWAPDB 0 1",
        "FLUSHDB",
    ];
    let (_server, mut connection) = start();
    cold_keys(&mut connection, 20, 2_000);
    for command in commands {
        let (reads, reply) = disk_reads(&mut connection, |connection| connection.line(command));
        assert!(!reply.is_error(), "{command}: {reply:?}");
        assert_eq!(reads, 0, "{command} read the disk");
    }
}

#[test]
fn a_cold_get_is_one_read_of_the_records_sectors() {
    let (_server, mut connection) = start();
    for length in [100, 500, 1_000, 4_000, 4_096, 5_000, 20_000, 100_000, 1_000_000] {
        let value = payload(length as u64, length, Texture::Incompressible);
        connection.call(&[&b"SET"[..], b"k", &value]);
        make_cold(&mut connection, &["k"]);
        let bytes_before = tiering(&mut connection, "tier_bytes_read_from_disk");
        let (reads, reply) = disk_reads(&mut connection, |connection| connection.line("GET k"));
        assert!(reply == Reply::Bulk(value));
        assert_eq!(reads, 1, "length {length}");
        let bytes = tiering(&mut connection, "tier_bytes_read_from_disk") - bytes_before;
        // The record's header and key, and the sectors at both ends.
        let most = length as u64 + 2 * 512 + 256;
        assert!((length as u64..=most).contains(&bytes), "length {length}: {bytes} bytes read");
    }
}

#[test]
fn a_hot_get_reads_nothing() {
    let (_server, mut connection) = start();
    connection.call(&["SET", "k", &"v".repeat(1_000)]);
    let (reads, _) = disk_reads(&mut connection, |connection| connection.line("GET k"));
    assert_eq!(reads, 0);
}

#[test]
fn a_value_that_was_read_twice_is_in_memory() {
    let (_server, mut connection) = start();
    cold_keys(&mut connection, 1, 2_000);
    connection.line("GET cold:0");
    connection.line("GET cold:0");
    let (reads, _) = disk_reads(&mut connection, |connection| connection.line("GET cold:0"));
    assert_eq!(reads, 0);
    let tier = tier_of(&mut connection, "cold:0");
    assert!(matches!(tier.as_deref(), Some("both" | "dram")), "{tier:?}");
}

#[test]
fn a_clean_copy_is_demoted_without_a_write() {
    let (_server, mut connection) = start();
    cold_keys(&mut connection, 1, 2_000);
    connection.line("GET cold:0");
    connection.line("GET cold:0");
    assert_eq!(tier_of(&mut connection, "cold:0").as_deref(), Some("both"));
    let clean_before = tiering(&mut connection, "tier_clean_demotions");
    let (writes, _) = growth(&mut connection, "tier_items_written_to_disk", |connection| {
        make_cold(connection, &["cold:0"]);
    });
    assert_eq!(writes, 0);
    assert_eq!(tiering(&mut connection, "tier_clean_demotions") - clean_before, 1);
}

#[test]
fn each_cold_key_of_a_command_is_read_once() {
    let (_server, mut connection) = start();
    let keys = cold_keys(&mut connection, 100, 1_500);
    let mget = [vec!["MGET".to_owned()], keys.clone()].concat();
    let (reads, reply) = disk_reads(&mut connection, |connection| connection.call(&mget));
    assert_eq!(reads, 100);
    for (id, value) in (0..).zip(reply.as_elements().expect("an array")) {
        assert!(*value == Reply::Bulk(payload(id, 1_500, Texture::Incompressible)), "key {id}");
    }
    make_cold(&mut connection, &keys[..1]);
    let (reads, _) = disk_reads(&mut connection, |connection| connection.line("MGET cold:0 cold:0 cold:0"));
    assert_eq!(reads, 1);
}

#[test]
fn a_cold_value_that_is_overwritten_is_not_read() {
    let (_server, mut connection) = start();
    for command in ["BITOP OR cold:0 cold:1", "COPY cold:1 cold:0 REPLACE", "RENAME cold:1 cold:0"] {
        cold_keys(&mut connection, 2, 2_000);
        let (reads, reply) = disk_reads(&mut connection, |connection| connection.line(command));
        assert!(!reply.is_error(), "{command}: {reply:?}");
        assert!(reads <= 1, "{command} read {reads} values");
    }
}

#[test]
fn commands_that_change_a_cold_value_read_it_once() {
    let (_server, mut connection) = start();
    for command in [
        "APPEND cold:0 x",
        "SETRANGE cold:0 0 x",
        "SETBIT cold:0 1 1",
        "GETRANGE cold:0 0 5",
        "GETBIT cold:0 3",
        "BITCOUNT cold:0",
        "GETSET cold:0 x",
        "GETDEL cold:0",
        "GETEX cold:0 EX 100",
        "SET cold:0 x GET",
        "DUMP cold:0",
        "BITOP NOT d cold:0",
    ] {
        cold_keys(&mut connection, 1, 2_000);
        let (reads, reply) = disk_reads(&mut connection, |connection| connection.line(command));
        assert!(!reply.is_error(), "{command}: {reply:?}");
        assert_eq!(reads, 1, "{command}");
    }
}

#[test]
fn a_scan_over_cold_keys_leaves_them_cold() {
    let (_server, mut connection) = start();
    let keys = cold_keys(&mut connection, 200, 1_000);
    connection.line("SCAN 0 COUNT 1000");
    connection.line("KEYS *");
    for key in &keys {
        assert_eq!(tier_of(&mut connection, key).as_deref(), Some("ssd"), "{key}");
    }
}

#[test]
fn a_read_that_a_timer_begins_on_a_sleeping_thread_is_seen_to_complete() {
    let server = ServerOptions::thermocline().start_with(&["--threads", "1"]);
    let mut connection = server.connect();
    let keys = cold_keys(&mut connection, 5, 2_000);
    let started = std::time::Instant::now();
    for key in &keys {
        assert_eq!(connection.text("CLIENT PAUSE 200 ALL"), "OK");
        assert!(!connection.line(&format!("GET {key}")).is_error());
    }
    // The pauses are a second; a thread that sleeps through a completion wakes once a second.
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "{:?}", started.elapsed());
}
