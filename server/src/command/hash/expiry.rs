//! HEXPIRE, HTTL, HPERSIST and their kin: fields that expire, as in Redis 7.4.

use thermocline_engine::UnixMillis;
use thermocline_engine::value::HashValue;
use thermocline_protocol::Arguments;

use super::change::{change, delete_if_empty};
use super::{check_is_hash, hash};
use crate::command::arguments::{TimeOrigin, TimeUnit, integer, invalid_expire_time, is_word};
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

/// No field expires later than this, in Unix milliseconds: Redis keeps 46 bits.
pub(crate) const MAX_EXPIRY_MS: u64 = (1 << 46) - 1;

/// Replies for a field.
const NO_SUCH_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const CONDITION_NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// Which fields get a new expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// NX: those that have none.
    IfNone,
    /// XX: those that have one.
    IfAny,
    /// GT: those that expire earlier.
    IfLater,
    /// LT: those that expire later, or never.
    IfEarlier,
}

impl Condition {
    fn parse(word: &[u8]) -> Self {
        [("nx", Self::IfNone), ("xx", Self::IfAny), ("gt", Self::IfLater), ("lt", Self::IfEarlier)]
            .into_iter()
            .find_map(|(name, condition)| is_word(word, name).then_some(condition))
            .unwrap_or(Self::Always)
    }

    fn is_met(self, old: Option<UnixMillis>, new: UnixMillis) -> bool {
        match self {
            Self::Always => true,
            Self::IfNone => old.is_none(),
            Self::IfAny => old.is_some(),
            Self::IfLater => old.is_some_and(|old| new > old),
            Self::IfEarlier => old.is_none_or(|old| new < old),
        }
    }
}

pub(super) fn hexpire(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    expire(context, arguments, TimeUnit::Seconds, TimeOrigin::Now, "hexpire")
}

pub(super) fn hpexpire(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    expire(context, arguments, TimeUnit::Milliseconds, TimeOrigin::Now, "hpexpire")
}

pub(super) fn hexpireat(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    expire(context, arguments, TimeUnit::Seconds, TimeOrigin::Epoch, "hexpireat")
}

pub(super) fn hpexpireat(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    expire(context, arguments, TimeUnit::Milliseconds, TimeOrigin::Epoch, "hpexpireat")
}

fn expire(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    unit: TimeUnit,
    origin: TimeOrigin,
    command: &str,
) -> Result<(), Failure> {
    let key = arguments.get(1);
    let info = context.keys.peek(key);
    info.as_ref().map_or(Ok(()), check_is_hash)?;
    let at = parse_expiry(arguments.get(2), unit, origin, context.keys.now(), command)?;
    let condition = Condition::parse(arguments.get(3));
    let fields_at = if condition == Condition::Always { 3 } else { 4 };
    let fields = parse_fields(arguments, fields_at, "ERR Parameter `numFields` should be greater than 0")?;
    if info.is_none() {
        reply_all(context, fields, NO_SUCH_FIELD);
        return Ok(());
    }
    let now = context.keys.now();
    let outcomes = change(context, key, |hash| {
        let outcomes: Vec<i64> =
            fields.iter().map(|field| expire_field(hash, field, at, condition, now)).collect();
        let is_changed = outcomes.iter().any(|&outcome| outcome > CONDITION_NOT_MET);
        (outcomes, is_changed)
    })?;
    if outcomes.contains(&DONE) {
        context.notify(EventClass::HASH, "hexpire", key);
    }
    if outcomes.contains(&DELETED) {
        context.notify(EventClass::HASH, "hdel", key);
    }
    delete_if_empty(context, key);
    reply_outcomes(context, &outcomes);
    Ok(())
}

fn expire_field(
    hash: &mut HashValue,
    field: &[u8],
    at: UnixMillis,
    condition: Condition,
    now: UnixMillis,
) -> i64 {
    match hash.expiry(field, now) {
        None => NO_SUCH_FIELD,
        Some(old) if !condition.is_met(old, at) => CONDITION_NOT_MET,
        Some(_) if at.is_due(now) => {
            hash.remove(field);
            DELETED
        }
        Some(_) => {
            hash.set_expiry(field, Some(at));
            DONE
        }
    }
}

