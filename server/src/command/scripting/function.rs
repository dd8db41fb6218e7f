//! FUNCTION: the libraries of functions.

use std::sync::Arc;

use thermocline_protocol::{Arguments, ReplyEncoder};

use super::{HELP, NOTHING_RUNS, SCRIPTING, kill_running};
use crate::command::arguments::is_word;
use crate::command::generic::glob::{Case, matches};
use crate::command::generic::lzf::Compressor;
use crate::command::generic::rdb::{FunctionPayloadError, dump_functions, restore_functions};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::scripting::{FunctionInfo, Library, RestorePolicy};

pub(super) const FUNCTION: Command = Command {
    name: "function",
    arity: -2,
    flags: Flags::NONE,
    categories: &[],
    summary: "A container for function commands.",
    since: "7.0.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SCRIPTING
};

/// A subcommand.
const SUBCOMMAND: Command = Command { since: "7.0.0", ..SCRIPTING };

const WRITES: Flags = Flags::NOSCRIPT.with(Flags::WRITE);

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "delete",
        arity: 3,
        flags: WRITES,
        summary: "Deletes a library and its functions.",
        handler: Handler::Server(delete),
        ..SUBCOMMAND
    },
    Command {
        name: "dump",
        arity: 2,
        summary: "Dumps all libraries into a serialized binary payload.",
        complexity: "O(N) where N is the number of functions",
        handler: Handler::Server(dump),
        ..SUBCOMMAND
    },
    Command {
        name: "flush",
        arity: -2,
        flags: WRITES,
        summary: "Deletes all libraries and functions.",
        complexity: "O(N) where N is the number of functions deleted",
        handler: Handler::Server(flush),
        ..SUBCOMMAND
    },
    Command {
        name: "kill",
        arity: 2,
        flags: Flags::NOSCRIPT.with(Flags::ALLOW_BUSY),
        summary: "Terminates a function during execution.",
        handler: Handler::Server(kill),
        ..SUBCOMMAND
    },
    Command {
        name: "list",
        arity: -2,
        summary: "Returns information about all libraries.",
        complexity: "O(N) where N is the number of functions",
        handler: Handler::Server(list),
        ..SUBCOMMAND
    },
    Command {
        name: "load",
        arity: -3,
        flags: WRITES.with(Flags::DENYOOM),
        summary: "Creates a library.",
        complexity: "O(1) (considering compilation time is redundant)",
        handler: Handler::Server(load),
        ..SUBCOMMAND
    },
    Command {
        name: "restore",
        arity: -3,
        flags: WRITES.with(Flags::DENYOOM),
        summary: "Restores all libraries from a payload.",
        complexity: "O(N) where N is the number of functions on the payload",
        handler: Handler::Server(restore),
        ..SUBCOMMAND
    },
    Command {
        name: "stats",
        arity: 2,
        flags: Flags::NOSCRIPT.with(Flags::ALLOW_BUSY),
        summary: "Returns information about a function during execution.",
        handler: Handler::Server(stats),
        ..SUBCOMMAND
    },
    Command { since: "7.0.0", handler: Handler::Server(help), ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("DELETE <library-name>", &["Delete a library and its functions."]),
    ("DUMP", &["Return all libraries as a payload for FUNCTION RESTORE."]),
    ("FLUSH [ASYNC|SYNC]", &["Delete all libraries."]),
    ("KILL", &["End the function that has run for too long, unless it has written."]),
    (
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        &["Return the name, engine and functions of each library, and its code if asked for."],
    ),
    ("LOAD [REPLACE] <code>", &["Add a library, in place of one of its name if REPLACE says so."]),
    (
        "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
        &[
            "Add the libraries of a payload. FLUSH deletes those that are there first; APPEND, the default, refuses",
            "names that are taken; REPLACE replaces libraries of the same name.",
        ],
    ),
    ("STATS", &["Return which function has run for too long, and how many there are of each engine."]),
];

fn load(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let last = arguments.len() - 1;
    let mut replaces = false;
    for option in arguments.iter().take(last).skip(2) {
        if !is_word(option, "REPLACE") {
            let text = format!("ERR Unknown option given: {}", String::from_utf8_lossy(option));
            return Err(Failure::error(text));
        }
        replaces = true;
    }
    let name = context.thread.scripts.load_library(arguments.get(last), replaces).map_err(Failure::Error)?;
    context.reply.bulk(name.as_bytes());
    Ok(())
}

