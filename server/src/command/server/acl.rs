//! ACL, for the one user there is: `default`, who may do everything.

use std::collections::BTreeSet;

use thermocline_protocol::Arguments;

use super::description::categories;
use super::{ANY_STATE, HELP, OPERATOR, SERVER};
use crate::command::help::{Entry, reply_help};
use crate::command::table::CommandEntry;
use crate::command::{Command, Context, Failure, Flags, Handler};

pub(super) const ACL: Command = Command {
    name: "acl",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for access control list commands.",
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SERVER
};

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "whoami",
        arity: 2,
        flags: ANY_STATE.with(Flags::NOSCRIPT),
        summary: "Returns the authenticated username of the current connection.",
        since: "6.0.0",
        handler: Handler::Server(whoami),
        ..SERVER
    },
    Command {
        name: "users",
        arity: 2,
        flags: OPERATOR,
        summary: "Lists all ACL users.",
        since: "6.0.0",
        complexity: "O(N). Where N is the number of configured users.",
        handler: Handler::Server(users),
        ..SERVER
    },
    Command {
        name: "cat",
        arity: -2,
        flags: ANY_STATE.with(Flags::NOSCRIPT),
        summary: "Lists the ACL categories, or the commands inside a category.",
        since: "6.0.0",
        handler: Handler::Server(cat),
        ..SERVER
    },
    Command { handler: Handler::Server(help), since: "6.0.0", ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("CAT [<category>]", &["List the categories, or the commands of one."]),
    ("USERS", &["List the users."]),
    ("WHOAMI", &["Return the user of this connection."]),
];

fn whoami(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.bulk(b"default");
    Ok(())
}

fn users(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.array(1);
    context.reply.bulk(b"default");
    Ok(())
}

fn cat(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let table = context.server.commands;
    // Containers do nothing themselves.
    let doing = |entry: &&CommandEntry| entry.subcommands.is_empty();
    let all = || (0..table.len()).map(|id| table.entry(id)).filter(doing);
    match arguments.len() {
        2 => {
            let names: BTreeSet<&str> = all().flat_map(|entry| categories(entry.command)).collect();
            context.reply.array(names.len());
            names.iter().for_each(|name| context.reply.bulk(name.as_bytes()));
        }
        3 => {
            let wanted = String::from_utf8_lossy(arguments.get(2)).to_lowercase();
            let names: Vec<&str> =
                all().filter(|e| categories(e.command).contains(&&*wanted)).map(|e| &*e.full_name).collect();
            if names.is_empty() {
                let shown = String::from_utf8_lossy(arguments.get(2));
                return Err(Failure::error(format!("ERR Unknown category '{shown}'")));
            }
            context.reply.array(names.len());
            names.iter().for_each(|name| context.reply.bulk(name.as_bytes()));
        }
        _ => return Err(Failure::SYNTAX),
    }
    Ok(())
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "ACL", ENTRIES);
    Ok(())
}
