//! What does not exist here yet, refused in so many words rather than by "unknown command": durability, replication,
//! modules.

use thermocline_protocol::Arguments;

use super::{HELP, OPERATOR, SERVER};
use crate::command::arguments::is_word;
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};

pub(super) const NO_SNAPSHOTS: &str = "ERR snapshots are not supported yet: data does not survive a restart";
const NO_APPEND_LOG: &str = "ERR an append-only log is not supported yet: data does not survive a restart";
const NO_REPLICATION: &str = "ERR replication is not supported yet";

pub(super) const SAVE: Command = Command {
    name: "save",
    arity: 1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING),
    summary: "Would save the data to disk; not supported yet.",
    complexity: "O(N) where N is the total number of keys in all databases",
    handler: Handler::Server(save),
    ..SERVER
};

pub(super) const BGSAVE: Command = Command {
    name: "bgsave",
    arity: -1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING),
    summary: "Would save the data to disk in the background; not supported yet.",
    handler: Handler::Server(save),
    ..SERVER
};

pub(super) const BGREWRITEAOF: Command = Command {
    name: "bgrewriteaof",
    arity: 1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING),
    summary: "Would rewrite the append-only log; not supported yet.",
    handler: Handler::Server(rewrite_log),
    ..SERVER
};

pub(super) const REPLICAOF: Command = Command {
    name: "replicaof",
    arity: 3,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE).with(Flags::NO_ASYNC_LOADING),
    summary: "Configures a server as replica of another, or promotes it to a master; only NO ONE is supported yet.",
    since: "5.0.0",
    handler: Handler::Server(replicaof),
    ..SERVER
};

pub(super) const SLAVEOF: Command = Command { name: "slaveof", since: "1.0.0", ..REPLICAOF };

pub(super) const FAILOVER: Command = Command {
    name: "failover",
    arity: -1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE),
    summary: "Starts a coordinated failover from a server to one of its replicas.",
    since: "6.2.0",
    handler: Handler::Server(failover),
    ..SERVER
};

pub(super) const SYNC: Command = Command {
    name: "sync",
    arity: 1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING),
    summary: "An internal command used in replication; not supported yet.",
    complexity: "",
    handler: Handler::Server(sync),
    ..SERVER
};

pub(super) const PSYNC: Command = Command {
    name: "psync",
    arity: -3,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING),
    summary: "An internal command used in replication; not supported yet.",
    since: "2.8.0",
    complexity: "",
    handler: Handler::Server(sync),
    ..SERVER
};

pub(super) const REPLCONF: Command = Command {
    name: "replconf",
    arity: -1,
    flags: OPERATOR.with(Flags::ALLOW_BUSY),
    summary: "An internal command for configuring the replication stream.",
    since: "3.0.0",
    handler: Handler::Server(sync),
    ..SERVER
};

/// Would load a module, or unload one.
const MODULE_CHANGE: Command = Command {
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING),
    since: "4.0.0",
    handler: Handler::Server(load_module),
    ..SERVER
};

const MODULE_HELP: &[Entry] = &[
    ("LIST", &["Return a list of loaded modules."]),
    (
        "LOAD <path> [<arg> ...]",
        &["Load a module library from <path>, passing to it any optional arguments."],
    ),
    (
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        &[
            "Load a module library from <path>, while passing it module configurations and optional arguments.",
        ],
    ),
    ("UNLOAD <name>", &["Unload a module."]),
];

pub(super) const MODULE: Command = Command {
    name: "module",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for module commands.",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command { handler: Handler::Server(module_help), ..HELP },
        Command {
            name: "list",
            arity: 2,
            flags: Flags::ADMIN.with(Flags::NOSCRIPT),
            summary: "Returns all loaded modules: there are none.",
            complexity: "O(N) where N is the number of loaded modules.",
            handler: Handler::Server(no_modules),
            ..MODULE_CHANGE
        },
        Command { name: "load", arity: -3, summary: "Would load a module; not supported.", ..MODULE_CHANGE },
        Command {
            name: "loadex",
            arity: -3,
            summary: "Would load a module using extended parameters; not supported.",
            since: "7.0.0",
            ..MODULE_CHANGE
        },
        Command {
            name: "unload",
            arity: 3,
            summary: "Unloads a module: there are none.",
            handler: Handler::Server(unload_module),
            ..MODULE_CHANGE
        },
    ],
    ..SERVER
};

fn save(_: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::error(NO_SNAPSHOTS))
}

fn rewrite_log(_: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::error(NO_APPEND_LOG))
}

fn replicaof(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if is_word(arguments.get(1), "NO") && is_word(arguments.get(2), "ONE") {
        // It is nobody's replica already.
        context.reply.ok();
        return Ok(());
    }
    Err(Failure::error(NO_REPLICATION))
}

fn failover(_: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::error("ERR FAILOVER requires connected replicas."))
}

fn sync(_: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::error(NO_REPLICATION))
}

fn no_modules(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.array(0);
    Ok(())
}

fn load_module(_: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let path = String::from_utf8_lossy(arguments.get(2));
    tracing::warn!("the module {path:?} is not loaded: modules are not supported");
    Err(Failure::error("ERR Error loading the extension. Please check the server logs."))
}

fn unload_module(_: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    Err(Failure::error("ERR Error unloading module: no such module with that name"))
}

fn module_help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "MODULE", MODULE_HELP);
    Ok(())
}
