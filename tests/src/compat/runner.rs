//! Executes a stream of steps on both servers and reports where they differ.
//!
//! Two errors with different texts leave both servers in the same state, so the run goes on and collects a few more; any
//! other difference ends it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use thermocline_protocol::Reply;

use crate::compat::comparison::{compare, compare_transaction};
use crate::compat::generator::{CLIENTS, Family, Generator, Step};
use crate::compat::pair::{Demoter, Pair, PairedClient};
use crate::compat::rdb_payload::stamped_for_7_0;
use crate::compat::request::Request;
use crate::compat::values::{DATABASES, all_keys};
use crate::waiting::wait_until;

/// How many commands the history keeps.
const HISTORY: usize = 3_000;
/// How many of them, those that touch the same keys, a difference shows.
const SHOWN_HISTORY: usize = 60;
/// How many calls one iteration of SCAN may take: the key space is tiny.
const MAX_SCAN_CALLS: usize = 1_000;

/// How many differences between error texts one run collects.
const MAX_DIFFERENCES: usize = 20;

/// What a run did, to see that it did something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Commands that were compared.
    pub commands: u64,
    /// Values that `TIER DEMOTE` moved.
    pub demoted: u64,
    /// Commands whose reply was an error.
    pub errors: u64,
}

/// A reply that was not the same.
#[derive(Debug)]
pub struct Difference {
    seed: u64,
    focus: Option<Family>,
    index: u64,
    client: usize,
    request: Request,
    what: String,
    history: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "command {} of seed {}, client {}: {:?}",
            self.index, self.seed, self.client, self.request
        )?;
        writeln!(f, "{}", self.what)?;
        write!(f, "again: THERMOCLINE_SEED={} THERMOCLINE_COMMANDS={}", self.seed, self.index + 100)?;
        match &self.focus {
            Some(family) => writeln!(f, " THERMOCLINE_GROUP={}", family.name)?,
            None => writeln!(f)?,
        }
        writeln!(f, "what came before on the same keys, and on the whole database:")?;
        self.history.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Runs one seed's stream for about `commands` commands, mostly of one family if one is given, then compares everything
/// that is stored.
///
/// # Errors
///
/// The differences, at least one.
pub fn run(seed: u64, commands: u64, focus: Option<Family>) -> Result<Summary, Vec<Difference>> {
    let pair = Pair::start();
    let mut runner = Runner::new(&pair, seed, focus);
    if let Err(last) = runner.run_all(commands) {
        runner.differences.push(*last);
    }
    if runner.differences.is_empty() { Ok(runner.summary) } else { Err(runner.differences) }
}

struct Runner {
    seed: u64,
    focus: Option<Family>,
    clients: Vec<PairedClient>,
    demoter: Option<Demoter>,
    history: VecDeque<(u64, usize, Request)>,
    summary: Summary,
    /// Differences that did not end the run.
    differences: Vec<Difference>,
}

impl Runner {
    fn new(pair: &Pair, seed: u64, focus: Option<Family>) -> Self {
        Self {
            seed,
            focus,
            clients: (0..CLIENTS).map(|_| pair.connect()).collect(),
            demoter: pair.demoter(),
            history: VecDeque::new(),
            summary: Summary::default(),
            differences: Vec::new(),
        }
    }

    fn run_all(&mut self, commands: u64) -> Result<(), Box<Difference>> {
        self.greet()?;
        let mut generator = Generator::new(self.seed, self.focus);
        while self.summary.commands < commands && self.differences.len() < MAX_DIFFERENCES {
            self.execute(generator.step())?;
        }
        self.compare_everything()
    }

    /// Half of the clients start in RESP3.
    fn greet(&mut self) -> Result<(), Box<Difference>> {
        for client in (1..CLIENTS).step_by(2) {
            self.batch(client, &[Request::new("HELLO").arg("3")])?;
        }
        Ok(())
    }

    fn execute(&mut self, step: Step) -> Result<(), Box<Difference>> {
        match step {
            Step::Batch { client, requests } => self.batch(client, &requests).map(drop),
            Step::Demote { database, keys } => {
                if let Some(demoter) = &mut self.demoter {
                    self.summary.demoted += demoter.demote(database, &keys) as u64;
                    let request = Request::new("TIER").arg("DEMOTE").args(keys);
                    self.remember(usize::MAX, &request);
                }
                Ok(())
            }
            Step::ScanAll { client, options } => self.scan_all(client, &options),
            Step::CarryOver { client, source, destinations, options, damage } => {
                self.carry_over(client, &source, destinations, &options, damage)
            }
            Step::Expire { client, key, value } => self.expire(client, &key, &value),
        }
    }

