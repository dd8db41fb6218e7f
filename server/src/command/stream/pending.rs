//! XACK and XPENDING: what was delivered and not acknowledged.

use smallvec::SmallVec;
use thermocline_engine::UnixMillis;
use thermocline_engine::value::stream::{Group, StreamId};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::id::{parse, parse_end, parse_start};
use super::reply::reply_id;
use super::{change_untold, no_group, stream};
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};

/// How many arguments XPENDING has without any option.
const SUMMARY_ARGUMENTS: usize = 3;

pub(super) fn xack(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, name) = (arguments.get(1), arguments.get(2));
    let stream = context.keys.get(key)?.map(stream).transpose()?;
    let Some(group) = stream.and_then(|stream| stream.group(name)) else {
        context.reply.integer(0);
        return Ok(());
    };
    let ids = arguments.skip(3).iter().map(|id| parse(id, 0)).collect::<Result<SmallVec<[_; 8]>, _>>()?;
    let mut count = 0;
    if ids.iter().any(|id| group.pending(*id).is_some()) {
        let acknowledge = |group: &mut Group| ids.iter().filter(|id| group.acknowledge(**id)).count();
        let acknowledged = change_untold(&mut context.keys, key, |stream| {
            stream.change_group(name, |group, _| acknowledge(group))
        })?;
        count = acknowledged.expect("the group was looked up");
    }
    context.reply.integer(count as i64);
    Ok(())
}

pub(super) fn xpending(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, name) = (arguments.get(1), arguments.get(2));
    let query = match arguments.len() {
        SUMMARY_ARGUMENTS => None,
        6..=9 => Some(Query::parse(arguments)?),
        _ => return Err(Failure::SYNTAX),
    };
    let now = context.keys.now();
    let stream = context.keys.get(key)?.map(stream).transpose()?;
    let group = stream.and_then(|stream| stream.group(name)).ok_or_else(|| no_group(key, name))?;
    match query {
        None => reply_summary(&mut context.reply, group),
        Some(query) => query.reply(&mut context.reply, group, now),
    }
    Ok(())
}

/// How much is pending, between which ids, and with whom.
fn reply_summary(reply: &mut ReplyEncoder<'_>, group: &Group) {
    let count = group.pending_count();
    reply.array(4);
    reply.integer(count as i64);
    let first = group.pending_from(StreamId::MIN).next();
    let (Some((first, _)), Some(last)) = (first, group.last_pending_id()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let consumers = group.consumers().map(|(_, consumer)| consumer);
    let mark = reply.begin_array();
    let mut busy = 0;
    for consumer in consumers.filter(|consumer| consumer.pending_count() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending_count() as i64);
        busy += 1;
    }
    reply.end_array(mark, busy);
}

/// Which pending entries XPENDING shows.
struct Query<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(arguments: Arguments<'a>) -> Result<Self, Failure> {
        let (mut at, mut min_idle_ms) = (SUMMARY_ARGUMENTS, 0);
        if is_word(arguments.get(at), "IDLE") {
            min_idle_ms = integer(arguments.get(at + 1))?;
            at += 2;
            if arguments.len() < at + 3 {
                return Err(Failure::SYNTAX);
            }
        }
        let count = usize::try_from(integer(arguments.get(at + 2))?).unwrap_or(0);
        let start = parse_start(arguments.get(at))?;
        let end = parse_end(arguments.get(at + 1))?;
        let consumer = (at + 3 < arguments.len()).then(|| arguments.get(at + 3));
        Ok(Self { min_idle_ms, start, end, count, consumer })
    }

    fn reply(&self, reply: &mut ReplyEncoder<'_>, group: &Group, now: UnixMillis) {
        match self.consumer.map(|name| group.find_consumer(name)) {
            None => self.reply_entries(reply, group, group.pending_from(self.start), now),
            Some(Some(number)) => {
                self.reply_entries(reply, group, group.pending_with(number, self.start), now);
            }
            Some(None) => reply.array(0),
        }
    }

    fn reply_entries(
        &self,
        reply: &mut ReplyEncoder<'_>,
        group: &Group,
        pending: impl Iterator<Item = (StreamId, thermocline_engine::value::stream::Pending)>,
        now: UnixMillis,
    ) {
        let is_idle = |idle_ms: u64| self.min_idle_ms <= 0 || idle_ms >= self.min_idle_ms.unsigned_abs();
        let within = pending.take_while(|(id, _)| *id <= self.end);
        let mark = reply.begin_array();
        let mut count = 0;
        for (id, pending) in within.filter(|(_, pending)| is_idle(pending.idle_ms(now))).take(self.count) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(group.consumer(pending.consumer).name());
            reply.integer(pending.idle_ms(now) as i64);
            reply.integer(pending.deliveries as i64);
            count += 1;
        }
        reply.end_array(mark, count);
    }
}
