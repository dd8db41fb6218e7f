//! The ceiling: how much memory the server takes, and what it does when both tiers are full.

use std::time::Duration;

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::tiers::{exchange_all, store_all};
use thermocline_tests::waiting::wait_until;
use thermocline_tests::{Connection, Server, ServerOptions};

const MEBIBYTE: u64 = 1024 * 1024;
/// The error of a write for which there is no room.
const OUT_OF_MEMORY: &[u8] = b"OOM command not allowed when used memory > 'maxmemory'.";

fn key(id: u64) -> String {
    format!("key:{id:08}")
}

/// 16 KB that no compressor makes smaller.
fn value(id: u64) -> Vec<u8> {
    payload(id, 16_000, Texture::Incompressible)
}

/// More 16 KB values than a server of [`small`] has room for on both tiers.
const MORE_THAN_FITS: u64 = 30_000;

/// Room for about 320 MB.
fn small(policy: &str) -> Server {
    ServerOptions::thermocline()
        .with("maxmemory", "64mb")
        .with("tier-capacity", "256mb")
        .with("maxmemory-policy", policy)
        .start()
}

fn is_ok(reply: &Reply) -> bool {
    *reply == Reply::Simple(b"OK".to_vec())
}

/// Which of `ids` are there; every one that is has its own value.
fn surviving(connection: &mut Connection, ids: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let replies = exchange_all(connection, ids, |id| vec![b"GET".to_vec(), key(id).into_bytes()]);
    replies
        .into_iter()
        .filter_map(|(id, reply)| match reply {
            reply if reply.is_null() => None,
            Reply::Bulk(found) => {
                assert!(found == value(id), "key {id} has a wrong value");
                Some(id)
            }
            other => panic!("key {id}: {other:?}"),
        })
        .collect()
}

#[test]
fn five_times_maxmemory_fits_and_memory_stays_below_the_ceiling() {
    let maxmemory = 256 * MEBIBYTE;
    let server = ServerOptions::thermocline().with("maxmemory", "256mb").with("tier-capacity", "3gb").start();
    let mut connection = server.connect();
    let length = |id: u64| 1_000 + (id as usize * 7919) % 15_000;
    let value = |id: u64| payload(id, length(id), Texture::Incompressible);
    let (mut loaded_bytes, mut next) = (0, 0);
    while loaded_bytes < 5 * maxmemory {
        let ids = next..next + 1_000;
        for (id, reply) in store_all(&mut connection, ids, key, value) {
            assert!(is_ok(&reply), "key {id}: {reply:?}");
            loaded_bytes += length(id) as u64;
        }
        next += 1_000;
        let resident = server.memory_bytes("VmRSS");
        assert!(
            resident <= maxmemory,
            "{} MB resident after {} MB",
            resident / MEBIBYTE,
            loaded_bytes / MEBIBYTE
        );
    }
    let peak = server.memory_bytes("VmHWM");
    assert!(peak <= maxmemory, "{} MB at its peak", peak / MEBIBYTE);
    assert_eq!(connection.integer("DBSIZE"), next as i64);
    let info = Info::fetch(&mut connection, "everything");
    assert_eq!(info.count("evicted_keys"), 0);
    let get = |id: u64| vec![b"GET".to_vec(), key(id).into_bytes()];
    // In pieces, so that the test does not hold everything itself.
    for start in (0..next).step_by(1_000) {
        for (id, reply) in exchange_all(&mut connection, start..start + 1_000, get) {
            assert!(reply == Reply::Bulk(value(id)), "key {id}");
        }
    }
    let peak = server.memory_bytes("VmHWM");
    assert!(peak <= maxmemory, "{} MB at its peak after reading everything", peak / MEBIBYTE);
}

#[test]
fn with_noeviction_writes_are_refused_and_nothing_is_lost() {
    let server = small("noeviction");
    let mut connection = server.connect();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for (id, reply) in store_all(&mut connection, 0..MORE_THAN_FITS, key, value) {
        match reply {
            reply if is_ok(&reply) => acknowledged.push(id),
            Reply::Error(text) => {
                assert_eq!(text.escape_ascii().to_string(), OUT_OF_MEMORY.escape_ascii().to_string());
                refused += 1;
            }
            other => panic!("key {id}: {other:?}"),
        }
    }
    assert!(refused > 0, "all {} fitted", acknowledged.len());
    // What two tiers of 64 and 256 MB hold of 16 KB values is a good half of 320 MB at the least.
    assert!(acknowledged.len() > 10_000, "{} fitted", acknowledged.len());
    assert_eq!(connection.integer("DBSIZE"), acknowledged.len() as i64);
    assert_eq!(surviving(&mut connection, acknowledged.iter().copied()), acknowledged);
    let info = Info::fetch(&mut connection, "everything");
    assert_eq!(info.count("evicted_keys"), 0);
    assert!(info.count("tier_refused_writes") > 0);
}

