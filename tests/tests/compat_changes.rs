//! Random commands change the keys that they change in redis-server, in the eyes of those who WATCH them and of those who
//! keep copies of them, for values in DRAM and on the SSD alike.
//!
//! `THERMOCLINE_SEED` and `THERMOCLINE_COMMANDS` choose another stream or a longer one, and `THERMOCLINE_GROUP` one that is
//! mostly of one kind of commands.

use std::collections::BTreeSet;
use std::env;

use thermocline_protocol::Reply;
use thermocline_tests::Connection;
use thermocline_tests::compat::generator::{Family, Generator, Step};
use thermocline_tests::compat::pair::{Pair, PairedClient};
use thermocline_tests::compat::request::Request;
use thermocline_tests::info::Info;

/// How many commands a run compares unless it is told otherwise.
const DEFAULT_COMMANDS: usize = 4_000;

/// How many earlier commands a difference shows.
const SHOWN_HISTORY: usize = 40;

/// How many bytes of a reply.
const SHOWN_BYTES: usize = 200;

/// How many of a command's first arguments are watched, each by a client of its own: any of them may be a key.
const WATCHERS: usize = 5;

fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// What is not compared: who pops at random pops something else, payloads are not the same, and databases and transactions
/// would be those of one client only.
fn is_left_out(request: &Request) -> bool {
    let others =
        ["CONFIG", "SPOP", "RESTORE", "SELECT", "SWAPDB", "MOVE", "MULTI", "EXEC", "DISCARD", "WATCH"];
    others.contains(&request.name().as_str())
}

/// For whom copies are not compared: from 7.2 on it is what a script reads that its client keeps copies of, not what it
/// declares, and of an XREAD that is wrong Redis finds no keys.
fn has_other_copies(request: &Request) -> bool {
    matches!(
        request.name().as_str(),
        "EVAL" | "EVAL_RO" | "EVALSHA" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" | "XREAD"
    )
}

/// Those who are told of changes by one server.
struct Observers {
    watchers: Vec<Connection>,
    /// Keeps copies of everything.
    copies: Connection,
    /// Hears for the client whose commands are compared, which keeps copies of what it reads.
    hearer: Connection,
}

impl Observers {
    fn new(connect: impl Fn() -> Connection) -> Self {
        let mut copies = connect();
        copies.line("HELLO 3");
        assert_eq!(copies.text("CLIENT TRACKING ON BCAST"), "OK");
        let mut hearer = connect();
        hearer.line("HELLO 3");
        Self { watchers: (0..WATCHERS).map(|_| connect()).collect(), copies, hearer }
    }

    fn watch(&mut self, request: &Request) {
        for (watcher, argument) in self.watchers.iter_mut().zip(&request.0[1..]) {
            watcher.call(&[b"WATCH", &argument[..]]);
        }
    }

    /// Which of the arguments were changed as keys, and which keys are to be forgotten by those who keep copies.
    fn changes(&mut self, request: &Request) -> (Vec<bool>, [BTreeSet<String>; 2], u64) {
        let is_changed = |watcher: &mut Connection| {
            watcher.line("MULTI");
            watcher.line("EXEC").is_null()
        };
        let watched = self.watchers.iter_mut().take(request.0.len() - 1).map(is_changed).collect();
        let forgotten = [&mut self.copies, &mut self.hearer].map(forgotten);
        (watched, forgotten, Info::fetch(&mut self.copies, "stats").count("tracking_total_keys"))
    }
}

/// The keys that a connection was told to forget.
fn forgotten(connection: &mut Connection) -> BTreeSet<String> {
    // What is told before the PING is received comes before its reply.
    connection.send(&["PING"]);
    let mut forgotten = BTreeSet::new();
    while let Reply::Push(message) = connection.receive() {
        let [_, keys] = &message[..] else { panic!("{message:?} is no invalidation") };
        match keys.as_elements() {
            Some(keys) => forgotten.extend(keys.iter().map(text)),
            None => forgotten.extend(["all".to_owned()]),
        }
    }
    forgotten
}

fn text(reply: &Reply) -> String {
    reply.as_bytes().expect("a string").escape_ascii().to_string()
}

/// Runs a command on both servers and compares what it changed; how many keys that were.
fn compare(
    client: &mut PairedClient,
    observers: &mut [Observers; 2],
    request: &Request,
    history: &mut Vec<Request>,
) -> usize {
    observers.iter_mut().for_each(|observers| observers.watch(request));
    let replies = client.exchange(std::slice::from_ref(request)).remove(0);
    let [theirs, ours] = observers.each_mut().map(|observers| observers.changes(request));
    assert!(
        theirs == ours,
        "{request:?} replied\n{}\nand changed\n  {ours:?}\ninstead of\n  {theirs:?}\nafter\n  {}",
        replies.1[..replies.1.len().min(SHOWN_BYTES)].escape_ascii(),
        history.iter().map(|request| format!("{request:?}")).collect::<Vec<_>>().join("\n  ")
    );
    if history.len() == SHOWN_HISTORY {
        history.remove(0);
    }
    history.push(request.clone());
    ours.1[0].len()
}

#[test]
fn random_commands_change_the_same_keys() {
    let number = |name| setting(name).map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("THERMOCLINE_SEED").unwrap_or(5);
    let commands = number("THERMOCLINE_COMMANDS").map_or(DEFAULT_COMMANDS, |commands| commands as usize);
    let focus = setting("THERMOCLINE_GROUP").map(|name| Family::named(&name));
    let pair = Pair::start();
    let mut observers = [&pair.reference, &pair.subject].map(|server| Observers::new(|| server.connect()));
    let (mut client, mut without_copies) = (pair.connect(), pair.connect());
    for (observers, connection) in observers.iter_mut().zip([&mut client.reference, &mut client.subject]) {
        let id = observers.hearer.line("CLIENT ID").as_integer().expect("a number");
        assert_eq!(connection.text(&format!("CLIENT TRACKING ON REDIRECT {id}")), "OK");
    }
    let mut demoter = pair.demoter();
    let mut generator = Generator::new(seed, focus);
    let (mut compared, mut changed, mut history) = (0, 0, Vec::new());
    while compared < commands {
        match generator.step() {
            Step::Batch { requests, .. } => {
                for request in requests.iter().filter(|request| !is_left_out(request)) {
                    let client = if has_other_copies(request) { &mut without_copies } else { &mut client };
                    changed += compare(client, &mut observers, request, &mut history);
                    compared += 1;
                }
            }
            Step::Demote { keys, .. } => {
                if let Some(demoter) = &mut demoter {
                    let request = Request(keys.iter().fold(vec![b"DEMOTE".to_vec()], |mut words, key| {
                        words.push(key.clone());
                        words
                    }));
                    observers[1].watch(&request);
                    demoter.demote(0, &keys);
                    let (watched, forgotten, _) = observers[1].changes(&request);
                    assert!(!watched.contains(&true), "a demotion is no change");
                    assert_eq!(forgotten, [BTreeSet::new(), BTreeSet::new()], "a demotion is no change");
                }
            }
            // Iterations change nothing; keys that expire and payloads have tests of their own.
            Step::ScanAll { .. } | Step::CarryOver { .. } | Step::Expire { .. } => {}
        }
    }
    eprintln!("seed {seed}: {compared} commands, {changed} changes");
    assert!(changed > commands / 10, "{changed} changes of {compared} commands");
}