fn delete(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let name = std::str::from_utf8(arguments.get(2)).unwrap_or_default();
    if !context.server.scripts.delete_library(name) {
        return Err(Failure::error("ERR Library not found"));
    }
    context.reply.ok();
    Ok(())
}

fn flush(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if arguments.len() > 3 {
        return Err(wrong_arguments(arguments));
    }
    if arguments.len() == 3 && !is_word(arguments.get(2), "SYNC") && !is_word(arguments.get(2), "ASYNC") {
        return Err(Failure::error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    context.server.scripts.flush_libraries();
    context.reply.ok();
    Ok(())
}

fn wrong_arguments(arguments: Arguments<'_>) -> Failure {
    let subcommand = String::from_utf8_lossy(arguments.get(1));
    Failure::error(format!(
        "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try FUNCTION HELP."
    ))
}

fn list(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (mut pattern, mut with_code) = (None, false);
    let mut options = arguments.skip(2).iter();
    while let Some(option) = options.next() {
        if !with_code && is_word(option, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && is_word(option, "LIBRARYNAME") {
            let given = options.next();
            pattern = Some(given.ok_or(Failure::error("ERR library name argument was not given"))?);
        } else {
            let text = format!("ERR Unknown argument {}", String::from_utf8_lossy(option));
            return Err(Failure::error(text));
        }
    }
    let libraries = context.server.scripts.libraries();
    let is_wanted = |library: &&Arc<Library>| {
        pattern.is_none_or(|pattern| matches(pattern, library.name.as_bytes(), Case::Insensitive))
    };
    let wanted: Vec<_> = libraries.iter().filter(is_wanted).collect();
    context.reply.array(wanted.len());
    for library in wanted {
        reply_library(&mut context.reply, library, with_code);
    }
    Ok(())
}

fn reply_library(reply: &mut ReplyEncoder<'_>, library: &Library, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(library.name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    library.functions.iter().for_each(|function| reply_function(reply, function));
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn reply_function(reply: &mut ReplyEncoder<'_>, function: &FunctionInfo) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(function.name.as_bytes());
    reply.bulk(b"description");
    match &function.description {
        Some(description) => reply.bulk(description),
        None => reply.null(),
    }
    reply.bulk(b"flags");
    reply.set(function.flags.names().count());
    function.flags.names().for_each(|name| reply.simple(name));
}

fn dump(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let libraries = context.server.scripts.libraries();
    let payload = dump_functions(libraries.iter().map(|library| &library.code[..]), &mut Compressor::new());
    context.reply.bulk(&payload);
    Ok(())
}

fn restore(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if arguments.len() > 4 {
        return Err(wrong_arguments(arguments));
    }
    let policy = match arguments.len() {
        3 => RestorePolicy::Append,
        _ => match arguments.get(3) {
            word if is_word(word, "APPEND") => RestorePolicy::Append,
            word if is_word(word, "REPLACE") => RestorePolicy::Replace,
            word if is_word(word, "FLUSH") => RestorePolicy::Flush,
            _ => {
                return Err(Failure::error(
                    "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
                ));
            }
        },
    };
    let codes = restore_functions(arguments.get(2)).map_err(|error| {
        Failure::error(match error {
            FunctionPayloadError::VersionOrChecksum => "ERR DUMP payload version or checksum are wrong",
            FunctionPayloadError::NotAFunction => "ERR given type is not a function",
            FunctionPayloadError::PreRelease => "ERR Pre-release function format not supported",
            FunctionPayloadError::BadFormat => "ERR Failed loading library code",
        })
    })?;
    context.thread.scripts.restore_libraries(&codes, policy).map_err(Failure::Error)?;
    context.reply.ok();
    Ok(())
}

fn stats(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let scripts = &context.server.scripts;
    let running = scripts.busy.first();
    if running.as_ref().is_some_and(|running| !running.is_function) {
        return Err(Failure::error(scripts.busy.refusal().unwrap_or(NOTHING_RUNS)));
    }
    let usage = scripts.usage();
    let reply = &mut context.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        None => reply.null(),
        Some(running) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(running.name.as_bytes());
            reply.bulk(b"command");
            reply.array(running.command.len());
            running.command.iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            reply.integer(i64::try_from(running.began.elapsed().as_millis()).unwrap_or(i64::MAX));
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(usage.libraries as i64);
    reply.bulk(b"functions_count");
    reply.integer(usage.functions as i64);
    Ok(())
}

fn kill(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    kill_running(context, true)
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "FUNCTION", ENTRIES);
    Ok(())
}
