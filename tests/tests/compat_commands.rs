//! What COMMAND and INFO say of each command, next to what redis-server says of it.

use std::collections::{BTreeMap, BTreeSet};

use thermocline_protocol::Reply;
use thermocline_tests::Connection;
use thermocline_tests::compat::pair::{Pair, PairedClient};
use thermocline_tests::info::Info;

/// Elements of a reply of COMMAND INFO for one command.
const FIELDS: [&str; 9] = [
    "name",
    "arity",
    "flags",
    "first key",
    "last key",
    "step",
    "ACL categories",
    "tips",
    "key specifications",
];

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.as_bytes().expect("a string")).into_owned()
}

/// The replies of redis-server and of the subject.
fn both(client: &mut PairedClient, words: &[&str]) -> (Reply, Reply) {
    (client.reference.call(words), client.subject.call(words))
}

/// The names of all commands and subcommands that both servers have.
fn common_commands(client: &mut PairedClient) -> Vec<String> {
    let (theirs, ours) = both(client, &["COMMAND", "LIST"]);
    let theirs: Vec<String> = theirs.as_elements().expect("names").iter().map(text).collect();
    let mut names: Vec<String> = ours.as_elements().expect("names").iter().map(text).collect();
    names.retain(|name| theirs.contains(name));
    names.sort();
    assert!(names.len() > 100, "{names:?}");
    names
}

/// The same with what is in no order in one.
fn comparable(reply: &Reply) -> Reply {
    let Some(elements) = reply.as_elements() else { return reply.clone() };
    let mut elements: Vec<Reply> = elements.iter().map(comparable).collect();
    if elements.iter().all(|element| matches!(element, Reply::Simple(_))) {
        elements.sort_by_key(text);
    }
    Reply::Array(elements)
}

#[test]
fn commands_are_described_as_redis_describes_them() {
    let pair = Pair::start();
    let mut client = pair.connect();
    for name in common_commands(&mut client) {
        let (theirs, ours) = both(&mut client, &["COMMAND", "INFO", &name]);
        let [theirs, ours] = [&theirs, &ours].map(|reply| reply.as_elements().expect("an array")[0].clone());
        let described =
            theirs.as_elements().expect("a description").iter().zip(ours.as_elements().expect("one"));
        for (field, (theirs, ours)) in FIELDS.iter().zip(described) {
            // 7.2 asks for one argument less than 7.0, or takes one more.
            let is_newer = (name.starts_with("command|getkeys") || matches!(&*name, "zrank" | "zrevrank"))
                && *field == "arity";
            if !is_newer {
                assert_eq!(comparable(ours), comparable(theirs), "{field} of {name}");
            }
        }
    }
}

