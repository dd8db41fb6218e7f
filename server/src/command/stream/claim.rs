//! XCLAIM and XAUTOCLAIM: pending entries change hands.

use std::ops::ControlFlow;

use smallvec::SmallVec;
use thermocline_engine::UnixMillis;
use thermocline_engine::value::stream::{ConsumerNumber, Group, Log, Pending, Review, StreamId};
use thermocline_protocol::{Arguments, ReplyEncoder};

use super::id::{parse, parse_start};
use super::reply::{reply_entry, reply_id};
use super::{change_untold, no_group, quoted, stream};
use crate::command::arguments::{integer, is_word};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// Where the ids of XCLAIM start.
const IDS: usize = 5;
/// Where the options of XAUTOCLAIM start.
const AUTOCLAIM_OPTIONS: usize = 6;
/// How many entries XAUTOCLAIM claims unless it is told otherwise.
const DEFAULT_COUNT: usize = 100;
/// XAUTOCLAIM looks at so many pending entries for each one that it may claim.
const LOOKS_PER_CLAIM: usize = 10;
/// The highest COUNT of XAUTOCLAIM.
const MAX_COUNT: i64 = i64::MAX / 16;

pub(super) fn xclaim(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group) = (arguments.get(1), arguments.get(2));
    check_group(context, key, group)?;
    let now = context.keys.now();
    let claim = Claim::parse(arguments, now)?;
    claim_in_group(context, key, group, arguments.get(3), |reply, group, log, consumer| {
        claim.run(reply, group, log, consumer, now);
    })
}

pub(super) fn xautoclaim(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (key, group) = (arguments.get(1), arguments.get(2));
    let claim = AutoClaim::parse(arguments)?;
    check_group(context, key, group)?;
    let now = context.keys.now();
    claim_in_group(context, key, group, arguments.get(3), |reply, group, log, consumer| {
        claim.run(reply, group, log, consumer, now);
    })
}

fn check_group(context: &mut KeyContext<'_>, key: &[u8], group: &[u8]) -> Result<(), Failure> {
    let stream = context.keys.get(key)?.map(stream).transpose()?;
    match stream.and_then(|stream| stream.group(group)) {
        Some(_) => Ok(()),
        None => Err(no_group(key, group)),
    }
}

