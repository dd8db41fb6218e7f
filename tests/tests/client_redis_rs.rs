//! The redis crate, unmodified, against the server, in RESP2 and RESP3, with values made cold in between.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use redis::streams::{StreamRangeReply, StreamReadOptions, StreamReadReply};
use redis::{Commands, Connection, PubSubCommands, RedisResult, Value};
use thermocline_tests::{Server, ServerOptions};

const PROTOCOLS: [&str; 2] = ["resp2", "resp3"];

struct Session {
    server: Server,
    protocol: &'static str,
    connection: Connection,
}

impl Session {
    fn start(protocol: &'static str) -> Self {
        let server = ServerOptions::subject().start();
        let connection = connect(&server, protocol, "");
        Self { server, protocol, connection }
    }

    fn connect(&self) -> Connection {
        connect(&self.server, self.protocol, "")
    }

    /// Makes values cold, where there is a cold tier.
    fn demote(&mut self, keys: &[&str]) {
        if self.server.is_thermocline() {
            let moved: RedisResult<i64> =
                redis::cmd("TIER").arg("DEMOTE").arg(keys).query(&mut self.connection);
            moved.expect("TIER DEMOTE");
        }
    }
}

fn connect(server: &Server, protocol: &str, user: &str) -> Connection {
    let url = format!("redis://{user}127.0.0.1:{}/?protocol={protocol}", server.port());
    redis::Client::open(url).expect("a URL").get_connection().expect("a connection")
}

fn in_both_protocols(test: fn(Session)) {
    PROTOCOLS.into_iter().for_each(|protocol| test(Session::start(protocol)));
}

#[test]
fn strings_and_counters() {
    in_both_protocols(|mut session| {
        let value = "v".repeat(1000);
        let _: () = session.connection.set_ex("k", &value, 100).expect("SET");
        session.demote(&["k"]);
        assert_eq!(session.connection.get::<_, String>("k"), Ok(value.clone()));
        session.demote(&["k"]);
        assert_eq!(session.connection.append("k", "!"), Ok(1001));
        assert_eq!(session.connection.get::<_, Option<String>>("none"), Ok(None));
        let _: () = session.connection.mset(&[("a", "1"), ("b", "2")]).expect("MSET");
        session.demote(&["a", "b"]);
        let values: RedisResult<Vec<Option<i64>>> = session.connection.mget(&["a", "none", "b"]);
        assert_eq!(values, Ok(vec![Some(1), None, Some(2)]));
        assert_eq!(session.connection.incr("a", 41), Ok(42));
        let refused = session.connection.incr::<_, _, i64>("k", 1).expect_err("it is no number");
        assert!(refused.to_string().contains("not an integer"), "{refused}");
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let _: () = session.connection.set("bin", &bytes).expect("SET");
        session.demote(&["bin"]);
        assert_eq!(session.connection.get::<_, Vec<u8>>("bin"), Ok(bytes));
    });
}

#[test]
fn hashes_lists_and_sets() {
    in_both_protocols(|mut session| {
        let long = "x".repeat(100);
        let _: () = session.connection.hset_multiple("h", &[("a", "1"), ("b", &long)]).expect("HSET");
        session.demote(&["h"]);
        let all: HashMap<String, String> = session.connection.hgetall("h").expect("HGETALL");
        assert_eq!(all, HashMap::from([("a".into(), "1".into()), ("b".into(), long)]));
        session.demote(&["h"]);
        assert_eq!(session.connection.hincr("h", "a", 41), Ok(42));
        assert_eq!(session.connection.hlen("h"), Ok(2));

        let _: () = session.connection.rpush("l", &["a", "b", "c", "d"]).expect("RPUSH");
        session.demote(&["l"]);
        assert_eq!(
            session.connection.lrange::<_, Vec<String>>("l", 0, -1),
            Ok(["a", "b", "c", "d"].map(String::from).to_vec())
        );
        assert_eq!(session.connection.lpop::<_, String>("l", None), Ok("a".into()));
        session.demote(&["l"]);
        assert_eq!(
            session.connection.rpop::<_, Vec<String>>("l", std::num::NonZero::new(2)),
            Ok(vec!["d".into(), "c".into()])
        );

        let _: () = session.connection.sadd("s", &[1, 2, 3]).expect("SADD");
        let _: () = session.connection.sadd("t", &[2, 3, 4]).expect("SADD");
        session.demote(&["s", "t"]);
        assert_eq!(session.connection.sinter::<_, HashSet<i64>>(&["s", "t"]), Ok(HashSet::from([2, 3])));
        session.demote(&["s", "t"]);
        assert_eq!(session.connection.sunionstore("u", &["s", "t"]), Ok(4));
        assert_eq!(session.connection.sismember("u", 4), Ok(true));
        let scanned: HashSet<i64> =
            session.connection.sscan("u").expect("SSCAN").map(|item| item.expect("a member")).collect();
        assert_eq!(scanned, HashSet::from([1, 2, 3, 4]));
    });
}