#[test]
fn a_full_server_still_reads_and_deletes_and_then_writes_again() {
    let server = small("noeviction");
    let mut connection = server.connect();
    let replies = store_all(&mut connection, 0..MORE_THAN_FITS, key, value);
    let kept: Vec<u64> = replies.iter().filter(|(_, reply)| is_ok(reply)).map(|(id, _)| *id).collect();
    assert!(kept.len() < replies.len());
    assert!(connection.call(&["GET", &key(kept[0])]) == Reply::Bulk(value(kept[0])));
    let (gone, left) = kept.split_at(kept.len() / 2);
    for (id, reply) in
        exchange_all(&mut connection, gone.iter().copied(), |id| vec![b"DEL".to_vec(), key(id).into_bytes()])
    {
        assert_eq!(reply, Reply::Integer(1), "key {id}");
    }
    let again = MORE_THAN_FITS..MORE_THAN_FITS + gone.len() as u64 / 2;
    for (id, reply) in store_all(&mut connection, again.clone(), key, value) {
        assert!(is_ok(&reply), "key {id}: {reply:?}");
    }
    assert_eq!(surviving(&mut connection, left.iter().copied()), left);
    assert_eq!(surviving(&mut connection, again.clone()).len() as u64, again.end - again.start);
}

fn evicted_keys(connection: &mut Connection) -> u64 {
    Info::fetch(connection, "stats").count("evicted_keys")
}

/// How many keys were evicted, once no more are: what was begun for the last writes is finished in the background.
fn settled_evictions(connection: &mut Connection) -> u64 {
    const SAME_ANSWERS: u32 = 50;
    let (mut last, mut repeated) = (evicted_keys(connection), 0);
    wait_until("evictions to settle", Duration::from_secs(30), || {
        let now = evicted_keys(connection);
        repeated = if now == last { repeated + 1 } else { 0 };
        last = now;
        repeated == SAME_ANSWERS
    });
    last
}

/// Loads more than fits: no write is refused, some keys go, those that stay are right. The survivors.
fn overload(policy: &str) -> (Server, Connection, Vec<u64>) {
    let server = small(policy);
    let mut connection = server.connect();
    for (id, reply) in store_all(&mut connection, 0..MORE_THAN_FITS, key, value) {
        assert!(is_ok(&reply), "key {id}: {reply:?}");
    }
    let evicted = settled_evictions(&mut connection);
    assert!(evicted > 0);
    let survivors = surviving(&mut connection, 0..MORE_THAN_FITS);
    assert!(survivors.len() > 8_000, "only {} survive", survivors.len());
    // Reading makes no room for itself at the expense of other keys.
    assert_eq!(evicted_keys(&mut connection), evicted, "{policy}: reads evicted keys");
    assert_eq!(evicted + survivors.len() as u64, MORE_THAN_FITS);
    assert_eq!(connection.integer("DBSIZE"), survivors.len() as i64);
    (server, connection, survivors)
}

#[test]
fn allkeys_lru_evicts_the_oldest() {
    let (_server, _connection, survivors) = overload("allkeys-lru");
    let newest = survivors.iter().filter(|&&id| id >= MORE_THAN_FITS / 2).count();
    assert!(
        newest * 10 >= survivors.len() * 7,
        "{newest} of {} survivors are of the newer half",
        survivors.len()
    );
}

#[test]
fn allkeys_lfu_and_random_make_room() {
    for policy in ["allkeys-lfu", "allkeys-random"] {
        overload(policy);
    }
}

/// Keys without expiry first, then more keys with one than fit: only the latter may go.
fn volatile_policy_spares_what_does_not_expire(policy: &str) -> Vec<(u64, i64)> {
    const PERSISTENT: u64 = 6_000;
    let server = small(policy);
    let mut connection = server.connect();
    for (id, reply) in store_all(&mut connection, 0..PERSISTENT, key, value) {
        assert!(is_ok(&reply), "key {id}: {reply:?}");
    }
    // No relation between a key's age and its time to live.
    let ttl = |id: u64| 10_000 + (id * 7_919) % 100_000;
    let volatile = PERSISTENT..MORE_THAN_FITS;
    let set =
        |id: u64| vec![b"SETEX".to_vec(), key(id).into_bytes(), ttl(id).to_string().into_bytes(), value(id)];
    for (id, reply) in exchange_all(&mut connection, volatile.clone(), set) {
        assert!(is_ok(&reply), "key {id}: {reply:?}");
    }
    assert_eq!(surviving(&mut connection, 0..PERSISTENT).len() as u64, PERSISTENT, "{policy}");
    let survivors = surviving(&mut connection, volatile);
    assert!(!survivors.is_empty() && (survivors.len() as u64) < MORE_THAN_FITS - PERSISTENT, "{policy}");
    survivors.into_iter().map(|id| (id, ttl(id) as i64)).collect()
}