    /// Sends the requests to both and compares the replies; the reference's and the subject's.
    fn batch(&mut self, client: usize, requests: &[Request]) -> Result<Vec<(Reply, Reply)>, Box<Difference>> {
        let replies = self.clients[client].exchange(requests);
        let mut queued = Vec::new();
        for (request, (reference, subject)) in requests.iter().zip(&replies) {
            self.summary.commands += 1;
            self.summary.errors += u64::from(reference[0] == b'-');
            let compared = match request.name().as_str() {
                "EXEC" => compare_transaction(&std::mem::take(&mut queued), reference, subject),
                _ => compare(request, reference, subject),
            };
            if reference == b"+QUEUED\r\n" {
                queued.push(request);
            } else {
                queued.clear();
            }
            if let Err(what) = compared {
                let difference = self.difference(client, request, what);
                let are_both_errors = reference[0] == b'-' && subject[0] == b'-';
                if !are_both_errors {
                    return Err(difference);
                }
                self.differences.push(*difference);
            }
            self.remember(client, request);
        }
        Ok(replies.iter().map(|(reference, subject)| (decode(reference), decode(subject))).collect())
    }

    /// Whole iterations return the same keys, each at least once.
    fn scan_all(&mut self, client: usize, options: &[Vec<u8>]) -> Result<(), Box<Difference>> {
        let clients = &mut self.clients[client];
        let reference = iterate(|request| clients.reference.call(&request.0), options);
        let subject = iterate(|request| clients.subject.call(&request.0), options);
        self.summary.commands += 1;
        if reference == subject {
            return Ok(());
        }
        let request = Request::new("SCAN").arg("0").args(options.iter().cloned());
        let what = format!("whole iteration\nreference: {reference:?}\nsubject:   {subject:?}");
        Err(self.difference(client, &request, what))
    }

    fn carry_over(
        &mut self,
        client: usize,
        source: &[u8],
        destinations: [Vec<u8>; 2],
        options: &[Vec<u8>],
        damage: Option<usize>,
    ) -> Result<(), Box<Difference>> {
        let dump = Request::new("DUMP").arg(source);
        let replies = self.batch(client, std::slice::from_ref(&dump))?;
        let (Reply::Bulk(mut from_reference), Reply::Bulk(from_subject)) = replies[0].clone() else {
            return Ok(());
        };
        let [destination, swapped] = destinations;
        if let Some(position) = damage {
            let position = position % from_reference.len();
            from_reference[position] ^= 0x55;
            let request = restore(&destination, "0", &from_reference, options);
            return self.batch(client, &[request]).map(drop);
        }
        let ttl = if options.contains(&b"ABSTTL".to_vec()) { "9000000000000" } else { "0" };
        self.batch(client, &[restore(&destination, ttl, &from_reference, options)])?;

        // Each server restores what the other one dumped; from here on every command compares the two.
        let Some(from_subject) = stamped_for_7_0(&from_subject) else {
            return Err(self.difference(
                client,
                &dump,
                "the subject's payload has a wrong checksum".to_owned(),
            ));
        };
        let replace = [b"REPLACE".to_vec()];
        let to_reference = restore(&swapped, "0", &from_subject, &replace);
        let to_subject = restore(&swapped, "0", &from_reference, &replace);
        let clients = &mut self.clients[client];
        let replies = (clients.reference.call(&to_reference.0), clients.subject.call(&to_subject.0));
        let ok = Reply::Simple(b"OK".to_vec());
        if replies != (ok.clone(), ok) {
            let what = format!("payloads exchanged\nreference: {:?}\nsubject:   {:?}", replies.0, replies.1);
            return Err(self.difference(client, &to_reference, what));
        }
        self.remember(client, &to_subject);
        self.read(client, &[swapped])
    }

    /// Compares whole values, each by the command that reads its type.
    fn read(&mut self, client: usize, keys: &[Vec<u8>]) -> Result<(), Box<Difference>> {
        let types: Vec<Request> = keys.iter().map(|key| Request::new("TYPE").arg(key.clone())).collect();
        let replies = self.batch(client, &types)?;
        let requests: Vec<Request> = keys
            .iter()
            .zip(&replies)
            .filter_map(|(key, (value_type, _))| whole_value(key, value_type))
            .collect();
        self.batch(client, &requests).map(drop)
    }

    fn expire(&mut self, client: usize, key: &[u8], value: &[u8]) -> Result<(), Box<Difference>> {
        let set = Request::new("SET").arg(key).arg(value).args(["PX", "10"]);
        self.batch(client, &[set])?;
        let clients = &mut self.clients[client];
        for connection in [&mut clients.reference, &mut clients.subject] {
            wait_until("a key to expire", Duration::from_secs(10), || {
                connection.call(&[b"PTTL", key]).as_integer() == Some(-2)
            });
        }
        let commands =
            ["GET", "EXISTS", "TTL", "PTTL", "EXPIRETIME", "TYPE", "STRLEN", "DUMP", "PERSIST", "DEL"];
        let requests: Vec<Request> = commands.iter().map(|name| Request::new(name).arg(key)).collect();
        self.batch(client, &requests).map(drop)
    }

