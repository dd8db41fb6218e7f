//! MIGRATE: keys move between this server and redis-server, in both directions, and none is lost on the way.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use thermocline_protocol::{ArgumentRanges, Limits, Parsed, Reply, RequestParser};
use thermocline_tests::compat::pair::Pair;
use thermocline_tests::tiers::{disk_reads, make_cold, tier_of};
use thermocline_tests::{Connection, Product, Server, ServerOptions};

/// Each type and representation: how a key of it is made, and how it is read. Members are read in their order, or one
/// after the other where they have none.
const VALUES: &[(&str, &[&str], &[&str])] = &[
    (
        "text",
        &["SET text 'some text that is long enough not to be embedded in anything at all'"],
        &["GET text"],
    ),
    ("number", &["SET number -12345"], &["GET number", "OBJECT ENCODING number"]),
    ("hash", &["HSET hash f v g 17 h ''"], &["HLEN hash", "HMGET hash f g h", "OBJECT ENCODING hash"]),
    ("list", &["RPUSH list a 2 '' b 300"], &["LRANGE list 0 -1"]),
    ("intset", &["SADD intset 3 1 100000 -5"], &["SCARD intset", "SMISMEMBER intset 3 1 100000 -5 4"]),
    ("set", &["SADD set a b 3"], &["SCARD set", "SMISMEMBER set a b 3 4"]),
    ("zset", &["ZADD zset 1 a 2.5 b -inf c"], &["ZRANGE zset 0 -1 WITHSCORES", "OBJECT ENCODING zset"]),
    (
        "stream",
        &["XADD stream 1-1 f v", "XADD stream 2-1 g w h x", "XGROUP CREATE stream group 1"],
        &["XRANGE stream - +", "XLEN stream"],
    ),
    ("counted", &["PFADD counted a b c"], &["PFCOUNT counted"]),
    ("places", &["GEOADD places 13.361389 38.115556 Palermo"], &["GEOHASH places Palermo"]),
];

/// Collections with so many members are in their large representation.
const LARGE: u64 = 2000;

fn make_large(connection: &mut Connection) -> Vec<(&'static str, [String; 2])> {
    let members = |command: &str, member: fn(u64) -> String| {
        let members: Vec<String> = (0..LARGE).map(member).collect();
        format!("{command} {}", members.join(" "))
    };
    for request in [
        members("HSET large:hash", |at| format!("field:{at} value:{at}")),
        members("RPUSH large:list", |at| format!("element:{at}")),
        members("SADD large:set", |at| format!("member:{at}")),
        members("ZADD large:zset", |at| format!("{}.5 member:{at}", at * 7919 % LARGE)),
    ] {
        assert!(!connection.line(&request).is_error(), "{}", &request[..20]);
    }
    vec![
        ("large:hash", ["HLEN large:hash", "HMGET large:hash field:0 field:1999 none"].map(String::from)),
        ("large:list", ["LLEN large:list", "LRANGE large:list 0 -1"].map(String::from)),
        (
            "large:set",
            ["SCARD large:set", "SMISMEMBER large:set member:0 member:1999 none"].map(String::from),
        ),
        ("large:zset", ["ZCARD large:zset", "ZRANGE large:zset 0 -1 WITHSCORES"].map(String::from)),
    ]
}

fn redis() -> Server {
    ServerOptions::new(Product::Redis).start()
}

/// `MIGRATE` of keys in one request.
fn migrate(connection: &mut Connection, to: &Server, keys: &[&str], options: &str) -> Reply {
    connection.line(&format!("MIGRATE 127.0.0.1 {} '' 0 5000 {options} KEYS {}", to.port(), keys.join(" ")))
}

fn ok() -> Reply {
    Reply::Simple(b"OK".to_vec())
}

