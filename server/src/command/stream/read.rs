//! XREAD and XREADGROUP.

use smallvec::SmallVec;
use thermocline_engine::UnixMillis;
use thermocline_engine::value::ValueType;
use thermocline_engine::value::stream::{ConsumerNumber, Group, Log, StreamId, StreamValue};
use thermocline_protocol::{Arguments, LengthMark, Protocol, ReplyEncoder};

use super::id::parse;
use super::read_options::ReadOptions;
use super::reply::{id_text, reply_entries, reply_entry, reply_id};
use super::{change_untold, quoted, stream};
use crate::command::blocking::{Block, UnwaitedReply};
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
    let mut ids: PerStream<StreamId> = PerStream::new();
    let mut is_cold = false;
    for (key, id) in options.streams(arguments) {
        match context.keys.get(key) {
            // What is wrong with this one counts only if nothing is with those before it.
            Ok(_) if is_cold => {}
            Ok(value) => {
                let log = value.map(stream).transpose()?.map(StreamValue::log);
                ids.push(id_to_read_after(id, log)?);
            }
            // Going on makes all that are cold known, so that they are read at once.
            Err(_) => is_cold = true,
        }
    }
    if is_cold {
        return Err(Failure::Cold);
    }
    let mark = context.reply.begin_array();
    let mut served = 0;
    for ((key, _), &after) in options.streams(arguments).zip(&ids) {
        // The statistics of Redis count both looks.
        let Some(value) = context.keys.get(key)? else { continue };
        let log = stream(value)?.log();
        if has_entry_after(log, after) {
            let start = after.next().expect("there are ids above it");
            begin_stream(&mut context.reply, key);
            reply_entries(&mut context.reply, log.range(start, StreamId::MAX).take(options.limit));
            served += 1;
        }
    }
    if served > 0 {
        end_streams(&mut context.reply, mark, served);
        return Ok(());
    }
    wait(context, &options, || {
        let mut words: Vec<Vec<u8>> = arguments.iter().map(<[u8]>::to_vec).collect();
        for (word, id) in words[options.keys_at + options.keys..].iter_mut().zip(&ids) {
            *word = id_text(*id).to_vec();
        }
        Some(words)
    })
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

pub(super) fn xreadgroup(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    let options = ReadOptions::parse(arguments, true, now)?;
    let (group, consumer) = options.group.expect("it is mandatory");
    let mut starts: PerStream<Option<StreamId>> = PerStream::new();
    let mut is_cold = false;
    for (key, id) in options.streams(arguments) {
        match context.keys.get(key) {
            Ok(_) if is_cold => {}
            Ok(value) => {
                let value = value.map(stream).transpose()?;
                value.and_then(|stream| stream.group(group)).ok_or_else(|| no_group_to_read(key, group))?;
                starts.push(history_start(id)?);
            }
            Err(_) => is_cold = true,
        }
    }
    if is_cold {
        return Err(Failure::Cold);
    }
    let read = GroupRead { options: &options, group, consumer, now };
    let mark = context.reply.begin_array();
    let mut served = 0;
    // A key may be named twice: what is new is only known when it is its turn.
    for ((key, _), start) in options.streams(arguments).zip(starts) {
        // The statistics of Redis count both looks.
        context.keys.get(key)?;
        let reply = &mut context.reply;
        let (has_replied, is_new_consumer) =
            change_untold(&mut context.keys, key, |stream| read.run(reply, key, stream, start))?;
        served += usize::from(has_replied);
        if is_new_consumer {
            context.notify(EventClass::STREAM, "xgroup-createconsumer", key);
        }
    }
    if served == 0 {
        return wait(context, &options, || None);
    }
    end_streams(&mut context.reply, mark, served);
    Ok(())
}

/// The id from which a consumer's history is wanted; `None` for new entries.
fn history_start(id: &[u8]) -> Result<Option<StreamId>, Failure> {
    match id {
        b"$" => Err(Failure::error(LAST_IN_XREADGROUP)),
        b">" => Ok(None),
        // Nothing follows the highest id: it stands for new entries, too.
        id => parse(id, 0).map(StreamId::next),
    }
}

/// What XREADGROUP does with each stream.
struct GroupRead<'a> {
    options: &'a ReadOptions<'a>,
    group: &'a [u8],
    consumer: &'a [u8],
    now: UnixMillis,
}

impl GroupRead<'_> {
    /// Whether there was something to reply, and whether the consumer is new.
    fn run(
        &self,
        reply: &mut ReplyEncoder<'_>,
        key: &[u8],
        stream: &mut StreamValue,
        start: Option<StreamId>,
    ) -> (bool, bool) {
        let read = |group: &mut Group, log: &Log| {
            let known = group.find_consumer(self.consumer);
            let number =
                known.or_else(|| group.create_consumer(self.consumer, self.now)).expect("it is there now");
            group.note_seen(number, self.now);
            let has_replied = start.is_some() || has_entry_after(log, group.last_delivered());
            if has_replied {
                begin_stream(reply, key);
                match start {
                    Some(start) => self.reply_history(reply, group, log, number, start),
                    None => self.reply_new(reply, group, log, number),
                }
            }
            (has_replied, known.is_none())
        };
        stream.change_group(self.group, read).expect("the group was looked up")
    }

    fn reply_new(
        &self,
        reply: &mut ReplyEncoder<'_>,
        group: &mut Group,
        log: &Log,
        consumer: ConsumerNumber,
    ) {
        let mark = reply.begin_array();
        let (limit, acknowledges) = (self.options.limit, self.options.needs_acknowledgement);
        let count =
            group.deliver(log, consumer, limit, self.now, acknowledges, |entry| reply_entry(reply, entry));
        reply.end_array(mark, count);
    }

    fn reply_history(
        &self,
        reply: &mut ReplyEncoder<'_>,
        group: &mut Group,
        log: &Log,
        consumer: ConsumerNumber,
        start: StreamId,
    ) {
        let mark = reply.begin_array();
        let limit = self.options.limit;
        let count = group.deliver_again(log, consumer, start, limit, self.now, |id, entry| match entry {
            Some(entry) => reply_entry(reply, entry),
            None => {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            }
        });
        reply.end_array(mark, count);
    }
}

/// Whether there is an entry above an id. No entry is above the last id: mostly that tells without a look at any.
fn has_entry_after(log: &Log, id: StreamId) -> bool {
    log.last_id() > id && log.last_entry_id() > Some(id)
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
            unwaited: UnwaitedReply::NullArray,
            // A group that is gone is an error, which whoever waits for its entries is to be told.
            wakes_when_gone: options.group.is_some(),
            arguments: rewritten(),
        }))),
    }
}

/// What was written since `mark` are the replies of so many streams.
fn end_streams(reply: &mut ReplyEncoder<'_>, mark: LengthMark, streams: usize) {
    match reply.protocol() {
        Protocol::Resp2 => reply.end_array(mark, streams),
        Protocol::Resp3 => reply.end_map(mark, streams),
    }
}

/// Begins the reply of one stream, whose entries follow.
fn begin_stream(reply: &mut ReplyEncoder<'_>, key: &[u8]) {
    if reply.protocol() == Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn no_group_to_read(key: &[u8], group: &[u8]) -> Failure {
    let (key, group) = (quoted(key), quoted(group));
    Failure::error(format!(
        "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
    ))
}
