//! MONITOR.

use thermocline_protocol::Arguments;

use super::SERVER;
use crate::command::{Command, Context, Failure, Handler};

pub(super) const MONITOR: Command = Command {
    name: "monitor",
    arity: 1,
    summary: "Listens for all requests received by the server in real-time.",
    complexity: "",
    handler: Handler::Server(monitor),
    ..SERVER
};

fn monitor(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    if context.databases.is_held() {
        return Err(Failure::error("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let hearing = context.session.hearing.get_or_insert_default();
    // A second time it says nothing at all, as in Redis.
    if !std::mem::replace(&mut hearing.is_monitor, true) {
        context.server.monitors.add(&context.session.client);
        context.reply.ok();
    }
    Ok(())
}
