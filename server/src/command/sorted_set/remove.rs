//! ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE and ZREMRANGEBYLEX.

use std::ops::Range;

use thermocline_engine::value::SortedSetValue;
use thermocline_protocol::Arguments;

use super::limits::{lex_range, score_range};
use super::{ranks, sorted_set};
use crate::command::arguments::integer;
use crate::command::{Failure, KeyContext};
use crate::server::events::EventClass;

pub(super) fn zrem(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let key = arguments.get(1);
    let members = arguments.skip(2);
    let has_any = match context.keys.get_to_change(key)? {
        Some(value) => {
            let set = sorted_set(value)?;
            members.iter().any(|member| set.score(member).is_some())
        }
        None => false,
    };
    let mut removed = 0;
    if has_any {
        removed = modify(context, key, "zrem", |set| {
            members.iter().filter(|member| set.remove(member).is_some()).count()
        })?;
    }
    context.reply.integer(removed as i64);
    Ok(())
}

pub(super) fn zremrangebyrank(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (start, end) = (integer(arguments.get(2))?, integer(arguments.get(3))?);
    remove_range(context, arguments.get(1), "zremrangebyrank", |set| ranks(start, end, set.len()))
}

pub(super) fn zremrangebyscore(
    context: &mut KeyContext<'_>,
    arguments: Arguments<'_>,
) -> Result<(), Failure> {
    let range = score_range(arguments.get(2), arguments.get(3))?;
    remove_range(context, arguments.get(1), "zremrangebyscore", |set| set.ranks_by_score(&range))
}

pub(super) fn zremrangebylex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let range = lex_range(arguments.get(2), arguments.get(3))?;
    remove_range(context, arguments.get(1), "zremrangebylex", |set| set.ranks_by_lex(&range, false))
}

fn remove_range(
    context: &mut KeyContext<'_>,
    key: &[u8],
    event: &'static str,
    find: impl FnOnce(&SortedSetValue) -> Range<usize>,
) -> Result<(), Failure> {
    let found = match context.keys.get_to_change(key)? {
        Some(value) => find(sorted_set(value)?),
        None => 0..0,
    };
    let removed = found.len();
    if removed > 0 {
        modify(context, key, event, |set| set.remove_range(found))?;
    }
    context.reply.integer(removed as i64);
    Ok(())
}

/// Takes members out of the sorted set at a key, which is deleted when nothing is left, and tells of both.
pub(super) fn modify<T>(
    context: &mut KeyContext<'_>,
    key: &[u8],
    event: &'static str,
    take: impl FnOnce(&mut SortedSetValue) -> T,
) -> Result<T, Failure> {
    let taken = context.keys.modify(key, |value| {
        let set = value.as_sorted_set_mut().expect("it was one just now");
        let taken = take(set);
        (taken, set.is_empty())
    })?;
    let (taken, is_empty) = taken.expect("the key was there just now");
    if is_empty {
        context.keys.remove(key);
    }
    context.notify(EventClass::SORTED_SET, event, key);
    if is_empty {
        context.notify(EventClass::GENERIC, "del", key);
    }
    Ok(taken)
}
