//! TIER, and what INFO tells about the tiers.

use thermocline_protocol::Reply;
use thermocline_tests::info::Info;
use thermocline_tests::payload::{Texture, payload};
use thermocline_tests::tiers::{make_cold, store_all, tier_of, tiering};
use thermocline_tests::{Connection, Server, ServerOptions};

fn start() -> (Server, Connection) {
    let server = ServerOptions::thermocline().start();
    let connection = server.connect();
    (server, connection)
}

fn store(connection: &mut Connection, count: u64) -> Vec<String> {
    let key = |id: u64| format!("key:{id}");
    store_all(connection, 0..count, key, |id| payload(id, 2_000, Texture::Incompressible));
    (0..count).map(key).collect()
}

/// Every field of `INFO tiering`.
const FIELDS: [&str; 39] = [
    "tier_items_memory",
    "tier_items_ssd",
    "tier_bytes_memory",
    "tier_bytes_ssd",
    "tier_capacity_bytes",
    "tier_hits_memory",
    "tier_hits_ssd",
    "tier_misses",
    "tier_memory_hit_ratio",
    "tier_items_read_from_disk",
    "tier_items_written_to_disk",
    "tier_bytes_read_from_disk",
    "tier_bytes_written_to_disk",
    "tier_demotions",
    "tier_clean_demotions",
    "tier_promotions",
    "tier_write_amplification",
    "tier_gc_segments_collected",
    "tier_gc_bytes_relocated",
    "tier_ssd_latency_us_mean",
    "tier_ssd_latency_us_p50",
    "tier_ssd_latency_us_p99",
    "tier_ssd_latency_us_p999",
    "tier_added_latency_us_mean",
    "tier_added_latency_us_p50",
    "tier_added_latency_us_p99",
    "tier_added_latency_us_p999",
    "tier_inflight_reads",
    "tier_throttled_clients",
    "tier_refused_writes",
    "tier_read_errors",
    "tier_write_errors",
    "tier_checksum_errors",
    "tier_dram_index_bytes",
    "tier_dram_values_bytes",
    "tier_dram_clean_bytes",
    "tier_dram_buffers_bytes",
    "maxmemory",
    "used_memory",
];

#[test]
fn info_tiering_has_every_field_as_a_number() {
    let (_server, mut connection) = start();
    let tiering = Info::fetch(&mut connection, "tiering");
    assert_eq!(tiering.sections(), ["Tiering"]);
    let everything = Info::fetch(&mut connection, "everything");
    for field in FIELDS {
        let info = if field.starts_with("tier_") { &tiering } else { &everything };
        assert!(info.number::<f64>(field) >= 0.0, "{field}");
    }
    assert!(everything.sections().contains(&"Tiering".to_owned()));
    let default = connection.text("INFO");
    assert!(default.contains("# Tiering"));
}

#[test]
fn values_are_counted_where_they_are() {
    let (_server, mut connection) = start();
    let keys = store(&mut connection, 100);
    let info = Info::fetch(&mut connection, "tiering");
    assert_eq!((info.count("tier_items_memory"), info.count("tier_items_ssd")), (100, 0));
    let bytes_of_100 = info.count("tier_bytes_memory");
    assert!(bytes_of_100 >= 200_000);
    make_cold(&mut connection, &keys[..60]);
    let info = Info::fetch(&mut connection, "tiering");
    assert_eq!((info.count("tier_items_memory"), info.count("tier_items_ssd")), (40, 60));
    // Bookkeeping comes on top of the values, and does not shrink with them.
    let bytes_of_40 = info.count("tier_bytes_memory");
    assert!(
        bytes_of_40 >= 80_000 && bytes_of_100 - bytes_of_40 >= 120_000,
        "{bytes_of_100} to {bytes_of_40}"
    );
    assert!(info.count("tier_bytes_ssd") >= 120_000);
    assert_eq!(info.count("tier_demotions"), 60);
    assert_eq!(info.count("tier_items_written_to_disk"), 60);
    assert!(info.count("tier_bytes_written_to_disk") >= 120_000);
    connection.line("FLUSHALL");
    let info = Info::fetch(&mut connection, "tiering");
    assert_eq!((info.count("tier_items_memory"), info.count("tier_items_ssd")), (0, 0));
}

