//! Collections that went cold: what is known of them without a read, and that one read brings them back whole.

use thermocline_protocol::Reply;
use thermocline_tests::tiers::{disk_reads, make_cold, tier_of};
use thermocline_tests::{Connection, Server, ServerOptions};

/// Members of a collection of the compact encoding, and of one that takes long to read: its record is decoded in the
/// background.
const SIZES: [usize; 2] = [60, 3_000];

fn start() -> (Server, Connection) {
    let server = ServerOptions::thermocline().start();
    let connection = server.connect();
    (server, connection)
}

fn member(number: usize) -> String {
    format!("member:{number:05}:of a length that is worth its place")
}

/// Makes the collection `key` names, with `size` members.
fn store(connection: &mut Connection, key: &str, size: usize) {
    let numbers = 0..size;
    let pairs = |pair: fn(usize) -> [String; 2]| numbers.clone().flat_map(pair).collect::<Vec<_>>();
    let (command, words) = match key {
        "hash" => ("HSET", pairs(|number| [member(number), format!("value:{number}")])),
        "list" => ("RPUSH", numbers.map(member).collect()),
        "set" => ("SADD", numbers.map(member).collect()),
        // As compact as members go.
        "intset" => ("SADD", numbers.map(|number| (number * 1_000_003).to_string()).collect()),
        "zset" => ("ZADD", pairs(|number| [number.to_string(), member(number)])),
        _ => {
            let requests = numbers
                .map(|number| format!("XADD stream {}-1 field \"{}\"\r\n", number + 1, member(number)));
            connection.send_raw(requests.collect::<String>().as_bytes());
            (0..size).for_each(|_| drop(connection.receive()));
            assert_eq!(connection.text("XGROUP CREATE stream group 0"), "OK");
            return;
        }
    };
    let request = [vec![command.to_owned(), key.to_owned()], words].concat();
    assert_eq!(connection.call(&request).as_integer(), Some(size as i64), "{key}");
}

const KEYS: [&str; 6] = ["hash", "list", "set", "zset", "stream", "intset"];

#[test]
fn what_the_index_knows_needs_no_read() {
    let (_server, mut connection) = start();
    for size in SIZES {
        connection.line("FLUSHALL");
        KEYS.iter().for_each(|key| store(&mut connection, key, size));
        let commands = [
            "HLEN hash",
            "LLEN list",
            "SCARD set",
            "ZCARD zset",
            "XLEN stream",
            "SCARD intset",
            "OBJECT ENCODING hash",
            "OBJECT ENCODING list",
            "OBJECT ENCODING set",
            "OBJECT ENCODING zset",
            "OBJECT ENCODING stream",
            "OBJECT ENCODING intset",
            "TYPE hash",
            "TTL zset",
            "EXPIRE set 1000",
            "RENAME list other",
            "RENAME other list",
            "EXISTS hash list set zset stream",
        ];
        let hot: Vec<Reply> = commands.iter().map(|command| connection.line(command)).collect();
        make_cold(&mut connection, &KEYS);
        for (command, hot) in commands.iter().zip(hot) {
            let (reads, reply) = disk_reads(&mut connection, |connection| connection.line(command));
            assert_eq!((reads, reply), (0, hot), "{command} of {size}");
        }
    }
}

#[test]
fn what_is_of_another_type_is_refused_cold_too_and_stays() {
    let (_server, mut connection) = start();
    for (key, command) in [
        ("hash", "GET hash"),
        ("list", "HGET list f"),
        ("set", "LPUSH set x"),
        ("stream", "ZADD stream 1 m"),
        ("zset", "SADD zset m"),
        ("intset", "XADD intset * f v"),
    ] {
        store(&mut connection, key, 200);
        let dump = format!("DUMP {key}");
        let before = connection.line(&dump);
        make_cold(&mut connection, &[key]);
        assert!(connection.error(command).starts_with("WRONGTYPE"), "{command}");
        assert_eq!(connection.line(&dump), before, "{command}");
    }
}

