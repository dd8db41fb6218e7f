//! PUBLISH and SPUBLISH.

use thermocline_protocol::Arguments;

use super::PUBSUB;
use crate::command::{Command, Context, Failure, Flags, Handler, KeyPositions};

pub(super) const PUBLISH: Command = Command {
    name: "publish",
    arity: 3,
    flags: PUBSUB.flags.with(Flags::FAST),
    summary: "Posts a message to a channel.",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number \
                 of subscribed patterns (by any client).",
    handler: Handler::Server(publish),
    ..PUBSUB
};

pub(super) const SPUBLISH: Command = Command {
    name: "spublish",
    arity: 3,
    flags: PUBLISH.flags,
    keys: KeyPositions::Channels { last: 1 },
    summary: "Post a message to a shard channel",
    since: "7.0.0",
    complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    handler: Handler::Server(spublish),
    ..PUBSUB
};

fn publish(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let receivers = context.server.pubsub.publish(arguments.get(1), arguments.get(2));
    context.reply.integer(receivers as i64);
    Ok(())
}

fn spublish(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let receivers = context.server.pubsub.publish_to_shard(arguments.get(1), arguments.get(2));
    context.reply.integer(receivers as i64);
    Ok(())
}