#[test]
fn sorted_sets_hyperloglogs_and_geo() {
    in_both_protocols(|mut session| {
        let _: () = session
            .connection
            .zadd_multiple("z", &[(1.0, "a"), (2.5, "b"), (f64::INFINITY, "c")])
            .expect("ZADD");
        session.demote(&["z"]);
        let ranked: Vec<(String, f64)> = session.connection.zrange_withscores("z", 0, -1).expect("ZRANGE");
        assert_eq!(ranked, [("a".into(), 1.0), ("b".into(), 2.5), ("c".into(), f64::INFINITY)]);
        session.demote(&["z"]);
        assert_eq!(session.connection.zincr("z", "a", 2), Ok(3.0));
        assert_eq!(session.connection.zscore::<_, _, Option<f64>>("z", "none"), Ok(None));
        assert_eq!(session.connection.zrank("z", "a"), Ok(1));

        let _: () = session.connection.pfadd("p", &["a", "b", "c"]).expect("PFADD");
        session.demote(&["p"]);
        assert_eq!(session.connection.pfcount("p"), Ok(3));
        let _: () = session.connection.geo_add("g", (13.361389, 38.115556, "Palermo")).expect("GEOADD");
        let _: () = session.connection.geo_add("g", (15.087269, 37.502669, "Catania")).expect("GEOADD");
        session.demote(&["g"]);
        let distance: f64 = session
            .connection
            .geo_dist("g", "Palermo", "Catania", redis::geo::Unit::Kilometers)
            .expect("GEODIST");
        assert!((distance - 166.2742).abs() < 0.001, "{distance}");
    });
}

#[test]
fn streams_with_consumer_groups() {
    in_both_protocols(|mut session| {
        let first: String = session.connection.xadd("x", "*", &[("f", "1")]).expect("XADD");
        let _: String = session.connection.xadd("x", "*", &[("f", "2")]).expect("XADD");
        session.demote(&["x"]);
        let range: StreamRangeReply = session.connection.xrange_all("x").expect("XRANGE");
        assert_eq!((range.ids.len(), &range.ids[0].id), (2, &first));
        let _: () = session.connection.xgroup_create("x", "g", "0").expect("XGROUP");
        session.demote(&["x"]);
        let options = StreamReadOptions::default().group("g", "me").count(10);
        let read: StreamReadReply =
            session.connection.xread_options(&["x"], &[">"], &options).expect("XREADGROUP");
        assert_eq!(read.keys[0].ids[1].get::<i64>("f"), Some(2));
        assert_eq!(session.connection.xack("x", "g", &[&first]), Ok(1));
    });
}

#[test]
fn pipelines_and_transactions() {
    in_both_protocols(|mut session| {
        let value = "v".repeat(500);
        let _: () = session.connection.set("cold", &value).expect("SET");
        session.demote(&["cold"]);
        let replies: (String, i64, String) = redis::pipe()
            .set("a", 1)
            .incr("a", 1)
            .get("cold")
            .query(&mut session.connection)
            .expect("a pipeline");
        assert_eq!(replies, ("OK".into(), 2, value.clone()));
        session.demote(&["cold", "a"]);
        let replies: (i64, String) = redis::pipe()
            .atomic()
            .incr("a", 1)
            .get("cold")
            .query(&mut session.connection)
            .expect("a transaction");
        assert_eq!(replies, (3, value));
        let mut other = session.connect();
        let _: () = redis::cmd("WATCH").arg("a").query(&mut session.connection).expect("WATCH");
        let _: () = other.set("a", "changed").expect("SET");
        let dropped: Option<(i64,)> = redis::pipe()
            .atomic()
            .set("a", "mine")
            .ignore()
            .incr("b", 1)
            .query(&mut session.connection)
            .expect("EXEC");
        assert_eq!(dropped, None);
    });
}

