//! Values that were on the SSD come back as they were, whatever they are and whatever is done to them.

use std::thread;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thermocline_protocol::Reply;
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::tiers::{exchange_all, make_cold, store_all, tier_of};
use thermocline_tests::{Connection, Server, ServerOptions};

fn start() -> (Server, Connection) {
    let server = ServerOptions::thermocline().start();
    let connection = server.connect();
    (server, connection)
}

/// Every length around the sizes that the log thinks in: 16-byte units, sectors, pages, and read sizes beyond.
fn telling_lengths() -> Vec<usize> {
    let mut lengths: Vec<usize> = (0..=1_200).collect();
    for boundary in [2_048, 4_096, 8_192, 16_384, 65_536, 131_072, 1 << 20] {
        // Keys and headers come on top, so the boundary is met some way before it.
        lengths.extend(boundary - 100..=boundary + 20);
    }
    lengths
}

fn values_of_every_length_come_back(texture: Texture) {
    let (_server, mut connection) = start();
    let lengths = telling_lengths();
    let key = |id: u64| format!("value:{id}");
    let value = |id: u64| payload(id, lengths[id as usize], texture);
    for batch in (0..lengths.len() as u64).collect::<Vec<_>>().chunks(300) {
        let ids = || batch.iter().copied();
        for (id, reply) in store_all(&mut connection, ids(), key, value) {
            assert_eq!(reply, Reply::Simple(b"OK".to_vec()), "length {}", lengths[id as usize]);
        }
        let mut demote = vec!["TIER".to_owned(), "DEMOTE".to_owned()];
        demote.extend(ids().map(key));
        let moved = connection.call(&demote).as_integer().expect("a number");
        // The smallest values may stay in DRAM, where they take no more room than their location would.
        let large = ids().filter(|&id| lengths[id as usize] >= 64).count();
        assert!(moved as usize >= large, "{moved} of {} moved", batch.len());
        for (id, reply) in
            exchange_all(&mut connection, ids(), |id| vec![b"GET".to_vec(), key(id).into_bytes()])
        {
            // Not assert_eq: a megabyte is no failure message.
            assert!(reply == Reply::Bulk(value(id)), "length {}", lengths[id as usize]);
        }
    }
}

#[test]
fn incompressible_values_of_every_length_come_back() {
    values_of_every_length_come_back(Texture::Incompressible);
}

#[test]
fn compressible_values_of_every_length_come_back() {
    values_of_every_length_come_back(Texture::Compressible);
}

#[test]
fn huge_values_come_back() {
    let (_server, mut connection) = start();
    for texture in [Texture::Incompressible, Texture::Compressible] {
        for length in [3 * 1024 * 1024 + 13, 50 * 1024 * 1024 + 13] {
            let value = payload(length as u64, length, texture);
            connection.call(&[&b"SET"[..], b"huge", &value]);
            // A value longer than a segment of the log stays in DRAM, and works there.
            let moved = connection.integer("TIER DEMOTE huge");
            assert!(moved == 1 || length > 8 * 1024 * 1024, "{texture:?}, {length} bytes");
            assert_eq!(connection.integer("STRLEN huge"), length as i64);
            assert!(connection.line("GET huge") == Reply::Bulk(value), "{texture:?}, {length} bytes");
        }
    }
}

#[test]
fn cold_values_can_be_changed() {
    let (_server, mut connection) = start();
    let value = "0123456789".repeat(50);
    let cases: [(&str, String); 6] = [
        ("APPEND k tail", format!("{value}tail")),
        ("SETRANGE k 5 XYZ", format!("01234XYZ89{}", &value[10..])),
        ("SETBIT k 7 1", format!("1{}", &value[1..])),
        ("SET k other", "other".to_owned()),
        ("GETSET k other", "other".to_owned()),
        ("BITFIELD k SET u8 0 65", format!("A{}", &value[1..])),
    ];
    for (command, expected) in cases {
        connection.call(&["SET", "k", &value]);
        make_cold(&mut connection, &["k"]);
        let reply = connection.line(command);
        assert!(!reply.is_error(), "{command}: {reply:?}");
        assert_eq!(connection.text("GET k"), expected, "{command}");
        assert!(connection.integer("TIER DEMOTE k") <= 1);
        assert_eq!(connection.text("GET k"), expected, "{command}, cold again");
    }
}

#[test]
fn a_changed_value_never_comes_back_as_it_was() {
    let (_server, mut connection) = start();
    for round in 0..50u64 {
        let value = payload(round, 3_000, Texture::Incompressible);
        connection.call(&[&b"SET"[..], b"k", &value]);
        make_cold(&mut connection, &["k"]);
        assert!(connection.line("GET k") == Reply::Bulk(value.clone()), "round {round}");
        connection.line("SETRANGE k 100 changed");
        make_cold(&mut connection, &["k"]);
        let mut changed = value;
        changed[100..107].copy_from_slice(b"changed");
        assert!(connection.line("GET k") == Reply::Bulk(changed), "round {round}, changed");
    }
}