#[test]
fn values_of_every_type_move_to_redis_and_come_back_equal_cold_or_not() {
    for are_cold in [false, true] {
        let (here, redis) = (ServerOptions::thermocline().start(), redis());
        let (mut own, mut other) = (here.connect(), redis.connect());
        let mut checks: Vec<String> = Vec::new();
        let mut keys = Vec::new();
        for (key, make, read) in VALUES {
            for request in *make {
                assert!(!own.line(request).is_error(), "{request}");
            }
            keys.push(*key);
            checks.extend(read.iter().map(|request| request.to_string()));
        }
        for (key, read) in make_large(&mut own) {
            keys.push(key);
            checks.extend(read);
        }
        let before: Vec<Reply> = checks.iter().map(|check| own.line(check)).collect();
        let mut reads = 0;
        if are_cold {
            make_cold(&mut own, &keys);
            let (disk_reads, moved) = disk_reads(&mut own, |own| migrate(own, &redis, &keys, ""));
            assert_eq!(moved, ok());
            reads = disk_reads;
        } else {
            assert_eq!(migrate(&mut own, &redis, &keys, ""), ok());
        }
        assert_eq!(reads, if are_cold { keys.len() as u64 } else { 0 }, "one read for each cold value");
        assert_eq!(own.integer("DBSIZE"), 0);
        assert_eq!(other.integer("DBSIZE"), keys.len() as i64);
        for (check, expected) in checks.iter().zip(&before) {
            let is_named_otherwise = check.starts_with("OBJECT");
            assert!(is_named_otherwise || other.line(check) == *expected, "{check} at redis-server");
        }
        assert_eq!(migrate(&mut other, &here, &keys, ""), ok());
        assert_eq!(other.integer("DBSIZE"), 0);
        for (check, expected) in checks.iter().zip(&before) {
            assert_eq!(own.line(check), *expected, "{check} after both ways");
        }
    }
}

#[test]
fn more_keys_than_a_batch_holds_move_all_of_them() {
    let (here, redis) = (ServerOptions::thermocline().start(), redis());
    let (mut own, mut other) = (here.connect(), redis.connect());
    let keys: Vec<String> = (0..1000).map(|at| format!("key:{at}")).collect();
    for key in &keys {
        own.text(&format!("SET {key} value-of-{key}"));
    }
    make_cold(&mut own, &keys[..300]);
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(migrate(&mut own, &redis, &names, ""), ok());
    assert_eq!((own.integer("DBSIZE"), other.integer("DBSIZE")), (0, 1000));
    for key in &keys {
        assert_eq!(other.text(&format!("GET {key}")), format!("value-of-{key}"));
    }
}

