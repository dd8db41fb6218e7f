//! XREAD and XREADGROUP.

use smallvec::SmallVec;
use thermocline_engine::UnixMillis;
use thermocline_engine::value::ValueType;
use thermocline_engine::value::stream::{Group, Log, StreamId, StreamValue};
use thermocline_protocol::{Arguments, Protocol, ReplyEncoder};

use super::id::parse;
use super::read_options::ReadOptions;
use super::reply::{id_text, reply_entries, reply_entry, reply_id};
use super::{change_untold, stream};
use crate::command::blocking::{Block, TimeoutReply};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

const NEW_IN_XREAD: &str =
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
const LAST_IN_XREADGROUP: &str = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the \
                                  history of this consumer by specifying a proper ID, or use the > ID to get new \
                                  messages. The $ ID would just return an empty result set.";

/// How many streams are read mostly.
type PerStream<T> = SmallVec<[T; 4]>;

pub(super) fn xread(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let options = ReadOptions::parse(arguments, false, context.keys.now())?;
    let mut reads: PerStream<(StreamId, bool)> = PerStream::new();
    let mut is_cold = false;
    for (key, id) in options.streams(arguments) {
        match context.keys.get(key) {
            Ok(value) => {
                let log = value.map(stream).transpose()?.map(StreamValue::log);
                let after = id_to_read_after(id, log)?;
                // The last id is above all entries': most who wait are told without a look at any.
                let may_have = |log: &Log| log.last_id() > after && log.last_entry_id() > Some(after);
                reads.push((after, log.is_some_and(may_have)));
            }
            // Going on makes all that are cold known, so that they are read at once.
            Err(_) => is_cold = true,
        }
    }
    if is_cold {
        return Err(Failure::Cold);
    }
    let served = reads.iter().filter(|(_, has_entries)| *has_entries).count();
    if served == 0 {
        let rewritten = || {
            let mut words: Vec<Vec<u8>> = arguments.iter().map(<[u8]>::to_vec).collect();
            let ids_at = options.keys_at + options.keys;
            for (word, (after, _)) in words[ids_at..].iter_mut().zip(&reads) {
                *word = id_text(*after).to_vec();
            }
            words
        };
        return wait(context, &options, || Some(rewritten()));
    }
    begin_streams(&mut context.reply, served);
    for ((key, _), (after, has_entries)) in options.streams(arguments).zip(reads) {
        if has_entries {
            let value = context.keys.get(key)?.expect("it has entries");
            let start = after.next().expect("there are ids above it");
            let entries = stream(value)?.log().range(start, StreamId::MAX).take(options.limit);
            begin_stream(&mut context.reply, key);
            reply_entries(&mut context.reply, entries);
        }
    }
    Ok(())
}

/// The id above which XREAD replies entries.
fn id_to_read_after(id: &[u8], log: Option<&Log>) -> Result<StreamId, Failure> {
    match id {
        b"$" => Ok(log.map_or(StreamId::MIN, Log::last_id)),
        // Redis 7.4: the last entry.
        b"+" => Ok(log.and_then(Log::last_entry_id).and_then(StreamId::previous).unwrap_or_default()),
        b">" => Err(Failure::error(NEW_IN_XREAD)),
        id => parse(id, 0),
    }
}

/// What XREADGROUP does with one stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GroupRead {
    /// Replies what is pending with the consumer from this id on.
    History(StreamId),
    /// Delivers new entries.
    New,
    /// There are none.
    Nothing,
}

