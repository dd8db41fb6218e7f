//! CLIENT, as far as it is about the client that asks, or holds commands back.

use thermocline_engine::UnixMillis;
use thermocline_protocol::{Arguments, parse_integer};

use super::{ANY_STATE, CONNECTION, client_list, client_tracking, is_plain_name};
use crate::command::arguments::{integer, is_word};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::server::blocking::Unblock;
use crate::session::{ReplyMode, Session};

pub(super) const BAD_NAME: Failure = Failure::Error(std::borrow::Cow::Borrowed(
    "ERR Client names cannot contain spaces, newlines or special characters.",
));

const ADMIN: Flags = ANY_STATE.with(Flags::ADMIN);

pub(super) const CLIENT: Command = Command {
    name: "client",
    arity: -2,
    flags: Flags::NONE,
    categories: &[],
    summary: "A container for client connection commands.",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..CONNECTION
};

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "id",
        arity: 2,
        summary: "Returns the unique client ID of the connection.",
        since: "5.0.0",
        handler: Handler::Server(id),
        ..CONNECTION
    },
    Command {
        name: "info",
        arity: 2,
        summary: "Returns information about the connection.",
        since: "6.2.0",
        handler: Handler::Server(client_list::info),
        ..CONNECTION
    },
    Command {
        name: "list",
        arity: -2,
        flags: ADMIN,
        summary: "Lists open connections.",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        handler: Handler::Server(client_list::list),
        ..CONNECTION
    },
    Command {
        name: "kill",
        arity: -3,
        flags: ADMIN,
        summary: "Terminates open connections.",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        handler: Handler::Server(client_list::kill),
        ..CONNECTION
    },
    Command {
        name: "setname",
        arity: 3,
        summary: "Sets the connection name.",
        since: "2.6.9",
        handler: Handler::Server(setname),
        ..CONNECTION
    },
    Command {
        name: "getname",
        arity: 2,
        summary: "Returns the name of the connection.",
        since: "2.6.9",
        handler: Handler::Server(getname),
        ..CONNECTION
    },
    Command {
        name: "setinfo",
        arity: 4,
        summary: "Sets information specific to the client or connection.",
        since: "7.2.0",
        handler: Handler::Server(setinfo),
        ..CONNECTION
    },
    Command {
        name: "reply",
        arity: 3,
        summary: "Instructs the server whether to reply to commands.",
        since: "3.2.0",
        handler: Handler::Server(reply_mode),
        ..CONNECTION
    },
    Command {
        name: "pause",
        arity: -3,
        flags: ADMIN,
        summary: "Suspends commands processing.",
        since: "2.9.50",
        handler: Handler::Server(pause),
        ..CONNECTION
    },
    Command {
        name: "unpause",
        arity: 2,
        flags: ADMIN,
        summary: "Resumes processing commands from paused clients.",
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        handler: Handler::Server(unpause),
        ..CONNECTION
    },
    Command {
        name: "no-evict",
        arity: 3,
        flags: ADMIN,
        summary: "Sets the client eviction mode of the connection.",
        since: "7.0.0",
        handler: Handler::Server(no_evict),
        ..CONNECTION
    },
    Command {
        name: "no-touch",
        arity: 3,
        summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        since: "7.2.0",
        handler: Handler::Server(no_touch),
        ..CONNECTION
    },
    Command {
        name: "unblock",
        arity: -3,
        flags: ADMIN,
        summary: "Unblocks a client blocked by a blocking command from a different connection.",
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        handler: Handler::Server(unblock),
        ..CONNECTION
    },
    Command {
        name: "tracking",
        arity: -3,
        summary: "Controls server-assisted client-side caching for the connection.",
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        handler: Handler::Server(client_tracking::tracking),
        ..CONNECTION
    },
    Command {
        name: "caching",
        arity: 3,
        summary: "Instructs the server whether to track the keys in the next request.",
        since: "6.0.0",
        handler: Handler::Server(client_tracking::caching),
        ..CONNECTION
    },
    Command {
        name: "getredir",
        arity: 2,
        summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
        since: "6.0.0",
        handler: Handler::Server(client_tracking::getredir),
        ..CONNECTION
    },
    Command {
        name: "trackinginfo",
        arity: 2,
        summary: "Returns information about server-assisted client-side caching for the connection.",
        since: "6.2.0",
        handler: Handler::Server(client_tracking::trackinginfo),
        ..CONNECTION
    },
    Command {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.with(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        handler: Handler::Server(help),
        ..CONNECTION
    },
];