pub(super) fn hpersist(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let info = context.keys.peek(key);
    info.as_ref().map_or(Ok(()), check_is_hash)?;
    let fields = parse_fields(arguments, 2, NOT_POSITIVE)?;
    if info.is_none() {
        reply_all(context, fields, NO_SUCH_FIELD);
        return Ok(());
    }
    let now = context.keys.now();
    let persist = |hash: &mut HashValue, field: &[u8]| match hash.expiry(field, now) {
        None => NO_SUCH_FIELD,
        Some(None) => NO_EXPIRY,
        Some(Some(_)) => {
            hash.set_expiry(field, None);
            DONE
        }
    };
    let outcomes = change(context, key, |hash| {
        let outcomes: Vec<i64> = fields.iter().map(|field| persist(hash, field)).collect();
        let is_changed = outcomes.contains(&DONE);
        (outcomes, is_changed)
    })?;
    if outcomes.contains(&DONE) {
        context.notify(EventClass::HASH, "hpersist", key);
    }
    delete_if_empty(context, key);
    reply_outcomes(context, &outcomes);
    Ok(())
}

pub(super) fn httl(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    reply_times(context, arguments, |at| (at.0 - now.0).div_ceil(1000))
}

pub(super) fn hpttl(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let now = context.keys.now();
    reply_times(context, arguments, |at| at.0 - now.0)
}

pub(super) fn hexpiretime(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_times(context, arguments, |at| at.0.div_ceil(1000))
}

pub(super) fn hpexpiretime(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    reply_times(context, arguments, |at| at.0)
}

/// Replies when each field expires; `tell` says it as the client wants to know it.
fn reply_times(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
    tell: impl Fn(UnixMillis) -> u64,
) -> Result<(), Failure> {
    let now = context.keys.now();
    let hash = context.keys.get(arguments.get(1))?.map(hash).transpose()?;
    let fields = parse_fields(arguments, 2, NOT_POSITIVE)?;
    context.reply.array(fields.len());
    for field in fields.iter() {
        context.reply.integer(match hash.and_then(|hash| hash.expiry(field, now)) {
            None => NO_SUCH_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(at)) => tell(at) as i64,
        });
    }
    Ok(())
}

const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// Reads `FIELDS n field ...`, which are the arguments from `at` on.
fn parse_fields<'a>(
    arguments: Arguments<'a>,
    at: usize,
    not_positive: &'static str,
) -> Result<Arguments<'a>, Failure> {
    if !is_word(arguments.get(at), "fields") {
        return Err(Failure::error("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let announced = (arguments.len() > at + 1).then(|| integer(arguments.get(at + 1)));
    let Some(Ok(announced @ 1..)) = announced else {
        return Err(Failure::error(not_positive));
    };
    let fields = arguments.skip(at + 2);
    if usize::try_from(announced) != Ok(fields.len()) {
        return Err(Failure::error("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

fn parse_expiry(
    argument: &[u8],
    unit: TimeUnit,
    origin: TimeOrigin,
    now: UnixMillis,
    command: &str,
) -> Result<UnixMillis, Failure> {
    let count = u64::try_from(integer(argument)?)
        .map_err(|_| Failure::error("ERR invalid expire time, must be >= 0"))?;
    let ms = match unit {
        TimeUnit::Seconds => count.checked_mul(1000),
        TimeUnit::Milliseconds => Some(count),
    };
    let at_ms = match origin {
        TimeOrigin::Now => ms.and_then(|ms| ms.checked_add(now.0)),
        TimeOrigin::Epoch => ms,
    };
    let at_ms = at_ms.filter(|&at_ms| at_ms <= MAX_EXPIRY_MS);
    at_ms.map(UnixMillis).ok_or_else(|| invalid_expire_time(command))
}

fn reply_all(context: &mut KeyContext<'_>, fields: Arguments<'_>, outcome: i64) {
    context.reply.array(fields.len());
    fields.iter().for_each(|_| context.reply.integer(outcome));
}

fn reply_outcomes(context: &mut KeyContext<'_>, outcomes: &[i64]) {
    context.reply.array(outcomes.len());
    outcomes.iter().for_each(|&outcome| context.reply.integer(outcome));
}
