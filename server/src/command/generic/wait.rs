//! WAIT and WAITAOF, on a server without replicas and without a log: nobody ever acknowledges anything.

use std::time::Duration;

use thermocline_protocol::{Arguments, parse_integer};

use super::super::arguments::integer;
use super::super::{Command, Context, Failure, Flags, Handler, Waiting};
use super::GENERIC;
use crate::server::blocking::Unblock;

/// How many replicas there are.
const REPLICAS: i64 = 0;
/// Whether the log has what this client wrote: there is none.
const LOGGED: i64 = 0;

pub(super) const WAIT: Command = Command {
    name: "wait",
    arity: 3,
    flags: Flags::NOSCRIPT,
    categories: &["connection"],
    summary: "Waits until so many replicas have what this client wrote, or for so many milliseconds.",
    since: "3.0.0",
    handler: Handler::Waiting(wait),
    ..GENERIC
};

pub(super) const WAITAOF: Command = Command {
    name: "waitaof",
    arity: 4,
    summary: "Waits until what this client wrote is in the log, here and on so many replicas, or for so many milliseconds.",
    since: "7.2.0",
    handler: Handler::Waiting(wait_for_log),
    ..WAIT
};

fn wait<'a>(context: &'a mut Context<'_>, arguments: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        let replicas = integer(arguments.get(1))?;
        let timeout = timeout(context, arguments.get(2))?;
        if replicas > REPLICAS && !context.databases.is_held() {
            block(context, timeout).await?;
        }
        context.reply.integer(REPLICAS);
        Ok(())
    })
}

fn wait_for_log<'a>(context: &'a mut Context<'_>, arguments: Arguments<'a>) -> Waiting<'a> {
    Box::pin(async move {
        let is_local = match integer(arguments.get(1))? {
            0 => false,
            1 => true,
            _ => return Err(Failure::error("ERR value is out of range, must be between 0 and 1")),
        };
        let replicas = integer(arguments.get(2))?;
        if replicas < 0 {
            return Err(Failure::error("ERR value is out of range, must be positive"));
        }
        let timeout = timeout(context, arguments.get(3))?;
        if is_local {
            return Err(Failure::error(
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ));
        }
        if replicas > REPLICAS && !context.databases.is_held() {
            block(context, timeout).await?;
        }
        context.reply.array(2);
        context.reply.integer(LOGGED);
        context.reply.integer(REPLICAS);
        Ok(())
    })
}

/// A time to wait, in milliseconds; `None` is for ever.
fn timeout(context: &Context<'_>, argument: &[u8]) -> Result<Option<Duration>, Failure> {
    let ms =
        parse_integer(argument).ok_or(Failure::error("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Failure::error("ERR timeout is negative"))?;
    if ms > i64::MAX as u64 - context.server.clock.now().0 {
        return Err(Failure::error("ERR timeout is out of range"));
    }
    Ok((ms > 0).then(|| Duration::from_millis(ms)))
}

/// Waits for so long, or until somebody ends that.
///
/// # Errors
/// CLIENT UNBLOCK asked for one.
async fn block(context: &Context<'_>, timeout: Option<Duration>) -> Result<(), Failure> {
    let blocked = context.session.client.block();
    let unblocked = match timeout {
        None => blocked.await,
        // Its time is over in any case.
        Some(timeout) => tokio::time::timeout(timeout, blocked).await.unwrap_or(Unblock::Timeout),
    };
    match unblocked {
        Unblock::Timeout | Unblock::Served => Ok(()),
        Unblock::Error => Err(Failure::error("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
    }
}