const HELP: &[Entry] = &[
    ("CACHING (YES|NO)", &["Whether the keys of the next command are tracked."]),
    ("GETREDIR", &["Return the client that tracking messages are redirected to."]),
    ("GETNAME", &["Return the connection's name."]),
    ("ID", &["Return the connection's id."]),
    ("INFO", &["Return what CLIENT LIST shows of this connection."]),
    ("KILL <ip:port>", &["Close the connection from this address."]),
    (
        "KILL <option> <value> [<option> <value> [...]]",
        &[
            "Close connections. Options:",
            "* ADDR (<ip:port>|<unixsocket>:0), LADDR (<ip:port>|<unixsocket>:0)",
            "* ID <client-id>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER <username>",
            "* SKIPME (YES|NO): whether this connection is left alone (default: yes).",
        ],
    ),
    (
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <id> [<id> ...]]",
        &["Return what is known of connections."],
    ),
    ("NO-EVICT (ON|OFF)", &["Protect this connection from being closed for the memory it takes."]),
    ("NO-TOUCH (ON|OFF)", &["Leave no trace of this connection's accesses in LRU and LFU."]),
    ("PAUSE <timeout> [WRITE|ALL]", &["Hold back all commands, or writes, for so many milliseconds."]),
    ("UNPAUSE", &["End CLIENT PAUSE."]),
    ("REPLY (ON|OFF|SKIP)", &["Which replies are sent to this connection."]),
    ("SETINFO (LIB-NAME|LIB-VER) <value>", &["Tell what client library this is."]),
    ("SETNAME <name>", &["Name this connection."]),
    (
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
        &["Tell this connection of keys that change which it has read."],
    ),
    ("TRACKINGINFO", &["Return the state of tracking."]),
    ("UNBLOCK <clientid> [TIMEOUT|ERROR]", &["Wake a client that waits in a blocking command."]),
];

fn id(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.integer(context.session.client.id as i64);
    Ok(())
}

fn setname(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if !is_plain_name(arguments.get(2)) {
        return Err(BAD_NAME);
    }
    set_name(context.session, arguments.get(2));
    context.reply.ok();
    Ok(())
}

/// Names the client; the name was checked.
pub(super) fn set_name(session: &Session, name: &[u8]) {
    let name = String::from_utf8_lossy(name).into_owned();
    session.client.change_names(|names| names.name = name);
}

fn getname(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let name = context.session.client.names().name;
    if name.is_empty() {
        context.reply.null()
    } else {
        context.reply.bulk(name.as_bytes())
    }
    Ok(())
}

fn setinfo(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (attribute, value) = (arguments.get(2), arguments.get(3));
    let is_name = is_word(attribute, "LIB-NAME");
    let shown = String::from_utf8_lossy(attribute);
    if !is_name && !is_word(attribute, "LIB-VER") {
        return Err(Failure::error(format!("ERR Unrecognized option '{shown}'")));
    }
    if !is_plain_name(value) {
        let text = format!("ERR {shown} cannot contain spaces, newlines or special characters.");
        return Err(Failure::error(text));
    }
    let value = String::from_utf8_lossy(value).into_owned();
    context.session.client.change_names(|names| {
        let slot = if is_name { &mut names.library } else { &mut names.library_version };
        *slot = value;
    });
    context.reply.ok();
    Ok(())
}

fn reply_mode(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let session = &mut *context.session;
    match arguments.get(2) {
        mode if is_word(mode, "ON") => session.reply_mode = ReplyMode::On,
        mode if is_word(mode, "OFF") => session.reply_mode = ReplyMode::Off,
        mode if is_word(mode, "SKIP") => {
            if session.reply_mode != ReplyMode::Off {
                session.reply_mode = ReplyMode::SkipNext;
            }
        }
        _ => return Err(Failure::SYNTAX),
    }
    // Whether this is sent is decided by the mode that was just set.
    context.reply.ok();
    Ok(())
}

fn pause(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let writes_only = match arguments.len() {
        3 => false,
        4 if is_word(arguments.get(3), "WRITE") => true,
        4 if is_word(arguments.get(3), "ALL") => false,
        4 => return Err(Failure::error("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(Failure::SYNTAX),
    };
    let timeout_ms = parse_integer(arguments.get(2));
    let timeout_ms = timeout_ms.ok_or(Failure::error("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| Failure::error("ERR timeout is negative"))?;
    let until = UnixMillis(context.server.clock.now().0.saturating_add(timeout_ms));
    context.server.pause.pause(until, writes_only);
    context.reply.ok();
    Ok(())
}

fn unpause(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.server.pause.resume();
    context.reply.ok();
    Ok(())
}

fn no_evict(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    context.session.no_evict = on_or_off(arguments.get(2))?;
    context.reply.ok();
    Ok(())
}

fn no_touch(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    context.session.no_touch = on_or_off(arguments.get(2))?;
    context.reply.ok();
    Ok(())
}

pub(super) fn on_or_off(word: &[u8]) -> Result<bool, Failure> {
    match word {
        _ if is_word(word, "ON") => Ok(true),
        _ if is_word(word, "OFF") => Ok(false),
        _ => Err(Failure::SYNTAX),
    }
}

fn unblock(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let how = match arguments.len() {
        3 => Unblock::Timeout,
        4 if is_word(arguments.get(3), "TIMEOUT") => Unblock::Timeout,
        4 if is_word(arguments.get(3), "ERROR") => Unblock::Error,
        4 => return Err(Failure::error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(Failure::SYNTAX),
    };
    let id = integer(arguments.get(2))?;
    let client = u64::try_from(id).ok().and_then(|id| context.server.clients.get(id));
    context.reply.integer(i64::from(client.is_some_and(|client| client.unblock(how))));
    Ok(())
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "CLIENT", HELP);
    Ok(())
}