#[test]
fn cold_keys_can_be_renamed_moved_copied_and_expired() {
    let (_server, mut connection) = start();
    let value = "v".repeat(1_000);
    connection.call(&["SET", "a", &value]);
    make_cold(&mut connection, &["a"]);
    assert_eq!(connection.text("RENAME a b"), "OK");
    assert_eq!(connection.integer("COPY b c"), 1);
    make_cold(&mut connection, &["b", "c"]);
    assert_eq!(connection.integer("MOVE b 1"), 1);
    assert_eq!(connection.text("GET c"), value);
    connection.text("SELECT 1");
    assert_eq!(connection.text("GET b"), value);
    make_cold(&mut connection, &["b"]);
    connection.text("SWAPDB 0 1");
    assert_eq!(connection.text("GET c"), value);
    connection.text("SELECT 0");
    assert_eq!(connection.text("GET b"), value);
    make_cold(&mut connection, &["b"]);
    assert_eq!(connection.integer("EXPIRE b 10000"), 1);
    assert_eq!(tier_of(&mut connection, "b").as_deref(), Some("ssd"));
    assert_eq!(connection.text("GET b"), value);
    assert!(connection.integer("TTL b") > 9_000);
}

#[test]
fn an_expired_cold_value_is_gone() {
    let (_server, mut connection) = start();
    connection.call(&["SET", "k", &"v".repeat(1_000)]);
    make_cold(&mut connection, &["k"]);
    connection.line("PEXPIRE k 1");
    thermocline_tests::waiting::wait_until("the key to expire", std::time::Duration::from_secs(10), || {
        connection.line("GET k").is_null()
    });
    assert_eq!(connection.integer("EXISTS k"), 0);
    assert_eq!(tier_of(&mut connection, "k"), None);
}

#[test]
fn mget_and_pipelines_mix_hot_cold_and_missing_keys() {
    let (_server, mut connection) = start();
    let key = |id: u64| format!("key:{id}");
    let value = |id: u64| payload(id, 500 + id as usize, Texture::Incompressible);
    store_all(&mut connection, 0..300, key, value);
    let cold: Vec<String> = (0..300).filter(|id| id % 3 == 0).map(key).collect();
    make_cold(&mut connection, &cold);
    let mut mget = vec!["MGET".to_owned()];
    mget.extend((0..400).map(key));
    let reply = connection.call(&mget);
    for (id, found) in (0..400).zip(reply.as_elements().expect("an array")) {
        let expected = if id < 300 { Reply::Bulk(value(id)) } else { Reply::NullBulk };
        assert!(*found == expected, "key {id}");
    }
    make_cold(&mut connection, &cold);
    let get = |id: u64| vec![b"GET".to_vec(), key(id).into_bytes()];
    for (id, found) in exchange_all(&mut connection, (0..400).rev(), get) {
        let expected = if id < 300 { Reply::Bulk(value(id)) } else { Reply::NullBulk };
        assert!(found == expected, "key {id}");
    }
}

/// Clients that write, read, delete and demote the same keys at once: whatever a read returns was written to that key,
/// whole.
#[test]
fn concurrent_clients_never_see_a_wrong_value() {
    const KEYS: u64 = 60;
    const ROUNDS: usize = 3_000;
    let server = ServerOptions::thermocline().start();
    // A value says which key it belongs to and which of its writes it is, and the rest follows from that.
    let value = |key: u64, write: u64| {
        let id = write * KEYS + key;
        let length = 100 + (id as usize * 37) % 6_000;
        let mut bytes = format!("{id:020}").into_bytes();
        bytes.extend(payload(
            id,
            length,
            if id.is_multiple_of(2) { Texture::Compressible } else { Texture::Incompressible },
        ));
        bytes
    };
    let check = |key: u64, found: &[u8]| {
        let id: u64 = std::str::from_utf8(&found[..20]).expect("digits").parse().expect("a number");
        assert_eq!(id % KEYS, key, "a value of another key");
        assert!(found == value(key, id / KEYS), "a damaged value of key {key}");
    };
    thread::scope(|scope| {
        for client in 0..4 {
            let mut connection = server.connect();
            scope.spawn(move || {
                let mut rng = StdRng::seed_from_u64(client);
                for _ in 0..ROUNDS {
                    let key = rng.random_range(0..KEYS);
                    let name = format!("key:{key}").into_bytes();
                    let reply = match rng.random_range(0..10) {
                        0..=2 => {
                            connection.call(&[&b"SET"[..], &name, &value(key, rng.random_range(0..1_000))])
                        }
                        3 => connection.call(&[&b"DEL"[..], &name]),
                        4 | 5 => connection.call(&[&b"TIER"[..], b"DEMOTE", &name]),
                        _ => connection.call(&[&b"GET"[..], &name]),
                    };
                    match reply {
                        Reply::Bulk(found) => check(key, &found),
                        Reply::Error(text) => panic!("{}", text.escape_ascii()),
                        _ => {}
                    }
                }
            });
        }
    });
}

#[test]
fn a_restart_without_a_log_begins_empty_and_works() {
    let (server, mut connection) = start();
    let key = |id: u64| format!("key:{id}");
    store_all(&mut connection, 0..500, key, |id| payload(id, 2_000, Texture::Incompressible));
    connection.line("TIER DRAIN");
    let server = server.restart();
    let mut connection = server.connect();
    assert_eq!(connection.integer("DBSIZE"), 0);
    store_all(&mut connection, 0..500, key, |id| payload(id + 1, 2_000, Texture::Incompressible));
    connection.line("TIER DRAIN");
    for (id, reply) in exchange_all(&mut connection, 0..500, |id| vec![b"GET".to_vec(), key(id).into_bytes()])
    {
        assert!(reply == Reply::Bulk(payload(id + 1, 2_000, Texture::Incompressible)), "key {id}");
    }
}
