//! LLEN, LINDEX and LRANGE.

use thermocline_protocol::Arguments;

use super::{length, list, reply_element};
use crate::command::arguments::integer;
use crate::command::string::clamp_range;
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

pub(super) fn lrange(context: &mut KeyContext<'_>, arguments: Arguments<'_>) -> Result<(), Failure> {
    let (start, end) = (integer(arguments.get(2))?, integer(arguments.get(3))?);
    let Some(value) = context.keys.get(arguments.get(1))? else {
        context.reply.array(0);
        return Ok(());
    };
    let list = list(value)?;
    let range = clamp_range(start, end, list.len()).unwrap_or(0..0);
    context.reply.array(range.len());
    for element in list.iter_from(range.start).take(range.len()) {
        reply_element(&mut context.reply, element);
    }
    Ok(())
}