#[test]
fn hits_and_misses_are_counted_by_tier() {
    let (_server, mut connection) = start();
    let keys = store(&mut connection, 10);
    make_cold(&mut connection, &keys[..4]);
    let before = Info::fetch(&mut connection, "tiering");
    for key in &keys {
        connection.call(&["GET", key]);
    }
    connection.line("GET none");
    connection.line("GET none");
    let after = Info::fetch(&mut connection, "tiering");
    let grown = |field: &str| after.count(field) - before.count(field);
    assert_eq!((grown("tier_hits_memory"), grown("tier_hits_ssd"), grown("tier_misses")), (6, 4, 2));
    assert_eq!(grown("tier_items_read_from_disk"), 4);
    assert!((0.0..=1.0).contains(&after.number::<f64>("tier_memory_hit_ratio")));
    assert!(after.number::<f64>("tier_ssd_latency_us_p50") > 0.0);
    assert!(after.number::<f64>("tier_added_latency_us_p50") > 0.0);
    assert!(
        after.number::<f64>("tier_ssd_latency_us_p999") >= after.number::<f64>("tier_ssd_latency_us_p50")
    );
    assert!(after.number::<f64>("tier_write_amplification") >= 1.0);
}

#[test]
fn the_parts_of_dram_are_accounted_for() {
    let (_server, mut connection) = start();
    let part =
        |connection: &mut Connection, name: &str| tiering(connection, &format!("tier_dram_{name}_bytes"));
    let index_empty = part(&mut connection, "index");
    let keys = store(&mut connection, 20_000);
    assert!(part(&mut connection, "values") >= 40_000_000);
    assert!(part(&mut connection, "index") > index_empty);
    connection.line("TIER DRAIN");
    assert!(part(&mut connection, "values") < 4_000_000, "{}", part(&mut connection, "values"));
    for key in &keys[..2_000] {
        connection.call(&["GET", key]);
        connection.call(&["GET", key]);
    }
    assert!(part(&mut connection, "clean") >= 3_000_000, "{}", part(&mut connection, "clean"));
}

#[test]
fn where_tells_the_tier() {
    let (_server, mut connection) = start();
    let keys = store(&mut connection, 1);
    assert_eq!(tier_of(&mut connection, &keys[0]).as_deref(), Some("dram"));
    make_cold(&mut connection, &keys);
    connection.line("GET key:0");
    connection.line("GET key:0");
    assert_eq!(tier_of(&mut connection, &keys[0]).as_deref(), Some("both"));
    connection.line("APPEND key:0 x");
    assert_eq!(tier_of(&mut connection, &keys[0]).as_deref(), Some("dram"));
    assert_eq!(tier_of(&mut connection, "none"), None);
}

#[test]
fn demote_counts_what_it_moved() {
    let (_server, mut connection) = start();
    store(&mut connection, 5);
    assert_eq!(connection.integer("TIER DEMOTE key:0 key:1 none"), 2);
    assert_eq!(connection.integer("TIER DEMOTE key:0 key:1 key:2"), 1);
    assert_eq!(connection.integer("TIER DEMOTE none"), 0);
    assert_eq!(connection.integer("TIER DEMOTE key:4 key:4"), 1);
}

#[test]
fn drain_moves_everything() {
    let (_server, mut connection) = start();
    let keys = store(&mut connection, 3_000);
    connection.text("SELECT 5");
    connection.call(&["SET", "elsewhere", &"v".repeat(1_000)]);
    // Nothing has left DRAM before, as there is room for it.
    assert_eq!(connection.integer("TIER DRAIN"), 3_001);
    assert_eq!(connection.integer("TIER DRAIN"), 0);
    assert_eq!(tier_of(&mut connection, "elsewhere").as_deref(), Some("ssd"));
    connection.text("SELECT 0");
    let cold = keys.iter().filter(|key| tier_of(&mut connection, key).as_deref() == Some("ssd")).count();
    assert_eq!(cold, keys.len());
}