/// Runs a claim for a consumer, which is made if need be.
fn claim_in_group(
    context: &mut KeyContext<'_>,
    key: &[u8],
    group: &[u8],
    consumer: &[u8],
    claim: impl FnOnce(&mut ReplyEncoder<'_>, &mut Group, &Log, ConsumerNumber),
) -> Result<(), Failure> {
    let now = context.keys.now();
    let reply = &mut context.reply;
    let is_new = change_untold(&mut context.keys, key, |stream| {
        let claim = |group: &mut Group, log: &Log| {
            let known = group.find_consumer(consumer);
            let number = known.or_else(|| group.create_consumer(consumer, now)).expect("it is there now");
            group.note_seen(number, now);
            claim(reply, group, log, number);
            known.is_none()
        };
        stream.change_group(group, claim).expect("the group was looked up")
    })?;
    if is_new {
        context.notify(EventClass::STREAM, "xgroup-createconsumer", key);
    }
    Ok(())
}

/// What XCLAIM was told.
struct Claim {
    min_idle_ms: u64,
    ids: SmallVec<[StreamId; 8]>,
    /// FORCE: makes entries pending that are not.
    takes_any: bool,
    only_ids: bool,
    delivered_at: UnixMillis,
    deliveries: Option<u64>,
    last_delivered: StreamId,
}

impl Claim {
    fn parse(arguments: Arguments<'_>, now: UnixMillis) -> Result<Self, Failure> {
        let invalid = |what: &str| Failure::error(format!("ERR Invalid {what} argument for XCLAIM"));
        let number = |at: usize, what: &str| integer(arguments.get(at)).map_err(|_| invalid(what));
        let min_idle_ms = u64::try_from(number(4, "min-idle-time")?).unwrap_or(0);
        let ids: SmallVec<_> = arguments.skip(IDS).iter().map_while(|id| parse(id, 0).ok()).collect();
        let mut at = IDS + ids.len();
        let mut claim = Self {
            min_idle_ms,
            ids,
            takes_any: false,
            only_ids: false,
            delivered_at: now,
            deliveries: None,
            last_delivered: StreamId::MIN,
        };
        // A time to come, or before all time, is now.
        let time = |ms: Option<i64>| {
            let ms = ms.and_then(|ms| u64::try_from(ms).ok());
            ms.filter(|ms| *ms <= now.0).map_or(now, UnixMillis)
        };
        while at < arguments.len() {
            let word = arguments.get(at);
            let has_value = at + 1 < arguments.len();
            if is_word(word, "FORCE") {
                claim.takes_any = true;
            } else if is_word(word, "JUSTID") {
                claim.only_ids = true;
            } else if has_value && is_word(word, "IDLE") {
                let idle_ms = number(at + 1, "IDLE option")?;
                claim.delivered_at = time((now.0 as i64).checked_sub(idle_ms));
                at += 1;
            } else if has_value && is_word(word, "TIME") {
                claim.delivered_at = time(Some(number(at + 1, "TIME option")?));
                at += 1;
            } else if has_value && is_word(word, "RETRYCOUNT") {
                claim.deliveries = u64::try_from(number(at + 1, "RETRYCOUNT option")?).ok();
                at += 1;
            } else if has_value && is_word(word, "LASTID") {
                claim.last_delivered = parse(arguments.get(at + 1), 0)?;
                at += 1;
            } else {
                let word = quoted(word);
                return Err(Failure::error(format!("ERR Unrecognized XCLAIM option '{word}'")));
            }
            at += 1;
        }
        Ok(claim)
    }

    fn run(
        &self,
        reply: &mut ReplyEncoder<'_>,
        group: &mut Group,
        log: &Log,
        consumer: ConsumerNumber,
        now: UnixMillis,
    ) {
        if self.last_delivered > group.last_delivered() {
            group.set_position(self.last_delivered, group.entries_read());
        }
        let mark = reply.begin_array();
        let mut count = 0;
        for &id in &self.ids {
            let Some(entry) = log.get(id) else {
                group.acknowledge(id);
                continue;
            };
            let deliveries = match group.pending(id) {
                Some(pending) if pending.idle_ms(now) < self.min_idle_ms => continue,
                Some(pending) => pending.deliveries,
                None if self.takes_any => 1,
                None => continue,
            };
            let deliveries =
                self.deliveries.unwrap_or_else(|| deliveries.wrapping_add(u64::from(!self.only_ids)));
            group.set_pending(id, Pending { consumer, delivered_at: self.delivered_at, deliveries });
            group.note_active(consumer, now);
            match self.only_ids {
                true => reply_id(reply, id),
                false => reply_entry(reply, entry),
            }
            count += 1;
        }
        reply.end_array(mark, count);
    }
}

/// What XAUTOCLAIM was told.
struct AutoClaim {
    min_idle_ms: u64,
    start: StreamId,
    count: usize,
    only_ids: bool,
}

impl AutoClaim {
    fn parse(arguments: Arguments<'_>) -> Result<Self, Failure> {
        let min_idle_ms = integer(arguments.get(4))
            .map_err(|_| Failure::error("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
        let start = parse_start(arguments.get(5))?;
        let mut claim = Self {
            min_idle_ms: u64::try_from(min_idle_ms).unwrap_or(0),
            start,
            count: DEFAULT_COUNT,
            only_ids: false,
        };
        let mut at = AUTOCLAIM_OPTIONS;
        while at < arguments.len() {
            if at + 1 < arguments.len() && is_word(arguments.get(at), "COUNT") {
                let count =
                    integer(arguments.get(at + 1)).ok().filter(|count| (1..=MAX_COUNT).contains(count));
                claim.count = count.ok_or_else(|| Failure::error("ERR COUNT must be > 0"))? as usize;
                at += 1;
            } else if is_word(arguments.get(at), "JUSTID") {
                claim.only_ids = true;
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        Ok(claim)
    }

    fn run(
        &self,
        reply: &mut ReplyEncoder<'_>,
        group: &mut Group,
        log: &Log,
        consumer: ConsumerNumber,
        now: UnixMillis,
    ) {
        let mut looks = self.count.saturating_mul(LOOKS_PER_CLAIM);
        let mut claimed: Vec<StreamId> = Vec::new();
        let mut gone: Vec<StreamId> = Vec::new();
        let next = group.review(self.start, |id, pending| {
            if looks == 0 || claimed.len() + gone.len() == self.count {
                return ControlFlow::Break(());
            }
            looks -= 1;
            if !log.contains(id) {
                gone.push(id);
                return ControlFlow::Continue(Review::Drop);
            }
            if pending.idle_ms(now) < self.min_idle_ms {
                return ControlFlow::Continue(Review::Keep);
            }
            claimed.push(id);
            let deliveries = pending.deliveries.wrapping_add(u64::from(!self.only_ids));
            ControlFlow::Continue(Review::Change(Pending { consumer, delivered_at: now, deliveries }))
        });
        if !claimed.is_empty() {
            group.note_active(consumer, now);
        }
        reply.array(3);
        reply_id(reply, next.unwrap_or(StreamId::MIN));
        reply.array(claimed.len());
        for id in claimed {
            match log.get(id).filter(|_| !self.only_ids) {
                Some(entry) => reply_entry(reply, entry),
                None => reply_id(reply, id),
            }
        }
        reply.array(gone.len());
        gone.into_iter().for_each(|id| reply_id(reply, id));
    }
}
