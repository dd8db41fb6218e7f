//! The commands: redis-benchmark's own, as it sends them with random keys, and a few beside them.

use anyhow::Result;
use thermocline_protocol::encode_request;

use crate::workload::random::Random;

/// redis-benchmark's value, of its default length.
const VALUE: &[u8] = b"VXK";
/// Members added by one command while data is made.
const MEMBERS_PER_COMMAND: u64 = 100;
/// How long the list is that LRANGE reads the start of.
const LISTED: u64 = 1000;
/// Three calls, on a key of each kind.
const SCRIPT: &[u8] =
    b"redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[2]) return redis.call('GET', KEYS[1])";

/// Appends one request.
pub type Draw = Box<dyn FnMut(&mut Vec<u8>)>;

/// One command, sent over and over.
#[derive(Clone, Copy, Debug)]
pub struct CommandTest {
    /// The name in reports: redis-benchmark's.
    pub name: &'static str,
    /// What must be there before.
    data: Data,
    /// The words of one request.
    request: fn(&mut Drawn<'_>),
}

/// What a command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    /// What it finds or makes itself.
    Nothing,
    /// A string under every key.
    Strings,
    /// A list with an element for each request, and more.
    List,
    /// A short list.
    ShortList,
    /// A hash with every field.
    Hash,
    /// A set with a member for each request, and more.
    Set,
    /// A sorted set likewise.
    SortedSet,
}

/// A request that is being written.
pub struct Drawn<'a> {
    random: &'a mut Random,
    keys: u64,
    /// The random name's memory, used again and again.
    name: &'a mut Vec<u8>,
    output: &'a mut Vec<u8>,
}

impl Drawn<'_> {
    /// A name with a random number of twelve digits, as redis-benchmark makes them.
    fn name(&mut self, prefix: &str) {
        let number = self.random.below(self.keys);
        write_name(self.name, prefix, number);
    }

    fn send(&mut self, words: &[&[u8]]) {
        encode_request(self.output, words);
    }

    /// A command on a random key.
    fn send_key(&mut self, command: &str, prefix: &str, rest: &[&[u8]]) {
        self.name(prefix);
        let words: Vec<&[u8]> =
            [command.as_bytes(), self.name.as_slice()].into_iter().chain(rest.iter().copied()).collect();
        encode_request(self.output, &words);
    }

    /// A command on a key, and a random element of it behind other words.
    fn send_element(&mut self, words: &[&str], rest: &[&[u8]]) {
        self.name("element:");
        let words: Vec<&[u8]> = words
            .iter()
            .map(|word| word.as_bytes())
            .chain([self.name.as_slice()])
            .chain(rest.iter().copied())
            .collect();
        encode_request(self.output, &words);
    }
}

fn write_name(name: &mut Vec<u8>, prefix: &str, number: u64) {
    use std::io::Write;
    name.clear();
    name.extend_from_slice(prefix.as_bytes());
    write!(name, "{number:012}").expect("memory takes what is written");
}

/// All of them, in the order of reports.
pub const ALL: [CommandTest; 17] = [
    CommandTest { name: "SET", data: Data::Nothing, request: |d| d.send_key("SET", "key:", &[VALUE]) },
    CommandTest { name: "GET", data: Data::Strings, request: |d| d.send_key("GET", "key:", &[]) },
    CommandTest { name: "INCR", data: Data::Nothing, request: |d| d.send_key("INCR", "counter:", &[]) },
    CommandTest { name: "LPUSH", data: Data::Nothing, request: |d| d.send(&[b"LPUSH", b"mylist", VALUE]) },
    CommandTest { name: "RPUSH", data: Data::Nothing, request: |d| d.send(&[b"RPUSH", b"mylist", VALUE]) },
    CommandTest { name: "LPOP", data: Data::List, request: |d| d.send(&[b"LPOP", b"mylist"]) },
    CommandTest { name: "RPOP", data: Data::List, request: |d| d.send(&[b"RPOP", b"mylist"]) },
    CommandTest { name: "SADD", data: Data::Nothing, request: |d| d.send_element(&["SADD", "myset"], &[]) },
    CommandTest {
        name: "HSET",
        data: Data::Nothing,
        request: |d| d.send_element(&["HSET", "myhash"], &[VALUE]),
    },
    CommandTest { name: "HGET", data: Data::Hash, request: |d| d.send_element(&["HGET", "myhash"], &[]) },
    CommandTest { name: "SPOP", data: Data::Set, request: |d| d.send(&[b"SPOP", b"myset"]) },
    CommandTest {
        name: "ZADD",
        data: Data::Nothing,
        request: |d| d.send_element(&["ZADD", "myzset", "0"], &[]),
    },
    CommandTest { name: "ZPOPMIN", data: Data::SortedSet, request: |d| d.send(&[b"ZPOPMIN", b"myzset"]) },
    CommandTest {
        name: "ZRANGE_10",
        data: Data::SortedSet,
        request: |d| d.send(&[b"ZRANGE", b"myzset", b"0", b"9"]),
    },
    CommandTest {
        name: "LRANGE_100",
        data: Data::ShortList,
        request: |d| d.send(&[b"LRANGE", b"mylist", b"0", b"99"]),
    },
    CommandTest { name: "MSET (10 keys)", data: Data::Nothing, request: set_ten },
    CommandTest {
        name: "EVAL (3 calls)",
        data: Data::Nothing,
        request: |d| {
            d.name("key:");
            let words = [&b"EVAL"[..], SCRIPT, b"2", d.name.as_slice(), b"counter", VALUE];
            encode_request(d.output, &words);
        },
    },
];