#[test]
fn latency_percentiles_are_reported_and_reset() {
    let (_server, mut connection) = start();
    let keys = store(&mut connection, 100);
    make_cold(&mut connection, &keys);
    for key in &keys {
        connection.call(&["GET", key]);
    }
    let report = format!("{:?}", connection.line("TIER LATENCY"));
    for word in ["dram", "ssd", "added", "p50", "p99"] {
        assert!(report.to_lowercase().contains(word), "{word} in {report}");
    }
    let reply = connection.line("TIER LATENCY RESET");
    assert!(!reply.is_error(), "{reply:?}");
    assert_eq!(Info::fetch(&mut connection, "tiering").number::<f64>("tier_ssd_latency_us_p99"), 0.0);
}

#[test]
fn gc_gives_back_what_deleted_values_held() {
    let server = ServerOptions::thermocline().with("tier-capacity", "256mb").start();
    let mut connection = server.connect();
    let key = |id: u64| format!("key:{id}");
    // Three times what the SSD holds, one third of it alive at any time.
    for round in 0..12u64 {
        let ids = round * 4_000..(round + 1) * 4_000;
        for (id, reply) in
            store_all(&mut connection, ids.clone(), key, |id| payload(id, 16_000, Texture::Incompressible))
        {
            assert_eq!(reply, Reply::Simple(b"OK".to_vec()), "key {id}");
        }
        connection.line("TIER DRAIN");
        let survivors = ids.clone().filter(|id| id % 50 == 0);
        for id in survivors {
            assert_eq!(tier_of(&mut connection, &key(id)).as_deref(), Some("ssd"));
        }
        for id in ids.filter(|id| id % 50 != 0) {
            connection.call(&["DEL", &key(id)]);
        }
    }
    let reply = connection.line("TIER GC");
    assert!(!reply.is_error(), "{reply:?}");
    assert!(tiering(&mut connection, "tier_gc_segments_collected") > 0);
    for id in (0..48_000).filter(|id| id % 50 == 0) {
        let reply = connection.call(&["GET", &key(id)]);
        assert!(reply == Reply::Bulk(payload(id, 16_000, Texture::Incompressible)), "key {id}");
    }
}

#[test]
fn tier_explains_itself_and_refuses_nonsense() {
    let (_server, mut connection) = start();
    let help = connection.line("TIER HELP");
    let text = format!("{help:?}");
    for word in ["WHERE", "DEMOTE", "DRAIN", "LATENCY", "GC", "HELP"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(connection.error("TIER BOGUS"), "ERR unknown subcommand 'BOGUS'. Try TIER HELP.");
    assert_eq!(connection.error("TIER WHERE"), "ERR wrong number of arguments for 'tier|where' command");
    assert_eq!(connection.error("TIER WHERE a b"), "ERR wrong number of arguments for 'tier|where' command");
    assert_eq!(connection.error("TIER DEMOTE"), "ERR wrong number of arguments for 'tier|demote' command");
    assert_eq!(connection.error("TIER"), "ERR wrong number of arguments for 'tier' command");
}

#[test]
fn without_capacity_there_is_one_tier() {
    let server = ServerOptions::thermocline().with("tier-capacity", "0").start();
    let mut connection = server.connect();
    store(&mut connection, 10);
    let _ = connection.line("TIER DEMOTE key:0");
    assert_eq!(tier_of(&mut connection, "key:0").as_deref(), Some("dram"));
    let info = Info::fetch(&mut connection, "tiering");
    assert_eq!((info.count("tier_capacity_bytes"), info.count("tier_items_ssd")), (0, 0));
    assert!(connection.line("GET key:3") == Reply::Bulk(payload(3, 2_000, Texture::Incompressible)));
}

#[test]
fn debug_reload_brings_every_value_back_from_what_was_stored() {
    let server = ServerOptions::thermocline().with("enable-debug-command", "yes").start();
    let mut connection = server.connect();
    connection.line("SET text value");
    connection.line("RPUSH list a b c");
    connection.line("HSET hash field value");
    assert_eq!(connection.text("DEBUG RELOAD"), "OK");
    for key in ["text", "list", "hash"] {
        assert_eq!(tier_of(&mut connection, key).as_deref(), Some("ssd"), "{key}");
    }
    assert_eq!(connection.text("GET text"), "value");
    assert_eq!(connection.integer("LLEN list"), 3);
    assert_eq!(connection.text("LINDEX list -1"), "c");
    assert_eq!(connection.text("HGET hash field"), "value");
}
