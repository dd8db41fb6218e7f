//! Random commands cause the key space notifications that redis-server gives, for values in DRAM and on the SSD alike.
//!
//! `THERMOCLINE_SEED` and `THERMOCLINE_COMMANDS` choose another stream or a longer one, and `THERMOCLINE_GROUP` one that is
//! mostly of one kind of commands.

use std::env;

use thermocline_protocol::Reply;
use thermocline_tests::Connection;
use thermocline_tests::compat::generator::{CLIENTS, Family, Generator, Step};
use thermocline_tests::compat::pair::{Pair, PairedClient};
use thermocline_tests::compat::request::Request;

/// How many commands a run compares unless it is told otherwise.
const DEFAULT_COMMANDS: usize = 6_000;

/// How many earlier commands a difference shows.
const SHOWN_HISTORY: usize = 12;

/// Hears of every event of one server.
struct Listener(Connection);

impl Listener {
    fn new(mut connection: Connection) -> Self {
        // `A` leaves out new keys and misses.
        assert_eq!(connection.text("CONFIG SET notify-keyspace-events KEAnm"), "OK");
        connection.line("PSUBSCRIBE __key*");
        Self(connection)
    }

    /// The channels and messages since the last call, in order.
    fn events(&mut self) -> Vec<String> {
        // What was published before the PING was received comes before its reply.
        self.0.send(&["PING"]);
        let mut events = Vec::new();
        loop {
            let reply = self.0.receive();
            let [_, _, channel, message] = reply.as_elements().expect("a message or a pong") else {
                return events;
            };
            events.push(format!("{} {}", text(channel), text(message)));
        }
    }
}

fn text(reply: &Reply) -> String {
    reply.as_bytes().expect("a string").escape_ascii().to_string()
}

fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// What is not compared: databases and users are no keys, and who pops at random pops something else.
fn is_left_out(request: &Request) -> bool {
    matches!(request.name().as_str(), "CONFIG" | "SPOP" | "RESTORE")
}

/// Whether a command failed, or one of a transaction.
fn has_error(reply: &Reply) -> bool {
    reply.is_error() || reply.as_elements().is_some_and(|elements| elements.iter().any(has_error))
}

/// Sends a command to both servers and compares the events, and whether it failed.
fn compare(
    client: &mut PairedClient,
    listeners: &mut [Listener; 2],
    request: &Request,
    history: &mut Vec<Request>,
) -> usize {
    let replies = client.exchange(std::slice::from_ref(request)).remove(0);
    let [mut theirs, mut ours] = listeners.each_mut().map(Listener::events);
    let failed = |raw: &[u8]| has_error(&Reply::decode(raw).expect("a reply").expect("a whole reply").0);
    if failed(&replies.0) || failed(&replies.1) {
        // How many keys are looked up before one turns out to be wrong is not the same.
        for events in [&mut theirs, &mut ours] {
            events.retain(|event| !event.contains("keymiss"));
        }
    }
    for events in [&mut theirs, &mut ours] {
        // From 7.2 on XREADGROUP and XAUTOCLAIM make a consumer even where there is nothing for it.
        events.retain(|event| !event.contains("xgroup-createconsumer"));
        // SORT looks keys up in the order of a set's members, which is no order, and some of them twice.
        let mut misses: Vec<String> = events.extract_if(.., |event| event.contains("keymiss")).collect();
        misses.sort();
        if matches!(request.name().as_str(), "SORT" | "SORT_RO" | "EXEC") {
            misses.dedup();
        }
        events.extend(misses);
    }
    if theirs != ours {
        // Where they are many, what only one has says most.
        let only = |these: &[String], those: &[String]| -> String {
            these
                .iter()
                .filter(|event| !those.contains(event))
                .take(20)
                .map(|event| format!("  {event}\n"))
                .collect()
        };
        panic!(
            "{request:?} replied\n{}\nand was followed by\n  {}\ninstead of\n  {}\nonly ours:\n{}only theirs:\n{}after\n  {}",
            replies.1.escape_ascii(),
            ours.join("\n  "),
            theirs.join("\n  "),
            only(&ours, &theirs),
            only(&theirs, &ours),
            history.iter().map(|request| format!("{request:?}")).collect::<Vec<_>>().join("\n  ")
        );
    }
    if history.len() == SHOWN_HISTORY {
        history.remove(0);
    }
    history.push(request.clone());
    ours.len()
}

