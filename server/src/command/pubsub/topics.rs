//! PUBSUB: who is subscribed to what.

use thermocline_protocol::Arguments;

use super::PUBSUB as GROUP;
use crate::command::help::{Entry, reply_help};
use crate::command::{Command, Context, Failure, Flags, Handler};
use crate::server::pubsub::TopicKind;

pub(super) const PUBSUB: Command = Command {
    name: "pubsub",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for Pub/Sub commands.",
    since: "2.8.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..GROUP
};

const SUBCOMMAND: Command = Command { since: "2.8.0", ..GROUP };

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "channels",
        arity: -2,
        summary: "Returns the active channels.",
        complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching \
                     (relatively short channels and patterns)",
        handler: Handler::Server(channels),
        ..SUBCOMMAND
    },
    Command {
        name: "numsub",
        arity: -2,
        summary: "Returns a count of subscribers to channels.",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        handler: Handler::Server(numsub),
        ..SUBCOMMAND
    },
    Command {
        name: "numpat",
        arity: 2,
        summary: "Returns a count of unique pattern subscriptions.",
        handler: Handler::Server(numpat),
        ..SUBCOMMAND
    },
    Command {
        name: "shardchannels",
        arity: -2,
        summary: "Returns the active shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
                     (relatively short shard channels).",
        handler: Handler::Server(shardchannels),
        ..SUBCOMMAND
    },
    Command {
        name: "shardnumsub",
        arity: -2,
        summary: "Returns the count of subscribers of shard channels.",
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        handler: Handler::Server(shardnumsub),
        ..SUBCOMMAND
    },
    Command {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.with(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        since: "6.2.0",
        handler: Handler::Server(help),
        ..SUBCOMMAND
    },
];

const HELP: &[Entry] = &[
    (
        "CHANNELS [<pattern>]",
        &["Return the channels (that match the pattern) which somebody is subscribed to."],
    ),
    ("NUMPAT", &["Return the number of patterns that somebody is subscribed to."]),
    (
        "NUMSUB [<channel> ...]",
        &["Return how many clients are subscribed to each of the channels; patterns are not counted."],
    ),
    (
        "SHARDCHANNELS [<pattern>]",
        &["Return the shard channels (that match the pattern) which somebody is subscribed to."],
    ),
    (
        "SHARDNUMSUB [<shardchannel> ...]",
        &["Return how many clients are subscribed to each of the shard channels."],
    ),
];

fn channels(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_names(context, arguments, TopicKind::Channel)
}

fn shardchannels(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_names(context, arguments, TopicKind::ShardChannel)
}

fn reply_names(context: &mut Context<'_>, arguments: Arguments<'_>, kind: TopicKind) -> Result<(), Failure> {
    let pattern = match arguments.len() {
        2 => None,
        3 => Some(arguments.get(2)),
        _ => {
            let name = String::from_utf8_lossy(arguments.get(1));
            return Err(Failure::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try PUBSUB HELP."
            )));
        }
    };
    let names = context.server.pubsub.names(kind, pattern);
    context.reply.array(names.len());
    names.iter().for_each(|name| context.reply.bulk(name));
    Ok(())
}

fn numsub(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_counts(context, arguments, TopicKind::Channel)
}

fn shardnumsub(context: &mut Context<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_counts(context, arguments, TopicKind::ShardChannel)
}

fn reply_counts(context: &mut Context<'_>, arguments: Arguments<'_>, kind: TopicKind) -> Result<(), Failure> {
    let names = arguments.skip(2);
    context.reply.array(2 * names.len());
    for name in names.iter() {
        context.reply.bulk(name);
        context.reply.integer(context.server.pubsub.subscriber_count(kind, name) as i64);
    }
    Ok(())
}

fn numpat(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    context.reply.integer(context.server.pubsub.topic_count(TopicKind::Pattern) as i64);
    Ok(())
}

fn help(context: &mut Context<'_>, _: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "PUBSUB", HELP);
    Ok(())
}