#[test]
fn scripts() {
    in_both_protocols(|mut session| {
        let _: () = session.connection.set("k", "cold ".repeat(100)).expect("SET");
        session.demote(&["k"]);
        let script = redis::Script::new("return {redis.call('STRLEN', KEYS[1]), ARGV[1]}");
        let reply: (i64, String) = script.key("k").arg("x").invoke(&mut session.connection).expect("a reply");
        assert_eq!(reply, (500, "x".into()));
        let again: (i64, String) = script.key("k").arg("y").invoke(&mut session.connection).expect("a reply");
        assert_eq!(again, (500, "y".into()));
    });
}

#[test]
fn publish_and_subscribe() {
    in_both_protocols(|mut session| {
        let mut subscriber = session.connect();
        let mut publisher = session.connect();
        let mut heard = Vec::new();
        let talk = thread::spawn(move || {
            // Nobody is told before the subscription is there.
            while publisher.publish::<_, _, i64>("news", "hello").expect("PUBLISH") == 0 {
                thread::yield_now();
            }
        });
        subscriber
            .subscribe(&["news"], |message| {
                heard.push((
                    message.get_channel_name().to_owned(),
                    message.get_payload::<String>().expect("a text"),
                ));
                redis::ControlFlow::Break(())
            })
            .expect("a subscription");
        talk.join().expect("the publisher ends");
        assert_eq!(heard, [("news".to_owned(), "hello".to_owned())]);
        assert_eq!(session.connection.publish("news", "nobody"), Ok(0));
    });
}

#[test]
fn blocking_commands() {
    in_both_protocols(|mut session| {
        let mut waiter = session.connect();
        let popped = thread::spawn(move || waiter.blpop::<_, (String, String)>(&["l1", "l2"], 10.0));
        while !redis::cmd("INFO")
            .arg("clients")
            .query::<String>(&mut session.connection)
            .expect("INFO")
            .contains("blocked_clients:1")
        {
            thread::sleep(Duration::from_millis(2));
        }
        let _: () = session.connection.rpush("l2", "x").expect("RPUSH");
        assert_eq!(popped.join().expect("it ends"), Ok(("l2".into(), "x".into())));
        let _: () = session.connection.rpush("l1", "cold").expect("RPUSH");
        session.demote(&["l1"]);
        assert_eq!(session.connection.blpop("l1", 1.0), Ok(("l1".to_owned(), "cold".to_owned())));
        assert_eq!(session.connection.blpop::<_, Value>("l1", 0.01), Ok(Value::Nil));
    });
}

#[test]
fn users_and_their_rights() {
    in_both_protocols(|mut session| {
        let rules = [
            redis::acl::Rule::On,
            redis::acl::Rule::AddPass("secret".into()),
            redis::acl::Rule::Pattern("public:*".into()),
            redis::acl::Rule::AddCommand("get".into()),
            redis::acl::Rule::AddCommand("client".into()),
        ];
        let _: () = session.connection.acl_setuser_rules("reader", &rules).expect("ACL SETUSER");
        let _: () = session.connection.set("public:1", "x").expect("SET");
        session.demote(&["public:1"]);
        let mut reader = connect(&session.server, session.protocol, "reader:secret@");
        assert_eq!(reader.get::<_, String>("public:1"), Ok("x".into()));
        for refused in [reader.get::<_, String>("private"), reader.set("public:1", "y")] {
            assert_eq!(refused.expect_err("it is not permitted").code(), Some("NOPERM"));
        }
        assert_eq!(
            session.connection.acl_users::<Vec<String>>(),
            Ok(vec!["default".into(), "reader".into()])
        );
        assert_eq!(session.connection.acl_deluser(&["reader"]), Ok(1));
        reader.get::<_, String>("public:1").expect_err("the connection is closed");
    });
}
