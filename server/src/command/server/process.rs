//! The process: TIME, ROLE, LASTSAVE, LOLWUT, SHUTDOWN.

use thermocline_protocol::Arguments;

use super::{ANY_STATE, OPERATOR, SERVER};
use crate::command::arguments::is_word;
use crate::command::connection::REDIS_VERSION;
use crate::command::{Command, Context, Failure, Flags, Handler};

pub(super) const TIME: Command = Command {
    name: "time",
    arity: 1,
    flags: ANY_STATE.with(Flags::FAST),
    summary: "Returns the server time.",
    since: "2.6.0",
    handler: Handler::Server(time),
    ..SERVER
};

pub(super) const ROLE: Command = Command {
    name: "role",
    arity: 1,
    flags: ANY_STATE.with(Flags::NOSCRIPT).with(Flags::FAST),
    categories: &["admin", "dangerous"],
    summary: "Returns the replication role.",
    since: "2.8.12",
    handler: Handler::Server(role),
    ..SERVER
};

pub(super) const LASTSAVE: Command = Command {
    name: "lastsave",
    arity: 1,
    flags: ANY_STATE.with(Flags::FAST),
    categories: &["admin", "dangerous"],
    summary: "Returns the Unix timestamp of the last successful save to disk.",
    handler: Handler::Server(lastsave),
    ..SERVER
};

pub(super) const LOLWUT: Command = Command {
    name: "lolwut",
    arity: -1,
    flags: Flags::READONLY.with(Flags::FAST),
    summary: "Displays the layer between warm and cold water, and the version.",
    since: "5.0.0",
    complexity: "",
    handler: Handler::Server(lolwut),
    ..SERVER
};

pub(super) const SHUTDOWN: Command = Command {
    name: "shutdown",
    arity: -1,
    flags: OPERATOR.with(Flags::NO_MULTI).with(Flags::ALLOW_BUSY),
    summary: "Closes all connections and ends the server.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    handler: Handler::Server(shutdown),
    ..SERVER
};

fn time(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    // The clock that expiry is judged by has milliseconds.
    let now_ms = context.server.clock.now().0;
    context.reply.array(2);
    context.reply.bulk_integer((now_ms / 1000) as i64);
    context.reply.bulk_integer((now_ms % 1000 * 1000) as i64);
    Ok(())
}

fn role(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.array(3);
    context.reply.bulk(b"master");
    context.reply.integer(0);
    context.reply.array(0);
    Ok(())
}

/// Nothing is ever saved, so the answer is what Redis gives before the first save: when the server started.
fn lastsave(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.integer((context.server.started_at.0 / 1000) as i64);
    Ok(())
}

fn lolwut(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    let text = format!(
        "     ~  ~~    ~   ~~~     ~\n\
         \u{20}  ~~~   ~~~~    ~~    ~~~~    warm: DRAM\n\
         \u{20}- - - - - - - - - - - - - -\n\
         \u{20}. . .  .  . .  .  . . .  .     cold: NVMe\n\
         \u{20} .  . .    .  .  .   .  .\n\n\
         Thermocline {}, Redis ver. {REDIS_VERSION}\n",
        env!("CARGO_PKG_VERSION")
    );
    context.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn shutdown(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (mut wants_save, mut wants_no_save, mut aborts, mut hurries) = (false, false, false, false);
    for option in arguments.iter().skip(1) {
        match option {
            _ if is_word(option, "SAVE") => wants_save = true,
            _ if is_word(option, "NOSAVE") => wants_no_save = true,
            _ if is_word(option, "NOW") || is_word(option, "FORCE") => hurries = true,
            _ if is_word(option, "ABORT") => aborts = true,
            _ => return Err(Failure::SYNTAX),
        }
    }
    if wants_save && wants_no_save || aborts && (wants_save || wants_no_save || hurries) {
        return Err(Failure::SYNTAX);
    }
    if aborts {
        return Err(Failure::error("ERR No shutdown in progress."));
    }
    if wants_save {
        return Err(Failure::error(super::unavailable::NO_SNAPSHOTS));
    }
    tracing::info!(client = context.session.client.id, "SHUTDOWN requested");
    context.server.shutdown.request();
    // As with Redis, success is told by closing the connection.
    context.session.is_closing = true;
    Ok(())
}