#[test]
fn volatile_lru_evicts_only_keys_that_expire() {
    volatile_policy_spares_what_does_not_expire("volatile-lru");
}

#[test]
fn volatile_lfu_evicts_only_keys_that_expire() {
    volatile_policy_spares_what_does_not_expire("volatile-lfu");
}

#[test]
fn volatile_random_evicts_only_keys_that_expire() {
    volatile_policy_spares_what_does_not_expire("volatile-random");
}

#[test]
fn volatile_ttl_evicts_what_expires_first() {
    let survivors = volatile_policy_spares_what_does_not_expire("volatile-ttl");
    let mean = survivors.iter().map(|(_, ttl)| ttl).sum::<i64>() / survivors.len() as i64;
    // Times to live are spread evenly from 10,000 to 110,000 s.
    assert!(mean > 70_000, "survivors live for another {mean} s on average");
}

#[test]
fn volatile_policies_refuse_writes_when_nothing_expires() {
    for policy in ["volatile-lru", "volatile-ttl"] {
        let server = small(policy);
        let mut connection = server.connect();
        let replies = store_all(&mut connection, 0..MORE_THAN_FITS, key, value);
        let (kept, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|(_, reply)| is_ok(reply));
        assert!(!refused.is_empty(), "{policy}");
        assert!(refused.iter().all(|(_, reply)| reply.as_bytes() == Some(OUT_OF_MEMORY)), "{policy}");
        let kept: Vec<u64> = kept.into_iter().map(|(id, _)| id).collect();
        assert_eq!(surviving(&mut connection, kept.iter().copied()), kept, "{policy}");
    }
}

#[test]
fn nothing_is_evicted_while_the_ssd_has_room() {
    let server = ServerOptions::thermocline()
        .with("maxmemory", "64mb")
        .with("tier-capacity", "2gb")
        .with("maxmemory-policy", "allkeys-lru")
        .start();
    let mut connection = server.connect();
    store_all(&mut connection, 0..15_000, key, value);
    assert_eq!(Info::fetch(&mut connection, "stats").count("evicted_keys"), 0);
    assert_eq!(surviving(&mut connection, 0..15_000).len(), 15_000);
}

#[test]
fn without_an_ssd_tier_it_evicts_as_redis_does() {
    let server = ServerOptions::thermocline()
        .with("maxmemory", "64mb")
        .with("tier-capacity", "0")
        .with("maxmemory-policy", "allkeys-lru")
        .start();
    let mut connection = server.connect();
    for (id, reply) in store_all(&mut connection, 0..8_000, key, value) {
        assert!(is_ok(&reply), "key {id}: {reply:?}");
    }
    let survivors = surviving(&mut connection, 0..8_000);
    assert!((1_000..4_200).contains(&survivors.len()), "{} survive", survivors.len());
    connection.text("CONFIG SET maxmemory-policy noeviction");
    let replies = store_all(&mut connection, 8_000..12_000, key, value);
    assert!(replies.iter().any(|(_, reply)| reply.as_bytes() == Some(OUT_OF_MEMORY)));
}

#[test]
fn without_an_ssd_tier_a_lower_maxmemory_deletes_what_is_too_much_and_no_more() {
    const KEYS: i64 = 100_000;
    let server = ServerOptions::subject().with("enable-debug-command", "yes").start();
    let mut connection = server.connect();
    connection.text("CONFIG SET maxmemory-policy allkeys-lru");
    connection.text(&format!("DEBUG POPULATE {KEYS} k 300"));
    let used = Info::fetch(&mut connection, "memory").count("used_memory");
    connection.text(&format!("CONFIG SET maxmemory {}", used / 3 * 2));
    // Nobody writes or reads: the server does it on its own.
    let mut left = KEYS;
    wait_until("memory to be below the limit", Duration::from_secs(30), || {
        left = connection.integer("DBSIZE");
        Info::fetch(&mut connection, "memory").count("used_memory") <= used / 3 * 2
    });
    assert!(left > KEYS / 2, "{left} of {KEYS} keys are left");
    connection.text("SET another value");
    assert!(connection.integer("DBSIZE") > KEYS / 2);
}

#[test]
fn without_an_ssd_tier_room_that_was_made_by_deletions_is_room() {
    let server = ServerOptions::subject().with("enable-debug-command", "yes").start();
    let mut connection = server.connect();
    connection.text("DEBUG POPULATE 100000 k 300");
    let full = Info::fetch(&mut connection, "memory").count("used_memory");
    for tens in 0..10_000 {
        let keys: Vec<String> = (1..10).map(|unit| format!("k:{tens}{unit}")).collect();
        connection.line(&format!("DEL {}", keys.join(" ")));
    }
    connection.text(&format!("CONFIG SET maxmemory {}", full / 2));
    assert_eq!(connection.text("SET a b"), "OK");
}