    /// At the end: every database holds the same keys, with the same values.
    fn compare_everything(&mut self) -> Result<(), Box<Difference>> {
        for database in 0..DATABASES {
            let mut requests = vec![
                Request::new("SELECT").number(database),
                Request::new("DBSIZE"),
                Request::new("KEYS").arg("*"),
            ];
            for key in all_keys() {
                requests.push(Request::new("PEXPIRETIME").arg(key.clone()));
                requests.push(Request::new("OBJECT").arg("ENCODING").arg(key));
            }
            self.batch(0, &requests)?;
            self.read(0, &all_keys())?;
        }
        Ok(())
    }

    fn remember(&mut self, client: usize, request: &Request) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.summary.commands, client, request.clone()));
    }

    fn difference(&self, client: usize, request: &Request, what: String) -> Box<Difference> {
        // A transaction depends on all that anybody did since its first WATCH.
        let is_of = |entry: &(u64, usize, Request), name| entry.1 == client && entry.2.name() == name;
        let watched_since = (request.name() == "EXEC").then(|| {
            let last_end =
                self.history.iter().rposition(|entry| is_of(entry, "EXEC") || is_of(entry, "UNWATCH"));
            let earlier = self.history.iter().skip(last_end.map_or(0, |end| end + 1));
            earlier.into_iter().find(|entry| is_of(entry, "WATCH")).map_or(u64::MAX, |entry| entry.0)
        });
        let is_related = |(index, from, earlier): &&(u64, usize, Request)| {
            let is_watched = watched_since.is_some_and(|since| *index >= since);
            let is_sweeping = matches!(earlier.name().as_str(), "FLUSHDB" | "FLUSHALL" | "SWAPDB");
            let is_own_session =
                *from == client && matches!(earlier.name().as_str(), "SELECT" | "HELLO" | "RESET");
            is_watched || is_sweeping || is_own_session || earlier.shares_argument(request)
        };
        let mut history: Vec<String> = self
            .history
            .iter()
            .rev()
            .filter(is_related)
            .take(SHOWN_HISTORY)
            .map(|(index, client, request)| match *client {
                usize::MAX => format!("#{index} {request:?}"),
                client => format!("#{index} client {client}: {request:?}"),
            })
            .collect();
        history.reverse();
        Box::new(Difference {
            seed: self.seed,
            focus: self.focus,
            index: self.summary.commands,
            client,
            request: request.clone(),
            what,
            history,
        })
    }
}

/// The command that replies all of a value; none for a key that is not there.
fn whole_value(key: &[u8], value_type: &Reply) -> Option<Request> {
    match value_type.as_bytes() {
        Some(b"string") => Some(Request::new("GET").arg(key)),
        Some(b"stream") => Some(Request::new("XINFO").arg("STREAM").arg(key).args(["FULL", "COUNT", "0"])),
        Some(b"hash") => Some(Request::new("HGETALL").arg(key)),
        Some(b"set") => Some(Request::new("SMEMBERS").arg(key)),
        Some(b"zset") => Some(Request::new("ZRANGE").arg(key).args(["0", "-1", "WITHSCORES"])),
        Some(b"list") => Some(Request::new("LRANGE").arg(key).args(["0", "-1"])),
        _ => None,
    }
}

/// All keys that a whole iteration returns.
fn iterate(mut call: impl FnMut(&Request) -> Reply, options: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    for _ in 0..MAX_SCAN_CALLS {
        let request = Request::new("SCAN").arg(cursor).args(options.iter().cloned());
        let reply = call(&request);
        let Some([Reply::Bulk(next), page]) = reply.as_elements() else {
            panic!("{request:?} replied {reply:?}")
        };
        let page = page.as_elements().unwrap_or_else(|| panic!("{request:?} replied {reply:?}"));
        keys.extend(page.iter().map(|key| key.as_bytes().expect("a key").to_vec()));
        cursor = next.clone();
        if cursor == b"0" {
            return keys;
        }
    }
    panic!("SCAN {options:?} does not end");
}

fn restore(key: &[u8], ttl: &str, payload: &[u8], options: &[Vec<u8>]) -> Request {
    Request::new("RESTORE").arg(key).arg(ttl).arg(payload).args(options.iter().cloned())
}

fn decode(raw: &[u8]) -> Reply {
    Reply::decode(raw).expect("a reply").expect("a whole reply").0
}
