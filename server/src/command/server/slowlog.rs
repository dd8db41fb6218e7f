//! SLOWLOG: the commands that took longest lately.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use thermocline_engine::UnixMillis;
use thermocline_protocol::{Arguments, parse_integer};

use super::{ANY_STATE, HELP, SERVER};
use crate::command::arguments::is_word;
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::config::{OPTIONS, find};
use crate::session::Session;

/// How many arguments of a command are kept; the last one says how many more there were. Redis' number.
const ARGUMENTS_MAX: usize = 32;
/// How many bytes of an argument are kept. Redis' number.
const ARGUMENT_BYTES_MAX: usize = 128;
/// How many entries SLOWLOG GET shows unless told otherwise.
const SHOWN_BY_DEFAULT: usize = 10;

/// The slow commands, newest first. Bounded by `slowlog-max-len`, which may be changed at any time.
#[derive(Debug, Default)]
pub struct SlowLog {
    entries: Mutex<VecDeque<SlowCommand>>,
    next_id: AtomicU64,
}

#[derive(Clone, Debug)]
struct SlowCommand {
    id: u64,
    at: UnixMillis,
    duration: SlowDuration,
    arguments: Vec<Box<[u8]>>,
    peer: String,
    client_name: String,
}

/// How long a command took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowDuration {
    /// In all.
    pub total_us: u64,
    /// Of that, waiting for the SSD.
    pub waited_us: u64,
}

impl SlowLog {
    /// A command of this session took so long. Keeps at most `length_max` commands.
    pub fn record(
        &self,
        now: UnixMillis,
        duration: SlowDuration,
        arguments: Arguments<'_>,
        session: &Session,
        length_max: usize,
    ) {
        let entry = SlowCommand {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            at: now,
            duration,
            arguments: abridge(arguments),
            peer: session
                .client
                .peer
                .map_or_else(|| "unixsocket:0".to_owned(), |address| address.to_string()),
            client_name: session.client.names().name,
        };
        let mut entries = self.entries.lock();
        entries.push_front(entry);
        entries.truncate(length_max);
    }

    fn newest(&self, count: usize) -> Vec<SlowCommand> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    fn len(&self) -> usize {
        self.entries.lock().len()
    }

    fn clear(&self) {
        self.entries.lock().clear();
    }
}

fn abridge(arguments: Arguments<'_>) -> Vec<Box<[u8]>> {
    let shown = if arguments.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { arguments.len() };
    let keep = |at: usize| match is_secret(arguments, at) {
        true => (*b"(redacted)").into(),
        false => abridge_argument(arguments.get(at)),
    };
    let mut kept: Vec<Box<[u8]>> = (0..shown).map(keep).collect();
    if shown < arguments.len() {
        kept.push(format!("... ({} more arguments)", arguments.len() - shown).into_bytes().into());
    }
    kept
}

/// Whether an argument may be a password.
fn is_secret(arguments: Arguments<'_>, at: usize) -> bool {
    let command = arguments.get(0);
    if is_word(command, "AUTH") {
        at > 0
    } else if is_word(command, "ACL") && at > 1 {
        // Users are nobody's business, and SETUSER's rules hold passwords.
        ["SETUSER", "GETUSER", "DELUSER"].iter().any(|word| is_word(arguments.get(1), word))
    } else if is_word(command, "HELLO") {
        // HELLO <version> AUTH <user> <password>
        (1..=2).any(|back| at > back && is_word(arguments.get(at - back), "AUTH"))
    } else if is_word(command, "MIGRATE") && at > 6 {
        // AUTH <password>, or AUTH2 <user> <password>
        let follows = |back, word| at > 5 + back && is_word(arguments.get(at - back), word);
        follows(1, "AUTH") || follows(1, "AUTH2") || follows(2, "AUTH2")
    } else if is_word(command, "CONFIG") && at > 2 && at % 2 == 1 {
        let name = String::from_utf8_lossy(arguments.get(at - 1));
        is_word(arguments.get(1), "SET") && find(&name).is_some_and(|option| OPTIONS[option].is_secret)
    } else {
        false
    }
}

fn abridge_argument(argument: &[u8]) -> Box<[u8]> {
    if argument.len() <= ARGUMENT_BYTES_MAX {
        return argument.into();
    }
    let mut kept = argument[..ARGUMENT_BYTES_MAX].to_vec();
    kept.extend_from_slice(format!("... ({} more bytes)", argument.len() - ARGUMENT_BYTES_MAX).as_bytes());
    kept.into()
}

pub(super) const SLOWLOG: Command = Command {
    name: "slowlog",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for slow log commands.",
    since: "2.2.12",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SERVER
};

const FLAGS: Flags = ANY_STATE.with(Flags::ADMIN);

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "get",
        arity: -2,
        flags: FLAGS,
        summary: "Returns the slow log's entries.",
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries returned",
        handler: Handler::Server(get),
        ..SERVER
    },
    Command {
        name: "len",
        arity: 2,
        flags: FLAGS,
        summary: "Returns the number of entries in the slow log.",
        since: "2.2.12",
        handler: Handler::Server(len),
        ..SERVER
    },
    Command {
        name: "reset",
        arity: 2,
        flags: FLAGS,
        summary: "Clears all entries from the slow log.",
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries in the slowlog",
        handler: Handler::Server(reset),
        ..SERVER
    },
    Command { handler: Handler::Server(help), since: "6.2.0", ..HELP },
];

const ENTRIES: &[Entry] = &[
    (
        "GET [<count>]",
        &[
            "Return the newest <count> entries (default: 10, -1 means all). An entry is an id, a Unix time, the",
            "time it took in microseconds, the arguments, the client's address and name.",
        ],
    ),
    ("LEN", &["Return the number of entries."]),
    ("RESET", &["Forget all entries."]),
];

fn get(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let count = match arguments.len() {
        2 | 3 => count(arguments)?,
        _ => return Err(crate::command::arguments::wrong_arity("slowlog|get")),
    };
    // Clients count on six elements, some of them on no more.
    reply_newest(context, count, false);
    Ok(())
}

/// How many entries are asked for, as the argument behind the subcommand.
pub(crate) fn count(arguments: Arguments<'_>) -> Result<usize, Failure> {
    if arguments.len() == 2 {
        return Ok(SHOWN_BY_DEFAULT);
    }
    match parse_integer(arguments.get(2)) {
        Some(-1) => Ok(usize::MAX),
        Some(count) if count >= 0 => Ok(count as usize),
        _ => Err(Failure::error("ERR count should be greater than or equal to -1")),
    }
}

/// Replies the newest entries; each ends with the wait for the SSD if `with_wait`.
pub(crate) fn reply_newest(context: &mut Context<'_>, count: usize, with_wait: bool) {
    let entries = context.server.slowlog.newest(count);
    let reply = &mut context.reply;
    reply.array(entries.len());
    for entry in entries {
        reply.array(if with_wait { 7 } else { 6 });
        reply.integer(entry.id as i64);
        reply.integer((entry.at.0 / 1000) as i64);
        reply.integer(entry.duration.total_us as i64);
        reply.array(entry.arguments.len());
        entry.arguments.iter().for_each(|argument| reply.bulk(argument));
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(entry.client_name.as_bytes());
        if with_wait {
            reply.integer(entry.duration.waited_us as i64);
        }
    }
}

fn len(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.integer(context.server.slowlog.len() as i64);
    Ok(())
}

fn reset(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.server.slowlog.clear();
    context.reply.ok();
    Ok(())
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "SLOWLOG", ENTRIES);
    Ok(())
}
