//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

use thermocline_protocol::{Arguments, parse_integer};

use super::SERVER;
use crate::command::arguments::is_word;
use crate::command::connection::NO_SUCH_DATABASE;
use crate::command::{Command, Context, Failure, Flags, Handler};

pub(super) const DBSIZE: Command = Command {
    name: "dbsize",
    arity: 1,
    flags: Flags::READONLY.with(Flags::FAST),
    categories: &["keyspace"],
    summary: "Returns the number of keys in the database.",
    handler: Handler::Server(dbsize),
    ..SERVER
};

pub(super) const FLUSHDB: Command = Command {
    name: "flushdb",
    arity: -1,
    flags: Flags::WRITE,
    categories: &["keyspace", "dangerous"],
    summary: "Removes all keys from the current database.",
    complexity: "O(N) where N is the number of keys in the selected database",
    handler: Handler::Server(flushdb),
    ..SERVER
};

pub(super) const FLUSHALL: Command = Command {
    name: "flushall",
    arity: -1,
    flags: Flags::WRITE,
    categories: &["keyspace", "dangerous"],
    summary: "Removes all keys from all databases.",
    complexity: "O(N) where N is the total number of keys in all databases",
    handler: Handler::Server(flushall),
    ..SERVER
};

pub(super) const SWAPDB: Command = Command {
    name: "swapdb",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    categories: &["keyspace", "dangerous"],
    summary: "Swaps two Redis databases.",
    since: "4.0.0",
    complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
    handler: Handler::Server(swapdb),
    ..SERVER
};

fn dbsize(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.integer(context.databases.key_count(context.session.database()) as i64);
    Ok(())
}

fn flushdb(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    check_flush_mode(arguments)?;
    flush(context, context.session.database());
    context.server.tracking.flushed();
    context.reply.ok();
    Ok(())
}

fn flushall(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    check_flush_mode(arguments)?;
    for database in 0..context.server.engine.database_count() {
        flush(context, database);
    }
    context.server.tracking.flushed();
    context.reply.ok();
    Ok(())
}

fn flush(context: &mut Context<'_>, database: usize) {
    let now = context.server.clock.now();
    context.server.observers.flushing(&mut context.databases, database, now);
    context.databases.flush(database);
}

/// Keys are gone when the command replies, in either mode; their memory is given back in the background, in both.
fn check_flush_mode(arguments: Arguments<'_>) -> Result<(), Failure> {
    match arguments.len() {
        1 => Ok(()),
        2 if is_word(arguments.get(1), "SYNC") || is_word(arguments.get(1), "ASYNC") => Ok(()),
        _ => Err(Failure::SYNTAX),
    }
}

fn swapdb(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let number = |at: usize, error: &'static str| {
        parse_integer(arguments.get(at))
            .filter(|number| i32::try_from(*number).is_ok())
            .ok_or(Failure::error(error))
    };
    let one = number(1, "ERR invalid first DB index")?;
    let other = number(2, "ERR invalid second DB index")?;
    let engine = &context.server.engine;
    let existing = |number: i64| {
        let database = usize::try_from(number).ok().filter(|database| *database < engine.database_count());
        database.ok_or(Failure::error(NO_SUCH_DATABASE))
    };
    let pair = [existing(one)?, existing(other)?];
    if pair[0] != pair[1] {
        context.databases.swap(pair[0], pair[1]);
        let now = context.server.clock.now();
        context.server.observers.swapped(&mut context.databases, pair, now);
    }
    context.reply.ok();
    Ok(())
}
