//! ACL: users and what they may do.
//!
//! * [`users`]: SETUSER, GETUSER, DELUSER, LIST, USERS, WHOAMI, and what becomes of connections when users change.
//! * [`storage`]: LOAD and SAVE.
//! * [`inspection`]: CAT, DRYRUN, LOG, GENPASS.

mod inspection;
mod storage;
#[cfg(test)]
mod tests;
mod users;

use thermocline_protocol::Arguments;

use super::{ANY_STATE, HELP, OPERATOR, SERVER};
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};

pub(super) const ACL: Command = Command {
    name: "acl",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for Access List Control commands.",
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..SERVER
};

/// For operators.
const ADMIN: Command = Command { flags: OPERATOR, since: "6.0.0", ..SERVER };
/// For everybody.
const OPEN: Command = Command { flags: ANY_STATE.with(Flags::NOSCRIPT), since: "6.0.0", ..SERVER };

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "cat",
        arity: -2,
        summary: "Lists the ACL categories, or the commands inside a category.",
        complexity: "O(1) since the categories and commands are a fixed set.",
        handler: Handler::Server(inspection::cat),
        ..OPEN
    },
    Command {
        name: "deluser",
        arity: -3,
        summary: "Deletes ACL users, and terminates their connections.",
        complexity: "O(1) amortized time considering the typical user.",
        handler: Handler::Server(users::deluser),
        ..ADMIN
    },
    Command {
        name: "dryrun",
        arity: -4,
        summary: "Simulates the execution of a command by a user, without executing the command.",
        since: "7.0.0",
        complexity: "O(1).",
        handler: Handler::Server(inspection::dryrun),
        ..ADMIN
    },
    Command {
        name: "genpass",
        arity: -2,
        summary: "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        handler: Handler::Server(inspection::genpass),
        ..OPEN
    },
    Command {
        name: "getuser",
        arity: 3,
        summary: "Lists the ACL rules of a user.",
        complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
        handler: Handler::Server(users::getuser),
        ..ADMIN
    },
    Command {
        name: "list",
        arity: 2,
        summary: "Dumps the effective rules in ACL file format.",
        complexity: "O(N). Where N is the number of configured users.",
        handler: Handler::Server(users::list),
        ..ADMIN
    },
    Command {
        name: "load",
        arity: 2,
        summary: "Reloads the rules from the configured ACL file.",
        complexity: "O(N). Where N is the number of configured users.",
        handler: Handler::Server(storage::load),
        ..ADMIN
    },
    Command {
        name: "log",
        arity: -2,
        summary: "Lists recent security events generated due to ACL rules.",
        complexity: "O(N) with N being the number of entries shown.",
        handler: Handler::Server(inspection::log),
        ..ADMIN
    },
    Command {
        name: "save",
        arity: 2,
        summary: "Saves the effective ACL rules in the configured ACL file.",
        complexity: "O(N). Where N is the number of configured users.",
        handler: Handler::Server(storage::save),
        ..ADMIN
    },
    Command {
        name: "setuser",
        arity: -3,
        summary: "Creates and modifies an ACL user and its rules.",
        complexity: "O(N). Where N is the number of rules provided.",
        handler: Handler::Server(users::setuser),
        ..ADMIN
    },
    Command {
        name: "users",
        arity: 2,
        summary: "Lists all ACL users.",
        complexity: "O(N). Where N is the number of configured users.",
        handler: Handler::Server(users::users),
        ..ADMIN
    },
    Command {
        name: "whoami",
        arity: 2,
        summary: "Returns the authenticated username of the current connection.",
        handler: Handler::Server(users::whoami),
        ..OPEN
    },
    Command { handler: Handler::Server(help), since: "6.0.0", ..HELP },
];

const ENTRIES: &[Entry] = &[
    ("CAT [<category>]", &["List the categories, or the commands of one."]),
    ("DELUSER <username> [<username> ...]", &["Delete users, and close their connections."]),
    (
        "DRYRUN <username> <command> [<arg> ...]",
        &["Return whether a user may run a command, without running it."],
    ),
    ("GETUSER <username>", &["Return what a user may do."]),
    ("GENPASS [<bits>]", &["Return a random password of 256 bits, or as many as asked for."]),
    ("LIST", &["Return all users as lines of a configuration file."]),
    ("LOAD", &["Read the file of users again."]),
    ("LOG [<count> | RESET]", &["Return what was refused lately, or forget it."]),
    ("SAVE", &["Write the users into the file of users."]),
    ("SETUSER <username> <attribute> [<attribute> ...]", &["Make or change a user."]),
    ("USERS", &["List the users."]),
    ("WHOAMI", &["Return the user of this connection."]),
];

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "ACL", ENTRIES);
    Ok(())
}

/// The error for too many arguments of a subcommand.
fn wrong_arguments(subcommand: &str) -> Failure {
    Failure::error(format!(
        "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try ACL HELP."
    ))
}