#[test]
fn random_commands_are_followed_by_the_same_events() {
    let number = |name| setting(name).map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("THERMOCLINE_SEED").unwrap_or(7);
    let commands = number("THERMOCLINE_COMMANDS").map_or(DEFAULT_COMMANDS, |commands| commands as usize);
    let focus = setting("THERMOCLINE_GROUP").map(|name| Family::named(&name));
    let pair = Pair::start();
    let mut listeners = [&pair.reference, &pair.subject].map(|server| Listener::new(server.connect()));
    let mut clients: Vec<PairedClient> = (0..CLIENTS).map(|_| pair.connect()).collect();
    let mut demoter = pair.demoter();
    let mut generator = Generator::new(seed, focus);
    let (mut compared, mut heard, mut history) = (0, 0, Vec::new());
    while compared < commands {
        match generator.step() {
            Step::Batch { client, requests } => {
                for request in requests.iter().filter(|request| !is_left_out(request)) {
                    heard += compare(&mut clients[client], &mut listeners, request, &mut history);
                    compared += 1;
                }
            }
            Step::Demote { database, keys } => {
                if let Some(demoter) = &mut demoter {
                    demoter.demote(database, &keys);
                    assert!(listeners[1].events().is_empty(), "a demotion is no event");
                }
            }
            // Iterations change nothing; keys that expire and payloads have tests of their own.
            Step::ScanAll { .. } | Step::CarryOver { .. } | Step::Expire { .. } => {}
        }
    }
    eprintln!("seed {seed}: {compared} commands, {heard} events");
    assert!(heard > commands / 2, "{heard} events of {compared} commands");
}

/// The events of both servers after these commands, which must be equal; each as the event and the key.
fn events_of(pair: &Pair, listeners: &mut [Listener; 2], commands: &[&str]) -> Vec<String> {
    let mut client = pair.connect();
    for command in commands {
        let (theirs, ours) = (client.reference.line(command), client.subject.line(command));
        assert_eq!(ours, theirs, "{command}");
    }
    let [theirs, ours] = listeners.each_mut().map(Listener::events);
    assert_eq!(ours, theirs, "{commands:?}");
    ours.iter().filter_map(|event| Some(event.strip_prefix("__keyevent@0__:")?.to_owned())).collect()
}

#[test]
fn what_random_commands_seldom_do_is_followed_by_the_same_events() {
    let pair = Pair::start();
    let mut listeners = [&pair.reference, &pair.subject].map(|server| Listener::new(server.connect()));
    let mut events = |commands: &[&str]| events_of(&pair, &mut listeners, commands);
    const HELLO: &str = r#""\x00\x05hello\x0a\x00cr\xdfve4 \x0a""#;
    let restore = [format!("RESTORE k 0 {HELLO}"), format!("RESTORE k 0 {HELLO} REPLACE")];
    assert_eq!(events(&[&restore[0]]), ["new k", "restore k"]);
    assert_eq!(events(&[&restore[1]]), ["new k", "restore k"]);
    assert_eq!(events(&["SET l 1", "COPY k l REPLACE"]), ["new l", "set l", "new l", "copy_to l"]);
    assert_eq!(events(&["RENAME k l"]), ["new l", "rename_from k", "rename_to l"]);
    assert_eq!(events(&["RENAME l l", "COPY nothing l REPLACE"]), ["keymiss nothing"]);
    assert_eq!(events(&["MOVE l 1"]), ["move_from l"]);
    assert_eq!(events(&["SET a 1 EX 100", "GETEX a PERSIST"]), ["new a", "set a", "expire a", "persist a"]);
    assert_eq!(events(&["GETEX a EXAT 1", "EXPIRE a 10"]), ["del a"]);
    assert_eq!(events(&["MSETNX a 1 b 2", "EXPIRE a -1"]), ["new a", "set a", "new b", "set b", "del a"]);
    assert_eq!(events(&["MULTI", "SET a 1", "GET x", "EXEC"]), ["new a", "set a", "keymiss x"]);
    assert_eq!(events(&["SETRANGE x 5 \"\"", "APPEND a \"\"", "FLUSHALL"]), ["append a"]);
    for (letters, shown) in [("", ""), ("Ez", "zE"), ("g$lshzxetdKE", "AKE"), ("mnK", "nKm")] {
        let mut client = pair.connect();
        let set = format!("CONFIG SET notify-keyspace-events \"{letters}\"");
        for connection in [&mut client.reference, &mut client.subject] {
            assert_eq!(connection.text(&set), "OK");
            let reply = connection.line("CONFIG GET notify-keyspace-events");
            assert_eq!(text(&reply.as_elements().expect("a pair")[1]), shown);
        }
    }
    let mut client = pair.connect();
    let unknown = "CONFIG SET notify-keyspace-events KEq";
    assert_eq!(client.subject.error(unknown), client.reference.error(unknown));
}

#[test]
fn keys_that_expire_are_told_of_whoever_finds_them() {
    for finds in [true, false] {
        let pair = Pair::start();
        let mut listeners = [&pair.reference, &pair.subject].map(|server| Listener::new(server.connect()));
        let mut client = pair.connect();
        for (connection, listener) in
            [&mut client.reference, &mut client.subject].into_iter().zip(&mut listeners)
        {
            // Found by a command where nobody else looks for it, and else by the server on its own.
            let active = if finds { "0" } else { "1" };
            connection.line(&format!("DEBUG SET-ACTIVE-EXPIRE {active}"));
            connection.line("SET k v PX 5");
            let mut events = listener.events();
            thermocline_tests::waiting::wait_until("the event", std::time::Duration::from_secs(20), || {
                if finds {
                    connection.line("GET k");
                }
                events.extend(listener.events());
                // The second of the two messages.
                events.contains(&"__keyevent@0__:expired k".to_owned())
            });
            assert_eq!(events.iter().filter(|event| event.contains("expired")).count(), 2, "{events:?}");
        }
    }
}
