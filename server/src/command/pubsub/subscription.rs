//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and what ends their subscriptions.
//!
//! Their replies are messages, one for each name. A client may get messages of a channel from its confirmation on, up to
//! the one that says that it gets no more.

use thermocline_protocol::{Arguments, ReplyEncoder};

use super::PUBSUB;
use crate::command::{Command, Context, Failure, Flags, Handler, KeyPositions};
use crate::server::pubsub::TopicKind;

const SUBSCRIPTION: Command = Command { flags: PUBSUB.flags.with(Flags::NOSCRIPT), ..PUBSUB };

const SHARD_SUBSCRIPTION: Command =
    Command { keys: KeyPositions::Channels { last: -1 }, since: "7.0.0", ..SUBSCRIPTION };

pub(super) const SUBSCRIBE: Command = Command {
    name: "subscribe",
    arity: -2,
    summary: "Listens for messages published to channels.",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    handler: Handler::Server(subscribe),
    ..SUBSCRIPTION
};

pub(super) const UNSUBSCRIBE: Command = Command {
    name: "unsubscribe",
    arity: -1,
    summary: "Stops listening to messages posted to channels.",
    complexity: "O(N) where N is the number of clients already subscribed to a channel.",
    handler: Handler::Server(unsubscribe),
    ..SUBSCRIPTION
};

pub(super) const PSUBSCRIBE: Command = Command {
    name: "psubscribe",
    arity: -2,
    summary: "Listens for messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns the client is already subscribed to.",
    handler: Handler::Server(psubscribe),
    ..SUBSCRIPTION
};

pub(super) const PUNSUBSCRIBE: Command = Command {
    name: "punsubscribe",
    arity: -1,
    summary: "Stops listening to messages published to channels that match one or more patterns.",
    complexity: "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total \
                 patterns subscribed in the system (by any client).",
    handler: Handler::Server(punsubscribe),
    ..SUBSCRIPTION
};

pub(super) const SSUBSCRIBE: Command = Command {
    name: "ssubscribe",
    arity: -2,
    summary: "Listens for messages published to shard channels.",
    complexity: "O(N) where N is the number of shard channels to subscribe to.",
    handler: Handler::Server(ssubscribe),
    ..SHARD_SUBSCRIPTION
};

pub(super) const SUNSUBSCRIBE: Command = Command {
    name: "sunsubscribe",
    arity: -1,
    summary: "Stops listening to messages posted to shard channels.",
    complexity: "O(N) where N is the number of clients already subscribed to a shard channel.",
    handler: Handler::Server(sunsubscribe),
    ..SHARD_SUBSCRIPTION
};

fn subscribe(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    begin(context, arguments, TopicKind::Channel, SUBSCRIBE.name)
}

fn psubscribe(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    begin(context, arguments, TopicKind::Pattern, PSUBSCRIBE.name)
}

fn ssubscribe(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    begin(context, arguments, TopicKind::ShardChannel, SSUBSCRIBE.name)
}

fn begin(
    context: &mut Context<'_>,
    arguments: Arguments<'_>,
    kind: TopicKind,
    command: &str,
) -> Result<(), Failure> {
    let session = &mut *context.session;
    let hearing = session.hearing.get_or_insert_default();
    for name in arguments.skip(1).iter() {
        let count = hearing.subscribe(context.server, &session.client, kind, name);
        confirm(&mut context.reply, command, Some(name), count);
    }
    Ok(())
}

fn unsubscribe(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    end(context, arguments, TopicKind::Channel, UNSUBSCRIBE.name)
}

fn punsubscribe(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    end(context, arguments, TopicKind::Pattern, PUNSUBSCRIBE.name)
}

fn sunsubscribe(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    end(context, arguments, TopicKind::ShardChannel, SUNSUBSCRIBE.name)
}

/// Ends the subscriptions that are named, or all of a kind where none is.
fn end(
    context: &mut Context<'_>,
    arguments: Arguments<'_>,
    kind: TopicKind,
    command: &str,
) -> Result<(), Failure> {
    let session = &mut *context.session;
    let hearing = session.hearing.get_or_insert_default();
    let names = match arguments.len() {
        1 => hearing.names(kind),
        _ => arguments.skip(1).iter().map(Box::from).collect(),
    };
    if names.is_empty() {
        confirm(&mut context.reply, command, None, hearing.count(kind));
    }
    for name in &names {
        let count = hearing.unsubscribe(context.server, &session.client, kind, name);
        // What was published before comes first. Inside a transaction it would be taken for a reply.
        if !context.databases.is_held() {
            let mut messages = Vec::new();
            session.client.take_messages(&mut messages);
            context.reply.raw(&messages);
        }
        confirm(&mut context.reply, command, Some(name), count);
    }
    if hearing.is_empty() {
        session.hearing = None;
    }
    Ok(())
}

fn confirm(reply: &mut ReplyEncoder<'_>, command: &str, name: Option<&[u8]>, subscriptions: usize) {
    reply.push(3);
    reply.bulk(command.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(subscriptions as i64);
}
