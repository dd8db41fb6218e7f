//! LLEN, LINDEX and LRANGE.

use std::ops::Range;

use thermocline_protocol::Arguments;

use super::{length, list, reply_element};
use crate::command::arguments::integer;
use crate::command::{Failure, KeyContext};

pub(super) fn llen(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let length = length(context.keys.info(arguments.get(1)))?.unwrap_or(0);
    context.reply.integer(length as i64);
    Ok(())
}

pub(super) fn lindex(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.null();
        return Ok(());
    };
    let list = list(value)?;
    let index = integer(arguments.get(2))?;
    match index_from_either_end(index, list.len()).and_then(|index| list.get(index)) {
        Some(element) => reply_element(&mut context.reply, element),
        None => context.reply.null(),
    }
    Ok(())
}

/// The position that an index means, which counts from the end where it is negative; `None` where it is none of the
/// list's.
pub(super) fn index_from_either_end(index: i64, length: usize) -> Option<usize> {
    let from_end = usize::try_from(index.unsigned_abs()).ok()?;
    let position = if index < 0 { length.checked_sub(from_end)? } else { from_end };
    (position < length).then_some(position)
}

/// The positions from `start` to `end`, both included, counted from the list's end where they are negative; none where
/// the second is before the first or before the list.
pub(super) fn positions(start: i64, end: i64, length: usize) -> Range<usize> {
    let length = i64::try_from(length).expect("lengths are far below 2^63");
    let from_end = |position: i64| if position < 0 { length.saturating_add(position) } else { position };
    let (start, end) = (from_end(start).max(0), from_end(end).min(length - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

pub(super) fn lrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (start, end) = (integer(arguments.get(2))?, integer(arguments.get(3))?);
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    let list = list(value)?;
    let range = positions(start, end, list.len());
    context.reply.array(range.len());
    for element in list.iter_from(range.start).take(range.len()) {
        reply_element(&mut context.reply, element);
    }
    Ok(())
}