#[test]
fn long_values_move_whole() {
    let (here, redis) = (ServerOptions::thermocline().start(), redis());
    let (mut own, mut other) = (here.connect(), redis.connect());
    let value: Vec<u8> = (0..5_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for key in ["a", "b"] {
        assert_eq!(own.call(&[b"SET", key.as_bytes(), &value]), ok());
    }
    assert_eq!(migrate(&mut own, &redis, &["a", "b"], ""), ok());
    assert_eq!(own.integer("DBSIZE"), 0);
    for key in ["a", "b"] {
        assert!(other.call(&["GET", key]) == Reply::Bulk(value.clone()), "{key}");
    }
}

#[test]
fn a_key_that_exists_at_the_target_stays_unless_it_may_be_replaced() {
    let (here, redis) = (ServerOptions::thermocline().start(), redis());
    let (mut own, mut other) = (here.connect(), redis.connect());
    for request in ["SET a here", "SET b here", "SET c here"] {
        own.text(request);
    }
    make_cold(&mut own, &["b", "c"]);
    other.text("SET b there");
    let busy = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
    assert_eq!(migrate(&mut own, &redis, &["a", "b", "c"], ""), Reply::Error(busy.into()));
    assert_eq!(["a", "b", "c"].map(|key| own.integer(&format!("EXISTS {key}"))), [0, 1, 0]);
    assert_eq!(["a", "b", "c"].map(|key| other.text(&format!("GET {key}"))), ["here", "there", "here"]);
    assert_eq!(migrate(&mut own, &redis, &["a", "b", "c"], "REPLACE"), ok());
    assert_eq!(own.integer("DBSIZE"), 0);
    assert_eq!(other.text("GET b"), "here");
}

#[test]
fn a_copy_leaves_the_key_where_it_is() {
    let (here, redis) = (ServerOptions::thermocline().start(), redis());
    let (mut own, mut other) = (here.connect(), redis.connect());
    own.text("SET a value");
    make_cold(&mut own, &["a"]);
    let port = redis.port();
    assert_eq!(own.text(&format!("MIGRATE localhost {port} a 3 5000 COPY")), "OK");
    assert_eq!(tier_of(&mut own, "a").is_some(), own.text("GET a") == "value");
    other.text("SELECT 3");
    assert_eq!(other.text("GET a"), "value");
}

#[test]
fn a_time_to_live_moves_with_the_key() {
    let (here, redis) = (ServerOptions::thermocline().start(), redis());
    let (mut own, mut other) = (here.connect(), redis.connect());
    own.text("SET a value PX 100000");
    own.text("SET b value");
    assert_eq!(migrate(&mut own, &redis, &["a", "b"], ""), ok());
    let rest_ms = other.integer("PTTL a");
    assert!((50_000..=100_000).contains(&rest_ms), "{rest_ms}");
    assert_eq!(other.integer("PTTL b"), -1);
}

#[test]
fn the_target_is_told_who_asks() {
    let here = ServerOptions::thermocline().start();
    let redis = ServerOptions::new(Product::Redis).with("requirepass", "secret").start();
    let (mut own, mut other) = (here.connect(), redis.connect());
    other.text("AUTH secret");
    other.text("ACL SETUSER mover on >pass +@all ~*");
    let request =
        |key: &str, options: &str| format!("MIGRATE 127.0.0.1 {} {key} 0 5000 {options}", redis.port());
    for key in ["a", "b"] {
        own.text(&format!("SET {key} value"));
    }
    let refused = own.error(&request("a", ""));
    assert!(refused.starts_with("ERR Target instance replied with error: NOAUTH"), "{refused}");
    let refused = own.error(&request("a", "AUTH wrong"));
    assert!(refused.starts_with("ERR Target instance replied with error: WRONGPASS"), "{refused}");
    assert_eq!((own.integer("DBSIZE"), other.integer("DBSIZE")), (2, 0));
    assert_eq!(own.text(&request("a", "AUTH secret")), "OK");
    assert_eq!(own.text(&request("b", "AUTH2 mover pass")), "OK");
    assert_eq!((own.integer("DBSIZE"), other.integer("DBSIZE")), (0, 2));
}

#[test]
fn passwords_are_not_in_the_slow_log() {
    let here = ServerOptions::thermocline().with("slowlog-log-slower-than", "0").start();
    let mut own = here.connect();
    own.line("MIGRATE 127.0.0.1 1 a 0 10 AUTH2 user secret KEYS b");
    own.line("MIGRATE 127.0.0.1 1 '' 0 10 COPY AUTH secret KEYS b");
    let log = format!("{:?}", own.line("SLOWLOG GET 10"));
    assert!(log.contains("MIGRATE") && !log.contains("secret") && log.contains("redacted"), "{log}");
}

#[test]
fn a_key_may_move_to_another_database_of_the_same_server() {
    let here = ServerOptions::thermocline().start();
    let mut own = here.connect();
    own.text("SET a value");
    make_cold(&mut own, &["a"]);
    assert_eq!(own.text(&format!("MIGRATE 127.0.0.1 {} a 1 5000", here.port())), "OK");
    assert_eq!(own.integer("EXISTS a"), 0);
    own.text("SELECT 1");
    assert_eq!(own.text("GET a"), "value");
}

#[test]
fn errors_are_those_of_redis() {
    let (pair, target) = (Pair::start(), redis());
    let mut client = pair.connect();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    target.connect().text("SET busy there");
    for connection in [&mut client.subject, &mut client.reference] {
        connection.text("MSET a 1 b 2 busy 3");
    }
    for rest in [
        "none 0 1000",
        "'' 0 1000",
        "'' 0 1000 KEYS",
        "'' 0 1000 KEYS none neither",
        "none x 1000",
        "none 0 x",
        "none x x FOO",
        "none 0 1000 AUTH",
        "none 0 1000 AUTH2 user",
        "none 0 1000 COPY REPLACE COPY",
        "a 0 1000 KEYS b",
        "a 0 1000 KEYS",
        "a 99 1000 COPY",
        "a 0 1000 AUTH secret",
        "a 0 1000 AUTH2 user secret",
        "busy 0 1000",
        "busy 0 0",
        "'' 0 1000 COPY KEYS busy none a",
        "'' 0 1000 KEYS busy none b",
        "b 0 1000",
    ] {
        let request = format!("MIGRATE 127.0.0.1 {} {rest}", target.port());
        let [theirs, ours] = [&mut client.reference, &mut client.subject].map(|connection| {
            let reply = connection.line(&request);
            // What it has moved is out of the other one's way.
            target.connect().line("DEL a b");
            reply
        });
        assert_eq!(ours, theirs, "{request}");
        assert_eq!(client.subject.line("MGET a b busy"), client.reference.line("MGET a b busy"), "{request}");
    }
    for address in [format!("127.0.0.1 {closed}"), "127.0.0.1 x".into(), "127.0.0.1 0".into()] {
        let request = format!("MIGRATE {address} a 0 1000");
        assert_eq!(client.subject.line(&request), client.reference.line(&request), "{request}");
        assert_eq!(client.subject.integer("EXISTS a"), 1);
    }
}

/// A server that the test answers for.
struct FakeTarget {
    listener: TcpListener,
}

impl FakeTarget {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("bound").port()
    }

    /// Its first client, after that has sent so many requests.
    fn accept(&self, requests: usize) -> TcpStream {
        let (mut stream, _) = self.listener.accept().expect("a client");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout that is not zero");
        let mut received = Vec::new();
        for _ in 0..requests {
            let length = loop {
                if let Some(length) = whole_request(&received) {
                    break length;
                }
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).expect("a request");
                assert!(count > 0, "the client has gone");
                received.extend_from_slice(&bytes[..count]);
            };
            received.drain(..length);
        }
        stream
    }
}