fn set_ten(drawn: &mut Drawn<'_>) {
    let mut names: [Vec<u8>; 10] = std::array::from_fn(|_| Vec::new());
    for name in &mut names {
        write_name(name, "key:", drawn.random.below(drawn.keys));
    }
    let pairs = names.iter().flat_map(|name| [name.as_slice(), VALUE]);
    let words: Vec<&[u8]> = [&b"MSET"[..]].into_iter().chain(pairs).collect();
    encode_request(drawn.output, &words);
}

impl CommandTest {
    /// The tests of these names, in any case; `LRANGE` is enough for `LRANGE_100`.
    ///
    /// # Errors
    ///
    /// The names, where there is none of one.
    pub fn named(names: &[String]) -> Result<Vec<Self>, String> {
        let find = |name: &String| {
            let starts = |test: &&CommandTest| {
                test.name.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            };
            // SPOP is no beginning of another name, but SET is one of none, either: the first match is the one meant.
            ALL.iter().find(starts).copied().ok_or_else(|| {
                let all: Vec<&str> = ALL.iter().map(|test| test.name).collect();
                format!("no test is called '{name}': {}", all.join(", "))
            })
        };
        names.iter().map(find).collect()
    }

    /// The requests of a round, one at each call.
    pub fn requests(&self, keys: u64, seed: u64, round: u64) -> Draw {
        let mut random = Random::new(seed, round);
        let mut name = Vec::new();
        let request = self.request;
        Box::new(move |output| request(&mut Drawn { random: &mut random, keys, name: &mut name, output }))
    }

    /// Makes what must be there for so many requests: `load` sends as many requests as it is told.
    ///
    /// # Errors
    ///
    /// Those of `load`.
    pub fn prepare(
        &self,
        keys: u64,
        requests: u64,
        mut load: impl FnMut(u64, &mut dyn FnMut(u64, &mut Vec<u8>)) -> Result<()>,
    ) -> Result<()> {
        let (members, words): (u64, &[&str]) = match self.data {
            Data::Nothing => return Ok(()),
            Data::Strings => {
                let mut name = Vec::new();
                return load(keys, &mut |number, output| {
                    write_name(&mut name, "key:", number);
                    encode_request(output, &[b"SET", name.as_slice(), VALUE]);
                });
            }
            Data::ShortList => (LISTED, &["RPUSH", "mylist"]),
            Data::List => (requests, &["RPUSH", "mylist"]),
            Data::Set => (requests, &["SADD", "myset"]),
            Data::SortedSet => (requests, &["ZADD", "myzset"]),
            Data::Hash => (keys, &["HSET", "myhash"]),
        };
        let data = self.data;
        load(members.div_ceil(MEMBERS_PER_COMMAND), &mut |number, output| {
            let mut request: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            for number in number * MEMBERS_PER_COMMAND..(number + 1) * MEMBERS_PER_COMMAND {
                let mut name = Vec::new();
                write_name(&mut name, "element:", number);
                match data {
                    Data::List | Data::ShortList => request.push(VALUE.to_vec()),
                    Data::Hash => request.extend([name, VALUE.to_vec()]),
                    Data::SortedSet => request.extend([b"0".to_vec(), name]),
                    _ => request.push(name),
                }
            }
            encode_request(output, &request);
        })
    }
}

#[cfg(test)]
mod checks {
    use super::*;

    fn request(name: &str) -> String {
        let tests = CommandTest::named(&[name.to_owned()]).expect("a test");
        let mut output = Vec::new();
        tests[0].requests(100, 1, 0)(&mut output);
        output.escape_ascii().to_string()
    }

    #[test]
    fn requests_are_those_of_redis_benchmark() {
        assert!(
            request("set").starts_with("*3\\r\\n$3\\r\\nSET\\r\\n$16\\r\\nkey:0000000000"),
            "{}",
            request("set")
        );
        assert!(
            request("hset").starts_with("*4\\r\\n$4\\r\\nHSET\\r\\n$6\\r\\nmyhash\\r\\n$20\\r\\nelement:")
        );
        assert!(request("mset").starts_with("*21\\r\\n$4\\r\\nMSET\\r\\n"));
        assert_eq!(
            request("lrange"),
            "*4\\r\\n$6\\r\\nLRANGE\\r\\n$6\\r\\nmylist\\r\\n$1\\r\\n0\\r\\n$2\\r\\n99\\r\\n"
        );
    }

    #[test]
    fn the_same_seed_and_round_send_the_same_requests() {
        assert_eq!(request("get"), request("get"));
        let mut outputs = [Vec::new(), Vec::new()];
        for (round, output) in outputs.iter_mut().enumerate() {
            let mut draw = ALL[1].requests(1_000_000, 7, round as u64);
            (0..10).for_each(|_| draw(output));
        }
        assert_ne!(outputs[0], outputs[1]);
    }

    #[test]
    fn every_test_is_found_by_its_name() {
        for test in ALL {
            let found = CommandTest::named(&[test.name.to_lowercase()]).expect("a test");
            assert_eq!(found[0].name, test.name);
        }
        assert!(CommandTest::named(&["nothing".to_owned()]).is_err());
    }

    #[test]
    fn what_is_taken_out_was_put_in() {
        for name in ["lpop", "spop", "zpopmin"] {
            let mut commands = 0;
            let test = CommandTest::named(&[name.to_owned()]).expect("a test")[0];
            test.prepare(10, 1050, |requests, write| {
                let mut output = Vec::new();
                (0..requests).for_each(|number| write(number, &mut output));
                commands = requests;
                Ok(())
            })
            .expect("nothing fails");
            assert_eq!(commands, 11, "{name}");
        }
    }
}