#[test]
fn a_command_on_a_cold_collection_is_one_read_and_replies_as_on_a_hot_one() {
    let (_server, mut connection) = start();
    let seventh = member(7);
    let commands = [
        ("hash", "HGET hash {m}"),
        ("hash", "HMGET hash {m} none"),
        ("hash", "HSTRLEN hash {m}"),
        ("hash", "HGETALL hash"),
        ("hash", "HSET hash {m} changed fresh value"),
        ("hash", "HINCRBY hash counter 5"),
        ("hash", "HDEL hash {m} none"),
        ("list", "LINDEX list -3"),
        ("list", "LRANGE list 2 9"),
        ("list", "LPOS list {m}"),
        ("list", "LPUSH list front"),
        ("list", "RPOP list 2"),
        ("list", "LREM list 0 {m}"),
        ("list", "LTRIM list 1 -2"),
        ("set", "SISMEMBER set {m}"),
        ("set", "SMISMEMBER set {m} none"),
        ("set", "SADD set {m} fresh"),
        ("set", "SREM set {m} none"),
        ("intset", "SISMEMBER intset 1000003"),
        ("intset", "SADD intset -1"),
        ("zset", "ZSCORE zset {m}"),
        ("zset", "ZRANK zset {m}"),
        ("zset", "ZRANGE zset 3 6 WITHSCORES"),
        ("zset", "ZRANGEBYSCORE zset (4 8"),
        ("zset", "ZINCRBY zset 1.5 {m}"),
        ("zset", "ZPOPMIN zset 2"),
        ("zset", "ZREMRANGEBYRANK zset 0 3"),
        ("stream", "XRANGE stream 3 8"),
        ("stream", "XREVRANGE stream + - COUNT 2"),
        ("stream", "XADD stream 9000000-1 field value"),
        ("stream", "XREADGROUP GROUP group me COUNT 2 STREAMS stream >"),
        ("stream", "XDEL stream 5-1 6-1"),
        ("stream", "XTRIM stream MAXLEN 10"),
    ];
    for size in SIZES {
        for (key, command) in commands {
            let command = command.replace("{m}", &format!("\"{seventh}\""));
            let mut replies = Vec::new();
            for is_cold in [false, true] {
                connection.line("FLUSHALL");
                store(&mut connection, key, size);
                let encoding = connection.text(&format!("OBJECT ENCODING {key}"));
                if is_cold {
                    make_cold(&mut connection, &[key]);
                }
                let (reads, reply) = disk_reads(&mut connection, |connection| connection.line(&command));
                assert_eq!(reads, u64::from(is_cold), "{command} of {size}");
                assert_eq!(
                    connection.text(&format!("OBJECT ENCODING {key}")),
                    encoding,
                    "{command} of {size}"
                );
                // Whatever it did to the value is there after another journey, too.
                if is_cold {
                    make_cold(&mut connection, &[key]);
                }
                replies.push((reply, connection.line(&format!("DUMP {key}"))));
            }
            let [hot, cold] = &replies[..] else { panic!("two of them") };
            assert!(!hot.0.is_error() && !hot.1.is_null(), "{command}: {:?}", hot.0);
            assert_eq!(cold.0, hot.0, "{command} of {size}");
            // A table's own order is not the same in two of them, and consumers know when they were seen.
            if !(size > 1_000 && matches!(key, "hash" | "set") || command.starts_with("XREADGROUP")) {
                assert_eq!(cold.1, hot.1, "{key} of {size} after {command}");
            }
        }
    }
}

#[test]
fn a_cold_sorted_set_that_was_sorted_is_a_skip_list_from_then_on() {
    let (_server, mut connection) = start();
    store(&mut connection, "zset", 60);
    let members = connection.line("ZRANGE zset 0 -1 WITHSCORES");
    make_cold(&mut connection, &["zset"]);
    let (reads, sorted) =
        disk_reads(&mut connection, |connection| connection.line("SORT zset ALPHA LIMIT 0 2"));
    let [first, second] = [0, 1].map(|number| Reply::Bulk(member(number).into_bytes()));
    assert_eq!((reads, sorted), (1, Reply::Array(vec![first, second])));
    // So it is written, too, though what it holds was not changed.
    make_cold(&mut connection, &["zset"]);
    assert_eq!(connection.text("OBJECT ENCODING zset"), "skiplist");
    assert_eq!(connection.line("ZRANGE zset 0 -1 WITHSCORES"), members);
    assert_eq!(connection.text("OBJECT ENCODING zset"), "skiplist");
}

