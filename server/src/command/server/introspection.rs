//! COMMAND: what commands there are, and where their keys are.

use thermocline_protocol::Arguments;

use super::description::{reply_documentation, reply_flags, reply_info};
use super::{ANY_STATE, HELP, SERVER};
use crate::command::arguments::is_word;
use crate::command::categories::{category_named, is_in_category};
use crate::command::generic::glob::{self, Case};
use crate::command::help::{Entry, reply_help};
use crate::command::key_use::use_of_key;
use crate::command::table::CommandEntry;
use crate::command::{Context, Failure, Flags, Handler, KeyPositions};
use crate::dispatch::key_positions::key_positions;

/// A row of this group. `Command` itself is what this file is about.
type Row = crate::command::Command;

const CONNECTION: Row = Row { categories: &["connection"], flags: ANY_STATE, ..SERVER };

pub(super) const COMMAND: Row = Row {
    name: "command",
    arity: -1,
    summary: "Returns detailed information about all commands.",
    since: "2.8.13",
    complexity: "O(N) where N is the total number of Redis commands",
    handler: Handler::Server(all),
    subcommands: SUBCOMMANDS,
    ..CONNECTION
};

const SUBCOMMANDS: &[Row] = &[
    Row {
        name: "count",
        arity: 2,
        summary: "Returns a count of commands.",
        since: "2.8.13",
        handler: Handler::Server(count),
        ..CONNECTION
    },
    Row {
        name: "list",
        arity: -2,
        summary: "Returns a list of command names.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        handler: Handler::Server(list),
        ..CONNECTION
    },
    Row {
        name: "info",
        arity: -2,
        summary: "Returns information about one, multiple or all commands.",
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands to look up",
        handler: Handler::Server(info),
        ..CONNECTION
    },
    Row {
        name: "docs",
        arity: -2,
        summary: "Returns documentary information about one, multiple or all commands.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        handler: Handler::Server(docs),
        ..CONNECTION
    },
    Row {
        name: "getkeys",
        arity: -3,
        summary: "Extracts the key names from an arbitrary command.",
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments to the command",
        handler: Handler::Server(getkeys),
        ..CONNECTION
    },
    Row {
        name: "getkeysandflags",
        arity: -3,
        summary: "Extracts the key names and access flags for an arbitrary command.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        handler: Handler::Server(getkeysandflags),
        ..CONNECTION
    },
    Row { handler: Handler::Server(help), categories: &["connection"], ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("(no subcommand)", &["Return what is known of all commands."]),
    ("COUNT", &["Return how many commands there are."]),
    (
        "LIST [FILTERBY (MODULE <module>|ACLCAT <category>|PATTERN <pattern>)]",
        &["Return the commands' names."],
    ),
    ("INFO [<command-name> ...]", &["Return what is known of these commands, or of all."]),
    ("DOCS [<command-name> ...]", &["Return the documentation of these commands, or of all."]),
    ("GETKEYS <full-command>", &["Return the keys of a command with its arguments."]),
    ("GETKEYSANDFLAGS <full-command>", &["Return the keys, and what the command does with them."]),
];

fn all(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_all(context);
    Ok(())
}

fn reply_all(context: &mut Context<'_>) {
    let table = context.server.commands;
    context.reply.array(table.commands().len());
    table.commands().iter().for_each(|entry| reply_info(&mut context.reply, table, entry));
}

fn count(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.integer(context.server.commands.commands().len() as i64);
    Ok(())
}

fn list(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let table = context.server.commands;
    let filter = match arguments.len() {
        2 => None,
        5 if is_word(arguments.get(2), "FILTERBY") => Some((arguments.get(3), arguments.get(4))),
        _ => return Err(Failure::SYNTAX),
    };
    let names: Vec<&str> = match filter {
        None => (0..table.len()).map(|id| &*table.entry(id).full_name).collect(),
        Some((kind, value)) => {
            let matches = |entry: &CommandEntry| match kind {
                // There are no modules.
                _ if is_word(kind, "MODULE") => false,
                _ if is_word(kind, "ACLCAT") => {
                    category_named(value).is_some_and(|name| is_in_category(entry.command, name))
                }
                _ => glob::matches(value, entry.full_name.as_bytes(), Case::Insensitive),
            };
            if !["MODULE", "ACLCAT", "PATTERN"].iter().any(|word| is_word(kind, word)) {
                return Err(Failure::SYNTAX);
            }
            (0..table.len()).map(|id| table.entry(id)).filter(|e| matches(e)).map(|e| &*e.full_name).collect()
        }
    };
    context.reply.array(names.len());
    names.iter().for_each(|name| context.reply.bulk(name.as_bytes()));
    Ok(())
}

fn info(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if arguments.len() == 2 {
        reply_all(context);
        return Ok(());
    }
    let table = context.server.commands;
    context.reply.array(arguments.len() - 2);
    for name in arguments.iter().skip(2) {
        match table.find_full_name(name) {
            Some(entry) => reply_info(&mut context.reply, table, entry),
            None => context.reply.null(),
        }
    }
    Ok(())
}

fn docs(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let table = context.server.commands;
    let entries: Vec<&CommandEntry> = match arguments.len() {
        2 => table.commands().iter().collect(),
        // What does not exist has no documentation, and no place in the reply.
        _ => arguments.iter().skip(2).filter_map(|name| table.find_full_name(name)).collect(),
    };
    context.reply.map(entries.len());
    for entry in entries {
        context.reply.bulk(entry.full_name.as_bytes());
        reply_documentation(&mut context.reply, table, entry);
    }
    Ok(())
}

fn getkeys(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (_, keys) = keys_of(context, arguments)?;
    context.reply.array(keys.len());
    keys.iter().for_each(|key| context.reply.bulk(key));
    Ok(())
}

fn getkeysandflags(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (row, keys) = keys_of(context, arguments)?;
    context.reply.array(keys.len());
    for (number, key) in keys.into_iter().enumerate() {
        context.reply.array(2);
        context.reply.bulk(key);
        reply_flags(&mut context.reply, use_of_key(row, number).with(arguments.skip(2)));
    }
    Ok(())
}

/// The command that the arguments name, and the keys among them.
fn keys_of<'a>(
    context: &Context<'_>,
    arguments: Arguments<'a>,
) -> Result<(&'static Row, Vec<&'a [u8]>), Failure> {
    let request = arguments.skip(2);
    let entry = context.server.commands.resolve(request);
    let entry = entry.map_err(|_| Failure::error("ERR Invalid command specified"))?;
    if matches!(entry.command.keys, KeyPositions::None | KeyPositions::Channels { .. }) {
        return Err(Failure::error("ERR The command has no key arguments"));
    }
    if !entry.accepts(request.len()) {
        return Err(Failure::error("ERR Invalid number of arguments specified for command"));
    }
    let keys: Vec<&[u8]> =
        key_positions(entry.command, request).map(|position| request.get(position)).collect();
    if keys.is_empty() && !entry.has(Flags::NO_MANDATORY_KEYS) {
        return Err(Failure::error("ERR Invalid arguments specified for command"));
    }
    Ok((entry.command, keys))
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "COMMAND", ENTRIES);
    Ok(())
}
