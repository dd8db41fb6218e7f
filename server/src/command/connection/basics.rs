//! PING, ECHO, SELECT, QUIT, RESET.

use std::sync::Arc;

use thermocline_protocol::{Arguments, Protocol};

use super::{ANY_STATE_FAST, CONNECTION};
use crate::command::arguments::{integer, wrong_arity};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::server::clients::ClientNames;
use crate::session::ReplyMode;

/// The error for a database that does not exist.
pub(crate) const NO_SUCH_DATABASE: &str = "ERR DB index is out of range";

const NOT_AN_INT: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";

pub(super) const PING: Command = Command {
    name: "ping",
    arity: -1,
    flags: Flags::FAST,
    summary: "Returns the server's liveliness response.",
    handler: Handler::Server(ping),
    ..CONNECTION
};

pub(super) const ECHO: Command = Command {
    name: "echo",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    summary: "Returns the given string.",
    handler: Handler::Server(echo),
    ..CONNECTION
};

pub(super) const SELECT: Command = Command {
    name: "select",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    summary: "Changes the selected database.",
    handler: Handler::Server(select),
    ..CONNECTION
};

pub(super) const QUIT: Command = Command {
    name: "quit",
    arity: -1,
    flags: ANY_STATE_FAST.with(Flags::NO_AUTH).with(Flags::ALLOW_BUSY).with(Flags::RUNS_IN_MULTI),
    summary: "Closes the connection.",
    handler: Handler::Server(quit),
    ..CONNECTION
};

pub(super) const RESET: Command = Command {
    name: "reset",
    arity: 1,
    flags: ANY_STATE_FAST.with(Flags::NO_AUTH).with(Flags::ALLOW_BUSY).with(Flags::RUNS_IN_MULTI),
    summary: "Resets the connection.",
    since: "6.2.0",
    handler: Handler::Server(reset),
    ..CONNECTION
};

fn ping(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    if context.session.protocol == Protocol::Resp2 && context.session.client.is_subscriber() {
        if arguments.len() > 2 {
            return Err(wrong_arity("ping"));
        }
        context.reply.array(2);
        context.reply.bulk(b"pong");
        context.reply.bulk(arguments.skip(1).iter().next().unwrap_or_default());
        return Ok(());
    }
    match arguments.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(arguments.get(1)),
        _ => return Err(wrong_arity("ping")),
    }
    Ok(())
}

fn echo(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    context.reply.bulk(arguments.get(1));
    Ok(())
}

fn select(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let number = integer(arguments.get(1))?;
    if i32::try_from(number).is_err() {
        return Err(Failure::error(NOT_AN_INT));
    }
    let database = usize::try_from(number).ok();
    let database = database.filter(|database| *database < context.server.engine.database_count());
    context.session.select(database.ok_or(Failure::error(NO_SUCH_DATABASE))?);
    context.reply.ok();
    Ok(())
}

fn quit(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.session.is_closing = true;
    context.reply.ok();
    Ok(())
}

fn reset(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let session = &mut *context.session;
    session.discard_transaction(context.server);
    session.stop_hearing(context.server);
    // What was on its way belongs before the reply.
    let mut messages = Vec::new();
    session.client.take_messages(&mut messages);
    context.reply.raw(&messages);
    session.protocol = Protocol::Resp2;
    session.select(0);
    session.become_user(Arc::clone(context.server.access.default_user()));
    session.is_authenticated = !context.server.access.asks_for_password();
    session.no_touch = false;
    session.no_evict = false;
    session.reply_mode = ReplyMode::On;
    // What the library is stays, as in Redis.
    session.client.change_names(|names| {
        *names = ClientNames { name: String::new(), ..std::mem::take(names) };
    });
    context.reply.set_protocol(Protocol::Resp2);
    context.reply.simple("RESET");
    Ok(())
}