/// The length of the request at the start of `bytes`, if it is there whole.
fn whole_request(bytes: &[u8]) -> Option<usize> {
    let mut ranges = ArgumentRanges::new();
    match RequestParser::new().parse(bytes, &Limits::REDIS, &mut ranges).expect("a request") {
        Parsed::Complete { consumed_bytes, .. } => Some(consumed_bytes),
        _ => None,
    }
}

#[test]
fn a_key_that_changes_on_its_way_is_not_lost() {
    for (change, expected) in [
        ("SET a newer", Reply::Bulk(b"newer".to_vec())),
        ("APPEND a more", Reply::Bulk(b"valuemore".to_vec())),
        ("EXPIRE a 1000", Reply::Bulk(b"value".to_vec())),
        ("RENAME other a", Reply::Bulk(b"else".to_vec())),
        ("DEL a", Reply::NullBulk),
    ] {
        let (here, target) = (ServerOptions::thermocline().start(), FakeTarget::new());
        let (mut own, mut changing) = (here.connect(), here.connect());
        own.text("MSET a value b value other else");
        make_cold(&mut own, &["a"]);
        own.send(&["MIGRATE", "127.0.0.1", &target.port().to_string(), "", "0", "20000", "KEYS", "a", "b"]);
        let mut stream = target.accept(2);
        assert!(!changing.line(change).is_error());
        stream.write_all(b"+OK\r\n+OK\r\n").expect("the client reads");
        let reply = own.receive();
        assert!(
            matches!(&reply, Reply::Error(text) if text.starts_with(b"TRYAGAIN ")),
            "{change}: {reply:?}"
        );
        assert_eq!(own.line("GET a"), expected, "{change}");
        assert_eq!(own.integer("EXISTS b"), 0, "{change}: the other key has moved");
    }
}

#[test]
fn a_key_that_was_only_moved_between_the_tiers_has_not_changed() {
    let (here, target) = (ServerOptions::thermocline().start(), FakeTarget::new());
    let (mut own, mut changing) = (here.connect(), here.connect());
    own.text("SET a value");
    own.send(&["MIGRATE", "127.0.0.1", &target.port().to_string(), "a", "0", "20000"]);
    let mut stream = target.accept(1);
    make_cold(&mut changing, &["a"]);
    stream.write_all(b"+OK\r\n").expect("the client reads");
    assert_eq!(own.receive(), ok());
    assert_eq!(own.integer("EXISTS a"), 0);
}

