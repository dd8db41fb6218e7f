//! What COMMAND says of each command, next to what redis-server says of it.

use thermocline_protocol::Reply;
use thermocline_tests::compat::pair::{Pair, PairedClient};

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

/// The same with what is in no order in one, and without notes, which are for people.
fn comparable(reply: &Reply) -> Reply {
    let Some(elements) = reply.as_elements() else { return reply.clone() };
    let mut elements: Vec<Reply> = elements.iter().map(comparable).collect();
    if let Some(notes) = elements.iter().position(|element| element.as_bytes() == Some(b"notes")) {
        elements.drain(notes..notes + 2);
    }
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
            // 7.2 asks for one argument less than 7.0.
            let is_newer = name.starts_with("command|getkeys") && *field == "arity";
            if !is_newer && *field != "tips" {
                assert_eq!(comparable(ours), comparable(theirs), "{field} of {name}");
            }
        }
    }
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
        "PING x",
        "GET k k",
        "NOTHING k",
    ] {
        for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let words: Vec<&str> = ["COMMAND", subcommand].into_iter().chain(request.split(' ')).collect();
            let (theirs, ours) = both(&mut client, &words);
            assert_eq!(comparable(&ours), comparable(&theirs), "{subcommand} {request}");
        }
    }
}