#[test]
fn arguments_are_described_as_redis_describes_them() {
    let pair = Pair::start();
    let mut client = pair.connect();
    for name in common_commands(&mut client) {
        let (theirs, ours) = both(&mut client, &["COMMAND", "DOCS", &name]);
        let [theirs, ours] = [&theirs, &ours].map(|reply| {
            let documentation = reply.as_elements().expect("a map")[1].as_elements().expect("a map");
            let pair = documentation.chunks(2).find(|pair| text(&pair[0]) == "arguments");
            pair.map(|pair| comparable(&pair[1]))
        });
        // 7.2 says more of these two than 7.0.
        if !name.starts_with("command|getkeys") {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

/// What 7.2 says otherwise than 7.0: of which command, and which field of its documentation.
const NEWER_DOCUMENTATION: [(&str, &str); 5] = [
    ("acl|log", "history"),
    ("xinfo|consumers", "history"),
    ("xinfo|stream", "history"),
    ("zrank", "history"),
    ("zrevrank", "history"),
];

#[test]
fn commands_are_documented_as_redis_documents_them() {
    let pair = Pair::start();
    let mut client = pair.connect();
    let mut differences = Vec::new();
    for name in common_commands(&mut client) {
        let (theirs, ours) = both(&mut client, &["COMMAND", "DOCS", &name]);
        let [theirs, ours] = [&theirs, &ours].map(|reply| {
            let documentation = reply.as_elements().expect("a map")[1].as_elements().expect("a map").to_vec();
            let pairs = documentation.chunks(2).map(|pair| (text(&pair[0]), comparable(&pair[1])));
            pairs.collect::<BTreeMap<String, Reply>>()
        });
        for field in
            ["since", "group", "complexity", "doc_flags", "deprecated_since", "replaced_by", "history"]
        {
            let (ours, theirs) = (ours.get(field), theirs.get(field));
            if ours != theirs && !NEWER_DOCUMENTATION.contains(&(&*name, field)) {
                differences.push(format!("{field} of {name}: {ours:?}, not {theirs:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_use_of_keys_follows_from_the_arguments_as_in_redis() {
    let pair = Pair::start();
    let mut client = pair.connect();
    for request in [
        "GET k",
        "SET k v",
        "SET k v EX 10 NX",
        "SET k v GET",
        "SET k v nx get",
        "SET k v EX GET",
        "SET get get",
        "BITFIELD k",
        "BITFIELD k GET u8 0",
        "BITFIELD k GET u8 0 OVERFLOW SAT get u8 1",
        "BITFIELD k GET u8 0 INCRBY u8 0 1",
        "BITFIELD k GET u8 0 SET",
        "BITFIELD k nothing",
        "COPY a b",
        "RENAME a b",
        "RENAMENX a b",
        "MSET a 1 b 2",
        "MSETNX a 1 b 2",
        "BITOP AND d a b",
        "DEL a b c",
        "EXISTS a b",
        "MEMORY USAGE k",
        "OBJECT ENCODING k",
        "GETEX k",
        "GETDEL k",
        "APPEND k v",
        "SETRANGE k 0 v",
        "LCS a b LEN",
        "PFADD h a",
        "LPUSH l a b",
        "SORT a",
        "SORT a BY w* GET # STORE b LIMIT 0 1 STORE c",
        "SORT a BY store GET store",
        "SORT a STORE",
        "SORT_RO a BY store",
        "LPOP l",
        "BLPOP a b 0",
        "LMPOP 2 a b LEFT",
        "BLMPOP 0 2 a b LEFT",
        "LMOVE a b LEFT LEFT",
        "BLMOVE a b LEFT LEFT 0",
        "PFCOUNT a b",
        "PFMERGE a b c",
        "PFDEBUG DECODE h",
        "PING x",
        "GET k k",
        "HSET h f v",
        "HDEL h f",
        "HLEN h",
        "SINTERCARD 2 a b LIMIT 1",
        "SINTERCARD x a",
        "SINTERSTORE d a b",
        "SUNIONSTORE d a b",
        "SMOVE a b m",
        "SPOP s 2",
        "NOTHING k",
        // As many as a number says, with and without a target before it.
        "EVAL script 2 a b c",
        "EVAL script 0 a",
        "EVAL script 3 a b",
        "EVAL script -1 a",
        "EVAL script x a",
        "EVALSHA_RO sha 1 a b",
        "FCALL f 2 a b",
        "LMPOP 2 a b LEFT",
        "BLMPOP 0 2 a b LEFT COUNT 2",
        "ZMPOP 1 a MIN",
        "BZMPOP 0 1 a MAX",
        "SINTERCARD 2 a b LIMIT 1",
        "ZUNION 2 a b WEIGHTS 1 2",
        "ZINTERCARD 1 a",
        "ZDIFF 2 a",
        "ZUNIONSTORE t 2 a b WEIGHTS 1 2",
        "ZINTERSTORE t 1 a",
        "ZDIFFSTORE t 3 a b",
        "ZRANGESTORE t s 0 1",
        // Behind a word.
        "XREAD COUNT 2 STREAMS a b 0 0",
        "XREAD STREAMS a b 0",
        "XREAD streams a $",
        "XREADGROUP GROUP g c BLOCK 1 STREAMS a b > 0",
        "XREADGROUP GROUP streams c STREAMS a >",
        "XADD a * f v",
        "XDEL a 1",
        "XTRIM a MAXLEN 1",
        "XGROUP CREATE a g 0",
        "XGROUP DESTROY a g",
        "XACK a g 1",
        "XCLAIM a g c 0 1",
        "XAUTOCLAIM a g c 0 0",
        "XINFO STREAM a",
        "XSETID a 1",
        "SORT a",
        "SORT a BY x GET y STORE b",
        "SORT a STORE b STORE c",
        "SORT_RO a BY x",
        "GEORADIUS a 1 2 3 km",
        "GEORADIUS a 1 2 3 km STORE b",
        "GEORADIUS a 1 2 3 km COUNT 1 STOREDIST b",
        "GEORADIUSBYMEMBER a m 3 km STORE b",
        "GEORADIUS_RO a 1 2 3 km",
        "GEOSEARCHSTORE t s FROMMEMBER m BYRADIUS 1 km",
        "MIGRATE host 1 k 0 10",
        "MIGRATE host 1 '' 0 10 KEYS a b",
        // Ranges, and two keys of different use.
        "BLPOP a b 0",
        "BRPOPLPUSH a b 0",
        "BZPOPMIN a b 0",
        "LMOVE a b LEFT RIGHT",
        "RPOPLPUSH a b",
        "SMOVE a b m",
        "SINTERSTORE t a b",
        "PFMERGE t a b",
        "PFCOUNT a b",
        "WATCH a b",
        "XGROUP CREATE k g $",
        "XINFO STREAM k",
        "HSET k f v",
        "HGETALL k",
        "LPOP k",
        "SPOP k",
        "ZADD k 1 m",
        "ZPOPMIN k",
        "XADD k * f v",
        "XACK k g 1",
        "PUBLISH c m",
        "SUBSCRIBE c",
    ] {
        for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let words: Vec<&str> = ["COMMAND", subcommand].into_iter().chain(request.split(' ')).collect();
            let (theirs, ours) = both(&mut client, &words);
            assert_eq!(comparable(&ours), comparable(&theirs), "{subcommand} {request}");
        }
    }
}

#[test]
fn lists_of_commands_are_filtered_as_in_redis() {
    let pair = Pair::start();
    let mut client = pair.connect();
    let common = common_commands(&mut client);
    let (categories, own) = both(&mut client, &["ACL", "CAT"]);
    assert_eq!(own, categories);
    let mut filters: Vec<Vec<String>> = Vec::new();
    for category in categories.as_elements().expect("categories").iter().map(text) {
        filters.push(vec!["ACL".into(), "CAT".into(), category.to_uppercase()]);
        filters.push(["COMMAND", "LIST", "FILTERBY", "ACLCAT", &*category].map(String::from).to_vec());
    }
    for pattern in ["*", "get*", "CONFIG|*", "*|help", "x?d*", "[sz]add", "nothing"] {
        filters.push(["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern].map(String::from).to_vec());
    }
    for filter in filters {
        let words: Vec<&str> = filter.iter().map(String::as_str).collect();
        let (theirs, ours) = both(&mut client, &words);
        let [theirs, ours] = [theirs, ours].map(|reply| {
            let names =
                reply.as_elements().unwrap_or_else(|| panic!("{filter:?}: {reply:?}")).iter().map(text);
            names.filter(|name| common.contains(name)).collect::<BTreeSet<String>>()
        });
        assert_eq!(ours, theirs, "{filter:?}");
    }
    for request in [
        "COMMAND LIST FILTERBY MODULE nothing",
        "COMMAND LIST FILTERBY ACLCAT nothing",
        "COMMAND LIST FILTERBY NOTHING x",
        "COMMAND LIST FILTERBY PATTERN",
        "COMMAND LIST x",
    ] {
        assert_eq!(client.subject.line(request), client.reference.line(request), "{request}");
    }
}

/// Requests on a string `s`, an integer `i` and keys that do not exist.
const REQUESTS: &[&str] = &[
    "GET s",
    "GET n",
    "MGET s n",
    "STRLEN s",
    "STRLEN n",
    "GETRANGE s 0 1",
    "GETRANGE n 0 1",
    "SUBSTR s 0 1",
    "GETDEL s",
    "GETDEL n",
    "GETEX s",
    "GETEX n",
    "GETEX s EX 100",
    "GETEX s PERSIST",
    "GETSET s v",
    "GETSET n v",
    "SET s v",
    "SET n v",
    "SET s v GET",
    "SET n v GET",
    "SET s v NX",
    "SET n v XX",
    "SET s v KEEPTTL",
    "SETNX s v",
    "SETNX n v",
    "SETEX s 10 v",
    "PSETEX n 10000 v",
    "MSET s 1 n 2",
    "MSETNX s 1 n 2",
    "MSETNX n 1 m 2",
    "APPEND s x",
    "APPEND n x",
    "SETRANGE s 0 x",
    "SETRANGE n 0 x",
    "SETRANGE n 0 ''",
    "INCR i",
    "INCR n",
    "INCRBY i 2",
    "DECR i",
    "DECRBY n 2",
    "INCRBYFLOAT i 1.5",
    "INCRBYFLOAT n 1.5",
    "LCS s i",
    "LCS s n",
    "SETBIT s 1 1",
    "SETBIT n 1 1",
    "GETBIT s 1",
    "GETBIT n 1",
    "BITCOUNT s",
    "BITCOUNT n",
    "BITPOS s 1",
    "BITPOS n 1",
    "BITOP AND d s i",
    "BITOP NOT d n",
    "BITFIELD s GET u8 0",
    "BITFIELD n GET u8 0",
    "BITFIELD s SET u8 0 1",
    "BITFIELD n INCRBY u8 0 1",
    "BITFIELD_RO s GET u8 0",
    "BITFIELD_RO n GET u8 0",
    "DEL s",
    "DEL n",
    "UNLINK s n",
    "EXISTS s n",
    "TYPE s",
    "TYPE n",
    "TOUCH s n",
    "RENAME s d",
    "RENAME n d",
    "RENAMENX s i",
    "RENAMENX s d",
    "RENAMENX n d",
    "MOVE s 1",
    "MOVE n 1",
    "COPY s d",
    "COPY n d",
    "COPY s i",
    "COPY s i REPLACE",
    "EXPIRE s 100",
    "EXPIRE n 100",
    "EXPIRE s 100 NX",
    "PEXPIREAT s 99999999999999",
    "TTL s",
    "TTL n",
    "PTTL s",
    "EXPIRETIME s",
    "EXPIRETIME n",
    "PEXPIRETIME s",
    "PERSIST s",
    "PERSIST n",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "OBJECT ENCODING s",
    "OBJECT ENCODING n",
    "OBJECT REFCOUNT s",
    "OBJECT IDLETIME s",
    "OBJECT FREQ s",
    "DUMP s",
    "DUMP n",
    "RESTORE n 0 x",
    "MEMORY USAGE s",
    "MEMORY USAGE n",
    "DBSIZE",
    "SET s v EX 10 GET",
    "INCR s",
    "SETRANGE s 9999999999 x",
    "HGET f a",
    "HGET n a",
    "HGET s a",
    "HMGET f a x",
    "HGETALL f",
    "HGETALL n",
    "HKEYS f",
    "HVALS n",
    "HLEN f",
    "HLEN n",
    "HEXISTS f a",
    "HSTRLEN n a",
    "HRANDFIELD f",
    "HRANDFIELD n 2",
    "HSCAN f 0",
    "HSCAN n 0",
    "HSET f a 2",
    "HSET n a 2",
    "HSET s a 2",
    "HSETNX f a 2",
    "HSETNX n a 2",
    "HDEL f a",
    "HDEL n a",
    "HINCRBY f a 1",
    "HINCRBY n a 1",
    "HINCRBYFLOAT f a 1",
    "SADD e a",
    "SADD n a",
    "SREM e a",
    "SREM n a",
    "SISMEMBER e a",
    "SISMEMBER n a",
    "SMISMEMBER e a x",
    "SCARD e",
    "SCARD n",
    "SMEMBERS e",
    "SMEMBERS n",
    "SPOP e",
    "SPOP n",
    "SPOP e 0",
    "SPOP e 5",
    "SPOP n 5",
    "SRANDMEMBER e",
    "SRANDMEMBER n",
    "SRANDMEMBER e 2",
    "SRANDMEMBER n 2",
    "SMOVE e n a",
    "SMOVE n e a",
    "SMOVE e e a",
    "SINTER e",
    "SINTER n",
    "SINTER e n",
    "SINTER n e",
    "SINTER e s",
    "SINTER s e",
    "SINTER n s",
    "SINTERCARD 2 e n",
    "SINTERCARD 2 e e",
    "SUNION e n",
    "SUNION n",
    "SUNION e s",
    "SDIFF e n",
    "SDIFF n e",
    "SDIFF e e",
    "SINTERSTORE d e e",
    "SINTERSTORE d e n",
    "SINTERSTORE e n",
    "SUNIONSTORE d e n",
    "SUNIONSTORE e n",
    "SDIFFSTORE d e n",
    "SDIFFSTORE d n e",
    "SSCAN e 0",
    "SSCAN n 0",
    "PFADD n a",
    "SORT n",
    "SORT s",
    "SORT n STORE m",
    "SORT_RO n BY s*",
    "RPUSH n a",
    "RPUSH s a",
    "LPUSHX n a",
    "LPOP n",
    "LPOP n 2",
    "LLEN n",
    "LLEN s",
    "LINDEX n 0",
    "LRANGE n 0 -1",
    "LRANGE s 0 -1",
    "LSET n 0 a",
    "LTRIM n 0 1",
    "LREM n 0 a",
    "LINSERT n BEFORE a b",
    "LPOS n a",
    "LMOVE n m LEFT LEFT",
    "LMPOP 1 n LEFT",
    "PFADD s a",
    "PFCOUNT n",
    "PFCOUNT n m",
    "PFCOUNT s",
    "PFMERGE n m",
    "PFMERGE s n",
    "PFDEBUG ENCODING n",
];

/// The same with a sorted set `z`.
const SORTED_SET_REQUESTS: &[&str] = &[
    "ZADD z 3 c",
    "ZADD z 1 a",
    "ZADD n 1 a",
    "ZADD n XX 1 a",
    "ZADD z NX 9 a",
    "ZINCRBY z 1 a",
    "ZINCRBY n 1 a",
    "ZREM z a",
    "ZREM z a b",
    "ZREM z x",
    "ZREM n x",
    "ZCARD z",
    "ZCARD n",
    "ZCOUNT z 0 9",
    "ZCOUNT n 0 9",
    "ZLEXCOUNT z - +",
    "ZLEXCOUNT n - +",
    "ZSCORE z a",
    "ZSCORE n a",
    "ZMSCORE z a x",
    "ZMSCORE n a",
    "ZRANK z a",
    "ZREVRANK n a",
    "ZRANGE z 0 -1",
    "ZRANGE n 0 -1",
    "ZRANGE z 0 9 BYSCORE",
    "ZRANGEBYSCORE z 0 9",
    "ZREVRANGE n 0 -1",
    "ZRANGESTORE d z 0 -1",
    "ZRANGESTORE z n 0 -1",
    "ZREMRANGEBYRANK z 0 0",
    "ZREMRANGEBYSCORE z 7 9",
    "ZREMRANGEBYLEX n - +",
    "ZPOPMIN z",
    "ZPOPMAX z 9",
    "ZPOPMIN n",
    "ZMPOP 1 z MIN",
    "ZMPOP 2 n z MAX COUNT 9",
    "ZMPOP 1 n MIN",
    "BZPOPMIN z 0",
    "BZPOPMAX n z 0",
    "BZMPOP 0 2 n z MIN",
    "ZRANDMEMBER z",
    "ZRANDMEMBER n",
    "ZRANDMEMBER z 5",
    "ZSCAN z 0",
    "ZSCAN n 0",
    "ZUNION 2 z n",
    "ZINTER 3 n z z",
    "ZDIFF 2 z z",
    "ZINTERCARD 2 z n",
    "ZUNIONSTORE d 2 z n",
    "ZINTERSTORE z 2 z n",
    "ZDIFFSTORE n 2 z n",
    "GEOADD z 1 1 a",
    "GEOADD n 1 1 a",
    "GEOPOS z a",
    "GEOPOS n a",
    "GEOHASH z a",
    "GEODIST z a b",
    "GEODIST n a b",
    "GEOSEARCH z FROMLONLAT 1 1 BYRADIUS 1 m",
    "GEOSEARCH n FROMLONLAT 1 1 BYRADIUS 1 m",
    "GEOSEARCHSTORE d z FROMLONLAT 1 1 BYRADIUS 1 m",
    "GEOSEARCHSTORE z n FROMLONLAT 1 1 BYRADIUS 1 m",
    "GEORADIUS z 1 1 1 m STORE d",
    "GEORADIUSBYMEMBER z a 1 m",
    "GEORADIUSBYMEMBER n a 1 m STORE z",
    "ZSCORE s a",
    "ZADD s 1 a",
    "ZUNION 2 z s",
    "ZRANGE z x 1",
    "XADD x 2-0 f v",
    "XADD n 1-0 f v",
    "XADD n NOMKSTREAM * f v",
    "XADD x 1-0 f v",
    "XADD s * f v",
    "XLEN x",
    "XLEN n",
    "XRANGE x - +",
    "XRANGE n - +",
    "XREVRANGE x + - COUNT 0",
    "XREAD STREAMS x 0",
    "XREAD STREAMS x n 5 0",
    "XREAD STREAMS x $",
    "XREAD STREAMS n $",
    "XREAD STREAMS s 0",
    "XDEL x 1-0",
    "XDEL x 7",
    "XDEL n 7",
    "XTRIM x MAXLEN 0",
    "XTRIM x MAXLEN 5",
    "XTRIM n MAXLEN 5",
    "XSETID x 5",
    "XSETID n 5",
    "XGROUP CREATE x h 0",
    "XGROUP CREATE n h 0",
    "XGROUP CREATE n h 0 MKSTREAM",
    "XGROUP SETID x g 0",
    "XGROUP DESTROY x g",
    "XGROUP CREATECONSUMER x g c",
    "XGROUP DELCONSUMER x g c",
    "XREADGROUP GROUP g c STREAMS x >",
    "XREADGROUP GROUP g c STREAMS x 0",
    "XREADGROUP GROUP g c STREAMS x x > >",
    "XREADGROUP GROUP g c STREAMS n >",
    "XREADGROUP GROUP none c STREAMS x >",
    "XACK x g 1-0",
    "XACK x none 1-0",
    "XACK n g 1-0",
    "XPENDING x g",
    "XPENDING x g - + 10",
    "XPENDING n g",
    "XCLAIM x g c 0 1-0",
    "XCLAIM x g c 0 1-0 FORCE",
    "XCLAIM n g c 0 1-0",
    "XAUTOCLAIM x g c 0 0",
    "XAUTOCLAIM n g c 0 0",
    "XINFO STREAM x",
    "XINFO STREAM x FULL",
    "XINFO STREAM n",
    "XINFO GROUPS x",
    "XINFO CONSUMERS x g",
    "XINFO CONSUMERS x none",
];

/// Redis counts look-ups of commands that read, and none of commands that look a key up to change it.
#[test]
fn keyspace_hits_and_misses_are_counted_as_in_redis() {
    let pair = Pair::start();
    let mut client = pair.connect();
    let count = |connection: &mut Connection, request: &str| {
        connection.text("FLUSHALL");
        connection.text("MSET s hello i 5");
        connection.line("ZADD z 1 a 2 b");
        connection.line("HSET f a 1 b x");
        connection.line("SADD e a b 1");
        connection.line("XADD x 1-0 f v");
        connection.line("XGROUP CREATE x g 0");
        let counts = |connection: &mut Connection| {
            let info = Info::fetch(connection, "stats");
            [info.count("keyspace_hits"), info.count("keyspace_misses")]
        };
        let before = counts(connection);
        let reply = connection.line(request);
        let after = counts(connection);
        (after[0] - before[0], after[1] - before[1], reply.is_error())
    };
    for request in REQUESTS.iter().chain(SORTED_SET_REQUESTS) {
        let theirs = count(&mut client.reference, request);
        assert_eq!(count(&mut client.subject, request), theirs, "{request}");
    }
}