#[test]
fn what_the_target_had_accepted_when_the_connection_broke_has_moved() {
    let (here, target) = (ServerOptions::thermocline().start(), FakeTarget::new());
    let mut own = here.connect();
    own.text("MSET a 1 b 2 c 3");
    own.send(&["MIGRATE", "127.0.0.1", &target.port().to_string(), "", "0", "20000", "KEYS", "a", "b", "c"]);
    let mut stream = target.accept(3);
    stream.write_all(b"+OK\r\n-ERR something\r\n").expect("the client reads");
    drop(stream);
    let reply = own.receive();
    assert_eq!(reply, Reply::Error(b"ERR Target instance replied with error: ERR something".to_vec()));
    assert_eq!(own.line("MGET a b c"), own.line("MGET none b c"));
    assert_eq!(own.integer("EXISTS b c"), 2);
}

#[test]
fn a_target_that_stays_silent_is_given_up_and_the_keys_stay() {
    let (here, target) = (ServerOptions::thermocline().start(), FakeTarget::new());
    let mut own = here.connect();
    own.text("SET a value");
    let reply = own.error(&format!("MIGRATE 127.0.0.1 {} a 0 50", target.port()));
    assert_eq!(reply, "IOERR error or timeout reading to target instance");
    assert_eq!(own.text("GET a"), "value");
    // Other clients are served meanwhile.
    own.send(&["MIGRATE", "127.0.0.1", &target.port().to_string(), "a", "0", "1000"]);
    let mut other = here.connect();
    assert_eq!(other.text("GET a"), "value");
    assert!(matches!(own.receive(), Reply::Error(text) if text.starts_with(b"IOERR")));
}

#[test]
fn what_answers_in_another_protocol_gets_nothing_deleted() {
    let (here, target) = (ServerOptions::thermocline().start(), FakeTarget::new());
    let mut own = here.connect();
    for reply in ["HTTP/1.1 400 Bad Request\r\n\r\n", ":1\r\n", "$2\r\nOK\r\n"] {
        own.text("SET a value");
        own.send(&["MIGRATE", "127.0.0.1", &target.port().to_string(), "a", "0", "20000"]);
        let mut stream = target.accept(1);
        stream.write_all(reply.as_bytes()).expect("the client reads");
        let reply = own.receive();
        assert!(matches!(&reply, Reply::Error(text) if text.starts_with(b"IOERR")), "{reply:?}");
        assert_eq!(own.text("GET a"), "value");
    }
}

#[test]
fn a_key_that_has_moved_is_announced_as_deleted() {
    let (here, redis) = (ServerOptions::thermocline().start(), redis());
    let (mut own, mut listening) = (here.connect(), here.connect());
    own.text("CONFIG SET notify-keyspace-events Eg");
    own.text("SET a value");
    assert!(!listening.line("SUBSCRIBE __keyevent@0__:del").is_error());
    assert_eq!(migrate(&mut own, &redis, &["a"], ""), ok());
    let told = [&b"message"[..], b"__keyevent@0__:del", b"a"].map(|word| Reply::Bulk(word.to_vec()));
    assert_eq!(listening.receive(), Reply::Array(told.to_vec()));
}

#[test]
fn keys_do_not_move_inside_a_transaction() {
    let here = ServerOptions::thermocline().start();
    let mut own = here.connect();
    own.text("SET a value");
    own.text("MULTI");
    assert_eq!(own.text(&format!("MIGRATE 127.0.0.1 {} a 1 1000", here.port())), "QUEUED");
    let reply = own.line("EXEC");
    let refused = Reply::Error(b"ERR MIGRATE is not possible inside a transaction or a script".to_vec());
    assert_eq!(reply, Reply::Array(vec![refused]));
    assert_eq!(own.text("GET a"), "value");
}