pub(super) fn xreadgroup(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    let options = ReadOptions::parse(arguments, true, now)?;
    let (group, consumer) = options.group.expect("it is mandatory");
    let mut reads: PerStream<GroupRead> = PerStream::new();
    let mut is_cold = false;
    for (key, id) in options.streams(arguments) {
        match context.keys.get(key) {
            Ok(value) => {
                let value = value.map(stream).transpose()?;
                let found = value.and_then(|stream| Some((stream.group(group)?, stream.log())));
                let (group, log) = found.ok_or_else(|| no_group_to_read(key, group))?;
                reads.push(group_read(id, group, log)?);
            }
            Err(_) => is_cold = true,
        }
    }
    if is_cold {
        return Err(Failure::Cold);
    }
    let served = reads.iter().filter(|read| **read != GroupRead::Nothing).count();
    if served > 0 {
        begin_streams(&mut context.reply, served);
    }
    for ((key, _), read) in options.streams(arguments).zip(reads) {
        let reply = &mut context.reply;
        let is_new_consumer = change_untold(&mut context.keys, key, |stream| {
            let read_group = |group: &mut Group, log: &Log| {
                let known = group.find_consumer(consumer);
                let number = known.or_else(|| group.create_consumer(consumer, now)).expect("it is there now");
                group.note_seen(number, now);
                if read != GroupRead::Nothing {
                    begin_stream(reply, key);
                }
                match read {
                    GroupRead::History(start) => {
                        reply_history(reply, group, log, number, start, &options, now)
                    }
                    GroupRead::New => {
                        let mark = reply.begin_array();
                        let acknowledges = options.needs_acknowledgement;
                        let count = group.deliver(log, number, options.limit, now, acknowledges, |entry| {
                            reply_entry(reply, entry);
                        });
                        reply.end_array(mark, count);
                    }
                    GroupRead::Nothing => {}
                }
                known.is_none()
            };
            stream.change_group(group, read_group).expect("the group was looked up")
        })?;
        if is_new_consumer {
            context.notify(EventClass::STREAM, "xgroup-createconsumer", key);
        }
    }
    if served > 0 { Ok(()) } else { wait(context, &options, || None) }
}

fn group_read(id: &[u8], group: &Group, log: &Log) -> Result<GroupRead, Failure> {
    match id {
        b"$" => Err(Failure::error(LAST_IN_XREADGROUP)),
        b">" => {
            let read = group.last_delivered();
            let has_new = log.last_id() > read && log.last_entry_id() > Some(read);
            Ok(if has_new { GroupRead::New } else { GroupRead::Nothing })
        }
        // The last of all ids stands for `>`.
        id => match parse(id, 0)? {
            StreamId::MAX => group_read(b">", group, log),
            id => Ok(GroupRead::History(id.next().expect("there is one above it"))),
        },
    }
}

fn reply_history(
    reply: &mut ReplyEncoder<'_>,
    group: &mut Group,
    log: &Log,
    consumer: thermocline_engine::value::stream::ConsumerNumber,
    start: StreamId,
    options: &ReadOptions<'_>,
    now: UnixMillis,
) {
    let mark = reply.begin_array();
    let count = group.deliver_again(log, consumer, start, options.limit, now, |id, entry| match entry {
        Some(entry) => reply_entry(reply, entry),
        None => {
            reply.array(2);
            reply_id(reply, id);
            reply.null_array();
        }
    });
    reply.end_array(mark, count);
}

/// Replies that there is nothing, or waits for it. What the command is when it runs again, `rewritten` tells.
fn wait(
    context: &mut KeyContext<'_>,
    options: &ReadOptions<'_>,
    rewritten: impl FnOnce() -> Option<Vec<Vec<u8>>>,
) -> Result<(), Failure> {
    match options.block {
        None => {
            context.reply.null_array();
            Ok(())
        }
        Some(deadline) => Err(Failure::Blocked(Box::new(Block {
            value_type: ValueType::Stream,
            deadline,
            on_timeout: TimeoutReply::NullArray,
            // A group that is gone is an error, which whoever waits for its entries is to be told.
            wakes_when_gone: options.group.is_some(),
            arguments: rewritten(),
        }))),
    }
}

/// Begins a reply of so many streams.
fn begin_streams(reply: &mut ReplyEncoder<'_>, streams: usize) {
    match reply.protocol() {
        Protocol::Resp2 => reply.array(streams),
        Protocol::Resp3 => reply.map(streams),
    }
}

/// Begins one of them, whose entries follow.
fn begin_stream(reply: &mut ReplyEncoder<'_>, key: &[u8]) {
    if reply.protocol() == Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn no_group_to_read(key: &[u8], group: &[u8]) -> Failure {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    Failure::error(format!(
        "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
    ))
}
