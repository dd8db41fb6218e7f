//! XINFO: a stream, its groups and their consumers.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::stream::{Consumer, ConsumerNumber, Group, Log, StreamId, StreamValue};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::reply::{limit, reply_entries, reply_entry_or_null, reply_id};
use super::{no_such_group, stream};
use crate::command::arguments::{integer, is_word};
use crate::command::help::{Entry, reply_help};
use crate::command::{Context, Failure, KeyContext};

/// How many entries FULL shows unless it is told otherwise.
const DEFAULT_COUNT: i64 = 10;
/// What stands for a time that never was.
const NEVER: i64 = -1;

const HELP: &[Entry] = &[
    ("CONSUMERS <key> <groupname>", &["Show consumers of <groupname>."]),
    ("GROUPS <key>", &["Show the stream consumer groups."]),
    ("STREAM <key> [FULL [COUNT <count>]", &["Show information about the stream."]),
];

pub(super) fn help(context: &mut Context<'_>, _arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_help(&mut context.reply, "XINFO", HELP);
    Ok(())
}

pub(super) fn consumers(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, name) = (arguments.get(2), arguments.get(3));
    let now = context.keys.now();
    let value = context.keys.get(key)?.ok_or(Failure::NO_SUCH_KEY)?;
    let group = stream(value)?.group(name).ok_or_else(|| no_such_group(key, name))?;
    let reply = &mut context.reply;
    reply.array(group.consumer_count());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.integer(consumer.pending_count() as i64);
        reply.bulk(b"idle");
        reply.integer(ms_since(consumer.seen_at(), now));
        reply.bulk(b"inactive");
        reply.integer(consumer.active_at().map_or(NEVER, |at| ms_since(at, now)));
    }
    Ok(())
}

fn ms_since(time: UnixMillis, now: UnixMillis) -> i64 {
    now.0.saturating_sub(time.0) as i64
}

pub(super) fn groups(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let value = context.keys.get(arguments.get(2))?.ok_or(Failure::NO_SUCH_KEY)?;
    let stream = stream(value)?;
    let reply = &mut context.reply;
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(group.name());
        reply.bulk(b"consumers");
        reply.integer(group.consumer_count() as i64);
        reply.bulk(b"pending");
        reply.integer(group.pending_count() as i64);
        reply_group_position(reply, group, stream.log());
    }
    Ok(())
}

/// Replies three fields: what a group has delivered.
fn reply_group_position(reply: &mut ReplyEncoder<'_>, group: &Group, log: &Log) {
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_delivered());
    reply.bulk(b"entries-read");
    reply_known(reply, group.entries_read());
    reply.bulk(b"lag");
    reply_known(reply, group.lag(log));
}

fn reply_known(reply: &mut ReplyEncoder<'_>, number: Option<i64>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

pub(super) fn xinfo_stream(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let value = context.keys.get(arguments.get(2))?.ok_or(Failure::NO_SUCH_KEY)?;
    let stream = stream(value)?;
    let reply = &mut context.reply;
    match full_count(arguments)? {
        None => {
            reply.map(10);
            reply_log_fields(reply, stream.log());
            reply.bulk(b"groups");
            reply.integer(stream.groups().len() as i64);
            reply.bulk(b"first-entry");
            reply_entry_or_null(reply, stream.log().range(StreamId::MIN, StreamId::MAX).next());
            reply.bulk(b"last-entry");
            reply_entry_or_null(reply, stream.log().range_back(StreamId::MIN, StreamId::MAX).next());
        }
        Some(count) => reply_full(reply, stream, count),
    }
    Ok(())
}

/// How much FULL is to show at most; `None` without it.
fn full_count(arguments: Arguments<'_>) -> Result<Option<usize>, Failure> {
    let is_full = arguments.len() > 3 && is_word(arguments.get(3), "FULL");
    match arguments.len() {
        3 => Ok(None),
        4 if is_full => Ok(Some(limit(DEFAULT_COUNT))),
        6 if is_full && is_word(arguments.get(4), "COUNT") => {
            let count = integer(arguments.get(5))?;
            Ok(Some(limit(if count < 0 { DEFAULT_COUNT } else { count })))
        }
        _ => {
            let subcommand = String::from_utf8_lossy(arguments.get(1));
            Err(Failure::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try XINFO HELP."
            )))
        }
    }
}

/// Replies seven fields.
fn reply_log_fields(reply: &mut ReplyEncoder<'_>, log: &Log) {
    reply.bulk(b"length");
    reply.integer(log.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.integer(log.node_count() as i64);
    // There is no radix tree here. One of so few keys that they differ in their last parts has a node more.
    reply.bulk(b"radix-tree-nodes");
    reply.integer(log.node_count() as i64 + 1);
    reply.bulk(b"last-generated-id");
    reply_id(reply, log.last_id());
    reply.bulk(b"max-deleted-entry-id");
    reply_id(reply, log.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.integer(log.added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    reply_id(reply, log.first_id());
}

fn reply_full(reply: &mut ReplyEncoder<'_>, stream: &StreamValue, count: usize) {
    reply.map(9);
    reply_log_fields(reply, stream.log());
    reply.bulk(b"entries");
    reply_entries(reply, stream.log().range(StreamId::MIN, StreamId::MAX).take(count));
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(group.name());
        reply_group_position(reply, group, stream.log());
        reply.bulk(b"pel-count");
        reply.integer(group.pending_count() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_count().min(count));
        for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(group.consumer(pending.consumer).name());
            reply.integer(pending.delivered_at.0 as i64);
            reply.integer(pending.deliveries as i64);
        }
        reply.bulk(b"consumers");
        reply.array(group.consumer_count());
        for (number, consumer) in group.consumers() {
            reply_full_consumer(reply, group, number, consumer, count);
        }
    }
}

fn reply_full_consumer(
    reply: &mut ReplyEncoder<'_>,
    group: &Group,
    number: ConsumerNumber,
    consumer: &Consumer,
    count: usize,
) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_at().0 as i64);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_at().map_or(NEVER, |at| at.0 as i64));
    reply.bulk(b"pel-count");
    reply.integer(consumer.pending_count() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending_count().min(count));
    for (id, pending) in group.pending_with(number, StreamId::MIN).take(count) {
        reply.array(3);
        reply_id(reply, id);
        reply.integer(pending.delivered_at.0 as i64);
        reply.integer(pending.deliveries as i64);
    }
}
