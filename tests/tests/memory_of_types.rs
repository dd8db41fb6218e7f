//! What values of each type and representation cost in DRAM: no more than in redis-server, by what either's allocator
//! has handed out.

use std::time::Duration;

use thermocline_tests::info::Info;
use thermocline_tests::tiers::exchange_all;
use thermocline_tests::waiting::wait_for;
use thermocline_tests::{Connection, Product, Server, ServerOptions};

/// How many strings.
const STRINGS: u64 = 400_000;
/// How many small collections.
const SMALL_COLLECTIONS: u64 = 25_000;
/// How many lists that are too long for one node.
const LONG_LISTS: u64 = 2_000;
/// How many keys there are before small collections are measured. A server of ours has a few hundred shards, and the
/// first key of each takes it some pages: three megabytes that do not grow with the data. Redis' table of keys has room
/// for all that come, so what it takes for a key is left out, which is to its advantage.
const KEYS_BEFORE: u64 = 400_000;
/// How many members a large collection has.
const LARGE_MEMBERS: u64 = 200_000;
/// How many of them are added by one command.
const MEMBERS_PER_COMMAND: u64 = 100;

/// How long both servers may take to put their memory in order after a load.
const SETTLING_TIMEOUT: Duration = Duration::from_secs(30);
/// So many looks in a row must find the same memory, but for a thousandth.
const EQUAL_LOOKS: u32 = 60;

/// Words of a command.
type Words = Vec<Vec<u8>>;

/// One type in one representation.
struct Case {
    name: &'static str,
    /// What OBJECT ENCODING replies, of redis-server and of ours.
    encodings: [&'static str; 2],
    /// Settings of both servers.
    settings: &'static [(&'static str, &'static str)],
    /// Settings that redis-server 7.0 does not know.
    own_settings: &'static [(&'static str, &'static str)],
    /// How many other keys there are before.
    keys_before: u64,
    /// How many commands load it.
    commands: u64,
    command: fn(u64) -> Words,
    /// How many times redis-server's memory it may take.
    bar: f64,
}

const SMALL: Case = Case {
    name: "",
    encodings: ["listpack"; 2],
    settings: &[],
    own_settings: &[],
    keys_before: KEYS_BEFORE,
    commands: SMALL_COLLECTIONS,
    command: |_| Vec::new(),
    bar: 1.0,
};

const STRING: Case = Case { keys_before: 0, commands: STRINGS, ..SMALL };

/// Every collection has from 5 to 50 entries.
const SMALL_CASES: &[Case] = &[
    Case {
        name: "string, int",
        encodings: ["int"; 2],
        command: |id| vec![b"SET".into(), key(id), (100_000 + id * 7919).to_string().into()],
        // A value's place in the order of last use is an eighth of what an integer takes, and Redis has none.
        bar: 1.15,
        ..STRING
    },
    Case {
        name: "string, embstr",
        encodings: ["embstr"; 2],
        command: |id| vec![b"SET".into(), key(id), text(id, 0, 5 + id as usize % 40)],
        ..STRING
    },
    Case {
        name: "string, raw",
        encodings: ["raw"; 2],
        command: |id| vec![b"SET".into(), key(id), text(id, 0, 50 + id as usize * 7 % 400)],
        ..STRING
    },
    Case { name: "hash, listpack", command: hash, ..SMALL },
    Case {
        name: "hash, hashtable",
        encodings: ["hashtable"; 2],
        settings: &[("hash-max-listpack-entries", "0")],
        command: hash,
        ..SMALL
    },
    Case { name: "list, listpack", encodings: ["quicklist", "listpack"], command: list, ..SMALL },
    Case {
        name: "list, quicklist",
        encodings: ["quicklist"; 2],
        commands: LONG_LISTS,
        command: |id| {
            members("RPUSH", id, 40 + id % 80, |id, at| {
                vec![text(id, at, 100 + (id + at * 71) as usize % 300)]
            })
        },
        ..SMALL
    },
    Case {
        name: "set, intset",
        encodings: ["intset"; 2],
        command: |id| members("SADD", id, few(id), |id, at| vec![(id * 31 + at * 7919).to_string().into()]),
        ..SMALL
    },
    // Redis has this representation from 7.2 on.
    Case { name: "set, listpack", encodings: ["hashtable", "listpack"], command: set, ..SMALL },
    Case {
        name: "set, hashtable",
        encodings: ["hashtable"; 2],
        own_settings: &[("set-max-listpack-entries", "0")],
        command: set,
        ..SMALL
    },
    Case { name: "zset, listpack", command: sorted_set, ..SMALL },
    Case {
        name: "zset, skiplist",
        encodings: ["skiplist"; 2],
        settings: &[("zset-max-listpack-entries", "0")],
        command: sorted_set,
        ..SMALL
    },
];

const LARGE: Case = Case {
    encodings: ["hashtable"; 2],
    keys_before: 0,
    commands: LARGE_MEMBERS / MEMBERS_PER_COMMAND,
    ..SMALL
};

/// Each is one collection.
const LARGE_CASES: &[Case] = &[
    Case {
        name: "hash",
        command: |id| {
            more_members("HSET", id, |at| {
                vec![format!("field:{at}").into(), format!("value:{}", at * 7919).into()]
            })
        },
        ..LARGE
    },
    Case {
        name: "list",
        encodings: ["quicklist"; 2],
        command: |id| more_members("RPUSH", id, |at| vec![format!("element:{at}").into()]),
        ..LARGE
    },
    Case {
        name: "set",
        command: |id| more_members("SADD", id, |at| vec![format!("member:{at}").into()]),
        ..LARGE
    },
    Case {
        name: "set of integers",
        command: |id| more_members("SADD", id, |at| vec![(at * 7919).to_string().into()]),
        ..LARGE
    },
    Case {
        name: "stream",
        encodings: ["stream"; 2],
        command: |id| {
            vec![
                b"XADD".into(),
                b"large".into(),
                format!("{}-0", id + 1).into(),
                b"field".into(),
                (id * 7919).to_string().into(),
            ]
        },
        commands: LARGE_MEMBERS,
        ..LARGE
    },
    Case {
        name: "zset",
        encodings: ["skiplist"; 2],
        command: |id| {
            more_members("ZADD", id, |at| {
                vec![format!("{}.5", at * 7919 % LARGE_MEMBERS).into(), format!("member:{at}").into()]
            })
        },
        ..LARGE
    },
];

fn key(id: u64) -> Vec<u8> {
    format!("key:{id:08}").into()
}

/// Letters of a given number.
fn text(id: u64, at: u64, length: usize) -> Vec<u8> {
    let start = id.wrapping_mul(31).wrapping_add(at.wrapping_mul(17)) as usize;
    (start..start + length).map(|letter| b'a' + (letter % 26) as u8).collect()
}

fn hash(id: u64) -> Words {
    members("HSET", id, few(id), |id, at| {
        let value = match at % 3 {
            0 => (id * at).to_string().into(),
            _ => text(id, at, 4 + (id + at * 5) as usize % 17),
        };
        vec![format!("field:{at:02}").into(), value]
    })
}

fn list(id: u64) -> Words {
    members("RPUSH", id, few(id), |id, at| match at % 3 {
        0 => vec![(id * at).to_string().into()],
        _ => vec![text(id, at, 4 + (id + at * 5) as usize % 17)],
    })
}

fn set(id: u64) -> Words {
    members("SADD", id, few(id), |id, at| vec![format!("member:{at}:{id}").into()])
}

fn sorted_set(id: u64) -> Words {
    members("ZADD", id, few(id), |id, at| {
        let score = match at % 2 {
            0 => (id * at % 1000).to_string(),
            _ => format!("{}.25", id * at % 1000),
        };
        vec![score.into(), format!("member:{at}:{id}").into()]
    })
}

/// How many entries a small collection has.
fn few(id: u64) -> u64 {
    5 + id * 7919 % 46
}

/// A command that makes a collection.
fn members(command: &str, id: u64, count: u64, member: fn(u64, u64) -> Vec<Vec<u8>>) -> Words {
    let mut words = vec![command.into(), key(id)];
    words.extend((0..count).flat_map(|at| member(id, at)));
    words
}

/// A command that adds to the large collection.
fn more_members(command: &str, id: u64, member: fn(u64) -> Vec<Vec<u8>>) -> Words {
    let mut words = vec![command.into(), b"large".into()];
    words.extend((id * MEMBERS_PER_COMMAND..(id + 1) * MEMBERS_PER_COMMAND).flat_map(member));
    words
}

impl Case {
    fn start(&self, product: Product) -> Server {
        let own = self.own_settings.iter().filter(|_| product == Product::Thermocline);
        let settings = self.settings.iter().chain(own);
        let options = ServerOptions::new(product).with("enable-debug-command", "yes");
        settings.fold(options, |options, (name, value)| options.with(name, value)).start()
    }

