//! SCRIPT: the cache of scripts.

use thermocline_protocol::Arguments;

use super::{HELP, SCRIPTING, kill_running};
use crate::command::arguments::is_word;
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};

pub(super) const SCRIPT: Command = Command {
    name: "script",
    arity: -2,
    flags: Flags::NONE,
    categories: &[],
    summary: "A container for Lua scripts management commands.",
    since: "2.6.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SCRIPTING
};

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "debug",
        arity: 3,
        summary: "Sets the debug mode of server-side Lua scripts.",
        since: "3.2.0",
        handler: Handler::Server(debug),
        ..SCRIPTING
    },
    Command {
        name: "exists",
        arity: -3,
        summary: "Determines whether server-side Lua scripts exist in the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        handler: Handler::Server(exists),
        ..SCRIPTING
    },
    Command {
        name: "flush",
        arity: -2,
        summary: "Removes all server-side Lua scripts from the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts in cache",
        handler: Handler::Server(flush),
        ..SCRIPTING
    },
    Command {
        name: "kill",
        arity: 2,
        flags: Flags::NOSCRIPT.with(Flags::ALLOW_BUSY),
        summary: "Terminates a server-side Lua script during execution.",
        since: "2.6.0",
        handler: Handler::Server(kill),
        ..SCRIPTING
    },
    Command {
        name: "load",
        arity: 3,
        flags: Flags::NOSCRIPT.with(Flags::STALE),
        summary: "Loads a server-side Lua script to the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the length in bytes of the script body.",
        handler: Handler::Server(load),
        ..SCRIPTING
    },
    Command { since: "5.0.0", handler: Handler::Server(help), ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("DEBUG (YES|SYNC|NO)", &["Switch the Lua debugger, which this server does not have, off."]),
    ("EXISTS <sha1> [<sha1> ...]", &["Say of each digest whether its script is in the cache."]),
    (
        "FLUSH [ASYNC|SYNC]",
        &["Empty the cache of scripts. Their memory is given back when each thread runs a script next."],
    ),
    ("KILL", &["End the script that has run for too long, unless it has written."]),
    ("LOAD <script>", &["Add a script to the cache, and reply its digest."]),
];

fn debug(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let mode = arguments.get(2);
    if is_word(mode, "NO") {
        context.reply.ok();
        return Ok(());
    }
    Err(Failure::error(match is_word(mode, "YES") || is_word(mode, "SYNC") {
        true => "ERR This server has no Lua debugger",
        false => "ERR Use SCRIPT DEBUG YES/SYNC/NO",
    }))
}

fn exists(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let digests = arguments.skip(2);
    context.reply.array(digests.len());
    for digest in digests.iter() {
        context.reply.integer(i64::from(context.server.scripts.find(digest).is_some()));
    }
    Ok(())
}

fn flush(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let is_mode = |word| is_word(word, "SYNC") || is_word(word, "ASYNC");
    if arguments.len() > 3 || arguments.len() == 3 && !is_mode(arguments.get(2)) {
        return Err(Failure::error("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    context.server.scripts.flush();
    context.reply.ok();
    Ok(())
}

fn kill(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    kill_running(context, false)
}

fn load(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let program = context.thread.scripts.script(arguments.get(2)).map_err(Failure::Error)?;
    context.reply.bulk(program.name().as_bytes());
    Ok(())
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "SCRIPT", ENTRIES);
    Ok(())
}