#[test]
fn many_members_of_a_cold_collection_are_looked_up_with_one_read() {
    let (_server, mut connection) = start();
    for (key, look_up, expected) in [
        (
            "hash",
            "HGET hash",
            (|number| Reply::Bulk(format!("value:{number}").into_bytes())) as fn(usize) -> Reply,
        ),
        ("set", "SISMEMBER set", |_| Reply::Integer(1)),
        ("zset", "ZSCORE zset", |number| Reply::Bulk(number.to_string().into_bytes())),
    ] {
        store(&mut connection, key, 3_000);
        make_cold(&mut connection, &[key]);
        let numbers: Vec<usize> = (0..3_000).step_by(7).collect();
        let (reads, replies) = disk_reads(&mut connection, |connection| {
            // All in one piece: most are looked up together.
            let requests = numbers.iter().map(|&number| format!("{look_up} \"{}\"\r\n", member(number)));
            connection.send_raw(requests.collect::<String>().as_bytes());
            numbers.iter().map(|_| connection.receive()).collect::<Vec<_>>()
        });
        for (&number, reply) in numbers.iter().zip(replies) {
            assert_eq!(reply, expected(number), "{look_up} {number}");
        }
        // The second look-up finds it cold again, which is what brings it into memory.
        assert!((1..=2).contains(&reads), "{reads} reads for {look_up}");
        assert_ne!(tier_of(&mut connection, key).as_deref(), Some("ssd"), "{key}");
    }
}

#[test]
fn a_cold_collection_of_megabytes_is_deleted_and_replaced_without_a_read() {
    let (_server, mut connection) = start();
    for command in ["DEL hash", "UNLINK hash", "SET hash small", "EXPIRE hash -1", "FLUSHALL"] {
        connection.line("DEL hash");
        for start in (0..40_000).step_by(1_000) {
            let pairs = (start..start + 1_000).flat_map(|number| [member(number), number.to_string()]);
            let words = ["HSET".to_owned(), "hash".to_owned()].into_iter().chain(pairs).collect::<Vec<_>>();
            assert_eq!(connection.call(&words).as_integer(), Some(1_000));
        }
        // Read once, so that both tiers have it.
        make_cold(&mut connection, &["hash"]);
        let third = format!("HGET hash \"{}\"", member(3));
        connection.line(&third);
        assert_eq!(connection.text(&third), "3");
        make_cold(&mut connection, &["hash"]);
        let (reads, reply) = disk_reads(&mut connection, |connection| connection.line(command));
        assert!(!reply.is_error(), "{command}: {reply:?}");
        assert_eq!(reads, 0, "{command}");
        let left = connection.line("GET hash");
        assert_eq!(left.as_bytes(), command.starts_with("SET").then_some(&b"small"[..]), "{command}");
    }
}

#[test]
fn few_keys_are_scanned_in_one_call() {
    let (_server, mut connection) = start();
    KEYS.iter().for_each(|key| store(&mut connection, key, 200));
    make_cold(&mut connection, &KEYS);
    let (reads, reply) = disk_reads(&mut connection, |connection| connection.line("SCAN 0"));
    let [cursor, keys] = reply.as_elements().expect("a cursor and keys") else { panic!("{reply:?}") };
    let mut found: Vec<&[u8]> =
        keys.as_elements().expect("keys").iter().map(|key| key.as_bytes().expect("a name")).collect();
    found.sort_unstable();
    assert_eq!((reads, cursor.as_bytes()), (0, Some(&b"0"[..])));
    assert_eq!(found, [&b"hash"[..], b"intset", b"list", b"set", b"stream", b"zset"]);
}