    /// By how much the data lets a server's memory grow, in bytes.
    fn growth_bytes(&self, product: Product) -> u64 {
        let server = self.start(product);
        let mut looking = server.connect();
        if self.keys_before > 0 {
            looking.text(&format!("DEBUG POPULATE {}", self.keys_before));
        }
        let before = settled_bytes(&mut looking);
        let mut loading = server.connect();
        for (id, reply) in exchange_all(&mut loading, 0..self.commands, self.command) {
            assert!(!reply.is_error(), "{}: command {id} got {reply:?}", self.name);
        }
        drop(loading);
        let first = (self.command)(0).swap_remove(1);
        let encoding = looking.call(&[&b"OBJECT"[..], b"ENCODING", &first]);
        let expected = self.encodings[usize::from(product == Product::Thermocline)];
        assert_eq!(encoding.as_bytes(), Some(expected.as_bytes()), "{} of {product:?}", self.name);
        settled_bytes(&mut looking) - before
    }
}

/// What the allocator has handed out, once that changes no more.
fn settled_bytes(connection: &mut Connection) -> u64 {
    let (mut last, mut looks) = (0_u64, 0);
    wait_for("memory to settle", SETTLING_TIMEOUT, || {
        let now = Info::fetch(connection, "memory").count("used_memory");
        looks = if now.abs_diff(last) <= last / 1000 { looks + 1 } else { 0 };
        last = now;
        (looks >= EQUAL_LOOKS).then_some(now)
    })
}

fn compare(cases: &[Case]) {
    let mut table = format!("{:<18} {:>14} {:>14} {:>7}\n", "", "redis-server", "thermocline", "ratio");
    let mut larger = Vec::new();
    for case in cases {
        let theirs = case.growth_bytes(Product::Redis);
        let ours = case.growth_bytes(Product::Thermocline);
        let ratio = ours as f64 / theirs as f64;
        table += &format!("{:<18} {theirs:>14} {ours:>14} {ratio:>7.3}\n", case.name);
        if ratio > case.bar {
            larger.push(case.name);
        }
    }
    eprintln!("{table}");
    assert!(larger.is_empty(), "larger than in redis-server: {larger:?}\n{table}");
}

#[test]
fn small_values_take_no_more_memory_than_in_redis() {
    compare(SMALL_CASES);
}

#[test]
fn a_large_collection_takes_no_more_memory_than_in_redis() {
    compare(LARGE_CASES);
}
