//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! After MULTI the dispatcher writes commands down instead of running them; EXEC is its work, too. Here is what is
//! written down.

use thermocline_protocol::{Arguments, OwnedArguments};

use super::key_use::KeyUse;
use super::table::CommandEntry;
use super::{Command, Context, Failure, Flags, Handler, KeyContext, KeyPositions, Reads};

/// Commands that were sent after MULTI.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) commands: Vec<QueuedCommand>,
    /// A command could not be written down: EXEC will fail.
    pub(crate) is_broken: bool,
    /// What any of the commands is.
    pub(crate) flags: Flags,
    /// Memory behind the commands, in bytes.
    pub(crate) heap_bytes: usize,
}

/// A command of a transaction.
#[derive(Debug)]
pub(crate) struct QueuedCommand {
    pub(crate) entry: &'static CommandEntry,
    pub(crate) arguments: OwnedArguments,
}

impl Transaction {
    pub(crate) fn add(&mut self, entry: &'static CommandEntry, arguments: Arguments<'_>) {
        let arguments = OwnedArguments::new(arguments.iter());
        self.flags = self.flags.with(entry.command.flags);
        self.heap_bytes += arguments.heap_bytes() + size_of::<QueuedCommand>();
        self.commands.push(QueuedCommand { entry, arguments });
    }
}

const TRANSACTION: Command = Command {
    group: "transactions",
    categories: &["transaction"],
    flags: Flags::NOSCRIPT
        .with(Flags::LOADING)
        .with(Flags::STALE)
        .with(Flags::FAST)
        .with(Flags::ALLOW_BUSY)
        .with(Flags::RUNS_IN_MULTI),
    since: "1.2.0",
    ..Command::NEW
};

/// The commands of this group.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "discard",
        arity: 1,
        summary: "Discards a transaction.",
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        handler: Handler::Server(discard),
        ..TRANSACTION
    },
    Command {
        name: "exec",
        arity: 1,
        flags: Flags::NOSCRIPT
            .with(Flags::LOADING)
            .with(Flags::STALE)
            .with(Flags::RUNS_IN_MULTI)
            .with(Flags::SKIP_SLOWLOG),
        summary: "Executes all commands in a transaction.",
        complexity: "Depends on commands in the transaction",
        handler: Handler::Exec,
        ..TRANSACTION
    },
    Command {
        name: "multi",
        arity: 1,
        summary: "Starts a transaction.",
        handler: Handler::Server(multi),
        ..TRANSACTION
    },
    Command {
        name: "unwatch",
        arity: 1,
        flags: Flags::NOSCRIPT
            .with(Flags::LOADING)
            .with(Flags::STALE)
            .with(Flags::FAST)
            .with(Flags::ALLOW_BUSY),
        summary: "Forgets about watched keys of a transaction.",
        since: "2.2.0",
        handler: Handler::Server(unwatch),
        ..TRANSACTION
    },
    Command {
        name: "watch",
        arity: -2,
        keys: KeyPositions::Range { first: 1, last: -1, step: 1 },
        key_use: &[KeyUse::LOOK],
        reads: Reads::Nothing,
        summary: "Monitors changes to keys to determine the execution of a transaction.",
        since: "2.2.0",
        complexity: "O(1) for every key.",
        handler: Handler::Keys(watch),
        ..TRANSACTION
    },
];

fn multi(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    if context.session.transaction.is_some() {
        return Err(Failure::error("ERR MULTI calls can not be nested"));
    }
    context.session.transaction = Some(Box::default());
    context.reply.ok();
    Ok(())
}

fn discard(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    if context.session.transaction.is_none() {
        return Err(Failure::error("ERR DISCARD without MULTI"));
    }
    context.session.discard_transaction(context.server);
    context.reply.ok();
    Ok(())
}

fn watch(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if context.session.transaction.is_some() {
        return Err(Failure::error("ERR WATCH inside MULTI is not allowed"));
    }
    let watch = context.session.watch.get_or_insert_default();
    for key in arguments.iter().skip(1) {
        watch.add(&context.server.observers.watches, &mut context.keys, key);
    }
    context.reply.ok();
    Ok(())
}

fn unwatch(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    // Inside a transaction EXEC has ended the watch already.
    if !context.databases.is_held() {
        context.session.unwatch(context.server);
    }
    context.reply.ok();
    Ok(())
}
